"""Taking back a copy or move by its undo file (`journal`), which somebody may have tampered with.

Whatever it says, no content is lost: a copy is removed only while its original is there with the same bytes, apart
from cue points that this program appended, and a moved file goes back only to a free name. Nothing is touched outside
the folder that the undo file lies in, nothing is reached through a link, and where `originals` is given nothing is
moved to anywhere but below it.
"""

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from loopscope.errors import Cancelled, ExportError
from loopscope.exports.asides import give_back
from loopscope.exports.journal import Journal, JournalEntry, read_journal
from loopscope.exports.new_files import hold_same, move_file, one_sentence, remove_file
from loopscope.exports.wave_cues import is_with_cues
from loopscope.files import remove_abandoned
from loopscope.library.tables import reasons_frame
from loopscope.progress import Progress, ProgressCallback, StopCheck, ignore_progress, never_stop
from loopscope.user_files import UserFile, open_user_file

OUTSIDE = "It lies outside the folder of the undo file, so it was not touched."
A_LINK = "A link or something else that is no file is in its way by now, so it was not touched."
LAST = "The original is gone, so this copy was kept."
CHANGED = "The copy and its original differ by now, so it was kept; remove it by hand if you no longer need it."
GONE = "It is neither where it was moved to nor where it came from."
TAKEN = "Another file has the original name now; move this one by hand."
FOREIGN = "It came from outside the folder that is open, so it was not moved back; move it by hand."


@dataclass(frozen=True)
class UndoReport:
    """What was taken back: how many files, and `left` (columns path, reason) for those that were not."""

    undone: int
    left: pd.DataFrame


def undo(
    path: Path,
    on_progress: ProgressCallback = ignore_progress,
    should_stop: StopCheck = never_stop,
    originals: Path | None = None,
) -> UndoReport:
    """Take back what the undo file at `path` lists, last first; the file is removed when nothing is left.

    Files are moved back to below `originals` only, where it is given. Raises ExportError if the undo file cannot be
    read or is none, Cancelled when `should_stop` says so: called again, it goes on.
    """
    path = Path(path).absolute()
    journal = read_journal(path)
    n_files = len(journal.entries)
    left = give_back(_folders(journal, path.parent, originals))
    undone = 0
    for done, entry in enumerate(reversed(journal.entries)):
        on_progress(Progress("Taking back", done, n_files))
        if should_stop():
            raise Cancelled(f"Stopped after {undone:,} of {n_files:,} files; take them back again to go on.")
        was_there = os.path.lexists(entry.target)
        reason = _reason_left(entry, journal.move, path.parent, originals)
        if reason:
            left.append((str(entry.target), reason))
        else:
            undone += was_there and entry.done
    if not left:
        with one_sentence("remove", path):
            path.unlink()
    return UndoReport(undone, reasons_frame(left))


def put_back(path: Path, originals: Path) -> list[tuple[str, str]]:
    """Give files their names again that a kill left aside while those of an undo file were moved or taken back.

    Returns path and reason of each that is left where it is. Looks only where that file may have files removed: below
    its own folder and below `originals`. Raises ExportError if it cannot be read or is none.
    """
    path = Path(path).absolute()
    return give_back(_folders(read_journal(path), path.parent, originals))


def _folders(journal: Journal, folder: Path, originals: Path | None) -> list[Path]:
    """Those out of which files were removed, or may have been."""
    places = {entry.target.parent: folder for entry in journal.entries}
    if journal.move:
        places |= {entry.source.parent: originals or Path(entry.source.anchor) for entry in journal.entries}
    found = (_place(place / "any", top) for place, top in places.items())
    return list(dict.fromkeys(one.parent for one in found if one is not None))


def _reason_left(entry: JournalEntry, move: bool, folder: Path, originals: Path | None) -> str:
    """Undo one entry, or say why not: one file that resists keeps no other from being taken back."""
    target = _place(entry.target, folder)
    if target is None:
        return OUTSIDE
    try:
        with one_sentence("take back", target):
            reason = _take_back(entry, target, move, originals)
    except ExportError as error:
        return str(error)
    if not entry.done:
        remove_abandoned(target.parent)  # what a crash left half written
    if not reason:
        _remove_empty_folders(target.parent, Path(os.path.realpath(folder)))
    return reason


def _place(target: Path, folder: Path) -> Path | None:
    """Where a target really lies, if that is below `folder` and as its path says, without links on the way."""
    top = Path(os.path.realpath(folder))
    for above in (folder, top):
        if above in target.parents:
            place = top / target.relative_to(above)
            return place if Path(os.path.realpath(place.parent)) == place.parent else None
    return None


def _take_back(entry: JournalEntry, target: Path, move: bool, originals: Path | None) -> str:
    """Undo one entry, or say why not. Raises OSError or ExportError."""
    source = entry.source
    if not os.path.lexists(target):
        return GONE if move and entry.done and not os.path.lexists(source) else ""
    if not _is_file(target):
        return A_LINK
    if move and not os.path.lexists(source):
        return _move_back(source, target, originals)
    original = Path(os.path.realpath(source))
    if not _is_file(original) or _is_only_name(original, target):
        return TAKEN if move else LAST
    with open_user_file(original) as first, open_user_file(target) as second:
        known = os.fstat(second.fileno())
        with_cues = not move and bool(entry.added) and is_with_cues(first, second, entry.added)
        if not with_cues and not hold_same(first, second):
            return TAKEN if move else CHANGED
        remove_file(target, known)
    return ""


def _move_back(source: Path, target: Path, originals: Path | None) -> str:
    if originals is not None and Path(os.path.realpath(originals)) not in Path(os.path.realpath(source)).parents:
        return FOREIGN
    source.parent.mkdir(parents=True, exist_ok=True)
    move_file(UserFile(str(target), os.path.realpath(target.parent)), source)
    return ""


def _is_file(path: Path) -> bool:
    with suppress(FileNotFoundError, NotADirectoryError):
        return stat.S_ISREG(path.lstat().st_mode)
    return False


def _is_only_name(original: Path, target: Path) -> bool:
    """Whether both paths lead to one file that has no second name: removing the one would lose the other."""
    return original.samefile(target) and target.stat().st_nlink == 1


def _remove_empty_folders(folder: Path, top: Path) -> None:
    while folder != top and top in folder.parents:
        try:
            folder.rmdir()
        except OSError:  # not empty, or gone
            return
        folder = folder.parent
