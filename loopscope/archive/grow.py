"""Growing an archive: folders and files of embeddings are added, and only what is new is looked at."""

import json
import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from loopscope.archive.fetched import Rejections, RemoteFile, address_in, batches_of, fetched, files_at
from loopscope.archive.manifest import MANIFEST, Archive, make_archive, parts_at
from loopscope.archive.parts import part_bytes, part_name
from loopscope.archive.place import Place
from loopscope.cluster.spread import batch_size, n_workers
from loopscope.cluster.work import hear, only, split
from loopscope.config import n_cores
from loopscope.embeddings.cluster import results_of
from loopscope.encoders.base import Encoder
from loopscope.files import path_as_text
from loopscope.library import Library
from loopscope.library.tables import reasons_frame
from loopscope.progress import Progress, ProgressCallback, StopCheck, ignore_progress, never_stop
from loopscope.threads import worker_pool

FILE_COLUMNS = ("duration_s", "sample_rate", "channels", "format", "subtype", "size_bytes", "mtime_ns")
STAGE = "Indexing"
LARGEST_HERE = 64  # loops in a batch, which Ctrl-C loses in each thread; a cluster is stopped less often
UNWRITTEN = (
    "It was heard, but its part is not in the archive: whoever heard it wrote elsewhere; give every worker the same "
    "address and login, and index again."
)
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Growth:
    """The archive after it grew: `n_new` loops came in, `n_known` were there already.

    `n_gone`: files of the same folder that an earlier look had found. `rejected` (path, reason).
    """

    archive: Archive
    n_new: int
    n_known: int
    n_gone: int
    rejected: pd.DataFrame


def add_folder(
    place: Place,
    library: Library,
    encoder: Encoder,
    *,
    everything: bool = True,
    engine: str = "threads",
    on_progress: ProgressCallback = ignore_progress,
    should_stop: StopCheck = never_stop,
) -> Growth:
    """Brings a scanned folder into the archive at `place`, which is made where there is none.

    Loops that the archive knows, whatever folder they came from, are not heard again. Each part is written as soon as
    it is heard, so that a stopped or killed run goes on where it was. `everything` adds findings and measurements;
    `engine` "dask" has the workers of the client in force hear the loops and write the parts. Raises Cancelled,
    DataError if the archive is of another encoder, EncoderError for a cluster that cannot do it.
    """
    archive = make_archive(place, encoder.encoder_id, encoder.n_features)
    known = set(archive.parts.loop_ids.to_pylist())
    ids = list(library.unique["loop_id"])
    missing = only(library, {loop_id for loop_id in ids if loop_id not in known})
    n_missing, done = len(missing.unique), 0
    rejections: list[tuple[str, str]] = []
    on_progress(Progress(STAGE, 0, n_missing, unit="loops"))
    batches = list(split(missing, _batch_size(n_missing, engine)))
    seen = [str(library.root)]
    for n_loops, rejected in _results(write_heard, batches, encoder, archive, everything, engine, seen, should_stop):
        rejections += rejected
        done += n_loops
        on_progress(Progress(STAGE, done, n_missing, unit="loops"))
    grown, gone = _listed(archive, library)
    rejections += _unwritten(grown, missing.unique[["loop_id", "path"]].itertuples(index=False, name=None), rejections)
    n_failed = len(set(missing.unique["loop_id"]) - set(grown.parts.loop_ids.to_pylist()))
    log.info("index: %d loops, %d new, %d failed, %d files gone", len(ids), n_missing, n_failed, gone)
    left_out = pd.concat([library.rejected[["path", "reason"]], reasons_frame(rejections)], ignore_index=True)
    return Growth(grown, n_missing - n_failed, len(ids) - n_missing, gone, left_out)


def add_embeddings(place: Place, address: object, on_progress: ProgressCallback = ignore_progress) -> Growth:
    """Brings Parquet files made elsewhere (see `parts`) into the archive at `place`. Raises DataError."""
    theirs = parts_at(address)
    archive = make_archive(place, theirs.encoder_id, theirs.n_features)
    is_new = np.asarray(pc.invert(pc.is_in(theirs.loop_ids, value_set=archive.parts.loop_ids)))
    ids, paths = (column.filter(pa.array(is_new)) for column in (theirs.loop_ids, theirs.paths))
    done = 0
    for X in theirs.chunks(is_new):
        some, where = (column.slice(done, len(X)).to_pylist() for column in (ids, paths))
        archive.write_part(part_name(some), part_bytes(some, where, X, theirs.encoder_id, {}))
        done += len(X)
        on_progress(Progress(STAGE, done, len(ids), unit="loops"))
    folder = path_as_text(Place.of(address).path)
    gone = _gone(archive, folder, theirs.paths.to_pylist())
    grown = archive.with_listing(folder, theirs.loop_ids.to_pylist(), theirs.paths.to_pylist())
    return Growth(grown, done, theirs.n_loops - done, gone, reasons_frame())


