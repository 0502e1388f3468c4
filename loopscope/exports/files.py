"""Writing without harm: whole files or none, never over another, and errors as one sentence."""

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from loopscope.errors import ExportError

PART_PREFIX = ".loopscope-part-"
COPY_BYTES = 2**20
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
}


@contextmanager
def one_sentence(action: str, path: Path) -> Iterator[None]:
    """Turn an OSError into an ExportError: `action` and `path` say what could not be done, e.g. "write", the file."""
    try:
        yield
    except OSError as error:
        reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
        raise ExportError(f"Could not {action} {display(path)}: {reason}.") from error


def display(path: Path | str) -> str:
    """The path in valid Unicode, for messages: bytes that are not UTF-8 appear as `\\xNN`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def write_new_file(path: Path, content: bytes) -> Path:
    """Write a file that is there whole or not at all. Raises ExportError if it exists or cannot be written."""
    with one_sentence("write", path):
        path.parent.mkdir(parents=True, exist_ok=True)
        part = part_file(path.parent)
        try:
            with part.open("wb") as out:
                out.write(content)
                out.flush()
                os.fsync(out.fileno())
            publish(part, path)
        finally:
            part.unlink(missing_ok=True)
    return path


def part_file(folder: Path) -> Path:
    """A new empty file in `folder`, with the rights of any new file there, that becomes another by `publish`."""
    part = folder / f"{PART_PREFIX}{uuid.uuid4().hex}"
    part.open("xb").close()
    return part


def publish(part: Path, target: Path) -> None:
    """Give `part` the name `target`, which must be free. Raises ExportError if it is not, OSError otherwise."""
    if link(part, target):
        part.unlink()
        return
    try:
        target.open("xb").close()  # claims the name where hard links are unknown
    except FileExistsError:
        raise _name_taken(target) from None
    part.replace(target)


def link(source: Path, target: Path) -> bool:
    """Give a file a second name; unlike a rename this fails where the name is taken. False where links are unknown.

    Raises ExportError if `target` exists.
    """
    try:
        os.link(source, target)
    except FileExistsError:
        raise _name_taken(target) from None
    except OSError as error:
        if error.errno in _NO_LINKS:
            return False
        raise
    return True


def copy_content(source: Path, target: Path) -> None:
    """Copy bytes and times to a free name, whole or not at all."""
    part = part_file(target.parent)
    try:
        with source.open("rb") as original, part.open("wb") as written:
            shutil.copyfileobj(original, written, COPY_BYTES)
            written.flush()
            os.fsync(written.fileno())
        with suppress(OSError):  # times and permissions are a courtesy that some file systems do not know
            shutil.copystat(source, part)
        publish(part, target)
    finally:
        part.unlink(missing_ok=True)


def _name_taken(target: Path) -> ExportError:
    return ExportError(f"{display(target)} exists already; choose another name or folder.")
