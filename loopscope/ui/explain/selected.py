"""The selected loop as the panel's parts need it: its row in the score table, its place among the scored loops."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from loopscope.analysis.scoring import ScoredLoops
from loopscope.arrays import Float
from loopscope.embeddings import EmbeddingSet


@dataclass(frozen=True)
class Selected:
    """`row` of the table, `index` within `scored.scores`; `X` (n_loops, n_features) in the order of `scored.scores`."""

    loop_id: str
    row: "pd.Series[Any]"
    index: int
    X: Float


def selected_loop(
    loop_id: str | None, embeddings: EmbeddingSet, scored: ScoredLoops, table: pd.DataFrame
) -> Selected | None:
    """None where nothing is selected, or the selected loop has no score by this model, or the scores are still those of
    loops that were moved away since."""
    if loop_id is None:
        return None
    ids = scored.scores["loop_id"]
    places = np.flatnonzero(ids.to_numpy() == loop_id)
    rows = table[table["loop_id"] == loop_id]
    if not len(places) or rows.empty or not ids.isin(set(table["loop_id"])).all():
        return None
    same = tuple(ids) == embeddings.loop_ids
    X = embeddings.X if same else embeddings.select(list(ids)).X
    return Selected(loop_id, rows.iloc[0], int(places[0]), X)
