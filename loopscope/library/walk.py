"""Find the audio-named files below a folder without being led out of it.

Links to files are taken if they end in a regular file below the same root; links to folders are never followed, so the
walk cannot go in circles. Hidden names (`.x`, AppleDouble `._x`) and folders of archivers and systems are passed over.
Everything else that bears an audio extension is found, with a reason where it cannot be read.
"""

import errno
import os
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from loopscope.config import AUDIO_EXTENSIONS
from loopscope.progress import StopCheck, never_stop

PASSED_OVER = frozenset({"__MACOSX", "$RECYCLE.BIN", "System Volume Information", "lost+found"})


@dataclass(frozen=True)
class FoundFile:
    """An audio-named entry: its stat values, or the `reason` it is not even opened."""

    path: str
    size_bytes: int = 0
    mtime_ns: int = 0
    reason: str = ""


def is_audio_name(name: str) -> bool:
    """Whether the extension, in any case, is one of `config.AUDIO_EXTENSIONS`."""
    dot = name.rfind(".")
    return dot > 0 and name[dot:].lower() in AUDIO_EXTENSIONS


def is_passed_over(name: str) -> bool:
    """Hidden, AppleDouble, or a folder that archivers and systems leave behind."""
    return name.startswith(".") or name in PASSED_OVER


def suffixes_below(root: Path, most: int = 20_000) -> Counter[str]:
    """How many files of each kind lie below a folder, by suffix in lower case; `most` files are looked at."""
    files = (name for _, _, names in os.walk(root) for name in names if not name.startswith("."))
    return Counter(Path(name).suffix.lower() or "without a suffix" for name in islice(files, most))


def walk(root: Path, should_stop: StopCheck = never_stop) -> Iterator[FoundFile]:
    """Yield every audio-named entry below `root` (resolved), in no particular order; ends early if told to stop."""
    waiting = [str(root)]
    while waiting and not should_stop():
        folder = waiting.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if is_passed_over(entry.name):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    yield from _look_at(entry, root)
        except OSError as error:
            yield FoundFile(folder, reason=f"The folder cannot be read: {_why(error)}.")


def _look_at(entry: os.DirEntry[str], root: Path) -> Iterator[FoundFile]:
    named_audio = is_audio_name(entry.name)
    try:
        if entry.is_symlink():
            yield from _look_at_link(entry, root, named_audio)
        elif named_audio:
            yield _described(entry.path, entry.stat(follow_symlinks=False))
    except OSError as error:
        if named_audio:
            yield FoundFile(entry.path, reason=f"The file cannot be looked at: {_why(error)}.")


def _look_at_link(entry: os.DirEntry[str], root: Path, named_audio: bool) -> Iterator[FoundFile]:
    try:
        target = Path(entry.path).resolve(strict=True)
        status = target.stat()
    except (OSError, RuntimeError) as error:  # RuntimeError: a circle, before Python 3.13
        if named_audio:
            yield FoundFile(entry.path, reason=_broken_link(error))
        return
    if stat.S_ISDIR(status.st_mode):
        yield FoundFile(entry.path, reason="A link to a folder is not followed; scan the folder it leads to.")
    elif named_audio and root not in target.parents:
        yield FoundFile(entry.path, reason="The link leaves the folder that is scanned; copy the file into it.")
    elif named_audio:
        yield _described(entry.path, status)


def _broken_link(error: OSError | RuntimeError) -> str:
    if isinstance(error, RuntimeError) or error.errno == errno.ELOOP:
        return "The link goes in a circle."
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return "The link leads to a file that does not exist."
    return f"The link cannot be followed: {_why(error)}."


def _why(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _described(path: str, status: os.stat_result) -> FoundFile:
    if stat.S_ISREG(status.st_mode):
        return FoundFile(path, status.st_size, status.st_mtime_ns)
    kinds = {
        stat.S_IFDIR: "a folder with the name of a sound file; the files inside are listed by themselves",
        stat.S_IFIFO: "a pipe, not a file",
        stat.S_IFSOCK: "a socket, not a file",
        stat.S_IFCHR: "a device, not a file",
        stat.S_IFBLK: "a device, not a file",
    }
    return FoundFile(path, reason=f"It is {kinds.get(stat.S_IFMT(status.st_mode), 'not a regular file')}.")
