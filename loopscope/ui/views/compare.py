"""The Compare page's parts: the score boxes of all fitted models, and two of them side by side on the same loops."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from loopscope.analysis.pipeline import score_table
from loopscope.analysis.scoring import ScoredLoops
from loopscope.detection.thresholds import threshold_at
from loopscope.embeddings import EmbeddingSet
from loopscope.figures.scores import (
    joined_ranks,
    latent_heatmap,
    latent_scatter,
    rank_scatter,
    score_boxes,
    score_histogram,
)
from loopscope.library import Library
from loopscope.ui.components import plain, printable_table, show_provenance
from loopscope.ui.state import SessionState, session
from loopscope.ui.views.evaluation import evaluation_step
from loopscope.ui.widgets.figure import show_figure
from loopscope.ui.widgets.player import player

SHOWN = 100
SIDES = ("left", "right")


@dataclass(frozen=True)
class Side:
    """One of the two models: its label, a short name that tells it from the other, and its table at its threshold."""

    label: str
    name: str
    scored: ScoredLoops
    table: pd.DataFrame
    threshold: float


def compare_step(library: Library, embeddings: EmbeddingSet) -> None:
    """Everything on the page; the session has at least one model of these embeddings."""
    state = session()
    show_provenance()
    if len(state.models) < 2:
        st.info("Train a second detector or seed to see where two models disagree.", icon=":material/arrow_forward:")
        sides = [_side(state, library, next(iter(state.models)), "")]
        _warn_unfinished(sides[0])
    else:
        sides = _two_models(state, library)
    evaluation_step(state, library, embeddings)
    _figures_of_the_paper(state, sides)


def _figures_of_the_paper(state: SessionState, sides: list[Side]) -> None:
    """What each model looks like by itself, for those who know the paper."""
    with st.expander("Figures of the paper", icon=":material/insert_chart:"):
        show_figure(
            score_boxes({label: scored.scores for label, scored in state.models.items()}),
            key="score-boxes",
            title="Scores of every fitted model",
            note="each model has its own scale: does validation sit where training sits?",
            describe="Box plots of the anomaly scores of each model, for training and validation, on a log axis.",
        )
        for column, side, where in zip(st.columns(max(len(sides), 1)), sides, SIDES, strict=False):
            with column:
                _figures_of(side, where)


def _two_models(state: SessionState, library: Library) -> list[Side]:
    """The choice of two models and where they disagree; returns both sides."""
    labels = list(state.models)
    st.subheader("Two models on the same loops", anchor=False)
    columns = st.columns(2)
    left = columns[0].selectbox("First model", labels, index=0, key="compare-left")
    right = columns[1].selectbox("Second model", labels, index=len(labels) - 1, key="compare-right")
    if left == right:
        st.info("Choose two different models to compare.")
        return [_side(state, library, left, "")]
    names = _short_names(left, right)
    sides = [_side(state, library, label, name) for label, name in zip((left, right), names, strict=True)]
    for side in sides:
        _warn_unfinished(side)
    _agreement(library, sides[0], sides[1])
    return sides


def _side(state: SessionState, library: Library, label: str, name: str) -> Side:
    scored, percentile = state.models[label], state.project.percentile_of(label)
    table = printable_table(score_table(library.unique, scored, percentile))
    return Side(label, name, scored, table, threshold_at(scored.reference_scores, percentile))


def _short_names(left: str, right: str) -> tuple[str, str]:
    """The parts of "pca · robust · seed 0" in which two labels differ."""
    parts = [label.split(" · ") for label in (left, right)]
    if len(parts[0]) != len(parts[1]):
        return left, right
    differing = [i for i, pair in enumerate(zip(*parts, strict=True)) if pair[0] != pair[1]]
    first, second = (" · ".join(part[i] for i in differing) for part in parts)
    return first, second


@st.fragment
def _agreement(library: Library, left: Side, right: Side) -> None:
    """Rank by rank, the loops on which the models disagree most, and a player for the one that was chosen.

    A fragment of its own: choosing a loop draws no other figure again.
    """
    ranks = joined_ranks(left.table, right.table)
    correlation = ranks["rank_left"].corr(ranks["rank_right"], method="spearman")
    plot, listing = st.columns(2)
    with plot:
        clicked = show_figure(
            rank_scatter(left.table, right.table, (left.name, right.name)),
            key="rank-scatter",
            title="Rank by rank",
            note=f"they agree to {correlation:.2f} of 1 · click a point or choose a row to hear it",
            describe=f"Rank of each loop by {left.name} against {right.name}; Spearman correlation {correlation:.2f}.",
        )
    with listing:
        st.markdown("**Where they disagree most**")
        chosen = _disagreements(ranks, left.name, right.name)
        loop_id = _newest(clicked, chosen)
        if loop_id in set(ranks["loop_id"]):
            player(library, str(loop_id))


def _disagreements(ranks: pd.DataFrame, left: str, right: str) -> str | None:
    """The table; returns the loop_id of the chosen row."""
    shown = ranks.head(SHOWN)
    choice = st.dataframe(
        shown[["name", "rank_left", "rank_right", "gap"]],
        hide_index=True,
        height=452,
        on_select="rerun",
        selection_mode="single-row",
        key=f"disagreements-{left}-{right}",
        column_config={
            "name": st.column_config.TextColumn("loop", width=230),
            "rank_left": st.column_config.NumberColumn(left, width=72, help=f"Rank by {left}"),
            "rank_right": st.column_config.NumberColumn(right, width=72, help=f"Rank by {right}"),
            "gap": st.column_config.NumberColumn(
                "apart", width=72, format="%.1f ×", help="How many times further down one ranking has the loop"
            ),
        },
    )
    rows = choice.selection.rows
    return str(shown["loop_id"].iloc[rows[0]]) if rows else None


def _newest(clicked: str | None, chosen: str | None) -> str | None:
    """The loop to hear: the point that was just clicked, else a row that was just chosen, else the one before."""
    before = st.session_state.get("compare-playing", (None, None))
    loop_id = clicked or (chosen if chosen and chosen != before[1] else before[0])
    st.session_state["compare-playing"] = (loop_id, chosen)
    return loop_id


def _warn_unfinished(side: Side) -> None:
    report = side.scored.detector.report_
    if not report.complete:
        st.warning(plain(f"{side.name or side.label}: {report.warnings[0]}"), icon=":material/warning:")


def _figures_of(side: Side, where: str) -> None:
    """Score histogram, latent scatter and latent heatmap of one model, as the paper shows them."""
    prefix = f"{side.name}: " if side.name else ""
    flagged = int(side.table["is_anomaly"].sum())
    show_figure(
        score_histogram(side.table, side.threshold),
        key=f"histogram-{where}",
        title=f"{prefix}scores",
        note=f"{flagged:,} of {len(side.table):,} above {side.threshold:.4g}",
        describe=f"Histogram of the scores of {side.label}, training and validation; {flagged} above the threshold.",
    )
    in_order = side.scored.scores[["loop_id"]].merge(side.table, on="loop_id", how="left", validate="one_to_one")
    show_figure(
        latent_scatter(side.scored.projection, in_order),
        key=f"latents-{where}",
        title=f"{prefix}latent space",
        describe=f"Principal components of the latents of {side.label}, flagged loops marked.",
    )
    order = np.argsort(in_order["rank"].to_numpy(), kind="stable")
    show_figure(
        latent_heatmap(side.scored.latents, order),
        key=f"heatmap-{where}",
        title=f"{prefix}latent dimensions",
        describe=f"Heatmap of the latent dimensions of {side.label}, most anomalous loops on top.",
    )
