"""The Explore page's parts: the linked explorer, a plain view of the same scores, and taking the list away."""

import pandas as pd
import streamlit as st

from loopscope.analysis.pipeline import ScoredLoops, score_table
from loopscope.analysis.triage import triage_rank
from loopscope.detection.thresholds import is_anomaly, threshold_at
from loopscope.embeddings import EmbeddingSet
from loopscope.library import Library
from loopscope.ui.components import show_provenance, store
from loopscope.ui.explain.panel import explain
from loopscope.ui.explorer.component import explorer
from loopscope.ui.explorer.view import explorer_view
from loopscope.ui.metadata_task import metadata_of, metadata_task
from loopscope.ui.server.media import media_registry, session_token
from loopscope.ui.server.messages import kept_in
from loopscope.ui.state import SessionState, kept, recall, remember, session
from loopscope.ui.views.plain import plain_view
from loopscope.ui.views.takeaway import takeaway

VIEWS = {"linked": "Linked views", "plain": "Plain table"}


def explore_step(library: Library, embeddings: EmbeddingSet) -> None:
    """Model and view choice, then the view in a fragment of its own, so that its events rerun nothing else.

    The session has at least one model of these embeddings.
    """
    state = session()
    show_provenance()
    left, right = st.columns([3, 2], vertical_alignment="center")
    labels = list(state.models)
    state.active = left.selectbox(
        "Model", labels, index=labels.index(state.active), key="explore-model", label_visibility="collapsed"
    )
    scored = state.models[state.active]
    recall({"explore-view": "linked"})
    kind = right.segmented_control(
        "View",
        list(VIEWS),
        format_func=VIEWS.__getitem__,
        required=True,
        key="explore-view",
        label_visibility="collapsed",
    )
    remember("explore-view")
    if scored.detector.report_.collapsed:
        st.error("This model's hypersphere has collapsed: read its ranking as noise.", icon=":material/warning:")
    paths = dict(zip(library.unique["loop_id"], library.unique["path"], strict=True))
    media_registry().publish_library(session_token(), paths, library.root)
    media_registry().publish_outbox(session_token(), kept_in(store()))
    _view(library, embeddings, scored, kind or "linked")


@st.fragment
def _view(library: Library, embeddings: EmbeddingSet, scored: ScoredLoops, kind: str) -> None:
    state = session()
    if state.library is not library or state.model is not scored:
        st.rerun()  # a fragment runs again with what it was given; the session has gone on to something else
    label = state.active
    if kind == "linked":
        _linked(state, library, embeddings, label, scored)
    else:
        plain_view(state, library, label, scored)
    threshold = threshold_at(scored.reference_scores, state.percentile)
    ranked = _ranked(state, library, label, scored)
    table = ranked.assign(is_anomaly=is_anomaly(ranked["score"].to_numpy(), threshold))
    explain(state, library, embeddings, scored, table, has_explorer=kind == "linked")
    metadata_task(state, library)
    metadata = metadata_of(state, library).table.drop(columns="loop_id")
    table = table.merge(metadata, on="path", how="left", validate="one_to_one")
    takeaway(state, library, embeddings, table, threshold)


def _ranked(state: SessionState, library: Library, label: str, scored: ScoredLoops) -> pd.DataFrame:
    """One row per file, ranked and with the triage of the signal checks: made once per model, whatever the threshold.

    Events of the explorer come here several times a second; at 50,000 loops joining and ranking take longer than that.
    """

    def make() -> pd.DataFrame:
        table = score_table(library.loops, scored, state.percentile)
        return table if state.faults is None else triage_rank(table, state.faults)

    return kept("ranked", (label, state.generation), make)


def _linked(state: SessionState, library: Library, embeddings: EmbeddingSet, label: str, scored: ScoredLoops) -> None:
    view = explorer_view(state, library, embeddings, label, scored)
    marks = {
        loop_id: mark.mark for loop_id, mark in store().get_marks(list(view.loops["loop_id"])).items() if mark.mark
    }
    event = explorer(view, key="explorer", percentile=state.percentile, selected=state.selected, marks=marks)
    state.selected, state.lasso = event.selected, event.lasso
    state.percentiles[label] = event.percentile
