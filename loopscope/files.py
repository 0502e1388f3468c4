"""Files and folders that are there whole or not at all, and the small questions about files that many modules ask.

    with written_whole(target) as part:        what is written to `part` becomes `target`, replacing what was there
        part.write_bytes(content)
    write_named(target, content)               where a user names it: into a pipe or device, through a link
    with unfinished_file(folder) as part:      for those who give the finished file its name themselves;
    with unfinished_folder(folder) as part:    what still has its hidden name at the end of the block is removed
    flush(part)                                on the disk, not only on its way there; of a folder, every file in it
    remove_folder(folder)                      never half there, whenever the process ends
    remove_abandoned(folder)                   what a killed process left unfinished in it long ago
    free_name(wanted)                          `wanted`, or "wanted (2)", "wanted (3)" … until nobody has the name
    file_sha256(path)                          of the bytes, in hexadecimal
    is_file(path)                              without an error, whatever the path
    open_regular(path)                         to read what lies in the open: no link, pipe or device, and no waiting
    read_small(path, most_bytes)               the whole of such a file, if it is no larger
    read_named(path, most_bytes)               of what a user names: a link or a pipe too
    display_name(name)                         a name in valid Unicode
    path_as_text(path), path_from_text(text)   a path in valid Unicode, and back
    is_address(text)                           whether it names what lies elsewhere, as s3://bucket/loops

Unfinished names are hidden, so no scan finds them. An OSError passes through: the caller knows what was to be written.
"""

import errno
import hashlib
import os
import re
import shutil
import stat
import time
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from urllib.parse import unquote_to_bytes

URI = "file://"
PART_PREFIX = ".loopscope-part-"
ABANDONED_S = 3600.0  # nobody writes to a file for so long without changing it
NO_DETOUR = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # for os.open
_UNDECODABLE = re.compile("[\udc80-\udcff]")  # how Python keeps the bytes of a name that are not UTF-8


@contextmanager
def written_whole(target: Path, durable: bool = True) -> Iterator[Path]:
    """A file to write to, which becomes `target` at the end of the block, or vanishes if that raises.

    Folders above `target` are made; what was at `target` is replaced. Unless `durable`, nobody waits for the disk: for
    what can be had again. Raises OSError.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with unfinished_file(target.parent) as part:
        yield part
        if durable:
            flush(part)
        part.replace(target)


def write_named(target: Path, content: bytes) -> None:
    """Write what a user named: whole, through links; a pipe, a device and the program's own output are written into.

    Raises OSError.
    """
    try:
        found = target.stat()
    except FileNotFoundError:
        found = None
    if found is not None and (own := _own_output(found)) is not None:
        with os.fdopen(os.dup(own), "wb") as stream:
            stream.write(content)
    elif found is not None and not stat.S_ISREG(found.st_mode):
        target.write_bytes(content)
    else:
        with written_whole(Path(os.path.realpath(target))) as part:
            part.write_bytes(content)


def _own_output(file: os.stat_result) -> int | None:
    """The descriptor, 1 or 2, that the file is, by whichever name: replaced, it would lose what stands before."""
    for descriptor in (1, 2):
        with suppress(OSError):  # it is closed
            if os.path.samestat(file, os.fstat(descriptor)):
                return descriptor
    return None


@contextmanager
def unfinished_file(folder: Path) -> Iterator[Path]:
    """A new empty file in `folder` with the rights of any new file there; removed at the end unless it was renamed."""
    part = _part(folder)
    part.open("xb").close()
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def unfinished_folder(folder: Path) -> Iterator[Path]:
    """A new empty folder in `folder`; removed with its content at the end unless it was renamed.

    Folders above it are made, and what was abandoned beside it is removed. Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    remove_abandoned(folder)
    part = _part(folder)
    part.mkdir()
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)


def flush(path: Path) -> None:
    """Wait until a file, or every file in a folder, is on the disk. Raises OSError."""
    for file in (found for found in path.rglob("*") if found.is_file()) if path.is_dir() else (path,):
        with file.open("rb+") as stream:
            os.fsync(stream.fileno())


def remove_folder(folder: Path) -> None:
    """Remove a folder with its content, of a link the link: there whole or not at all, whoever looks meanwhile."""
    if folder.is_symlink():
        folder.unlink()
        return
    gone = _part(folder.parent)
    folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def remove_abandoned(folder: Path) -> None:
    """Remove unfinished files and folders in `folder` that a killed process left there more than an hour ago."""
    for part in folder.glob(f"{PART_PREFIX}*"):
        with suppress(OSError):  # gone meanwhile, or not ours to remove
            if time.time() - part.lstat().st_mtime > ABANDONED_S:
                shutil.rmtree(part) if part.is_dir() and not part.is_symlink() else part.unlink()


def free_name(wanted: Path, taken: Collection[str] = ()) -> Path:
    """`wanted`, or with " (2)", " (3)" … before the extension until nobody has the name.

    `taken`: names that are promised already, as str of the whole path, casefolded.
    """
    candidate, number = wanted, 1
    while str(candidate).casefold() in taken or os.path.lexists(candidate):
        number += 1
        candidate = wanted.with_name(f"{wanted.stem} ({number}){wanted.suffix}")
    return candidate


def file_sha256(path: Path) -> str:
    """The sha256 of a file's bytes, in hexadecimal. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_file(path: str | Path) -> bool:
    """Whether there is a file, by links too; False for what is no path and where nobody may look."""
    try:
        return Path(path).is_file()
    except OSError:
        return False


def open_regular(path: Path) -> BufferedReader:
    """A regular file, open for reading. Raises OSError for a link, a folder, a pipe, a socket or a device, at once."""
    descriptor = os.open(path, os.O_RDONLY | NO_DETOUR)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return os.fdopen(descriptor, "rb")


def read_small(path: Path, most_bytes: int) -> bytes:
    """The content of a regular file. Raises OSError as `open_regular` does, and where there are more bytes."""
    with open_regular(path) as file:
        return _at_most(most_bytes, file, path)


def read_named(path: Path, most_bytes: int) -> bytes:
    """The content of a file that a user named, which may be a link or a pipe. Raises OSError as `read_small` does."""
    with path.open("rb") as file:
        return _at_most(most_bytes, file, path)


def _at_most(most_bytes: int, file: BufferedReader, path: Path) -> bytes:
    content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise OSError(errno.EFBIG, f"it is larger than {most_bytes / 1e6:,.0f} MB", str(path))
    return content


def display_name(name: Path | str) -> str:
    """A name or path in valid Unicode, for tables and messages: bytes that are not UTF-8 appear as `\\xNN`."""
    shown = _UNDECODABLE.sub(lambda byte: f"\\x{ord(byte[0]) - 0xDC00:02x}", os.fspath(name))
    return shown.encode("utf-8", "backslashreplace").decode()  # lone surrogates of any other origin


def path_as_text(path: str) -> str:
    """A path as valid Unicode that names it exactly: of one that is none, its file:// URI, which holds the bytes."""
    return path if display_name(path) == path or not path.startswith("/") else Path(path).as_uri()


def path_from_text(text: str) -> str:
    """The reverse of `path_as_text`."""
    return os.fsdecode(unquote_to_bytes(text.removeprefix(URI))) if text.startswith(URI) else text


def is_address(text: object) -> bool:
    """Whether a text is an address that fsspec may know, as s3://bucket/loops, and no path."""
    return "://" in str(text)


def _part(folder: Path) -> Path:
    return folder / f"{PART_PREFIX}{uuid.uuid4().hex}"
