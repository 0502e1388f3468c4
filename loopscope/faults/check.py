"""The checks over a whole library: files in parallel, block by block, each looked at once and remembered.

The table has one row per finding: loop_id, kind, strength (0 … 1), verdict ("fault" or "suspect"), sentence, times
(tuple of seconds). A loop without findings has no row. A file that can no longer be read is a finding of kind
"unreadable", with the reason as its sentence.
"""

import hashlib
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from loopscope import audio
from loopscope.errors import AudioError, Cancelled
from loopscope.faults.base import Fault, Signal
from loopscope.faults.duplicates import duplicate_rows, near_duplicate_rows
from loopscope.faults.limits import LIMITS
from loopscope.faults.registry import BLOCK_S, OVERLAP_S, judge, measure_blocks
from loopscope.progress import Progress, ProgressCallback, StopCheck, ignore_progress, never_stop

if TYPE_CHECKING:
    from loopscope.embeddings import EmbeddingSet
    from loopscope.library import Library
    from loopscope.store import Store

FAULT_COLUMNS = ("loop_id", "kind", "strength", "verdict", "sentence", "times")
CHECKS_REVISION = 2  # raise it whenever a check would find something else in the same file
BATCH = 64  # files between two writes to the store
MAX_WORKERS = 8

log = logging.getLogger(__name__)

FileCheck = tuple[str, list[dict[str, Any]]]


def check_library(
    library: "Library",
    store: "Store | None" = None,
    on_progress: ProgressCallback = ignore_progress,
    should_stop: StopCheck = never_stop,
) -> pd.DataFrame:
    """Findings for every unique loop of the library and its exact duplicates, columns FAULT_COLUMNS.

    With a `store`, loops checked before are not read again and every batch is stored, so that a stopped run goes on
    where it was. Raises Cancelled when `should_stop` says so.
    """
    started = time.monotonic()
    loops = library.unique
    reports: dict[str, Any] = {} if store is None else store.get_faults(loops["loop_id"], version())
    paths = {row_id: path for row_id, path in zip(loops["loop_id"], loops["path"], strict=True)}
    missing = [loop_id for loop_id in paths if loop_id not in reports]
    on_progress(Progress("Checking for faults", len(reports), len(paths), unit="loops"))
    for batch in _checked(missing, paths, should_stop):
        found = dict(batch)
        reports.update(found)
        if store is not None:
            store.put_faults({key: rows for key, rows in found.items() if not _unreadable(rows)}, version())
        on_progress(Progress("Checking for faults", len(reports), len(paths), unit="loops"))
    rows = [{"loop_id": loop_id, **row} for loop_id in paths for row in reports[loop_id]]
    log.info(
        "faults: %d findings in %d loops, %d checked, %.2f s",
        len(rows),
        len(paths),
        len(missing),
        time.monotonic() - started,
    )
    return faults_frame([*rows, *duplicate_rows(library.loops)])


def add_near_duplicates(
    findings: pd.DataFrame,
    library: "Library",
    embeddings: "EmbeddingSet",
    on_progress: ProgressCallback = ignore_progress,
    should_stop: StopCheck = never_stop,
) -> pd.DataFrame:
    """`findings` with one more row for each loop whose embedding nearly equals another's. Raises Cancelled."""
    names = library.unique.set_index("loop_id")["name"].loc[list(embeddings.loop_ids)]
    rows = near_duplicate_rows(
        embeddings.loop_ids, embeddings.X, list(names), on_progress=on_progress, should_stop=should_stop
    )
    return pd.concat([findings, faults_frame(rows)], ignore_index=True) if rows else findings


def check_file(path: str | os.PathLike[str]) -> tuple[Fault, ...]:
    """Findings in one file, strongest first; a minute of it at a time in memory. Raises AudioError with the reason."""
    return judge(measure_blocks(blocks_of(path)))


def blocks_of(path: str | os.PathLike[str]) -> Iterator[Signal]:
    """The file in blocks of a minute that overlap by a tenth of a second, all channels, at its own rate."""
    duration_s = audio.probe(path).duration_s
    start_s = 0.0
    while start_s == 0.0 or start_s < duration_s - OVERLAP_S:
        part = audio.decode(path, mono=False, offset_s=start_s, duration_s=BLOCK_S + OVERLAP_S)
        yield Signal(part.samples, part.sample_rate, start_s)
        start_s += BLOCK_S


def version() -> str:
    """Names the checks and limits a stored report came from; changes with either."""
    return f"{CHECKS_REVISION}-{hashlib.sha256(repr(LIMITS).encode()).hexdigest()[:12]}"


def faults_frame(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Rows as a table with FAULT_COLUMNS, times as tuples of float; also when there are none."""
    table = pd.DataFrame(rows, columns=list(FAULT_COLUMNS))
    table["times"] = [tuple(times) for times in table["times"]]
    return table.astype({"strength": "float64", "times": "object"})


def _checked(loop_ids: Sequence[str], paths: dict[str, str], should_stop: StopCheck) -> Iterator[list[FileCheck]]:
    """Batches of (loop_id, report). Decoding and most of numpy leave the interpreter's lock, so threads do."""
    waiting = iter(loop_ids)
    with ThreadPoolExecutor(min(os.cpu_count() or 1, MAX_WORKERS), thread_name_prefix="faults") as pool:
        while batch := list(islice(waiting, BATCH)):
            yield list(pool.map(_unless_stopped(should_stop), batch, [paths[loop_id] for loop_id in batch]))


def _unless_stopped(should_stop: StopCheck) -> Callable[[str, str], FileCheck]:
    def check(loop_id: str, path: str) -> FileCheck:
        if should_stop():
            raise Cancelled("Checking for faults was stopped; what was finished is kept.")
        return loop_id, _report(path)

    return check


def _report(path: str) -> list[dict[str, Any]]:
    """Findings of one file as JSON can hold them."""
    try:
        faults = check_file(Path(path))
    except AudioError as error:
        faults = (Fault("unreadable", 1.0, (), "fault", str(error)),)
    return [
        {
            "kind": fault.kind,
            "strength": fault.strength,
            "verdict": fault.verdict,
            "sentence": fault.sentence,
            "times": list(fault.times_s),
        }
        for fault in faults
    ]


def _unreadable(rows: Sequence[dict[str, Any]]) -> bool:
    """A file that could not be read today may be readable tomorrow, so it is not remembered."""
    return any(row["kind"] == "unreadable" for row in rows)
