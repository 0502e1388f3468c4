"""Near duplicates among all loops of a folder, found once for a set of loops and kept."""

import hashlib
from typing import Any, cast

import pandas as pd

from loopscope.batches import Memory
from loopscope.embeddings import EmbeddingSet
from loopscope.faults import add_near_duplicates
from loopscope.faults.check import FAULT_COLUMNS, faults_frame, known_faults
from loopscope.faults.file_report import Report, is_report
from loopscope.library import Library
from loopscope.progress import ProgressCallback, StopCheck
from loopscope.store import Store

REVISION = 12  # raise it whenever others would be found, or something else be said of them
OF_ALL = "*"  # stands for the whole set of loops where reports are kept by loop_id


def with_near_duplicates(
    faults: pd.DataFrame,
    library: Library,
    embeddings: EmbeddingSet,
    store: Store,
    on_progress: ProgressCallback,
    should_stop: StopCheck,
) -> pd.DataFrame:
    """`faults` and, as rows of the same kind, the near duplicates: all pairs are compared unless the store knows."""
    if not len(embeddings.loop_ids):
        return faults
    memory = _memory(embeddings, store)
    known = memory.recall([OF_ALL])
    if OF_ALL not in known:
        found = add_near_duplicates(faults_frame([]), library, embeddings, on_progress, should_stop)
        known = {OF_ALL: cast(Report, found[list(FAULT_COLUMNS)].to_dict("records"))}
        memory.remember(known)
    return _joined(faults, known[OF_ALL])


def known_findings(library: Library, embeddings: EmbeddingSet, store: Store) -> pd.DataFrame:
    """What earlier walks found in these loops and between them, columns FAULT_COLUMNS; opens and compares nothing."""
    known = _memory(embeddings, store).recall([OF_ALL])
    return _joined(known_faults(library, store), known.get(OF_ALL, []))


def _memory(embeddings: EmbeddingSet, store: Store) -> Memory[Report]:
    digest = hashlib.sha256("\n".join((embeddings.encoder_id, *embeddings.loop_ids)).encode()).hexdigest()
    return store.memory("faults", f"near duplicates {REVISION} {digest[:24]}", _is_report_of_all)


def _joined(faults: pd.DataFrame, rows: Report) -> pd.DataFrame:
    return pd.concat([faults, faults_frame(rows)], ignore_index=True) if rows else faults


def _is_report_of_all(found: Any) -> bool:
    return is_report(found) and all(isinstance(row.get("loop_id"), str) for row in found)
