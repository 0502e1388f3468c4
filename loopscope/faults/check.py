"""The checks over a whole library: files in parallel, block by block, each looked at once and remembered.

The table has one row per finding: loop_id, kind, strength (0 … 1), verdict ("fault" or "suspect"), sentence, times
(tuple of seconds), brief (the finding in a few words). A loop without findings has no row. A file that can no longer be
read is a finding of kind "unreadable", with the reason as its sentence; a check that failed is one of kind
"check_failed", which counts as no evidence, and the loop is checked again next time.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypedDict

import pandas as pd

from loopscope import audio
from loopscope.audio.readers import open_regular
from loopscope.batches import Memory, ignore_results, measure_loops
from loopscope.embeddings import EmbeddingSet
from loopscope.faults.base import CHECK_FAILED, Fault, Signal, decibels, is_finding
from loopscope.faults.duplicates import duplicate_rows, near_duplicate_rows
from loopscope.faults.folders import compare_in_folders
from loopscope.faults.limits import LIMITS
from loopscope.faults.registry import BLOCK_S, OVERLAP_S, failed_check, judge, measure_blocks, to_compare
from loopscope.library import Library
from loopscope.metadata import read_names
from loopscope.progress import ProgressCallback, StopCheck, ignore_progress, never_stop
from loopscope.store import Store
from loopscope.store.parsing import is_number
from loopscope.user_files import FilePath

FAULT_COLUMNS = ("loop_id", "kind", "strength", "verdict", "sentence", "times", "brief")
CHECKS_REVISION = 9  # raise it whenever a check would find or say something else of the same file
STAGE = "Checking for faults"
INTEGER_BITS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}  # by the coding
BATCH = 64  # files between two writes to the store

log = logging.getLogger(__name__)

Report = list[dict[str, Any]]  # the findings of one file, strongest first


class StoredReport(TypedDict):
    """What is kept of one file: its findings at the tempo that its name told, and what it brings to comparisons.

    A file that is renamed to another tempo is checked again; who its neighbours are matters to no stored report.
    """

    tempo_bpm: float | None
    findings: Report
    values: dict[str, float]


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
    files = {loop_id: library.file_of(loop_id) for loop_id in library.unique["loop_id"]}
    tempi = tempi_of(library)
    checked = measure_loops(
        files,
        lambda loop_id: _stored_report(files[loop_id], tempi[loop_id]),
        STAGE,
        None if store is None else _of_what_was_checked(store, tempi),
        on_progress,
        should_stop,
        BATCH,
        lambda fresh: on_reports({loop_id: stored["findings"] for loop_id, stored in fresh.items()}),
    )
    unread = {loop_id: _unreadable(reason) for loop_id, reason in checked.unreadable.items()}
    unchecked = {loop_id: _unchecked(reason) for loop_id, reason in checked.failed.items()}
    rows = rows_of(_compared(checked.results, library) | unread | unchecked, files)
    seconds = time.monotonic() - started
    log.info("faults: %d findings in %d loops, %d checked, %.2f s", len(rows), len(files), checked.n_computed, seconds)
    return faults_frame([*rows, *duplicate_rows(library.loops)])


def known_faults(library: Library, store: Store) -> pd.DataFrame:
    """What earlier runs found in these loops, columns FAULT_COLUMNS; opens no file."""
    loop_ids = list(library.unique["loop_id"])
    known = _of_what_was_checked(store, tempi_of(library)).recall(loop_ids)
    return faults_frame(rows_of(_compared(known, library), loop_ids))


def known_values(library: Library, store: Store) -> dict[str, dict[str, float]]:
    """What earlier runs measured in these loops, by loop_id; opens no file.

    `off_tuning`: cents from the nearest semitone at A = 440 Hz, `off_level`: loudest 400 ms, dBFS, `peak`: highest
    sample, dBFS; each only where a loop has it.
    """
    known = _of_what_was_checked(store, tempi_of(library)).recall(list(library.unique["loop_id"]))
    return {loop_id: stored["values"] for loop_id, stored in known.items()}


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


def check_file(path: FilePath, tempo_bpm: float | None = None) -> tuple[Fault, ...]:
    """Findings in one file, strongest first; a minute of it at a time in memory. Raises AudioError with the reason.

    `tempo_bpm`: beats per minute where they are known.
    """
    return judge(measure_blocks(blocks_of(path, tempo_bpm)))


def blocks_of(path: FilePath, tempo_bpm: float | None = None) -> Iterator[Signal]:
    """The file in blocks of a minute that overlap by a tenth of a second, all channels, at its own rate."""
    with open_regular(path) as file:
        header = audio.probe(file)
        bits = INTEGER_BITS.get(header.subtype)
        start_s = 0.0
        while start_s == 0.0 or start_s < header.duration_s - OVERLAP_S:
            part = audio.decode(file, mono=False, offset_s=start_s, duration_s=BLOCK_S + OVERLAP_S)
            yield Signal(part.samples, part.sample_rate, start_s, tempo_bpm, bits)
            start_s += BLOCK_S


def tempi_of(library: Library) -> dict[str, float | None]:
    """By loop_id the tempo that names tell, None where they do not."""
    names = read_names(library.unique)
    tempi = names["bpm"].astype(object).where(names["bpm"].notna(), None)
    return dict(zip(names["loop_id"], tempi, strict=True))


def version() -> str:
    """Names the checks and limits a stored report came from; changes with either."""
    return f"{CHECKS_REVISION}-{hashlib.sha256(repr(LIMITS).encode()).hexdigest()[:12]}"


def rows_of(reports: Mapping[str, Report], loop_ids: Iterable[str]) -> list[dict[str, Any]]:
    """The findings of these loops as rows for `faults_frame`, those that were not checked yet left out."""
    return [{"loop_id": loop_id, **row} for loop_id in loop_ids for row in reports.get(loop_id, ())]


def is_report(found: Any) -> bool:
    """Whether something read from the store is a list of findings."""
    return isinstance(found, list) and all(map(is_finding, found))


def faults_frame(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Rows as a table with FAULT_COLUMNS, times as tuples of float; also when there are none."""
    table = pd.DataFrame(rows, columns=list(FAULT_COLUMNS))
    table["times"] = [tuple(times) for times in table["times"]]
    return table.astype({"strength": "float64", "times": "object"})


