"""The Compare page's parts: two fitted models on the same loops, and the score boxes of all of them."""

import pandas as pd
import streamlit as st

from loopscope.figures import joined_ranks, rank_scatter, score_boxes, score_histogram
from loopscope.library import Library
from loopscope.pipeline import ScoredLoops, score_table
from loopscope.thresholds import threshold_at
from loopscope.ui.components import plain, printable_table, show_provenance
from loopscope.ui.evaluation_view import evaluation_step
from loopscope.ui.state import SessionState, session

SHOWN = 50


def compare_step() -> None:
    """Everything on the page, once there is a library with at least one model."""
    state = session()
    if state.library is None or not state.models:
        return
    show_provenance()
    st.subheader("Scores of every fitted model", anchor=False)
    st.caption("Each model has its own scale, so compare the shapes: does validation sit where training sits?")
    figure = score_boxes({label: scored.scores for label, scored in state.models.items()})
    st.plotly_chart(figure, key="score-boxes", config=_download("loopscope-score-boxes"))
    if len(state.models) < 2:
        st.info("Train a second detector or seed to see where two models disagree.", icon=":material/arrow_forward:")
    else:
        _two_models(state, state.library)
    evaluation_step()


def _two_models(state: SessionState, library: Library) -> None:
    labels = list(state.models)
    columns = st.columns(2)
    left = columns[0].selectbox("First model", labels, index=0, key="compare-left")
    right = columns[1].selectbox("Second model", labels, index=len(labels) - 1, key="compare-right")
    if left == right:
        st.info("Choose two different models to compare.")
        return
    loops = library.unique
    tables = {label: _table(loops, state.models[label], state.percentiles.get(label, 95.0)) for label in (left, right)}
    for column, label in zip(columns, (left, right), strict=True):
        threshold = threshold_at(state.models[label].reference_scores, state.percentiles.get(label, 95.0))
        column.plotly_chart(
            score_histogram(tables[label], threshold), key=f"histogram-{label}", config=_download("loopscope-scores")
        )
    _agreement(tables[left], tables[right], (left, right))


def _table(loops: pd.DataFrame, scored: ScoredLoops, percentile: float) -> pd.DataFrame:
    return score_table(loops, scored, percentile)


def _agreement(left: pd.DataFrame, right: pd.DataFrame, names: tuple[str, str]) -> None:
    ranks = joined_ranks(left, right)
    correlation = ranks["rank_left"].corr(ranks["rank_right"], method="spearman")
    picture, listing = st.columns([3, 2])
    picture.markdown(f"**Rank by rank** · Spearman correlation {correlation:.2f}")
    picture.plotly_chart(rank_scatter(left, right, names), key="rank-scatter", config=_download("loopscope-ranks"))
    listing.markdown("**Where they disagree most**")
    shown = printable_table(ranks.head(SHOWN)[["name", "rank_left", "rank_right", "gap"]])
    listing.dataframe(
        shown.rename(columns={"rank_left": f"rank by {plain(names[0])}", "rank_right": f"rank by {plain(names[1])}"}),
        hide_index=True,
        height=460,
    )


def _download(name: str) -> dict[str, object]:
    return {"displaylogo": False, "toImageButtonOptions": {"format": "svg", "filename": name}}
