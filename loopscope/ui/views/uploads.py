"""A folder uploaded through the browser, written below the uploads folder and nowhere else."""

import re
from pathlib import Path, PurePosixPath

import streamlit as st

from loopscope.config import AUDIO_EXTENSIONS, paths
from loopscope.files import written_whole
from loopscope.ui.components import plain
from loopscope.ui.server.media import session_token

MAX_FILES = 2000
MAX_BYTES = 2_000_000_000


def safe_relative(name: str) -> Path:
    """A relative path without parents, drive letters or control characters, whatever the browser sent."""
    parts = [re.sub(r"[\x00-\x1f\\:]", "_", part) for part in PurePosixPath(name.replace("\\", "/")).parts]
    kept = [part[:120] for part in parts if part not in {"", ".", "..", "/"}]
    return Path(*kept) if kept else Path("unnamed")


def upload_folder() -> Path | None:
    """The folder an upload was written to, once the user confirmed it."""
    files = st.file_uploader(
        "Folder",
        type=sorted(AUDIO_EXTENSIONS),
        accept_multiple_files="directory",
        key="upload",
        label_visibility="collapsed",
    )
    if not files:
        return None
    size = sum(file.size for file in files)
    st.caption(f"{len(files):,} files, {size / 1e6:,.1f} MB")
    if len(files) > MAX_FILES or size > MAX_BYTES:
        st.error(f"An upload is limited to {MAX_FILES:,} files and {MAX_BYTES / 1e9:.0f} GB; choose a smaller folder.")
        return None
    if not st.button("Scan the upload", type="primary", key="upload-scan"):
        return None
    target = paths().uploads / session_token()[:16] / safe_relative(files[0].name).parts[0]
    try:
        for file in files:
            write_below(target, file.name, file.getbuffer())
    except OSError as error:
        st.error(
            f"The upload could not be kept ({plain(error.strerror or str(error))}); free some space and upload again."
        )
        return None
    return target


def write_below(target: Path, name: str, content: bytes | memoryview) -> Path:
    """Write one uploaded file below `target`, whatever its name says; returns where. Raises OSError."""
    place = target / safe_relative(name)
    with written_whole(place, durable=False) as part:  # the user has the original
        part.write_bytes(content)
    return place
