"""Loops at an address that fsspec knows (s3://, gs://, http://): fetched by whoever hears them, and let go again.

A batch is brought into a temporary folder under the names it has there, scanned as any folder is, heard, and its part
written with the addresses for paths (`grow.add_address`). What a loop is, only its content says, so a file that is new
is fetched to know it; one whose address and version were heard before is not. A version is what the other side says of
a file: its size with an entity tag, or with a time.
"""

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from logging import INFO
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from loopscope.archive.place import Place, version_of
from loopscope.defects import Defect, attempt
from loopscope.errors import Cancelled, DataError, first_line
from loopscope.library import Library, scan_folder
from loopscope.library.walk import is_audio_name, is_passed_over
from loopscope.progress import StopCheck, never_stop

LARGEST_FILE, LARGEST_BATCH = 2**31, 2**30  # bytes: a batch is in the temporary folder at once
UNKNOWN_SIZE = 2**28  # bytes, as which a file counts in a batch where nobody says its size: few such files at a time
PIECE = 2**20  # bytes

Rejections = Sequence[tuple[str, str]]  # address, reason


@dataclass(frozen=True)
class RemoteFile:
    """A file of a folder elsewhere: its place, its path below that folder, size in bytes and version.

    The size is None where nobody says. `earlier`: loop_id and version that it was heard with before, "" each for none.
    """

    place: Place
    name: str
    size_bytes: int | None
    version: str
    earlier: tuple[str, str] = ("", "")

    @property
    def address(self) -> str:
        """By which fsspec finds it again."""
        return self.place.address

    @property
    def is_as_heard(self) -> bool:
        """Whether it is sure that it need not be heard again."""
        return bool(self.version and self.earlier[0]) and self.earlier[1] == self.version


def files_at(folder: Place) -> list[RemoteFile]:
    """The audio-named files below a folder elsewhere, in alphabetical order. Raises DataError where it cannot be read.

    Hidden names and what archivers leave behind are passed over, as in a scan.
    """
    folder.system.invalidate_cache()  # others write there
    found = attempt("listing an address", partial(folder.system.find, folder.path, detail=True), INFO)
    if isinstance(found, Defect):
        raise DataError(f"{folder.shown} cannot be listed ({found.reason}); {folder.remedy}.")
    files = []
    for path in sorted(found):
        name = posixpath.relpath(path, folder.path)
        name = unquote(name) if path.startswith("http") else name
        parts = name.split("/")
        if is_audio_name(parts[-1]) and all(parts) and not any(map(is_passed_over, parts)):
            size = found[path].get("size")
            size = None if size is None else int(size)
            files.append(RemoteFile(Place(folder.system, path), name, size, version_of(found[path])))
    if not files:
        raise DataError(f"There is no sound file at {folder.shown}; check the address.")
    return files


def batches_of(files: Sequence[RemoteFile], most: int) -> Iterator[list[RemoteFile]]:
    """At most so many files at a time, and not much more than a gigabyte."""
    batch: list[RemoteFile] = []
    for file in files:
        batch.append(file)
        n_bytes = sum(UNKNOWN_SIZE if one.size_bytes is None else one.size_bytes for one in batch)
        if len(batch) == most or n_bytes > LARGEST_BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def fetched(
    files: Sequence[RemoteFile], folder: Path, should_stop: StopCheck = never_stop
) -> tuple[Library, Mapping[str, RemoteFile], Rejections]:
    """These files, brought into an empty folder and scanned, and which each path there stands for. Raises Cancelled."""
    origins: dict[str, RemoteFile] = {}
    reasons = []
    for file in files:
        if should_stop():
            raise Cancelled("Fetching was stopped; what was heard is kept.")
        target = folder / PurePosixPath(file.name)
        if reason := _brought(file, target):
            reasons.append((file.address, reason))
        else:
            origins[str(target)] = file
    library = scan_folder(folder, should_stop=should_stop)
    rejected = library.rejected[["path", "reason"]].itertuples(index=False)
    return library, origins, [*reasons, *((address_in(origins, path), reason) for path, reason in rejected)]


def address_in(origins: Mapping[str, RemoteFile], path: str) -> str:
    """The address that a path stands for; a path of its own is itself."""
    return origins[path].address if path in origins else path


def _brought(file: RemoteFile, target: Path) -> str:
    """Fetches a file to where none is yet; why it could not be, or ""."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch(exist_ok=False)  # two names may be one here
    except (OSError, ValueError) as error:
        return f"It cannot be fetched ({first_line(error)}); rename it."
    return bring(file, target)


def bring(file: RemoteFile, target: Path) -> str:
    """Fetches a file to a path of this machine; why it could not be, or ""."""
    too_large = f"It is larger than {LARGEST_FILE / 2**30:.0f} GB; copy it here and index the folder."
    if file.size_bytes is not None and file.size_bytes > LARGEST_FILE:
        return too_large
    is_whole = attempt("fetching", partial(_copied, file, target), INFO)
    if is_whole is True:
        return ""
    target.unlink(missing_ok=True)  # half of a file is none
    return f"It cannot be fetched ({is_whole.reason}); check access." if isinstance(is_whole, Defect) else too_large


def _copied(file: RemoteFile, target: Path) -> bool:
    """Whether all of a file came; where nobody says its size no more is fetched than the largest may have."""
    if file.size_bytes is not None:
        file.place.system.get_file(file.place.path, str(target))
        return True
    n_bytes = 0
    with file.place.system.open(file.place.path, "rb") as source, target.open("wb") as copy:
        while piece := source.read(PIECE):
            n_bytes += len(piece)
            if n_bytes > LARGEST_FILE:
                return False
            copy.write(piece)
    return True
