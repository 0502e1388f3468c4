"""Saved models on the Train page: keep the present one, use one on another folder without training, delete one."""

import re
from typing import Any

import streamlit as st

from loopscope.analysis.marked import Marked
from loopscope.analysis.scoring import score_library
from loopscope.analysis.subsets import EVERYTHING
from loopscope.detection.saved import damaged, data_of, delete_model, list_models, load_model, save_model
from loopscope.embeddings import EmbeddingSet
from loopscope.errors import LoopscopeError
from loopscope.library import Library
from loopscope.ui.components import printable, show_failure, store
from loopscope.ui.projects.project import SavedModel
from loopscope.ui.projects.walking import start_ranking
from loopscope.ui.state import SessionState
from loopscope.ui.views.lessons import marked_now
from loopscope.ui.widgets.paging import show_table

COLUMNS = ["name", "detector", "preset", "seed", "n_loops", "encoder_id", "saved"]


def saved_models(state: SessionState, library: Library, embeddings: EmbeddingSet) -> None:
    """The whole section, in an expander. An archive is ranked by the one that is used, in a worker."""
    with st.expander("Saved models", icon=":material/bookmark:"):
        if state.model is not None:
            _save(library, state)
        _use(state, embeddings)
        broken = damaged()
        if not broken.empty:
            st.warning("These models could not be read and were set aside; train them again.")
            show_table(broken, "damaged-models")


def _save(library: Library, state: SessionState) -> None:
    label, scored = state.active, state.model
    assert scored is not None
    left, right = st.columns([4, 1], vertical_alignment="bottom")
    name = left.text_input("Name", value=f"{printable(library.root.name)} · {label}", key=f"save-name-{label}")
    if right.button("Save", key="save-model", width="stretch", disabled=not name.strip()):
        loops = library.unique
        loops = loops[loops["loop_id"].isin(scored.detector.loop_ids_)]
        summary: dict[str, Any] = {
            "folder": printable(library.root.name),
            "subset": printable(scored.subset) or EVERYTHING,
            "loops": len(loops),
            "hours": float(loops["duration_s"].sum() / 3600),
        }
        if marked := marked_now(state, scored.detector.loop_ids_):
            summary["marks"] = marked.written()
        try:
            save_model(scored.detector, re.sub(r"[\x00-\x1f/\\]", "_", name.strip())[:120], summary)
            st.toast("Model saved", icon=":material/check:")
        except LoopscopeError as error:
            show_failure(error)


def _use(state: SessionState, embeddings: EmbeddingSet) -> None:
    models = list_models()
    if models.empty:
        st.caption("No model is saved yet. A saved model scores a new pack without training.")
        return
    show_table(models[COLUMNS], "saved-models", height=min(36 * (len(models) + 1), 220))
    paths = list(models["path"])
    names = dict(zip(paths, models["name"], strict=True))
    chosen = st.selectbox("Saved model", paths, format_func=names.__getitem__, key="saved-model")
    if (marked := Marked.read(data_of(chosen))) is not None:
        st.caption(marked.sentence)
    with st.container(horizontal=True):
        if st.button("Score these loops with it", key="use-model"):
            if state.seen.archived is not None:
                start_ranking(state.project, store(), chosen, f"{names[chosen]} (saved)")
                st.rerun()
            try:
                scored = score_library(embeddings, load_model(chosen), store())
            except LoopscopeError as error:
                show_failure(error)
            else:
                label = state.project.add_model(f"{names[chosen]} (saved)", scored)
                memory = state.project.memory
                state.project.remember(models=memory.models | {label: SavedModel(chosen)})
                st.rerun()
        if st.button("Delete it", key="delete-model", type="tertiary"):
            try:
                delete_model(chosen)
            except LoopscopeError as error:
                show_failure(error)
            else:
                st.rerun()
