"""What the detector says of the selected loop: percentile and parts in words, how steady, what carries the distance."""

import pandas as pd
import streamlit as st

from loopscope.analysis.explanation import Part, Stability, carriers_of, parts_of, stability_of
from loopscope.analysis.pipeline import ScoredLoops
from loopscope.analysis.triage import percentile_in_words
from loopscope.figures.loop import SHOWN_CARRIERS, carriers_figure
from loopscope.ui.explain.selected import Selected
from loopscope.ui.widgets.figure import show_figure


def score_in_words(scored: ScoredLoops, chosen: Selected, table: pd.DataFrame, percentile: float) -> None:
    """Rank and percentile."""
    row = chosen.row
    st.caption(
        f"{percentile_in_words(float(row['percentile']))} Rank {int(row['rank']):,} of {table['loop_id'].nunique():,}, "
        f"score {row['score']:.4g}; {'flagged' if row['is_anomaly'] else 'not flagged'} at the {percentile:g}th "
        "percentile."
    )


def score_parts(scored: ScoredLoops, chosen: Selected, percentile: float) -> None:
    """How steady the score is, each part of it in words, then the dimensions that carry the distance."""
    st.markdown("**What makes up the score**")
    stability = stability_of(scored, chosen.X, chosen.index, percentile)
    if stability is not None:
        st.caption(_stability_in_words(stability))
    for part in parts_of(scored, chosen.X, chosen.index):
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


def _stability_in_words(stability: Stability) -> str:
    low, high = min(stability.ranks), max(stability.ranks)
    ranks = f"rank {low:,} in each" if low == high else f"rank {low:,} to {high:,}"
    return (
        f"{stability.degree.capitalize()}: {ranks} of {len(stability.ranks)} independent trainings ({stability.n:,} "
        f"loops), flagged in {stability.n_flagged} of {len(stability.ranks)}."
    )
