"""Files under names that nobody has: never over another, whole or not at all, and errors as one sentence."""

import errno
import os
import shutil
import stat
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

from loopscope.errors import ExportError
from loopscope.files import display_name, flush, free_name, unfinished_file
from loopscope.user_files import FilePath, UserFile, open_user_file, path_to_open

COPY_BYTES = 2**20
ASIDE_PREFIX = ".loopscope-aside-"  # of hidden folders that may hold all there is of a file; `asides` gives it back
_NO_LINKS = {errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES}
_REASONS = {
    errno.ENOSPC: "the disk is full; free some space or choose another folder",
    errno.EDQUOT: "your quota is used up; free some space or choose another folder",
    errno.EACCES: "you may not write there; choose another folder",
    errno.EPERM: "you may not write there; choose another folder",
    errno.EROFS: "the disk is read-only; choose another folder",
    errno.ENAMETOOLONG: "the name is too long; choose a folder with a shorter path",
    errno.ENOENT: "it does not exist any more; scan the folder again",
    errno.ENOTDIR: "a part of the path is a file; choose another folder",
    errno.ELOOP: "a link is in its place; give the file itself",
}


@contextmanager
def one_sentence(action: str, path: Path) -> Iterator[None]:
    """Turn an OSError into an ExportError: `action` and `path` say what could not be done, e.g. "write", the file."""
    try:
        yield
    except OSError as error:
        reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
        raise ExportError(f"Could not {action} {display_name(path)}: {reason}.") from error


def link(source: Path, target: Path) -> bool:
    """Give a file a second name; unlike a rename this fails where the name is taken. False where links are unknown.

    Raises ExportError if `target` exists.
    """
    try:
        os.link(source, target)
    except FileExistsError:
        raise name_taken(target) from None
    except OSError as error:
        if error.errno in _NO_LINKS:
            return False
        raise
    return True


def copy_content(source: FilePath, target: Path, change: Callable[[Path], None] = lambda copy: None) -> None:
    """Copy bytes and times to a free name, whole or not at all. Raises ExportError if `target` exists.

    `change` may change the copy before it has its name.
    """
    with open_user_file(source) as original, unfinished_file(target.parent) as part:
        with part.open("wb") as written:
            shutil.copyfileobj(original, written, COPY_BYTES)
        change(part)
        flush(part)
        with suppress(OSError):  # times and permissions are a courtesy that some file systems do not know
            shutil.copystat(path_to_open(original), part)
        if not link(part, target):
            _claim(target)
            part.replace(target)


def move_file(source: UserFile, target: Path) -> None:
    """Rename to a free name where the disk allows it; else copy, compare, and only then remove the original.

    Raises ExportError if `target` exists, the copy differs or the file is replaced meanwhile, which is kept.
    """
    path = Path(source)
    with open_user_file(source) as original:  # while it is open, no other file gets its number
        known = path.lstat()
        is_linked = not stat.S_ISLNK(known.st_mode) and link(path, target)
        if is_linked and not os.path.samestat(target.lstat(), os.fstat(original.fileno())):
            target.unlink()
            raise ExportError(f"{display_name(path)} was replaced while it was moved; scan the folder again.")
        if not is_linked:
            copy_content(source, target)
            if not holds_same(source, target):
                raise ExportError(f"The copy of {display_name(path)} differs from it; the original was kept.")
        remove_file(path, known, or_changed=is_linked)


def remove_file(path: Path, known: os.stat_result, or_changed: bool = False) -> None:
    """Remove the file that `known` (lstat) tells of, or_changed: even if it was written to since; another stays.

    A file can be removed by its name only, and between a look and the removal the name may become another's. So it goes
    into a folder first that nobody knows, and what lies there is looked at. Under its own name: where the process is
    killed then, that folder says whose it is. Raises ExportError if it is another, OSError.
    """
    folder = path.with_name(f"{ASIDE_PREFIX}{uuid.uuid4().hex}")
    folder.mkdir()
    aside = folder / path.name
    try:
        path.rename(aside)
        found = aside.lstat()
        is_as_it_was = (found.st_size, found.st_mtime_ns) == (known.st_size, known.st_mtime_ns)
        if os.path.samestat(found, known) and (or_changed or is_as_it_was):
            aside.unlink()
            return
        place = _put_back(aside, path)
    finally:
        with suppress(OSError):  # it is not empty
            folder.rmdir()
    where = "" if place == path else f" as {display_name(place.relative_to(path.parent))}"
    raise ExportError(f"{display_name(path)} was replaced meanwhile, so it was kept{where}; try again.")


def _put_back(aside: Path, path: Path) -> Path:
    """Where it lies now: at its own name, at a free one where that was taken meanwhile, or where it is."""
    place = free_name(path)
    try:
        rename_to_free(aside, place)
    except (OSError, ExportError):
        return aside
    return place


def rename_to_free(path: Path, place: Path) -> None:
    """Rename a file, link or folder on its disk, never over another. Raises ExportError if `place` exists, OSError."""
    if stat.S_ISDIR(path.lstat().st_mode):
        if os.path.lexists(place):
            raise name_taken(place)
        path.rename(place)
    elif link(path, place):
        path.unlink()
    else:
        _claim(place)
        path.replace(place)


def holds_same(source: FilePath, other: Path) -> bool:
    """Whether two files hold the same bytes. Raises OSError where one cannot be opened or is no regular file."""
    with open_user_file(source) as first, open_user_file(other) as second:
        return hold_same(first, second)


def hold_same(first: FileIO, second: FileIO) -> bool:
    """Whether two open files hold the same bytes from here on."""
    if os.fstat(first.fileno()).st_size != os.fstat(second.fileno()).st_size:
        return False
    while chunk := first.read(COPY_BYTES):
        if chunk != second.read(COPY_BYTES):
            return False
    return True


def _claim(target: Path) -> None:
    """Take a name where hard links are unknown."""
    try:
        target.open("xb").close()
    except FileExistsError:
        raise name_taken(target) from None


def name_taken(target: Path) -> ExportError:
    """Where a new file should have this name."""
    return ExportError(f"{display_name(target)} exists already; choose another name or folder.")
