"""The checks over a whole library: files in parallel, block by block, each looked at once and remembered.

The table has one row per finding: loop_id, kind, strength (0 … 1), verdict ("fault" or "suspect"), sentence, times
(tuple of seconds), brief (the finding in a few words). A loop without findings has no row. A file that can no longer be
read is a finding of kind "unreadable", with the reason as its sentence; a check that failed is one of kind
"check_failed", which counts as no evidence, and the loop is checked again next time.
"""

import hashlib
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from loopscope import audio
from loopscope.batches import Memory, ignore_results, measure_loops
from loopscope.embeddings import EmbeddingSet
from loopscope.faults.base import CHECK_FAILED, Fault, Signal
from loopscope.faults.duplicates import duplicate_rows, near_duplicate_rows
from loopscope.faults.limits import LIMITS
from loopscope.faults.registry import BLOCK_S, OVERLAP_S, failed_check, judge, measure_blocks
from loopscope.library import Library
from loopscope.progress import ProgressCallback, StopCheck, ignore_progress, never_stop
from loopscope.store import Store

FAULT_COLUMNS = ("loop_id", "kind", "strength", "verdict", "sentence", "times", "brief")
CHECKS_REVISION = 3  # raise it whenever a check would find or say something else of the same file
STAGE = "Checking for faults"
BATCH = 64  # files between two writes to the store

log = logging.getLogger(__name__)

Report = list[dict[str, Any]]  # the findings of one file, strongest first


def check_library(
    library: Library,
    store: Store | None = None,
    on_progress: ProgressCallback = ignore_progress,
    should_stop: StopCheck = never_stop,
    on_reports: Callable[[Mapping[str, Report]], None] = ignore_results,
) -> pd.DataFrame:
    """Findings for every unique loop of the library and its exact duplicates, columns FAULT_COLUMNS.

    `on_reports` gets the findings by loop_id as they come: those of earlier runs first, then batch by batch.

    With a `store`, loops checked before are not read again and every batch is stored, so that a stopped run goes on
    where it was. Raises Cancelled when `should_stop` says so.
    """
    started = time.monotonic()
    paths: dict[str, str] = dict(zip(library.unique["loop_id"], library.unique["path"], strict=True))
    memory: Memory[Report] | None = None if store is None else _of_what_was_checked(store)
    checked = measure_loops(
        paths, lambda loop_id: _report(paths[loop_id]), STAGE, memory, on_progress, should_stop, BATCH, on_reports
    )
    reports = (
        checked.results
        | {loop_id: _unreadable(reason) for loop_id, reason in checked.unreadable.items()}
        | {loop_id: _unchecked(reason) for loop_id, reason in checked.failed.items()}
    )
    rows = rows_of(reports, paths)
    seconds = time.monotonic() - started
    log.info("faults: %d findings in %d loops, %d checked, %.2f s", len(rows), len(paths), checked.n_computed, seconds)
    return faults_frame([*rows, *duplicate_rows(library.loops)])


def add_near_duplicates(
    findings: pd.DataFrame,
    library: Library,
    embeddings: EmbeddingSet,
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


def rows_of(reports: Mapping[str, Report], loop_ids: Iterable[str]) -> list[dict[str, Any]]:
    """The findings of these loops as rows for `faults_frame`, those that were not checked yet left out."""
    return [{"loop_id": loop_id, **row} for loop_id in loop_ids for row in reports.get(loop_id, ())]


def faults_frame(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Rows as a table with FAULT_COLUMNS, times as tuples of float; also when there are none."""
    table = pd.DataFrame(rows, columns=list(FAULT_COLUMNS))
    table["times"] = [tuple(times) for times in table["times"]]
    return table.astype({"strength": "float64", "times": "object"})


def _report(path: str) -> Report:
    """Findings of one file as JSON can hold them. Raises AudioError with the reason."""
    return [fault.row for fault in check_file(path)]


def _of_what_was_checked(store: Store) -> Memory[Report]:
    """Reports of loops that every check has seen; the others are checked again next time."""
    kept: Memory[Report] = store.memory("faults", version())

    def remember(reports: Mapping[str, Report]) -> None:
        kept.remember({loop_id: report for loop_id, report in reports.items() if not _has_failed(report)})

    return Memory(kept.recall, remember)


def _has_failed(report: Report) -> bool:
    return any(row["kind"] == CHECK_FAILED for row in report)


def _unchecked(reason: str) -> Report:
    return [failed_check("checking for faults", reason).row]


def _unreadable(reason: str) -> Report:
    return [Fault("unreadable", 1.0, (), "fault", reason, "unreadable").row]
