"""Where files that a browser sends may lie: below one folder, each at a safe place of its own, and nowhere else."""

import itertools
import re
import secrets
import shutil
import threading
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from loopscope.errors import DataError
from loopscope.files import remove_folder

MAX_FILES = 10_000
MAX_BYTES = 2_000_000_000
MAX_CHECKPOINT_BYTES = 4_000_000_000
RESERVE_BYTES = 64 * 2**20  # left free for what is made of the files
LONGEST_NAME, LONGEST_SUFFIX = 160, 16  # bytes; file systems take 255, and a file that is being written has a prefix


@dataclass(frozen=True, eq=False)
class Upload:
    """A folder on its way here: file i goes to `base / places[i]` and has `sizes[i]` bytes; `arrived` holds i then."""

    base: Path
    names: tuple[str, ...]
    places: tuple[Path, ...]
    sizes: tuple[int, ...]
    arrived: set[int] = field(default_factory=set)

    @property
    def folder(self) -> Path:
        """The folder that was sent, or where several things were, what holds them."""
        tops = {place.parts[0] for place in self.places if len(place.parts) > 1}
        return self.base / tops.pop() if len(tops) == 1 and all(len(p.parts) > 1 for p in self.places) else self.base

    @property
    def is_whole(self) -> bool:
        """Whether every file is here."""
        return len(self.arrived) == len(self.names)

    @property
    def renamed(self) -> list[tuple[str, str]]:
        """Name and place of each file that is not called what it was."""
        pairs = zip(self.names, self.places, strict=True)
        return [(name, place.as_posix()) for name, place in pairs if _is_renamed(name, place)]


class Uploads:
    """The uploads of one session, all below `folder`; `wanted`: what each is looked through for, in a word or two."""

    def __init__(self, folder: Path, most_bytes: int = MAX_BYTES, wanted: str = "audio file") -> None:
        self.folder, self.most_bytes, self.wanted = folder, most_bytes, wanted
        self._lock = threading.Lock()
        self._uploads: dict[str, Upload] = {}

    def begin(self, files: Sequence[tuple[str, int]]) -> str:
        """Take up (name, bytes) of each file of a folder; returns what to call this upload.

        Raises DataError where they are none, too many, or more than the limit or the disk holds.
        """
        n_bytes = sum(size for _, size in files)
        if not files:
            raise DataError(f"There is no {self.wanted} in this folder; choose another one.")
        if len(files) > MAX_FILES or n_bytes > self.most_bytes:
            raise DataError(
                f"{len(files):,} files of {n_bytes / 1e9:.1f} GB are too much for one upload, {MAX_FILES:,} and "
                f"{self.most_bytes / 1e9:.0f} GB are the limits; upload parts of the folder one after the other."
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.folder).free - RESERVE_BYTES
        if n_bytes > free:
            raise DataError(
                f"The upload needs {n_bytes / 1e6:,.0f} MB and {max(0, free) / 1e6:,.0f} MB are free; make room first."
            )
        names = tuple(name for name, _ in files)
        places = tuple(safe_places(names))
        name = secrets.token_urlsafe(12)
        upload = Upload(self.folder / name, names, places, tuple(size for _, size in files))
        with self._lock:
            self._uploads[name] = upload
        return name

    def get(self, name: str) -> Upload | None:
        """An upload of this session."""
        with self._lock:
            return self._uploads.get(name)

    def cancel(self, name: str) -> None:
        """Forget an upload and remove what arrived of it; one that is whole stays, it may have been analysed."""
        with self._lock:
            upload = self._uploads.get(name)
            if upload is None or upload.is_whole:
                return
            del self._uploads[name]
        _remove(upload)

    def note(self, upload: Upload, number: int) -> None:
        """File `number` is here; of an upload that was cancelled meanwhile it is removed."""
        upload.arrived.add(number)
        with self._lock:
            is_known = upload in self._uploads.values()
        if not is_known:
            _remove(upload)

    def abandon(self) -> None:
        """Remove what is not whole: nobody can go on with it."""
        with self._lock:
            partial = [name for name, upload in self._uploads.items() if not upload.is_whole]
        for name in partial:
            self.cancel(name)


def _remove(upload: Upload) -> None:
    if upload.base.exists():
        remove_folder(upload.base)


def safe_relative(name: str) -> Path:
    """A relative path without parents, drive letters or control characters, whatever the browser sent.

    What is too long for a file system loses the end of its stem; the suffix says what the file is, and stays.
    """
    parts = name.replace("\\", "/").split("/")  # not Path.parts, of which the first may be "//", which is a root too
    kept = [_cut(storable(re.sub(r"[\x00-\x1f:]", "_", part))) for part in parts if part not in {"", ".", ".."}]
    return Path(*kept) if kept else Path("unnamed")


def safe_places(names: Sequence[str]) -> list[Path]:
    """Where each of these names goes, in their order: no two the same, also where case or Unicode form are not told.

    A name that can be kept goes to the file that came with it; whoever else would be called so gets a number.
    """
    places = [safe_relative(name) for name in names]
    taken: set[str] = set()
    numbers: defaultdict[str, Iterator[int]] = defaultdict(lambda: itertools.count(2))
    for i in sorted(range(len(names)), key=lambda i: _is_renamed(names[i], places[i])):
        wanted = places[i]
        while _told_apart(places[i]) in taken:
            ending = f" ({next(numbers[_told_apart(wanted)])})"
            places[i] = wanted.with_name(_cut(wanted.name, ending))
        taken.add(_told_apart(places[i]))
    return places


def storable(text: str) -> str:
    """The text in valid Unicode."""
    return text.encode("utf-8", "replace").decode()


def _cut(name: str, ending: str = "") -> str:
    """The name, its stem cut so that it has at most LONGEST_NAME bytes with `ending` behind the stem."""
    suffix = Path(name).suffix
    suffix = suffix if len(suffix.encode()) <= LONGEST_SUFFIX else ""
    stem = name.removesuffix(suffix)
    room = LONGEST_NAME - len(f"{ending}{suffix}".encode())
    return f"{stem.encode()[:room].decode(errors='ignore')}{ending}{suffix}"


def _told_apart(place: Path) -> str:
    """What is equal for two places that some file system takes for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", place.as_posix()).casefold())


def _is_renamed(name: str, place: Path) -> bool:
    return name != place.as_posix()
