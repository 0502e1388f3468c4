"""Copy or move files into a folder: first a plan that touches nothing, then its execution with a file to undo it.

A plan names every target before anything happens. A name that is taken, by a file in the folder or by another file of
the plan (upper and lower case alike, since the folder may end up on another system), gets a number; a file whose copy
is there already is skipped. What cannot be done is listed with its reason. The destination is where its path really
leads, and nothing is written through links below it.
"""

import logging
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from loopscope.errors import Cancelled, DataError, ExportError
from loopscope.exports.journal import UndoFile
from loopscope.exports.new_files import copy_content, holds_same, move_file, name_taken, one_sentence
from loopscope.exports.wave_cues import Cue, add_cues
from loopscope.files import display_name, free_name
from loopscope.library.tables import reasons_frame
from loopscope.progress import Progress, ProgressCallback, StopCheck, ignore_progress, never_stop
from loopscope.user_files import UserFile, open_user_file

log = logging.getLogger(__name__)
RESERVE_BYTES = 16 * 2**20  # left free, so that the undo file and other programs can go on writing


@dataclass(frozen=True)
class CopyItem:
    """One file to be copied or moved; `size_bytes` as planned."""

    source: Path
    target: Path
    size_bytes: int


@dataclass(frozen=True)
class CopyPlan:
    """What `execute` will do. Nothing has happened yet.

    `items` in the order of the rows; `skipped` columns path, reason: files that are left alone, each with why. No file
    is touched that leads out of `root` by then. `cues` gives the cue points that copies of WAV files get, by path.
    """

    destination: Path
    items: tuple[CopyItem, ...]
    skipped: pd.DataFrame
    move: bool = False
    root: Path | None = None
    cues: Callable[[], Mapping[str, Sequence[Cue]]] | None = None

    @property
    def is_renaming(self) -> bool:
        """Whether every file stays in its folder."""
        return self.move and all(item.source.parent == item.target.parent for item in self.items)

    @property
    def total_bytes(self) -> int:
        """Bytes to be written at most; a move within one disk writes none."""
        return sum(item.size_bytes for item in self.items)


def plan_copy(rows: pd.DataFrame, destination: Path, move: bool = False, root: Path | None = None) -> CopyPlan:
    """Plan to copy (or move) the files of `rows` (column path) into `destination`, which need not exist yet.

    With `root`, a folder with links resolved, files below it keep their folders, and what leads out of it is left
    alone. Each path is taken once. Raises DataError without a path column, ExportError if the destination is no folder.
    """
    if "path" not in rows:
        raise DataError("The table has no column path, so there is nothing to copy; select loops in the table first.")
    destination = Path(os.path.realpath(Path(destination).expanduser()))
    with one_sentence("open", destination):
        if destination.exists() and not destination.is_dir():
            raise ExportError(f"{display_name(destination)} is a file; choose a folder.")
    items: list[CopyItem] = []
    skipped: list[tuple[str, str]] = []
    taken: set[str] = set()
    for source in dict.fromkeys(Path(path) for path in rows["path"]):
        wanted = destination / _relative(source, root)
        reason = _reason_to_skip(source, wanted, root)
        if reason:
            skipped.append((str(source), reason))
            continue
        target = free_name(wanted, taken)
        taken.add(str(target).casefold())
        items.append(CopyItem(source, target, source.stat().st_size))
    return CopyPlan(destination, tuple(items), reasons_frame(skipped), move, root)


