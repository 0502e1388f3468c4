"""Near duplicates among all loops of a folder, found once for a set of loops and kept."""

import hashlib
from typing import Any

import pandas as pd

from loopscope.embeddings import EmbeddingSet
from loopscope.faults import add_near_duplicates
from loopscope.faults.check import CHECKS_REVISION, FAULT_COLUMNS, faults_frame
from loopscope.faults.file_report import is_report
from loopscope.library import Library
from loopscope.progress import ProgressCallback, StopCheck
from loopscope.store import Store

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
    digest = hashlib.sha256("\n".join((embeddings.encoder_id, *embeddings.loop_ids)).encode()).hexdigest()
    memory = store.memory("faults", f"near duplicates {CHECKS_REVISION} {digest[:24]}", _is_report_of_all)
    known = memory.recall([OF_ALL])
    if OF_ALL not in known:
        found = add_near_duplicates(faults_frame([]), library, embeddings, on_progress, should_stop)
        known = {OF_ALL: found[list(FAULT_COLUMNS)].to_dict("records")}
        memory.remember(known)
    rows = known[OF_ALL]
    return pd.concat([faults, faults_frame(rows)], ignore_index=True) if rows else faults


def _is_report_of_all(found: Any) -> bool:
    return is_report(found) and all(isinstance(row.get("loop_id"), str) for row in found)
