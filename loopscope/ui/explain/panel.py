"""Why is it flagged? The panel on the selected loop: its sound, the evidence, what to hear beside it, what to note."""

from dataclasses import replace

import pandas as pd
import streamlit as st

from loopscope.analysis.moments import MomentFinder
from loopscope.analysis.scoring import ScoredLoops
from loopscope.analysis.triage import FAULTY, INTERESTING, NORMAL
from loopscope.library import Library
from loopscope.ui.components import plain
from loopscope.ui.explain.comparison import comparison_list, comparison_of, comparison_players
from loopscope.ui.explain.kin import kin_of
from loopscope.ui.explain.metadata import loop_metadata, note_and_path
from loopscope.ui.explain.score import score_in_words, score_parts
from loopscope.ui.explain.selected import Selected, selected_loop
from loopscope.ui.explain.sound import clicks_at_either_tempo, show_sound, signal_findings
from loopscope.ui.state import SessionState

BADGES = {FAULTY: ("Faulty", "violet"), INTERESTING: ("Interesting", "orange"), NORMAL: ("Normal", "gray")}
DETAILS = "explain-details"


def explain(
    state: SessionState,
    library: Library,
    table: pd.DataFrame,
    *,
    has_explorer: bool,
    finder: MomentFinder | None = None,
    moved: str = "",
) -> None:
    """The selected loop's evidence; `table` is the score table, with triage columns where the checks have run.

    `has_explorer`: whether the explorer is on the page, which then sounds the loops to compare and says the name.
    `finder`: says where loops are odd to the model in view. `moved`: what the user's marks made of its place. What only
    a researcher reads is one level below, and computed when it is opened.
    """
    with st.container(key="explain"):
        loop_id, scored = state.selected, state.ranking
        known = loop_id is not None and bool((library.unique["loop_id"] == loop_id).any())
        _title(table[table["loop_id"] == loop_id] if known else table.iloc[:0])
        if loop_id is None or not known:
            st.caption("Select a loop to see and hear what speaks for and against it.")
            return
        chosen = None
        if scored is not None and state.embeddings is not None:
            chosen = selected_loop(loop_id, state.embeddings, scored, table)
        signal_findings(state, loop_id)
        if has_explorer:
            clicks_at_either_tempo(state, loop_id)
        if scored is None or chosen is None:
            st.caption("This loop has no score: it was not embedded, or is not part of this model.")
        else:
            score_in_words(scored, chosen, table, state.percentile, state.seen.archived)
        if moved:
            st.caption(plain(moved))
        show_sound(state, library, loop_id, finder)
        if scored is not None and chosen is not None:
            _beside(state, library, scored, chosen, table, has_explorer)
        note_and_path(library, loop_id)
        details = st.expander("Details", key=DETAILS, on_change="rerun")
        if details.open:
            with details:
                _details(state, library, loop_id, scored, chosen)


def _details(
    state: SessionState, library: Library, loop_id: str, scored: ScoredLoops | None, chosen: Selected | None
) -> None:
    if scored is not None and chosen is not None:
        score_parts(scored, chosen, state.percentile)
    loop_metadata(state, library, loop_id)


def _beside(
    state: SessionState,
    library: Library,
    scored: ScoredLoops,
    chosen: Selected,
    table: pd.DataFrame,
    has_explorer: bool,
) -> None:
    st.markdown("**Hear it beside others**")
    kin, keeper = kin_of(state, library, table, chosen.loop_id)
    comparison = replace(comparison_of(scored, chosen, table), kin=kin, keeper=keeper)
    if has_explorer:
        comparison_list(comparison)
    else:
        comparison_players(library, comparison)


def _title(rows: pd.DataFrame) -> None:
    """What the panel asks, the badge, and below them the loop's name."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader("Why?", anchor=False, width="content")
        if "triage" in rows and len(rows):
            label, color = BADGES.get(str(rows["triage"].iloc[0]), BADGES[NORMAL])
            st.badge(label, color=color)  # type: ignore[arg-type]
    if len(rows):
        st.markdown(f"**{plain(str(rows['name'].iloc[0]))}**")
