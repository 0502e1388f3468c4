"""The Explore page's parts: the linked explorer, a plain view of the same scores, and taking the list away."""

import pandas as pd
import streamlit as st

from loopscope.analysis.pipeline import listing_table, score_table
from loopscope.analysis.triage import FAULTY, triage_groups, with_triage
from loopscope.detection.base import MIN_LOOPS
from loopscope.detection.thresholds import is_anomaly, threshold_at
from loopscope.faults import faults_frame
from loopscope.library import Library
from loopscope.ui.components import plain, show_provenance, show_store_notice, store
from loopscope.ui.explain.panel import explain
from loopscope.ui.explorer.component import desk, explorer
from loopscope.ui.explorer.view import explorer_view
from loopscope.ui.metadata_task import metadata_task
from loopscope.ui.projects.registry import project_registry
from loopscope.ui.projects.walking import is_busy, start_walk
from loopscope.ui.server.media import media_registry, session_token
from loopscope.ui.server.messages import kept_in
from loopscope.ui.state import SessionState, kept, recall, remember, session, settle
from loopscope.ui.views.archived import count_archive, offer_refit
from loopscope.ui.views.families import families
from loopscope.ui.views.known_projects import show_changes
from loopscope.ui.views.lessons import why_moved
from loopscope.ui.views.packs import show_chosen, show_pack
from loopscope.ui.views.plain import plain_view
from loopscope.ui.views.renames import renames
from loopscope.ui.views.takeaway import takeaway

MODEL = "explore-model"
VIEWS = {"linked": "Linked views", "plain": "Plain table"}
MODEL_WIDTH = 260  # CSS pixels


def explore_step(library: Library) -> None:
    """Model and view choice, then the view in a fragment of its own, so that its events rerun nothing else."""
    state = session()
    kind = _head(state)
    with st.container():  # what is said later would move the view, which the browser then makes anew, without its sound
        _said_of_model(state)
        if state.seen.archived is None:
            show_changes()
        else:
            offer_refit(state, state.seen.archived)
    _publish(state, library)
    _view(library, kind)
    settle(state)


def _head(state: SessionState) -> str:
    """Title, model, view and encoder in one row, so that the window is left to the loops; returns the view."""
    recall({"explore-view": "linked"})
    with st.container(key="ls-head", horizontal=True, vertical_alignment="center"):
        st.header("Explore", anchor=False, width="content")
        _choose_model(state)
        kind = st.segmented_control(
            "View",
            list(VIEWS),
            format_func=VIEWS.__getitem__,
            required=True,
            key="explore-view",
            label_visibility="collapsed",
        )
        if state.seen.encoder is not None:
            show_provenance()
    remember("explore-view")
    show_store_notice()
    return kind or "linked"


def _choose_model(state: SessionState) -> None:
    """Which model is in view."""
    if not state.models:
        return
    st.session_state[MODEL] = state.active  # which a training or another tab may have changed
    st.selectbox(
        "Model",
        list(state.models),
        key=MODEL,
        label_visibility="collapsed",
        width=MODEL_WIDTH,
        on_change=show_chosen,
        args=(MODEL,),
    )


def _said_of_model(state: SessionState) -> None:
    """What is to be known before the model in view is believed, or why there is none."""
    if state.model is None:
        st.caption(_waiting(state))
        _offer_to_go_on(state)
        return
    if state.seen.archived is None:
        show_pack(state)
    report = state.model.detector.report_
    if report.collapsed:
        st.error("This model's hypersphere has collapsed: read its ranking as noise.", icon=":material/warning:")
    if not report.complete:
        st.warning(plain(report.warnings[0]), icon=":material/warning:")


def _offer_to_go_on(state: SessionState) -> None:
    """Where the walk was stopped before there was a model."""
    project = state.project
    if project.tasks.any_running() or project.memory.standing != "stopped":
        return
    if st.button("Go on with the analysis", icon=":material/play_arrow:", key="go-on"):
        start_walk(project, project_registry().store)
        st.rerun()


