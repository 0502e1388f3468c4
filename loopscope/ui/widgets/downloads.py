"""Files to save, made when they are asked for, by links that work at any moment, also while the page reruns."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from loopscope.ui.server import media
from loopscope.ui.widgets.javascript import bootstrap


@dataclass(frozen=True)
class Download:
    """One file to save. `name` is plain ASCII without quotes: it goes into the address and a header as it is."""

    label: str
    name: str
    mime: str
    make: Callable[[], bytes]


def downloads(files: Sequence[Download], *, key: str) -> None:
    """A row of links, one per file; each file is made anew at every click, from what the last run gave."""
    token = media.session_token()
    links = [
        {
            "label": file.label,
            "name": file.name,
            "address": media.publish_file(token, file.name, file.mime, file.make),
        }
        for file in files
    ]
    _component()(key=key, data={"assets": media.assets_address(), "links": links})


@functools.lru_cache(maxsize=1)
def _component() -> Any:
    return st.components.v2.component(
        "loopscope_downloads", js=bootstrap("downloads.js", "The downloads"), isolate_styles=False
    )