def add_address(
    place: Place,
    address: str,
    encoder: Encoder,
    *,
    everything: bool = True,
    engine: str = "threads",
    on_progress: ProgressCallback = ignore_progress,
    should_stop: StopCheck = never_stop,
) -> Growth:
    """`add_folder` of one that lies elsewhere, as s3://bucket/loops (see `fetched`).

    Files that were heard in the version of now are not fetched again; one that cannot be fetched now stays what it was.
    Raises DataError for an address that cannot be listed too. On a cluster the workers fetch, and a loop that only
    another folder had is heard once more.
    """
    home = Place.of(address)
    folder, files = home.address, files_at(home)
    archive = make_archive(place, encoder.encoder_id, encoder.n_features)
    before = frozenset(archive.parts.loop_ids.to_pylist())
    heard = {path: found for path, found in _heard_before(archive, folder).items() if found[0] in before}
    files = [replace(file, earlier=heard.get(file.address, ("", ""))) for file in files]
    todo, done = [file for file in files if not file.is_as_heard], 0
    rows = [(file.earlier[0], file.address, file.version) for file in files if file.is_as_heard]
    rejections: list[tuple[str, str]] = []
    heard_now: list[tuple[str, str]] = []
    on_progress(Progress(STAGE, 0, len(todo)))
    batches = list(batches_of(todo, _batch_size(len(todo), engine)))
    known = before if engine == "threads" else frozenset()
    for found, missed, rejected in _results(
        write_fetched, batches, encoder, archive, everything, engine, [], should_stop, known=known
    ):
        rows += [(loop_id, file.address, file.version) for loop_id, file in found]
        heard_now += [(loop_id, file.address) for loop_id, file in found]
        rows += [(file.earlier[0], file.address, file.earlier[1]) for file in missed if file.earlier[0]]
        rejections += rejected
        done += len({address for address, _ in rejected} | {file.address for _, file in found})
        on_progress(Progress(STAGE, done, len(todo)))
    gone = _gone(archive, folder, [file.address for file in files])
    grown = archive.with_listing(folder, *([row[column] for row in rows] for column in range(3)))
    rejections += _unwritten(grown, heard_now, rejections)
    ids = {loop_id for loop_id, _, _ in rows}
    n_new = len((ids - before).intersection(grown.parts.loop_ids.to_pylist()))
    return Growth(grown, n_new, len(ids & before), gone, reasons_frame(rejections))


def write_heard(
    batch: Library,
    encoder: Encoder,
    archive: Archive,
    everything: bool,
    should_stop: StopCheck = never_stop,
    origins: Mapping[str, RemoteFile] = MappingProxyType({}),
) -> tuple[int, Rejections]:
    """Hears a batch and writes its part; says how many loops it had and what was left out. Raises Cancelled.

    `origins`: for which file elsewhere a path stands.
    """
    heard = hear(batch, encoder, everything, should_stop)
    ids = [loop_id for result in heard.embedded for loop_id in result.loop_ids]
    if ids:
        files = batch.unique.set_index("loop_id")
        paths = files.loc[ids, "path"]
        of_files = files[list(FILE_COLUMNS)].to_dict("index")
        for loop_id, path in paths.items():
            of_files[loop_id] |= {"version": origins[path].version} if path in origins else {}
        known: dict[str, Mapping[Any, Any]] = {"file": of_files}
        known |= {"report": heard.reports, "metadata": heard.metadata} if everything else {}
        extras = {name: [json.dumps(found.get(loop_id)) for loop_id in ids] for name, found in known.items()}
        where = [path_as_text(address_in(origins, path)) for path in paths]
        X = np.concatenate([result.X for result in heard.embedded])
        archive.write_part(part_name(ids), part_bytes(ids, where, X, encoder.encoder_id, extras))
    rejected = [rejection for result in heard.embedded for rejection in result.rejections]
    return len(batch.unique), [(address_in(origins, path), reason) for path, reason in rejected]


