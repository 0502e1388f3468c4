"""What the detector says of the selected loop: percentile and parts in words, how steady, what carries the distance."""

import pandas as pd
import streamlit as st

from loopscope.analysis.explanation import Part, Stability, carriers_of, parts_of, stability_of
from loopscope.analysis.scoring import ScoredLoops
from loopscope.analysis.triage import percentile_in_words
from loopscope.figures.loop import SHOWN_CARRIERS, carriers_figure
from loopscope.ui.explain.selected import Selected
from loopscope.ui.projects.contents import Archived
from loopscope.ui.widgets.figure import show_figure


def score_in_words(
    scored: ScoredLoops, chosen: Selected, table: pd.DataFrame, percentile: float, archived: Archived | None = None
) -> None:
    """Rank and percentile; of an archive, whose most anomalous loops the table has, the rank among all of it."""
    row = chosen.row
    rank = int(row["rank"])
    among = f"{table['loop_id'].nunique():,}" if archived is None else f"{len(archived.counts.scores):,} in the archive"
    st.caption(
        f"{percentile_in_words(float(row['percentile']), rank)} Rank {rank:,} of {among}, "
        f"score {row['score']:.4g}; {_standing(bool(row['is_anomaly']))} at the threshold of {percentile:g} %."
    )


def score_parts(scored: ScoredLoops, chosen: Selected, percentile: float) -> None:
    """How steady the score is, each part of it in words, then the dimensions that carry the distance."""
    st.markdown("**What makes up the score**")
    stability = stability_of(scored, chosen.X, chosen.index, percentile)
    if stability is not None:
        st.caption(_stability_in_words(stability, bool(chosen.row["is_anomaly"])))
    for part in parts_of(scored, chosen.index):
        st.caption(_part_in_words(part))
    carriers = carriers_of(scored, chosen.X, chosen.index)
    shown = carriers.table.head(SHOWN_CARRIERS)
    show_figure(
        carriers_figure(carriers),
        key="explain-carriers",
        title=f"Which {carriers.unit}s carry the distance",
        describe=f"Shares of the squared distance to {carriers.origin} by {carriers.unit}",
    )
    of_members = " One member of the ensemble is shown." if len(scored.detector.repeat_scores_) else ""
    st.caption(
        f"These {len(shown)} of {len(carriers.table)} carry {100 * shown['share'].sum():.0f} % of the squared distance "
        f"to {carriers.origin}; to the right the loop has more of it, to the left less.{of_members}"
    )


def _part_in_words(part: Part) -> str:
    share = f"{part.percentile:.1f}".removesuffix(".0")
    return f"**{part.title}**: {part.degree}, above {share} % of the loops trained on ({part.meaning})."


def _standing(is_flagged: bool) -> str:
    return "it stands out" if is_flagged else "it does not stand out"


def _stability_in_words(stability: Stability, is_flagged: bool) -> str:
    """How steady the rank is; why the trainings may say something else each than together."""
    low, high = min(stability.ranks), max(stability.ranks)
    ranks = f"rank {low:,} in each" if low == high else f"rank {low:,} to {high:,}"
    n_trainings, n_flagged = len(stability.ranks), stability.n_flagged
    agree = 2 * n_flagged >= n_trainings if is_flagged else 2 * n_flagged <= n_trainings
    close = f" Together {_standing(is_flagged)}: it is close to the threshold, and each training has its own."
    return (
        f"{stability.degree.capitalize()}: {ranks} of {n_trainings} independent trainings ({stability.n:,} "
        f"loops), stands out in {n_flagged} of {n_trainings}.{'' if agree else close}"
    )
