"""The checks over a whole library: files in parallel, block by block, each looked at once and remembered.

The table has one row per finding: loop_id, kind, strength (0 … 1), verdict ("fault" or "suspect"), sentence, times
(tuple of seconds), brief (the finding in a few words). A loop without findings has no row. A file that can no longer be
read is a finding of kind "unreadable", with the reason as its sentence; a check that failed is one of kind
"check_failed", which counts as no evidence; that check alone is made again next time.
"""

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd

from loopscope.batches import Memory, ignore_results, measure_loops, n_workers
from loopscope.embeddings import EmbeddingSet
from loopscope.faults.apart import checking_apart
from loopscope.faults.base import Fault
from loopscope.faults.duplicates import duplicate_rows, near_duplicate_rows
from loopscope.faults.file_report import FileReport, Report, StoredReport, report_of
from loopscope.faults.folders import compare_in_folders
from loopscope.faults.limits import OTHER_KEY, OTHER_TEMPO
from loopscope.faults.memory import ReportMemory, joined, known_reports
from loopscope.faults.named_keys import compare_with_names
from loopscope.faults.registry import failed_check
from loopscope.library import Library
from loopscope.metadata.table import named_keys, named_tempi
from loopscope.progress import ProgressCallback, StopCheck, ignore_progress, never_stop
from loopscope.store import Store

FAULT_COLUMNS = ("loop_id", "kind", "strength", "verdict", "sentence", "times", "brief")
STAGE = "Checking for faults"
BATCH = 64  # files between two writes to the store
FEWEST_APART = 64  # files that are worth the second in which child processes start

CheckLoop = Callable[[str, float | None, Collection[str] | None], FileReport]

log = logging.getLogger(__name__)


def check_library(
    library: Library,
    store: Store | None = None,
    on_progress: ProgressCallback = ignore_progress,
    should_stop: StopCheck = never_stop,
    on_reports: Callable[[Mapping[str, Report]], None] = ignore_results,
) -> pd.DataFrame:
    """Findings for every unique loop of the library and its exact duplicates, columns FAULT_COLUMNS.

    `on_reports` gets the findings by loop_id as they come: those of earlier runs first, then batch by batch.

    With a `store`, loops checked before are not read again but by checks that are new or have changed since, and every
    batch is stored, so that a stopped run goes on where it was. Raises Cancelled when `should_stop` says so.
    """
    started = time.monotonic()
    files = {loop_id: library.file_of(loop_id) for loop_id in library.unique["loop_id"]}
    tempi = tempi_of(library)
    memory = None if store is None else ReportMemory(store, tempi, on_reports)
    with _checking(library, should_stop) as check:

        def report(loop_id: str) -> FileReport:
            known = memory.partly.get(loop_id) if memory else None
            fresh = check(loop_id, tempi[loop_id], known.due if known else None)
            return joined(known.report, fresh) if known else fresh

        checked = measure_loops(
            files,
            report,
            STAGE,
            Memory(memory.recall, memory.remember) if memory else None,
            on_progress,
            should_stop,
            BATCH,
            lambda fresh: on_reports({loop_id: stored["findings"] for loop_id, stored in fresh.items()}),
        )
    partly = {loop_id: known.report for loop_id, known in memory.partly.items()} if memory else {}
    reports = _compared(partly | checked.results, library)
    unread = {loop_id: _unreadable(reason) for loop_id, reason in checked.unreadable.items()}
    unchecked = {loop_id: _unchecked(reason) for loop_id, reason in checked.failed.items()}
    for loop_id, why in (unread | unchecked).items():
        reports[loop_id] = reports.get(loop_id, []) + why
    rows = rows_of(reports, files)
    seconds = time.monotonic() - started
    log.info("faults: %d findings in %d loops, %d checked, %.2f s", len(rows), len(files), checked.n_computed, seconds)
    return faults_frame([*rows, *duplicate_rows(library.loops)])