def write_fetched(
    files: Sequence[RemoteFile],
    encoder: Encoder,
    archive: Archive,
    everything: bool,
    should_stop: StopCheck = never_stop,
    known: frozenset[str] = frozenset(),
) -> tuple[Sequence[tuple[str, RemoteFile]], Sequence[RemoteFile], Rejections]:
    """Fetches a batch, hears what is neither `known` nor what a file was earlier, and writes its part.

    Gives each file with its loop_id, and those that could not be fetched. Raises Cancelled.
    """
    with tempfile.TemporaryDirectory(prefix="loopscope-") as folder:
        library, origins, rejected = fetched(files, Path(folder).resolve(), should_stop)
        here = {file.address for file in origins.values()}
        missed = [file for file in files if file.address not in here]
        missing = only(library, set(library.loops["loop_id"]) - known - {file.earlier[0] for file in files})
        if len(missing.loops):
            rejected = [*rejected, *write_heard(missing, encoder, archive, everything, should_stop, origins)[1]]
        pairs = library.loops[["loop_id", "path"]].itertuples(index=False, name=None)
        return [(loop_id, origins[path]) for loop_id, path in pairs], missed, rejected


def _batch_size(n: int, engine: str) -> int:
    return batch_size(n, n_cores(), LARGEST_HERE) if engine == "threads" else batch_size(n, n_workers())


def _results(
    work: Callable[..., Any],
    batches: Sequence[Any],
    encoder: Encoder,
    archive: Archive,
    everything: bool,
    engine: str,
    seen: Sequence[str],
    should_stop: StopCheck,
    **options: Any,
) -> Iterator[Any]:
    """Of each batch as it was written, here or on a cluster, whose workers write the parts where they see the archive.

    `seen`: what the workers must see beside it.
    """
    if not batches:
        return
    if engine == "threads":
        yield from _results_here(work, batches, encoder, archive, everything, should_stop, **options)
        return
    manifest = archive.place.below(MANIFEST)
    seen = [*seen, *([manifest.path] if manifest.is_local else [])]
    bare = Archive(archive.place, archive.encoder_id, archive.n_features)  # without what it has read
    yield from results_of(work, batches, encoder, seen, should_stop, archive=bare, everything=everything, **options)


def _results_here(
    work: Callable[..., Any],
    batches: Sequence[Any],
    encoder: Encoder,
    archive: Archive,
    everything: bool,
    should_stop: StopCheck,
    **options: Any,
) -> Iterator[Any]:
    """In threads of this machine."""
    abandoned = Event()

    def stopped() -> bool:
        return abandoned.is_set() or should_stop()

    with worker_pool(len(batches)) as pool:
        tasks = [pool.submit(work, batch, encoder, archive, everything, stopped, **options) for batch in batches]
        try:
            for task in as_completed(tasks):
                yield task.result()
        finally:
            abandoned.set()
            for task in tasks:
                task.cancel()


def _heard_before(archive: Archive, folder: str) -> dict[str, tuple[str, str]]:
    """loop_id and version ("" where nobody says) of what lies elsewhere, by address.

    Those of the listing, where a run was killed of the parts.
    """
    parts = archive.parts
    below = pc.starts_with(parts.paths, folder)
    columns = [column.filter(below).to_pylist() for column in (parts.paths, parts.loop_ids, parts.column("file"))]
    versions = [(json.loads(text or "{}") or {}).get("version", "") for text in columns[2]]
    written = {
        path: (loop_id, version) for path, loop_id, version in zip(*columns[:2], versions, strict=True) if version
    }
    return written | archive.versions(folder)


def _listed(archive: Archive, library: Library) -> tuple[Archive, int]:
    """The archive that knows where the files of this folder lie now, and how many of those it knew are gone."""
    folder, paths = path_as_text(str(library.root)), [path_as_text(path) for path in library.loops["path"]]
    gone = _gone(archive, folder, paths)
    return archive.with_listing(folder, list(library.loops["loop_id"]), paths), gone


def _unwritten(grown: Archive, heard: Iterable[tuple[str, str]], rejected: Rejections) -> Rejections:
    """Of loops (loop_id, path) that were heard those without a part, but for what was left out for a reason."""
    there, known = set(grown.parts.loop_ids.to_pylist()), {path for path, _ in rejected}
    return [(path, UNWRITTEN) for loop_id, path in heard if loop_id not in there and path not in known]


def _gone(archive: Archive, folder: str, paths: Sequence[str]) -> int:
    if folder not in archive.folders:
        return 0
    return len(set(archive.listing(folder).column("path").to_pylist()) - set(paths))
