"""The threshold that the user's marks speak for: offered with how sure they are, never set unasked."""

import streamlit as st

from loopscope.analysis.separation import Separation, separation
from loopscope.detection.thresholds import percentile_of
from loopscope.ui.components import plain, store
from loopscope.ui.state import SessionState, kept


def offer_marked_threshold(state: SessionState) -> None:
    """For the model in view; nothing where too few loops are marked either way."""
    found = _separation(state)
    if found is None:
        return
    percentile = round(found.percentile, 1)
    st.caption(
        f"Your {found.n_marks:,} marks are parted best at a threshold of **{percentile:g} %**, which puts "
        f"{found.right:.0%} of them on their side: quarantined and loved loops above it, kept ones below. As good, in "
        f"nine of ten resamplings of the marks: {found.low:.1f} to {found.high:.1f} %. "
        f"{plain(state.active)} has {state.percentile:g} %."
    )
    if st.button("Take this threshold", disabled=percentile == state.percentile, key="marked-threshold"):
        state.project.set_percentile(state.active, percentile)
        st.rerun()


def _separation(state: SessionState) -> Separation | None:
    scored = state.model
    if scored is None:
        return None
    known = store().get_marks(list(scored.scores["loop_id"]))
    marks = {loop_id: mark.mark for loop_id, mark in known.items() if mark.mark}
    rows = scored.scores[scored.scores["loop_id"].isin(marks.keys())]
    places = dict(zip(rows["loop_id"], percentile_of(scored.reference_scores, rows["score"].to_numpy()), strict=True))
    key = (state.project.key, state.seen.serial, state.active, frozenset(marks.items()))
    found: Separation | None = kept("marked-threshold", key, lambda: separation(places, marks))
    return found