def execute(
    plan: CopyPlan,
    on_progress: ProgressCallback = ignore_progress,
    should_stop: StopCheck = never_stop,
    on_begun: Callable[[Path], None] = lambda undo_file: None,
    on_left: Callable[[Path, str], None] | None = None,
) -> Path:
    """Do what the plan says and return the undo file in the destination, which lists what was done.

    `on_begun` gets the undo file before the first file is touched: where the rest fails it is needed most.
    `on_left` gets each file that resists, and why, and the others follow; without it the first of them ends it all.
    Raises ExportError with one sentence when the disk is full, rights are missing or a name is taken in the meantime,
    Cancelled when `should_stop` says so; what was done until then stays, and the undo file covers it.
    """
    started = time.monotonic()
    _make_folder(plan.destination)
    with one_sentence("look at", plan.destination):
        free = shutil.disk_usage(plan.destination).free
        needed = 0 if plan.move and _same_disk(plan) else plan.total_bytes
    if needed + RESERVE_BYTES > free:
        raise ExportError(
            f"{display_name(plan.destination)} has {free / 1e6:.0f} MB free, {needed / 1e6:.0f} MB are needed; free "
            "some space or choose another folder."
        )
    journal = UndoFile.create(plan.destination, plan.move)
    on_begun(journal.path)
    cues = {} if plan.move or plan.cues is None else plan.cues()
    for done, item in enumerate(plan.items):
        if should_stop():
            raise Cancelled(f"Stopped after {done} of {len(plan.items)} files; {journal.path.name} takes them back.")
        try:
            _execute_one(item, plan, journal, cues.get(str(item.source), ()))
        except ExportError as error:
            if on_left is None:
                raise
            on_left(item.source, str(error))
        on_progress(Progress("Moving" if plan.move else "Copying", done + 1, len(plan.items)))
    verb = "move" if plan.move else "copy"
    log.info("%s: %d files, %d left out, %.2f s", verb, len(plan.items), len(plan.skipped), time.monotonic() - started)
    return journal.path


def _execute_one(item: CopyItem, plan: CopyPlan, journal: UndoFile, cues: Sequence[Cue]) -> None:
    added = ""

    def with_cues(copy: Path) -> None:
        nonlocal added
        added = add_cues(copy, cues)

    source = _within(item.source, plan.root)
    _make_folder(item.target.parent)
    with one_sentence("move" if plan.move else "copy", item.source):
        if os.path.lexists(item.target):  # somebody else's, which no undoing is to ask for
            raise name_taken(item.target)
        journal.will_write(item.source, item.target)
        if plan.move:
            move_file(source, item.target)
        else:
            copy_content(source, item.target, with_cues)
        journal.written(item.target, added)


def _make_folder(folder: Path) -> None:
    with one_sentence("create the folder", folder):
        folder.mkdir(parents=True, exist_ok=True)
    if _leads_elsewhere(folder):
        raise ExportError(f"{display_name(folder)} is reached through a link by now; choose another folder.")


def _leads_elsewhere(folder: Path) -> bool:
    """Whether there is a link in its path, which had none when it was planned."""
    return os.path.realpath(folder) != str(folder)


def _same_disk(plan: CopyPlan) -> bool:
    """Whether every file is a rename, which needs no space."""
    device = plan.destination.stat().st_dev
    return all(item.source.stat().st_dev == device for item in plan.items if item.source.exists())


def _reason_to_skip(source: Path, wanted: Path, root: Path | None) -> str:
    """Why a file is left alone, or nothing."""
    try:
        if not source.is_file():
            return "The file does not exist any more; scan the folder again."
        if _leads_elsewhere(wanted.parent):
            return "Its folder there is a link that leads elsewhere; choose another folder."
        open_user_file(_within(source, root)).close()
        if wanted.exists() and wanted.samefile(source):
            return "The file is in this folder already."
        if wanted.is_file() and holds_same(_within(source, root), wanted):
            return "The same file is in this folder already."
    except OSError as error:
        return f"The file cannot be opened: {(error.strerror or str(error)).lower()}; scan the folder again."
    return ""


def _within(source: Path, root: Path | None) -> UserFile:
    return UserFile(str(source), None if root is None else str(root))


def _relative(source: Path, root: Path | None) -> Path:
    if root is not None and source.is_relative_to(root):
        return source.relative_to(root)
    return Path(source.name)
