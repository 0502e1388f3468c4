"""Why is it flagged? The panel on the selected loop: its sound, the evidence, what to hear beside it, what to note."""

from typing import Any

import pandas as pd
import streamlit as st

from loopscope.analysis.pipeline import ScoredLoops
from loopscope.analysis.triage import FAULTY, INTERESTING
from loopscope.library import Library
from loopscope.ui.components import plain
from loopscope.ui.explain.comparison import comparison_list, comparison_of, comparison_players
from loopscope.ui.explain.metadata import loop_metadata, note_and_path
from loopscope.ui.explain.score import score_in_words, score_parts
from loopscope.ui.explain.selected import Selected, selected_loop
from loopscope.ui.explain.sound import show_sound, signal_findings
from loopscope.ui.state import SessionState

# Streamlit stacks columns on narrow screens only, and its sidebar leaves little of a middling one.
SIDE_BY_SIDE = "<style>.st-key-explain [data-testid=stColumn] { min-width: min(100%, 340px); }</style>"
BADGES = {FAULTY: "orange", INTERESTING: "blue"}


def explain(state: SessionState, library: Library, table: pd.DataFrame, *, has_explorer: bool) -> None:
    """The selected loop's evidence; `table` is the score table, with triage columns where the checks have run.

    `has_explorer`: whether the explorer is on the page, which then sounds the loops to compare.
    """
    st.subheader("Why?", anchor=False)
    loop_id, scored = state.selected, state.ranking
    if loop_id is None or not (library.unique["loop_id"] == loop_id).any():
        st.caption("Select a loop to see and hear what speaks for and against it.")
        return
    chosen = None
    if scored is not None and state.embeddings is not None:
        chosen = selected_loop(loop_id, state.embeddings, scored, table)
    with st.container(key="explain"):
        st.html(SIDE_BY_SIDE)
        rows = table[table["loop_id"] == loop_id]
        if not rows.empty:
            _title(rows.iloc[0])
        with st.container(border=True):
            show_sound(state, library, loop_id)
            left, right = st.columns(2, gap="medium")
            with left:
                signal_findings(state, loop_id)
            with right:
                if scored is None or chosen is None:
                    st.markdown("**Detector**")
                    st.caption("This loop has no score: it was not embedded, or is not part of this model.")
                else:
                    score_in_words(scored, chosen, table, state.percentile)
        left, right = st.columns(2, gap="medium")
        if scored is not None and chosen is not None:
            with left.container(border=True):
                _beside(library, scored, chosen, table, has_explorer)
            with right.container(border=True):
                score_parts(scored, chosen)
        with left.container(border=True):
            note_and_path(library, loop_id)
        with right.container(border=True):
            loop_metadata(state, library, loop_id)


def _beside(library: Library, scored: ScoredLoops, chosen: Selected, table: pd.DataFrame, has_explorer: bool) -> None:
    st.markdown("**Hear it beside others**")
    comparison = comparison_of(scored, chosen, table)
    if has_explorer:
        comparison_list(comparison)
    else:
        comparison_players(library, comparison)


def _title(row: "pd.Series[Any]") -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{plain(str(row['name']))}**", width="content")
        if "triage" in row:
            label = str(row["triage"])
            st.badge(label, color=BADGES.get(label, "gray"))  # type: ignore[arg-type]
