"""Growing an archive: folders and files of embeddings are added, and only what is new is looked at."""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from threading import Event
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from loopscope.archive.manifest import MANIFEST, Archive, make_archive, parts_at
from loopscope.archive.parts import Place, part_bytes, part_name
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
log = logging.getLogger(__name__)

Rejections = Sequence[tuple[str, str]]  # path, reason


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
    hear_all = _heard_here if engine == "threads" else _heard_there
    for n_loops, rejected in hear_all(archive, missing, encoder, everything, should_stop) if n_missing else ():
        rejections += rejected
        done += n_loops
        on_progress(Progress(STAGE, done, n_missing, unit="loops"))
    grown, gone = _listed(archive, library)
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


def write_heard(
    batch: Library, encoder: Encoder, archive: Archive, everything: bool, should_stop: StopCheck = never_stop
) -> tuple[int, Rejections]:
    """Hears a batch and writes its part; says how many loops it had and what was left out. Raises Cancelled."""
    heard = hear(batch, encoder, everything, should_stop)
    ids = [loop_id for result in heard.embedded for loop_id in result.loop_ids]
    if ids:
        files = batch.unique.set_index("loop_id")
        known: dict[str, Mapping[Any, Any]] = {"file": files[list(FILE_COLUMNS)].to_dict("index")}
        known |= {"report": heard.reports, "metadata": heard.metadata} if everything else {}
        extras = {name: [json.dumps(found.get(loop_id)) for loop_id in ids] for name, found in known.items()}
        paths = [path_as_text(path) for path in files.loc[ids, "path"]]
        X = np.concatenate([result.X for result in heard.embedded])
        archive.write_part(part_name(ids), part_bytes(ids, paths, X, encoder.encoder_id, extras))
    return len(batch.unique), [rejection for result in heard.embedded for rejection in result.rejections]


def _heard_here(
    archive: Archive, missing: Library, encoder: Encoder, everything: bool, should_stop: StopCheck
) -> Iterator[tuple[int, Rejections]]:
    """In threads of this machine: the size of each batch that was written, and what was left out of it."""
    batches = list(split(missing, batch_size(len(missing.unique), n_cores(), LARGEST_HERE)))
    abandoned = Event()

    def stopped() -> bool:
        return abandoned.is_set() or should_stop()

    with worker_pool(len(batches)) as pool:
        tasks = [pool.submit(write_heard, batch, encoder, archive, everything, stopped) for batch in batches]
        try:
            for task in as_completed(tasks):
                yield task.result()
        finally:
            abandoned.set()
            for task in tasks:
                task.cancel()


def _heard_there(
    archive: Archive, missing: Library, encoder: Encoder, everything: bool, should_stop: StopCheck
) -> Iterator[tuple[int, Rejections]]:
    """The same on a cluster, whose workers write the parts where they see the archive."""
    batches = list(split(missing, batch_size(len(missing.unique), n_workers())))
    manifest = archive.place.below(MANIFEST)
    seen = [str(missing.root), *([manifest.path] if manifest.is_local else [])]
    bare = Archive(archive.place, archive.encoder_id, archive.n_features)  # without what it has read
    yield from results_of(write_heard, batches, encoder, seen, should_stop, archive=bare, everything=everything)


def _listed(archive: Archive, library: Library) -> tuple[Archive, int]:
    """The archive that knows where the files of this folder lie now, and how many of those it knew are gone."""
    folder, paths = path_as_text(str(library.root)), [path_as_text(path) for path in library.loops["path"]]
    gone = _gone(archive, folder, paths)
    return archive.with_listing(folder, list(library.loops["loop_id"]), paths), gone


def _gone(archive: Archive, folder: str, paths: Sequence[str]) -> int:
    if folder not in archive.folders:
        return 0
    return len(set(archive.listing(folder).column("path").to_pylist()) - set(paths))
