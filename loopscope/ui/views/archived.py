"""What pages say of an archive: how much of it is here, what the model in view does not stand for, learning anew."""

import streamlit as st

from loopscope.analysis.walk import Plan
from loopscope.archive.sample import LARGEST
from loopscope.detection.registry import LOCAL, ROBUST
from loopscope.detection.thresholds import threshold_at
from loopscope.files import display_name
from loopscope.ui.components import ended, plain, show_provenance, show_task
from loopscope.ui.projects.contents import Archived
from loopscope.ui.projects.registry import project_registry
from loopscope.ui.projects.walking import WALK, is_busy, start_walk
from loopscope.ui.state import SessionState
from loopscope.ui.views.detector_choice import choose_detector
from loopscope.ui.views.report import show_report
from loopscope.ui.views.saved_models import saved_models
from loopscope.wording import counted

DRIFTS_SHOWN = 3


def count_archive(state: SessionState, archived: Archived) -> None:
    """How many loops the archive has, how many are flagged at the threshold of now, and how many are not here."""
    if state.model is None:
        return
    threshold = threshold_at(state.model.reference_scores, state.percentile)
    st.caption(f":material/inventory_2: {plain(archived.counts.sentence(threshold))}")


def offer_refit(state: SessionState, archived: Archived) -> None:
    """Where folders were added that the model does not stand for: which, and a way to learn from all."""
    if not archived.drifts:
        return
    far = [plain(display_name(one.folder)) for one in archived.drifts]
    more = f" and {len(far) - DRIFTS_SHOWN} more" if len(far) > DRIFTS_SHOWN else ""
    st.warning(
        f"{counted(len(far), 'folder lies', 'folders lie')} farther from what the model learnt from than the folders "
        f"in that lie from each other: {', '.join(far[:DRIFTS_SHOWN])}{more}.",
        icon=":material/compare:",
    )
    if st.button("Learn anew from all folders", icon=":material/model_training:", key="refit"):
        known = None if state.model is None else state.model.detector
        _refit(state, Plan() if known is None else Plan(detector=known.name, preset=known.preset, seed=known.seed))


def tell_of_archive() -> None:
    """On the Embed page."""
    st.info(
        "An archive brings its embeddings along. `loopscope index ARCHIVE FOLDER` adds a folder to it; open the "
        "archive again to see it here.",
        icon=":material/inventory_2:",
    )


def train_on_archive(state: SessionState, archived: Archived) -> None:
    """The Train page of an archive: a detector learns from a sample of all its folders, then all loops are ranked."""
    ended(WALK)
    show_provenance()
    with st.container(border=True):
        name, preset, seed = choose_detector()
        n_loops = len(archived.counts.scores)
        learnt = f"all {n_loops:,} loops" if n_loops <= LARGEST else f"{LARGEST:,} of {n_loops:,} loops, of each folder"
        st.caption(
            f"It learns from {learnt}{'' if n_loops <= LARGEST else ' its share'}; the model in view has learnt from "
            f"{archived.counts.n_learnt:,}."
        )
        if preset == LOCAL:
            st.caption("An archive holds no moments of its loops, so Robust is taken, which hears each as a whole.")
        busy = is_busy(state.project)
        if st.button("Learn anew and rank the archive", type="primary", disabled=busy, key="train-archive"):
            _refit(state, Plan(detector=name, preset=ROBUST if preset == LOCAL else preset, seed=seed))
    if state.project.tasks.running(WALK):
        show_task(WALK, cancel_label="Stop")
    elif state.model is not None and state.library is not None and state.embeddings is not None:
        show_report(state, state.active, state.model)
        saved_models(state, state.library, state.embeddings)


def _refit(state: SessionState, plan: Plan) -> None:
    state.project.change_plan(plan)
    start_walk(state.project, project_registry().store, retrain=True)
    st.rerun()
