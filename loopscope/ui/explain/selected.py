"""The selected loop as the panel's parts need it: its row in the score table, its place among the scored loops."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from loopscope.analysis.explanation import comparison_loops_of
from loopscope.analysis.pipeline import ScoredLoops
from loopscope.analysis.triage import FAULTY
from loopscope.ui.explain.comparison import ComparisonLoop
from loopscope.ui.state import SessionState


@dataclass(frozen=True)
class Selected:
    """`row` of the table, `index` within `scored.scores`; `X` (n_loops, n_features) in the order of `scored.scores`."""

    loop_id: str
    row: "pd.Series[Any]"
    index: int
    X: NDArray[np.float32]


def selected_loop(state: SessionState, scored: ScoredLoops, table: pd.DataFrame) -> Selected | None:
    """None where nothing is selected, or the selected loop has no score by this model."""
    if state.selected is None or state.embeddings is None:
        return None
    ids = scored.scores["loop_id"]
    places = np.flatnonzero(ids.to_numpy() == state.selected)
    rows = table[table["loop_id"] == state.selected]
    if not len(places) or rows.empty:
        return None
    same = tuple(ids) == state.embeddings.loop_ids
    X = state.embeddings.X if same else state.embeddings.select(list(ids)).X
    return Selected(state.selected, rows.iloc[0], int(places[0]), X)


def comparison_loops(
    scored: ScoredLoops, chosen: Selected, table: pd.DataFrame
) -> tuple[list[ComparisonLoop], list[ComparisonLoop]]:
    """Loops to hear beside the selected one (itself first), and the most similar ones.

    Normal is what is neither flagged nor surely faulty.
    """
    loops = table.drop_duplicates("loop_id").set_index("loop_id").loc[list(scored.scores["loop_id"])]
    normal = ~loops["is_anomaly"].to_numpy(dtype=bool)
    if "triage" in loops:
        normal &= (loops["triage"] != FAULTY).to_numpy()
    found = comparison_loops_of(scored, chosen.X, chosen.index, normal)

    def comparison_loop(index: int, note: str, title: str = "", role: str = "") -> ComparisonLoop:
        loop = loops.iloc[index]
        return ComparisonLoop(str(loops.index[index]), str(loop["name"]), note, title, role, bool(loop["is_anomaly"]))

    def figures(index: int) -> str:
        return f"rank {int(loops['rank'].iloc[index]):,}"

    beside = [comparison_loop(chosen.index, figures(chosen.index), "This loop", "selected")]
    if found.nearest_normal >= 0:
        note = f"{figures(found.nearest_normal)}, not flagged"
        beside.append(comparison_loop(found.nearest_normal, note, "Nearest normal loop", "nearest-normal"))
    if found.most_central >= 0:
        note = f"{figures(found.most_central)}, lowest score"
        beside.append(comparison_loop(found.most_central, note, "Most central loop", "most-central"))
    similar = [
        comparison_loop(index, f"{'flagged · ' if loops['is_anomaly'].iloc[index] else ''}similarity {cosine:.3f}")
        for index, cosine in zip(found.similar, found.similarity, strict=True)
    ]
    return beside, similar
