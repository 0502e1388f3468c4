"""Files to save, made when they are asked for, by links that work at any moment, also while the page reruns."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loopscope.ui.server import media
from loopscope.ui.widgets.javascript import component


@dataclass(frozen=True)
class Download:
    """One file to save, under a name that any file system takes."""

    label: str
    name: str
    mime: str
    make: Callable[[], bytes]


def downloads(files: Sequence[Download], *, key: str) -> None:
    """A row of links, one per file; each file is made anew at every click, from what the last run gave."""
    registry, token = media.media_registry(), media.session_token()
    links = [
        {
            "label": file.label,
            "name": file.name,
            "address": registry.publish_file(token, f"{key}-{number}", file.name, file.mime, file.make),
        }
        for number, file in enumerate(files)
    ]
    component("downloads.js", "The downloads", key=key, data={"links": links})
