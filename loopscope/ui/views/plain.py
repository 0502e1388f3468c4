"""The same scores without WebGL or canvas, for screen readers too: slider, histogram, ranked table and player."""

import streamlit as st

from loopscope.analysis.pipeline import score_table
from loopscope.analysis.scoring import ScoredLoops
from loopscope.config import DEFAULT_PERCENTILE
from loopscope.detection.thresholds import threshold_at
from loopscope.figures.scores import score_histogram
from loopscope.library import Library
from loopscope.ui.components import printable_table
from loopscope.ui.state import SessionState
from loopscope.ui.widgets.paging import page_of
from loopscope.ui.widgets.player import player

COLUMNS = ["rank", "name", "folder", "score", "percentile", "is_anomaly", "split", "duration_s"]


def plain_view(state: SessionState, library: Library, label: str, scored: ScoredLoops) -> None:
    """Threshold, histogram, ranking and player; choosing a row plays that loop."""
    percentile = st.slider(
        "Threshold (% of the loops learnt from that lie below it)",
        0.0,
        100.0,
        state.percentile,
        0.5,
        format="%.1f",
        key="plain-threshold",
    )
    state.project.set_percentile(label, percentile)
    if percentile != DEFAULT_PERCENTILE:
        st.caption(f"The paper's threshold is {DEFAULT_PERCENTILE:.0f} %.")
    threshold = threshold_at(scored.reference_scores, percentile)
    table = score_table(library.unique, scored, percentile)
    among = f"{len(table):,}" if state.seen.archived is None else f"{len(table):,} shown"
    st.markdown(f"**{int(table['is_anomaly'].sum()):,} of {among} flagged** · score above {threshold:.4g}")
    st.plotly_chart(score_histogram(table, threshold), key="plain-histogram", alt="Histogram of anomaly scores")
    rows, page = page_of(table, "plain")
    choice = st.dataframe(
        printable_table(rows[COLUMNS]),
        hide_index=True,
        height=360,
        on_select="rerun",
        selection_mode="single-row",
        key=f"plain-ranking-{page}",  # a row chosen on one page is no row of another
        column_config={
            "score": st.column_config.NumberColumn(format="%.4g"),
            "percentile": st.column_config.NumberColumn(format="%.1f"),
            "is_anomaly": st.column_config.CheckboxColumn("flagged"),
            "duration_s": st.column_config.NumberColumn("duration (s)", format="%.2f"),
        },
    )
    if choice.selection.rows:
        state.select(str(rows["loop_id"].iloc[choice.selection.rows[0]]))
    if state.selected is not None:
        player(library, state.selected)
    else:
        st.caption("Choose a row to hear that loop.")
