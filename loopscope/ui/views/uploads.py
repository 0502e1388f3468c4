"""A folder uploaded through the browser, written below the uploads folder and nowhere else."""

import itertools
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import streamlit as st

from loopscope.config import AUDIO_EXTENSIONS, paths
from loopscope.files import written_whole
from loopscope.ui.components import plain
from loopscope.ui.server.media import session_token

MAX_FILES = 2000
MAX_BYTES = 2_000_000_000
LONGEST_NAME, LONGEST_SUFFIX = 160, 16  # bytes; file systems take 255, and a file that is being written has a prefix


def safe_relative(name: str) -> Path:
    """A relative path without parents, drive letters or control characters, whatever the browser sent.

    What is too long for a file system loses the end of its stem; the suffix says what the file is, and stays.
    """
    parts = name.replace("\\", "/").split("/")  # not Path.parts, of which the first may be "//", which is a root too
    kept = [_cut(_storable(re.sub(r"[\x00-\x1f:]", "_", part))) for part in parts if part not in {"", ".", ".."}]
    return Path(*kept) if kept else Path("unnamed")


def safe_places(names: Sequence[str]) -> list[Path]:
    """Where each of these names goes, in their order: no two the same, also where case or Unicode form are not told.

    A name that can be kept goes to the file that came with it; whoever else would be called so gets a number.
    """
    places = [safe_relative(name) for name in names]
    taken: set[str] = set()
    for i in sorted(range(len(names)), key=lambda i: _is_renamed(names[i], places[i])):
        wanted = places[i]
        for number in itertools.count(2):
            if _told_apart(places[i]) not in taken:
                break
            places[i] = wanted.with_name(_cut(wanted.name, f" ({number})"))
        taken.add(_told_apart(places[i]))
    return places


def _storable(part: str) -> str:
    return part.encode("utf-8", "replace").decode()


def _cut(name: str, ending: str = "") -> str:
    """The name, its stem cut so that it has at most LONGEST_NAME bytes with `ending` behind the stem."""
    suffix = Path(name).suffix
    suffix = suffix if len(suffix.encode()) <= LONGEST_SUFFIX else ""
    stem = name.removesuffix(suffix)
    room = LONGEST_NAME - len(f"{ending}{suffix}".encode())
    return f"{stem.encode()[:room].decode(errors='ignore')}{ending}{suffix}"


def _told_apart(place: Path) -> str:
    """What is equal for two places that some file system takes for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", place.as_posix()).casefold())


def _is_renamed(name: str, place: Path) -> bool:
    return name != place.as_posix()


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
    places = safe_places([file.name for file in files])
    list_renamed([file.name for file in files], places)
    if not st.button("Scan the upload", type="primary", key="upload-scan"):
        return None
    target = paths().uploads / session_token()[:16] / places[0].parts[0]
    try:
        for file, place in zip(files, places, strict=True):
            write_below(target, place, file.getbuffer())
    except OSError as error:
        st.error(
            f"The upload could not be kept ({plain(error.strerror or str(error))}); free some space and upload again."
        )
        return None
    return target


def write_below(target: Path, relative: Path, content: bytes | memoryview) -> Path:
    """Write one uploaded file to a safe place below `target`; returns where. Raises OSError."""
    place = target / relative
    with written_whole(place, durable=False) as part:  # the user has the original
        part.write_bytes(content)
    return place


def list_renamed(names: Sequence[str], places: Sequence[Path]) -> None:
    """Every file that will not be called what it was."""
    renamed = [(name, place.as_posix()) for name, place in zip(names, places, strict=True) if _is_renamed(name, place)]
    if not renamed:
        return
    with st.expander(f"{len(renamed):,} {'file is' if len(renamed) == 1 else 'files are'} kept under another name"):
        st.caption("Their names are too long, have characters that no file system takes, or would be the same.")
        shown = [(_storable(name), kept) for name, kept in renamed]
        st.dataframe(pd.DataFrame(shown, columns=["Uploaded as", "Kept as"]), hide_index=True)
