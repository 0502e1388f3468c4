"""The one way in which a user's file is opened: once, and what was checked is what is read.

Between a look at a path and the opening of it anybody may put a link, a pipe or a device there. So a file is opened
without waiting and without following a link in its last part, and then the open file is asked what it is and where it
lies; whoever reads goes on with the open file and never returns to the path. A link is taken where it ends in a regular
file below the same root, as in a scan.
"""

import errno
import os
import stat
import sys
import unicodedata
from contextlib import ExitStack
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

FilePath = str | os.PathLike[str]
_FLAGS = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)  # Windows has neither, and no pipes in folders


@dataclass(frozen=True)
class UserFile(os.PathLike[str]):
    """A file's path and the folder, with links resolved, that it must not lead out of (None: anywhere)."""

    path: str
    root: str | None = None

    def __fspath__(self) -> str:
        return self.path


def open_user_file(file: FilePath) -> FileIO:
    """The file, open for reading, unbuffered; of a `UserFile` only if it lies below its root.

    Raises OSError where there is none, it is not a regular file (a pipe or device is not even opened) or it leads out
    of the root, and ValueError for a path that no file system takes.
    """
    path, root = os.fspath(file), file.root if isinstance(file, UserFile) else None
    if stat.S_ISLNK(os.lstat(path).st_mode):
        path = os.path.realpath(path, strict=True)
        _check_place(Path(path), root)
    _check_regular(os.lstat(path))
    with ExitStack() as stack:
        opened = stack.enter_context(FileIO(path, "rb", opener=lambda name, flags: os.open(name, flags | _FLAGS)))
        _check_regular(os.fstat(opened.fileno()))
        _check_place(_place_of(opened, path), root)
        stack.pop_all()
    return opened


def path_to_open(file: FileIO) -> str:
    """A path by which a program that takes nothing else opens what is open in `file`, as long as that stays open.

    The path it was opened by, where a system has no paths for descriptors that a child process could use.
    """
    own = Path(f"/proc/{os.getpid()}/fd/{file.fileno()}")
    return str(own) if own.exists() else os.fspath(file.name)


def _check_regular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file")


def _check_place(real: Path, root: str | None) -> None:
    if root is not None and not _is_below(real, Path(root)):
        raise OSError(errno.EXDEV, "it leads out of its folder")


def _place_of(opened: FileIO, path: str) -> Path:
    """Where an open file lies, whatever lies at its path by now."""
    if sys.platform == "darwin":
        import fcntl

        return Path(os.fsdecode(fcntl.fcntl(opened.fileno(), fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0")))
    try:
        return Path(f"/proc/self/fd/{opened.fileno()}").readlink()
    except OSError:  # a system that does not tell
        real = Path(path).resolve(strict=True)
        if not os.path.samestat(real.lstat(), os.fstat(opened.fileno())):
            raise OSError(errno.EXDEV, "it was replaced while it was opened") from None
        return real


def _is_below(real: Path, root: Path) -> bool:
    if real.is_relative_to(root):
        return True
    # Where case or Unicode form are not told apart, the system may spell the root in another way.
    top = Path(*real.parts[: len(root.parts)])
    return _spelling(top) == _spelling(root) and top.samefile(root)


def _spelling(path: Path) -> str:
    return unicodedata.normalize("NFC", str(path)).casefold()
