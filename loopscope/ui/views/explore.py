"""The Explore page's parts: the linked explorer, a plain view of the same scores, and taking the list away."""

import hashlib
from collections.abc import Callable

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from loopscope.analysis.pipeline import ScoredLoops, score_table
from loopscope.analysis.triage import triage_rank
from loopscope.detection.thresholds import is_anomaly, threshold_at
from loopscope.embeddings.neighbours import nearest_to
from loopscope.errors import StoreError
from loopscope.library import Library
from loopscope.ui.components import encoder_name, printable_table, show_failure, show_provenance, store
from loopscope.ui.explain.panel import explain
from loopscope.ui.explorer.component import ExplorerView, explorer
from loopscope.ui.metadata_task import metadata_of, metadata_task
from loopscope.ui.server.media import publish_library, session_token
from loopscope.ui.state import SessionState, recall, remember, session
from loopscope.ui.views.plain import plain_view
from loopscope.ui.views.takeaway import takeaway

NEIGHBOURS = 12
VIEWS = {"linked": "Linked views", "plain": "Plain table"}


def explore_step() -> None:
    """Model and view choice, then the view in a fragment of its own, so that its events rerun nothing else."""
    state = session()
    if state.library is None or state.model is None or state.active is None:
        return
    show_provenance()
    left, right = st.columns([3, 2], vertical_alignment="center")
    labels = list(state.models)
    chosen = left.selectbox(
        "Model", labels, index=labels.index(state.active), key="explore-model", label_visibility="collapsed"
    )
    if chosen != state.active:
        state.active = chosen
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
    if state.model.detector.report_.collapsed:
        st.error("This model's hypersphere has collapsed: read its ranking as noise.", icon=":material/warning:")
    publish_library(session_token(), _paths(state.library), state.library.root)
    _view(kind or "linked")


def _paths(library: Library) -> dict[str, str]:
    unique = library.unique
    return dict(zip(unique["loop_id"], unique["path"], strict=True))


@st.fragment
def _view(kind: str) -> None:
    state = session()
    if state.library is None or state.model is None or state.active is None:
        return
    if kind == "linked":
        _linked(state, state.library, state.active, state.model)
    else:
        plain_view(state, state.library, state.model)
    threshold = threshold_at(state.model.reference_scores, state.percentile)
    ranked = _ranked(state, state.library, state.active, state.model)
    table = ranked.assign(is_anomaly=is_anomaly(ranked["score"].to_numpy(), threshold))
    explain(state, state.library, state.model, table, has_explorer=kind == "linked")
    metadata_task(state, state.library)
    metadata = metadata_of(state, state.library).table.drop(columns="loop_id")
    takeaway(state, table.merge(metadata, on="path", how="left", validate="one_to_one"), threshold)


def _ranked(state: SessionState, library: Library, label: str, scored: ScoredLoops) -> pd.DataFrame:
    """One row per file, ranked and with the triage of the signal checks: made once per model, whatever the threshold.

    Events of the explorer come here several times a second; at 50,000 loops joining and ranking take longer than that.
    """
    of = (label, state.generation)
    kept: tuple[tuple[str, int], pd.DataFrame] | None = st.session_state.get("ranked")
    if kept is not None and kept[0] == of:
        return kept[1]
    table = score_table(library.loops, scored, state.percentile)
    if state.faults is not None:
        table = triage_rank(table, state.faults)
    st.session_state["ranked"] = (of, table)
    return table


def _linked(state: SessionState, library: Library, label: str, scored: ScoredLoops) -> None:
    database = store()
    view = explorer_view(state, library, label, scored)
    marks = {
        loop_id: mark.mark for loop_id, mark in database.get_marks(list(view.loops["loop_id"])).items() if mark.mark
    }
    event = explorer(view, key="explorer", percentile=state.percentile, selected=state.selected, marks=marks)
    state.selected, state.lasso = event.selected, event.lasso
    state.percentiles[label] = event.percentile
    if event.mark is not None:
        try:
            database.set_mark(*event.mark)
        except StoreError as error:  # a full disk, say: the mark is not kept, and that must be seen
            show_failure(error)


def explorer_view(state: SessionState, library: Library, label: str, scored: ScoredLoops) -> ExplorerView:
    """The arrays of one model for the browser, made once per fitted model."""
    content = f"{label} {state.generation} {state.metadata_changes} {session_token()}"
    version = hashlib.blake2b(content.encode(), digest_size=8).hexdigest()
    cached: ExplorerView | None = st.session_state.get("explorer-view")
    if cached is not None and cached.version == version:
        return cached
    loops = scored.scores.merge(described(state, library), on="loop_id", how="left", validate="one_to_one")
    view = ExplorerView(
        version=version,
        title=f"{label} · {encoder_name()}",
        loops=printable_table(loops),
        coordinates=scored.projection.coordinates,
        explained_variance=scored.projection.explained_variance,
        latents=scored.latents,
        reference_scores=scored.reference_scores,
        neighbours=_neighbours(state, loops),
    )
    st.session_state["explorer-view"] = view
    return view


def described(state: SessionState, library: Library) -> pd.DataFrame:
    """One row per loop: name, folder and duration, what its name says, and the faults the signal checks are sure of."""
    loops = library.unique[["loop_id", "name", "folder", "duration_s"]]
    known = metadata_of(state, library).table.drop_duplicates("loop_id")
    known = known[["loop_id", "instrument", "genre", "bpm", "key", "loop_structure"]]
    loops = loops.merge(known, on="loop_id", how="left", validate="one_to_one")
    if state.faults is None:
        return loops
    sure = state.faults[state.faults["verdict"] == "fault"]
    kinds = sure.groupby("loop_id")["kind"].agg(lambda kinds: ", ".join(sorted(set(kinds))))
    return loops.assign(fault=loops["loop_id"].map(kinds).fillna(""))


def _neighbours(state: SessionState, loops: pd.DataFrame) -> Callable[[int], NDArray[np.int64]] | None:
    """Answers which rows of `loops` lie nearest to one of them by embedding."""
    embeddings = state.embeddings
    if embeddings is None or len(loops) < 3:
        return None
    rows = np.array([embeddings.row_of(loop_id) for loop_id in loops["loop_id"]])
    shown_as = np.full(len(embeddings.X), -1)
    shown_as[rows] = np.arange(len(rows))

    def near(row: int) -> NDArray[np.int64]:
        found, _ = nearest_to(embeddings.X[rows[row]], embeddings.X, NEIGHBOURS + 1, shown_as >= 0)
        others: NDArray[np.int64] = shown_as[found[0]]
        others = others[others != row]
        return others[:NEIGHBOURS]

    return near