def known_faults(library: Library, store: Store) -> pd.DataFrame:
    """What earlier runs found in these loops, columns FAULT_COLUMNS; opens no file."""
    loop_ids = list(library.unique["loop_id"])
    found = rows_of(_compared(_known(library, store), library), loop_ids)
    return faults_frame([*found, *duplicate_rows(library.loops)])


def known_values(library: Library, store: Store) -> dict[str, dict[str, float]]:
    """What earlier runs measured in these loops, by loop_id; opens no file.

    `off_tuning`: cents from the nearest semitone at A = 440 Hz, `off_level`: loudest 400 ms, dBFS, `peak`: highest
    sample, dBFS; each only where a loop has it.
    """
    return {loop_id: stored["values"] for loop_id, stored in _known(library, store).items()}


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


def without_settled(findings: pd.DataFrame, bpm_said: Collection[str], key_said: Collection[str]) -> pd.DataFrame:
    """Those that hold where users have settled the tempo and the key of these loops: they need no other told."""
    settled = np.zeros(len(findings), bool)
    for kind, loops in ((OTHER_TEMPO, bpm_said), (OTHER_KEY, key_said)):
        settled |= ((findings["kind"] == kind) & findings["loop_id"].isin(list(loops))).to_numpy(bool)
    return findings[~settled]


def without_corrected(findings: pd.DataFrame, store: Store) -> pd.DataFrame:
    """The same by what users said and the store keeps."""
    said = store.get_corrections()
    bpm_said = [loop_id for loop_id, own in said.items() if own.bpm is not None]
    key_said = [loop_id for loop_id, own in said.items() if own.key is not None]
    return without_settled(findings, bpm_said, key_said).reset_index(drop=True)


def tempi_of(library: Library) -> dict[str, float | None]:
    """By loop_id the tempo that names tell, None where they do not."""
    return named_tempi(library.unique)


def rows_of(reports: Mapping[str, Report], loop_ids: Iterable[str]) -> list[dict[str, Any]]:
    """The findings of these loops as rows for `faults_frame`, those that were not checked yet left out."""
    return [{"loop_id": loop_id, **row} for loop_id in loop_ids for row in reports.get(loop_id, ())]


def faults_frame(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Rows as a table with FAULT_COLUMNS, times as tuples of float; also when there are none."""
    table = pd.DataFrame(rows, columns=list(FAULT_COLUMNS))
    table["times"] = [tuple(times) for times in table["times"]]
    return table.astype({"strength": "float64", "times": "object"})


@contextmanager
def _checking(library: Library, should_stop: StopCheck) -> Iterator[CheckLoop]:
    """Makes the report of a loop at a tempo, by some kinds of check or all: many of them in processes of their own."""
    if len(library.unique) < FEWEST_APART:
        yield lambda loop_id, tempo_bpm, kinds: report_of(library.file_of(loop_id), tempo_bpm, kinds)
        return
    seconds = dict(zip(library.unique["loop_id"], library.unique["duration_s"], strict=True))
    with checking_apart(STAGE, n_workers(), should_stop) as check:
        yield lambda loop_id, *how: check(library.file_of(loop_id), float(seconds[loop_id]), *how)


def _compared(reports: Mapping[str, StoredReport], library: Library) -> dict[str, Report]:
    """The findings of each loop, with those of its comparison with its folder."""
    values = {loop_id: stored["values"] for loop_id, stored in reports.items()}
    beside = compare_in_folders(values, library.unique)
    named = compare_with_names(values, named_keys(library.loops))
    return {
        loop_id: stored["findings"] + beside.get(loop_id, []) + named.get(loop_id, [])
        for loop_id, stored in reports.items()
    }


def _known(library: Library, store: Store) -> dict[str, StoredReport]:
    """What still holds of earlier reports."""
    known = known_reports(store, tempi_of(library), list(library.unique["loop_id"]))
    return {loop_id: one.report for loop_id, one in known.items()}


def _unchecked(reason: str) -> Report:
    return [failed_check("checking for faults", reason).row]


def _unreadable(reason: str) -> Report:
    return [Fault("unreadable", 1.0, (), "fault", reason, "unreadable").row]