def _waiting(state: SessionState) -> str:
    """Why there is no model."""
    if is_busy(state.project):
        return "Listen already: the ranking fills in as the loops are embedded, the trained model replaces it."
    if state.library is not None and len(state.library.unique) < MIN_LOOPS:
        return (
            f"{len(state.library.unique)} loops are too few to learn what is normal ({MIN_LOOPS} are needed); "
            "the signal checks, neighbours and sound are here."
        )
    return "No detector is trained; this is the list by nearest-neighbour distance as far as the loops are embedded."


def _publish(state: SessionState, library: Library) -> None:
    """What the browser may fetch and say without a rerun."""
    registry, token, project = media_registry(), session_token(), state.project
    paths = dict(zip(library.unique["loop_id"], library.unique["path"], strict=True))
    registry.publish_library(token, paths, library.root, library.roots, library.silent, library.fetch)
    registry.publish_outbox(token, kept_in(store()))
    registry.publish_view(token, project.remember_view)


@st.fragment
def _view(library: Library, kind: str) -> None:
    state = session()
    state.look()
    if state.library is not library:
        st.rerun()  # a fragment runs again with what it was given; the session has gone on to something else
    counts = st.container()  # filled once the threshold of now is known
    if kind == "linked":
        with desk():
            _linked(state)
            table, threshold = _table(state, library)
            finder = explorer_view(state.project, state.seen, state.active).moments
            explain(state, library, table, has_explorer=True, finder=finder, moved=why_moved(state))
    else:
        if state.ranking is not None:
            plain_view(state, library, state.active, state.ranking)
        table, threshold = _table(state, library)
        finder = explorer_view(state.project, state.seen, state.active).moments
        explain(state, library, table, has_explorer=False, finder=finder)
    if state.seen.archived is not None:
        with counts:
            count_archive(state, state.seen.archived)
    metadata_task(state, library)
    families(state, library, has_explorer=kind == "linked")
    if state.seen.archived is None:
        renames(state, library)
    takeaway(state, library, table, threshold)


def _table(state: SessionState, library: Library) -> tuple[pd.DataFrame, float]:
    """One row per file, ranked where there is a ranking, flagged above the threshold; and the threshold."""
    ranked, scored = _ranked(state, library), state.ranking
    if scored is None:
        return ranked, float("nan")
    threshold = threshold_at(scored.reference_scores, state.percentile)
    flagged = is_anomaly(ranked["score"].to_numpy(), threshold)
    return ranked.assign(is_anomaly=flagged, triage=triage_groups(ranked["triage"] == FAULTY, flagged)), threshold


def _ranked(state: SessionState, library: Library) -> pd.DataFrame:
    """One row per file, ranked and with the explorer's own triage: made once per model, whatever the threshold.

    Events of the explorer come here several times a second; at 50,000 loops joining and ranking take longer than that.
    """

    def make() -> pd.DataFrame:
        triaged = explorer_view(state.project, state.seen, state.active).loops
        if state.ranking is None:
            return listing_table(library, state.faults, triaged)
        faults = faults_frame([]) if state.faults is None else state.faults
        return with_triage(score_table(library.loops, state.ranking, state.percentile), triaged, faults)

    ranked: pd.DataFrame = kept("ranked", (state.project.key, state.seen.serial, state.active), make)
    return ranked


def _linked(state: SessionState) -> None:
    project, label = state.project, state.active
    view = explorer_view(project, state.seen, label)
    known = store().get_marks(list(view.loops["loop_id"]))
    event = explorer(
        view,
        key="explorer",
        percentile=state.percentile,
        selected=state.selected,
        marks={loop_id: mark.mark for loop_id, mark in known.items() if mark.mark},
        notes=[loop_id for loop_id, mark in known.items() if mark.note],
        provisional=project.is_provisional,
        project=project.id,
        look=project.memory.view,
        earlier=project.kept_views(),
    )
    state.lasso, state.filtered = event.lasso, event.filtered
    state.select(event.selected)
    project.set_percentile(label, event.percentile)
