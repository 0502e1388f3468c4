"""The file that takes a copy or move back.

It is a journal, written line by line while files are copied: each intention before the copy and each success after it,
so that it is right even where a crash came between. Taking back removes a copy only if nobody changed it since, moves a
file back only to a free name, and touches nothing outside the folder the undo file lies in.
"""

import filecmp
import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pandas as pd

from loopscope.errors import Cancelled, ExportError
from loopscope.exports.new_files import copy_content, link, one_sentence
from loopscope.files import display_name
from loopscope.library.tables import reasons_frame
from loopscope.progress import Progress, ProgressCallback, StopCheck, ignore_progress, never_stop

FORMAT = 1
CHANGED = "The copy was changed since; remove it by hand if you no longer need it."
GONE = "It is neither where it was moved to nor where it came from."
TAKEN = "Another file has the original name now; move this one by hand."


@dataclass(frozen=True)
class UndoReport:
    """What was taken back: how many files, and `left` (columns path, reason) for those that were not."""

    undone: int
    left: pd.DataFrame


@dataclass(frozen=True)
class JournalEntry:
    """One copy or move as intended, and what was known of the target when it was done (None: never finished)."""

    source: Path
    target: Path
    size_bytes: int | None = None
    mtime_ns: int | None = None


@dataclass(frozen=True)
class UndoFile:
    """The undo file while it is being written."""

    path: Path

    @classmethod
    def create(cls, folder: Path, move: bool) -> Self:
        """A new file in `folder`, named after the time. Raises ExportError if it cannot be written."""
        stamp = time.strftime("%Y%m%d-%H%M%S")
        for number in range(1, 1000):
            path = folder / f"loopscope-undo-{stamp}{'' if number == 1 else f'-{number}'}.jsonl"
            with one_sentence("write", path), suppress(FileExistsError):
                path.open("x").close()
                journal = cls(path)
                journal._append({"loopscope_undo": FORMAT, "move": move})
                return journal
        raise ExportError(f"{display_name(folder)} is full of undo files; remove some.")

    def will_write(self, source: Path, target: Path) -> None:
        """Note an intention."""
        self._append({"source": str(source), "target": str(target)})

    def written(self, target: Path) -> None:
        """Note a success, with what tells a changed copy from an unchanged one."""
        status = target.stat()
        self._append({"done": str(target), "size_bytes": status.st_size, "mtime_ns": status.st_mtime_ns})

    def _append(self, line: dict[str, Any]) -> None:
        with self.path.open("a", encoding="ascii") as out:
            out.write(json.dumps(line) + "\n")
            out.flush()
            os.fsync(out.fileno())


def undo(
    path: Path, on_progress: ProgressCallback = ignore_progress, should_stop: StopCheck = never_stop
) -> UndoReport:
    """Take back what the undo file at `path` lists, last first; the file is removed when nothing is left.

    Raises ExportError if it cannot be read or is none, Cancelled when `should_stop` says so: called again, it goes on.
    """
    path = Path(path).absolute()
    move, entries = _read(path)
    left: list[tuple[str, str]] = []
    undone = 0
    for done, entry in enumerate(reversed(entries)):
        on_progress(Progress("Taking back", done, len(entries)))
        if should_stop():
            raise Cancelled(f"Stopped after {undone:,} of {len(entries):,} files; take them back again to go on.")
        with one_sentence("take back", entry.target):
            was_there = entry.target.exists()
            reason = _take_back(entry, move, path.parent)
        if reason:
            left.append((str(entry.target), reason))
        else:
            undone += was_there and entry.size_bytes is not None
            _remove_empty_folders(entry.target.parent, path.parent)
    if not left:
        with one_sentence("remove", path):
            path.unlink()
    return UndoReport(undone, reasons_frame(left))


def _take_back(entry: JournalEntry, move: bool, folder: Path) -> str:
    """Undo one entry, or say why not."""
    if folder not in entry.target.parents or ".." in entry.target.parts:
        return "It lies outside the folder of the undo file, so it was not touched."
    if not entry.target.exists():
        return GONE if move and entry.size_bytes is not None and not entry.source.exists() else ""
    if move and not entry.source.exists():
        _move_back(entry)
        return ""
    if _is_changed(entry, move):
        return TAKEN if move else CHANGED
    entry.target.unlink()
    return ""


def _move_back(entry: JournalEntry) -> None:
    entry.source.parent.mkdir(parents=True, exist_ok=True)
    if not link(entry.target, entry.source):
        copy_content(entry.target, entry.source)
    entry.target.unlink()


def _is_changed(entry: JournalEntry, move: bool) -> bool:
    """Whether removing the target would lose something: it is not what was written, or not what the source is."""
    if entry.size_bytes is None or move:  # the program ended in between, or both names are there
        return not entry.source.exists() or not filecmp.cmp(entry.source, entry.target, shallow=False)
    status = entry.target.stat()
    return (status.st_size, status.st_mtime_ns) != (entry.size_bytes, entry.mtime_ns)


def _remove_empty_folders(folder: Path, top: Path) -> None:
    while folder != top and top in folder.parents:
        try:
            folder.rmdir()
        except OSError:  # not empty, or gone
            return
        folder = folder.parent


def _read(path: Path) -> tuple[bool, list[JournalEntry]]:
    """Whether it was a move, and the entries in order. A last line cut short by a crash is left out."""
    with one_sentence("read", path):
        text = path.read_text(encoding="ascii", errors="replace")
    lines = list(_parsed(text))
    if not lines or lines[0].get("loopscope_undo") != FORMAT:
        raise ExportError(f"{display_name(path)} is not an undo file of this program; choose a loopscope-undo file.")
    entries: dict[str, JournalEntry] = {}
    for line in lines[1:]:
        if "source" in line and "target" in line:
            entries[line["target"]] = JournalEntry(Path(line["source"]), Path(line["target"]))
        elif line.get("done") in entries:
            begun = entries[line["done"]]
            entries[line["done"]] = JournalEntry(begun.source, begun.target, line["size_bytes"], line["mtime_ns"])
    return bool(lines[0].get("move")), list(entries.values())


def _parsed(text: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            return
        if isinstance(value, dict):
            yield value
