"""Scan a folder: find the files, ask the store what is known of them, inspect the rest.

Results are written to the store in batches while the scan runs, so that a scan that is cancelled or killed goes on
where it was. Reasons that may pass (no permission, a file that changed under the reader) are listed but
never remembered.
"""

import logging
import os
import time
from collections.abc import Iterable
from pathlib import Path

import soundfile

from loopscope.audio.inspection import Inspection
from loopscope.audio.isolation import InspectionPool, Result
from loopscope.audio.readers import TransientAudioError
from loopscope.config import n_cores
from loopscope.errors import Cancelled, LibraryError
from loopscope.library.tables import Library, make_library
from loopscope.library.walk import FoundFile, walk
from loopscope.progress import Progress, ProgressCallback, StopCheck, ignore_progress, never_stop
from loopscope.store import FileKey, FileRow, Store
from loopscope.user_files import UserFile

STAGE = "Scanning"
RULES = "1"  # to be raised when inspection judges files differently
BATCH_FILES = 512
BATCH_S = 2.0
LISTING_S = 0.2

log = logging.getLogger(__name__)


def scan_folder(
    folder: str | os.PathLike[str],
    store: Store | None = None,
    on_progress: ProgressCallback = ignore_progress,
    should_stop: StopCheck = never_stop,
) -> Library:
    """Every loop below `folder`, and every audio-named file that is none with its reason.

    With a `store`, files whose path, size and modification time it knows are neither hashed nor decoded.
    Raises LibraryError if the folder cannot be listed, Cancelled if told to stop (what was inspected is kept).
    """
    started = time.monotonic()
    root = _checked_root(folder)
    found = _find(root, on_progress, should_stop)
    reasons = {file.path: file.reason for file in found if file.reason}
    keys = [FileKey(file.path, file.size_bytes, file.mtime_ns) for file in found if not file.reason]
    known = _known(store, keys)
    scan = _Scan(store, len(keys), len(known), on_progress)
    _inspect([key for key in keys if key not in known], root, scan, should_stop)
    library = make_library(root, {**known, **scan.rows}, {**reasons, **scan.passing_reasons})
    inspected = f"{len(keys) - len(known)} inspected, {time.monotonic() - started:.2f} s"
    log.info("scan: %d loops, %d left out, %s", len(library.loops), len(library.rejected), inspected)
    return library


def scan_file(file: str | os.PathLike[str]) -> Library:
    """A library of this one file. Raises AudioError with the reason where it is no loop."""
    path = Path(file).expanduser().resolve()
    with InspectionPool(1) as pool:
        ((_, found),) = pool.inspect_all([UserFile(str(path), str(path.parent))])
    if not isinstance(found, Inspection):
        raise found
    key = FileKey(str(path), found.info.size_bytes, found.info.mtime_ns)
    return make_library(path.parent, {key: _row(found)}, {})


def reader_version() -> str:
    """The code whose judgement of files the store remembers; another version looks again."""
    return f"{RULES}/{soundfile.__libsndfile_version__}"


class _Scan:
    """What a running scan has found, and the writing and reporting of it."""

    def __init__(self, store: Store | None, n_files: int, n_known: int, on_progress: ProgressCallback) -> None:
        self.rows: dict[FileKey, FileRow] = {}
        self.passing_reasons: dict[str, str] = {}
        self._unwritten: dict[FileKey, FileRow] = {}
        self._store, self._on_progress = store, on_progress
        self._n_files, self._n_done = n_files, n_known
        self._written_at = time.monotonic()
        self._report()

    def add(self, key: FileKey, result: Result) -> None:
        """Take one file's result."""
        if isinstance(result, TransientAudioError):
            self.passing_reasons[key.path] = str(result)
        elif isinstance(result, Inspection) and not _is_same(key, result):
            self.passing_reasons[key.path] = "The file changed while the folder was scanned; scan it again."
        else:
            self.rows[key] = self._unwritten[key] = _row(result)
        self._n_done += 1
        if len(self._unwritten) >= BATCH_FILES or time.monotonic() - self._written_at > BATCH_S:
            self.write()
        self._report()

    def write(self) -> None:
        """Put what is not yet in the store there."""
        if self._store is not None and self._unwritten:
            self._store.put_files(self._unwritten)
        self._unwritten = {}
        self._written_at = time.monotonic()

    def _report(self) -> None:
        self._on_progress(Progress(STAGE, self._n_done, self._n_files))


def _checked_root(folder: str | os.PathLike[str]) -> Path:
    try:
        root = Path(folder).expanduser().resolve(strict=True)
        with os.scandir(root):
            return root
    except FileNotFoundError as error:
        raise LibraryError(f"There is no folder {os.fspath(folder)!r}; check the spelling.") from error
    except NotADirectoryError as error:
        raise LibraryError(f"{os.fspath(folder)!r} is a file; choose the folder that holds it.") from error
    except (OSError, RuntimeError, ValueError) as error:
        raise LibraryError(f"The folder {os.fspath(folder)!r} cannot be read ({error}); choose another one.") from error


def _find(root: Path, on_progress: ProgressCallback, should_stop: StopCheck) -> list[FoundFile]:
    found: list[FoundFile] = []
    reported = time.monotonic()
    for file in walk(root, should_stop):
        found.append(file)
        if time.monotonic() - reported > LISTING_S:
            reported = time.monotonic()
            on_progress(Progress(STAGE, 0, 0, message=f"Looking for files: {len(found)} so far"))
    if should_stop():
        raise Cancelled("The scan was stopped while looking for files.")
    return sorted(found, key=lambda file: os.fsencode(file.path))


def _known(store: Store | None, keys: Iterable[FileKey]) -> dict[FileKey, FileRow]:
    if store is None:
        return {}
    present = reader_version()
    return {key: row for key, row in store.get_files(keys).items() if row.reader == present}


def _inspect(keys: list[FileKey], root: Path, scan: _Scan, should_stop: StopCheck) -> None:
    """Inspect the files in worker processes. Raises Cancelled after writing what is finished."""
    by_file = {UserFile(key.path, str(root)): key for key in keys}
    try:
        with InspectionPool(min(len(keys), n_cores()) or 1) as pool:
            for file, result in pool.inspect_all(by_file, should_stop):
                scan.add(by_file[file], result)
    finally:
        scan.write()
    if should_stop():
        raise Cancelled(f"The scan was stopped; {len(scan.rows)} files are done and need no second look.")


def _is_same(key: FileKey, found: Inspection) -> bool:
    return (found.info.size_bytes, found.info.mtime_ns) == (key.size_bytes, key.mtime_ns)


def _row(result: Result) -> FileRow:
    if not isinstance(result, Inspection):
        return FileRow(reader_version(), reason=str(result))
    info = result.info
    header = (info.duration_s, info.sample_rate, info.channels, info.format, info.subtype)
    return FileRow(reader_version(), result.loop_id, *header)
