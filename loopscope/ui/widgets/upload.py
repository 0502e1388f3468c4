"""A folder that is chosen or dropped in the browser and goes straight to the server's disk (see `upload_routes`)."""

from pathlib import Path

from loopscope.config import AUDIO_EXTENSIONS
from loopscope.ui.server import media
from loopscope.ui.server.received import MAX_BYTES, MAX_FILES, Upload
from loopscope.ui.widgets.javascript import component

_EVENTS = ("uploaded",)


def upload_field(folder: Path, *, key: str) -> Upload | None:
    """The field, and the upload that is whole; it lies in a new folder below `folder`."""
    token = media.session_token()
    uploads = media.media_registry().publish_uploads(token, folder)
    suffixes = sorted(AUDIO_EXTENSIONS)
    commits = component(
        "uploads.js",
        "The upload",
        key=key,
        data={
            "token": token,
            "suffixes": suffixes,
            "hint": f"{', '.join(suffix[1:] for suffix in suffixes)}; {MAX_FILES:,} files, {MAX_BYTES / 1e9:.0f} GB",
        },
        events=_EVENTS,
    )
    name = commits.latest["uploaded"].get("value")
    upload = uploads.get(name) if isinstance(name, str) else None
    return upload if upload is not None and upload.is_whole else None
