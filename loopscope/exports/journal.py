"""The journal of a copy or move, which is also its undo file: how it is written, and how it is read without trust.

Conventions: one JSON object a line, in ASCII; bytes of a name that are no UTF-8 stand as surrogates. The first line
says what the file is, then each file has its intention (`source`, `target`) before it is touched and `done` after, so
that the journal is right even where a crash came between. It lies where others may write: a line that this module
cannot have written, other than a last one cut short, makes the whole file damaged.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Self

from loopscope.errors import ExportError
from loopscope.exports.new_files import one_sentence
from loopscope.files import NO_DETOUR, display_name, open_regular

FORMAT = 1
MOST_ENTRIES = 1_000_000
LENGTH_OF_DIGEST = 64
LONGEST_PATH = 4_096  # bytes, as on Linux; elsewhere paths are shorter
LONGEST_LINE = 2 * 6 * LONGEST_PATH + 1_000  # two paths, every byte of them escaped, and the rest


@dataclass(frozen=True)
class JournalEntry:
    """One copy or move as intended; `done`: it was finished. `added`: SHA-256 of the cue points in the copy, if any."""

    source: Path
    target: Path
    done: bool = False
    added: str = ""


@dataclass(frozen=True)
class Journal:
    """What a copy, or where `move` a move, did, in order."""

    move: bool
    entries: tuple[JournalEntry, ...]


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

    def written(self, target: Path, added: str = "") -> None:
        """Note a success, and what the copy has beside the content of its original."""
        self._append({"done": str(target)} | ({"added": added} if added else {}))

    def _append(self, line: dict[str, Any]) -> None:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | NO_DETOUR)
        with os.fdopen(descriptor, "a", encoding="ascii") as out:
            out.write(json.dumps(line) + "\n")
            out.flush()
            os.fsync(out.fileno())


def read_journal(path: Path) -> Journal:
    """What an undo file says. A last line cut short by a crash is left out.

    Raises ExportError, one sentence, if it cannot be read, is none or is damaged. Bounded in memory and time, whatever
    lies at `path`.
    """
    with one_sentence("read", path), open_regular(path) as file:
        return _read(file, path)


def _read(file: BinaryIO, path: Path) -> Journal:
    lines = _lines(file)
    number = 1
    entries: dict[str, JournalEntry] = {}
    try:
        header = next(lines, {})
        if type(header.get("loopscope_undo")) is not int or header["loopscope_undo"] != FORMAT:
            raise _not_one(path)
        move = header.get("move")
        if not isinstance(move, bool):
            raise ValueError("it does not say whether it was a move")
        number = 2
        for line in lines:
            _note(line, entries)
            number += 1
    except (ValueError, RecursionError) as error:
        if number == 1:
            raise _not_one(path) from error
        raise ExportError(
            f"{display_name(path)} is damaged in line {number} ({error!s:.200}), so nothing was taken back; do it "
            "by hand and remove that file."
        ) from error
    return Journal(move, tuple(entries.values()))


def _not_one(path: Path) -> ExportError:
    return ExportError(f"{display_name(path)} is not an undo file of this program; choose a loopscope-undo file.")


def _note(line: dict[str, Any], entries: dict[str, JournalEntry]) -> None:
    """Take one line after the first into `entries`, by target. Raises ValueError."""
    if {"source", "target"} <= line.keys():
        entry = JournalEntry(_full_path(line["source"]), _full_path(line["target"]))
        if line["target"] in entries:
            raise ValueError("a target comes twice")
        if len(entries) >= MOST_ENTRIES:
            raise ValueError(f"it has more than {MOST_ENTRIES:,} files")
        entries[line["target"]] = entry
    elif isinstance(line.get("done"), str) and line["done"] in entries:
        added = line.get("added", "")
        if not isinstance(added, str) or len(added) not in (0, LENGTH_OF_DIGEST):
            raise ValueError("what was added to a copy is no digest")
        entries[line["done"]] = replace(entries[line["done"]], done=True, added=added)
    else:
        raise ValueError("it is neither an intention nor the end of one")


def _full_path(text: object) -> Path:
    """An absolute path that names one place. Raises ValueError."""
    if not isinstance(text, str) or "\0" in text or len(os.fsencode(text)) > LONGEST_PATH:
        raise ValueError("a path is no path")
    path = Path(text)
    if not path.is_absolute() or ".." in path.parts:
        raise ValueError("a path is not a full one")
    return path


def _lines(file: BinaryIO) -> Iterator[dict[str, Any]]:
    """Whole lines as objects, one at a time. Raises ValueError or RecursionError."""
    while line := file.readline(LONGEST_LINE):
        if not line.endswith(b"\n"):
            if len(line) == LONGEST_LINE:
                raise ValueError("it is too long")
            return  # the last, cut short
        value = json.loads(line.decode("ascii"), object_pairs_hook=_once)
        if not isinstance(value, dict):
            raise ValueError("it is no object")
        yield value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name comes twice")
    return found
