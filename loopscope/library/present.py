"""Files of several folders that were scanned before, as one library: those that are still as they were. Opens none."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loopscope.errors import AudioError
from loopscope.files import display_name
from loopscope.library.tables import Library, loops_frame, reasons_frame
from loopscope.store import FileKey, FileRow, Store
from loopscope.user_files import UserFile

GONE = "Its file is gone, or its disk is not connected."
CHANGED = "Its file has changed since its folder was analysed; open that folder again."
NOWHERE = Path(os.sep)  # the root of a library whose loops have one each


@dataclass(frozen=True)
class Place:
    """Where a loop lay when its folder, `root`, was last analysed; `title` is what its owner calls that, `project_id`
    names it."""

    path: str
    loop_id: str
    root: str
    title: str
    project_id: str = ""


def present_library(places: Iterable[Place], store: Store) -> Library:
    """The files among these places that still have the size and time they had when their content was read; `folder`
    begins with the title. All others are rejected, with the reason.
    """
    reasons: dict[str, str] = {}
    there: list[tuple[Place, FileKey]] = []
    for place in sorted(places, key=lambda place: os.fsencode(place.path)):
        try:
            status = Path(place.path).stat()
        except (OSError, ValueError):
            reasons[place.path] = GONE
        else:
            there.append((place, FileKey(place.path, status.st_size, status.st_mtime_ns)))
    known = store.get_files(key for _, key in there)
    rows: list[dict[str, Any]] = []
    roots: dict[str, str] = {}
    for place, key in there:
        row = known.get(key)
        if row is None or row.loop_id != place.loop_id:
            reasons[place.path] = CHANGED
            continue
        roots.setdefault(place.loop_id, os.path.realpath(place.root))
        rows.append(_row(place, key, row))
    return Library(NOWHERE, loops_frame(rows), reasons_frame(reasons.items()), roots)


@dataclass(frozen=True)
class KnownFile(UserFile):
    """A file with the size and modification time that it had when its content was read."""

    size_bytes: int = 0
    mtime_ns: int = 0

    def check(self) -> None:
        """Raises AudioError where it is another file by now, or none."""
        try:
            status = Path(self.path).stat()
        except (OSError, ValueError) as error:
            raise AudioError(f"No sound: {_lowered(GONE)}") from error
        if (status.st_size, status.st_mtime_ns) != (self.size_bytes, self.mtime_ns):
            raise AudioError(f"No sound: {_lowered(CHANGED)}")


def files_of(library: Library) -> dict[str, KnownFile]:
    """One file of each loop, by loop_id, to be opened as long as it stays as it is."""
    columns = ["loop_id", "path", "size_bytes", "mtime_ns"]
    return {
        loop_id: KnownFile(path, library.roots.get(loop_id, str(library.root)), size, mtime)
        for loop_id, path, size, mtime in library.unique[columns].itertuples(index=False, name=None)
    }


def _lowered(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]


def _row(place: Place, key: FileKey, row: FileRow) -> dict[str, Any]:
    parent, name = os.path.split(place.path)
    inside = os.path.relpath(parent, place.root)
    folder = place.title if inside == os.curdir else f"{place.title}/{inside}"
    return {**key._asdict(), **vars(row), "name": display_name(name), "folder": display_name(folder)}
