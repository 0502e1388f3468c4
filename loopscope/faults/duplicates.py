"""Loops a library holds twice: byte-equal content (one loop_id, several files), or the same sound saved differently.

Both are suspicions, never faults: a pack often ships one loop in two folders on purpose.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from loopscope.arrays import Float
from loopscope.embeddings.neighbours import near_duplicates
from loopscope.faults.base import Fault
from loopscope.faults.limits import SAME_SOUND_COSINE
from loopscope.progress import ProgressCallback, StopCheck, ignore_progress, never_stop

DUPLICATE_STRENGTH = 0.3  # just above "suspect": worth a look, nothing is broken
MAX_NAMES = 3


def duplicate_rows(loops: pd.DataFrame) -> list[dict[str, Any]]:
    """One finding per loop_id that several files share; `loops` as in Library.loops."""
    copies = loops[loops["loop_id"].duplicated(keep=False)]  # few of many: groups are slow to go through
    return [
        _row(
            str(loop_id),
            "duplicate",
            f"{len(files)} files have exactly this content: {_listed(files['name'])}.",
            f"{len(files)} identical files",
        )
        for loop_id, files in copies.groupby("loop_id", sort=False)
    ]


def near_duplicate_rows(
    loop_ids: Sequence[str],
    X: Float,
    names: Sequence[str],
    cosine: float = SAME_SOUND_COSINE,
    on_progress: ProgressCallback = ignore_progress,
    should_stop: StopCheck = never_stop,
) -> list[dict[str, Any]]:
    """One finding per loop that has another of nearly the same sound.

    `X` (n, f) embeddings and `names` (n,) in the order of `loop_ids`; `cosine` from which two loops are the same sound.
    It is taken between the embeddings less their mean, without which all loops of some encoders agree to 0.99.
    """
    if not len(loop_ids):
        return []
    found = near_duplicates(centred(X), cosine, on_progress, should_stop)
    return [
        _row(
            loop_ids[i],
            "near_duplicate",
            f"Sounds almost the same as {names[j]} (cosine {found.cosine[i]:.4f}).",
            "a near duplicate",
        )
        for i, j in enumerate(found.partner)
        if j >= 0
    ]


def centred(X: Float) -> Float:
    """Rows at length 1, less their mean over the library."""
    length = np.linalg.norm(X, axis=1, keepdims=True)
    unit = X / np.where(length > 0, length, 1.0)
    return np.asarray(unit - unit.mean(axis=0), dtype=np.float32)


def _listed(names: Sequence[str] | pd.Series) -> str:
    shown = ", ".join(list(names)[:MAX_NAMES])
    more = len(names) - MAX_NAMES
    return f"{shown} and {more} more" if more > 0 else shown


def _row(loop_id: str, kind: str, sentence: str, brief: str) -> dict[str, Any]:
    return {"loop_id": loop_id, **Fault(kind, DUPLICATE_STRENGTH, (), "suspect", sentence, brief).row}
