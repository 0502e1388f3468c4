"""What is chosen or dropped in the browser and goes straight to the server's disk (see `upload_routes`)."""

from collections.abc import Collection
from pathlib import Path

from loopscope.config import AUDIO_EXTENSIONS
from loopscope.ui.server import media
from loopscope.ui.server.received import MAX_BYTES, MAX_CHECKPOINT_BYTES, MAX_FILES, Upload, Uploads
from loopscope.ui.widgets.javascript import component

_EVENTS = ("uploaded",)


def upload_field(folder: Path, *, key: str) -> Upload | None:
    """The field for a folder of loops, and the upload that is whole; it lies in a new folder below `folder`."""
    token = media.session_token()
    uploads = media.media_registry().publish_uploads(token, folder)
    hint = f"{_in_words(AUDIO_EXTENSIONS)}; {MAX_FILES:,} files, {MAX_BYTES / 1e9:.0f} GB"
    return _field(token, uploads, key, "folder", AUDIO_EXTENSIONS, f"or drop one here: {hint}")


def checkpoint_field(token: str, folder: Path, suffixes: Collection[str], *, key: str) -> Upload | None:
    """The field for one large file, or a folder with it that is dropped; `token` names these uploads alone."""
    registry = media.media_registry()
    uploads = registry.publish_uploads(token, folder, MAX_CHECKPOINT_BYTES, f"{_in_words(suffixes)} file")
    return _field(token, uploads, key, "file", suffixes, "or drop it here, or a folder with it")


def _field(token: str, uploads: Uploads, key: str, noun: str, suffixes: Collection[str], hint: str) -> Upload | None:
    data = {"token": token, "suffixes": sorted(suffixes), "noun": noun, "hint": hint}
    commits = component("uploads.js", "The upload", key=key, data=data, events=_EVENTS)
    name = commits.latest["uploaded"].get("value")
    upload = uploads.get(name) if isinstance(name, str) else None
    return upload if upload is not None and upload.is_whole else None


def _in_words(suffixes: Collection[str]) -> str:
    return ", ".join(suffix[1:] for suffix in sorted(suffixes))