def _stored_report(path: FilePath, tempo_bpm: float | None) -> StoredReport:
    """What is kept of one file. Raises AudioError with the reason."""
    peak = 0.0

    def watched() -> Iterator[Signal]:
        nonlocal peak
        for block in blocks_of(path, tempo_bpm):
            peak = max(peak, block.peak)
            yield block

    measured = measure_blocks(watched())
    return {
        "tempo_bpm": tempo_bpm,
        "findings": [fault.row for fault in judge(measured)],
        "values": to_compare(measured) | ({"peak": float(decibels(peak))} if peak else {}),
    }


def _is_stored_report(found: Any) -> bool:
    """Whether something read from the store is what `_stored_report` makes."""
    if not isinstance(found, dict) or found.keys() != StoredReport.__annotations__.keys():
        return False
    tempo_bpm, findings, values = (found[name] for name in StoredReport.__annotations__)
    are_values = isinstance(values, dict) and all(map(is_number, values.values()))
    return (tempo_bpm is None or is_number(tempo_bpm)) and is_report(findings) and are_values


def _compared(reports: Mapping[str, StoredReport], library: Library) -> dict[str, Report]:
    """The findings of each loop, with those of its comparison with its folder."""
    values = {loop_id: stored["values"] for loop_id, stored in reports.items()}
    beside = compare_in_folders(values, library.unique)
    return {loop_id: stored["findings"] + beside.get(loop_id, []) for loop_id, stored in reports.items()}


def _of_what_was_checked(store: Store, tempi: Mapping[str, float | None]) -> Memory[StoredReport]:
    """Reports of loops that every check has seen at their present tempo; the others are checked again next time."""
    kept: Memory[StoredReport] = store.memory("faults", version(), _is_stored_report)

    def recall(loop_ids: Collection[str]) -> dict[str, StoredReport]:
        found = kept.recall(loop_ids)
        return {loop_id: stored for loop_id, stored in found.items() if stored["tempo_bpm"] == tempi[loop_id]}

    def remember(reports: Mapping[str, StoredReport]) -> None:
        whole = {loop_id: stored for loop_id, stored in reports.items() if not _has_failed(stored["findings"])}
        kept.remember(whole)

    return Memory(recall, remember)


def _has_failed(report: Report) -> bool:
    return any(row["kind"] == CHECK_FAILED for row in report)


def _unchecked(reason: str) -> Report:
    return [failed_check("checking for faults", reason).row]


def _unreadable(reason: str) -> Report:
    return [Fault("unreadable", 1.0, (), "fault", reason, "unreadable").row]
