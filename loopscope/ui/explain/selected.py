"""The selected loop as the panel's parts need it: its row in the score table, its place among the scored loops."""

from dataclasses import dataclass
from typing import Any

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
    ids, present = scored.scores["loop_id"].tolist(), table["loop_id"].tolist()  # `isin` takes 0.1 s for 10,000
    if loop_id not in present or loop_id not in ids or not set(ids) <= set(present):
        return None
    same = tuple(ids) == embeddings.loop_ids
    X = embeddings.X if same else embeddings.select(ids).X
    return Selected(loop_id, table.iloc[present.index(loop_id)], ids.index(loop_id), X)
