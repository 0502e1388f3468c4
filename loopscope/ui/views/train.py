"""The Train page's parts: choosing a detector, starting it, its curves as they grow."""

import streamlit as st

from loopscope.analysis.feedback import QUARANTINE
from loopscope.analysis.walk import Plan
from loopscope.detection.base import is_enough
from loopscope.embeddings import EmbeddingSet
from loopscope.figures.scores import PHASE_TITLES, loss_curves
from loopscope.library import Library
from loopscope.ui.components import duration, ended, plain, show_provenance, show_task, store
from loopscope.ui.projects.stopped import KEEP, keep_stopped
from loopscope.ui.projects.tasks import Task
from loopscope.ui.projects.walking import TRAIN, WALK, only_checks_run, start_training
from loopscope.ui.state import SessionState, session
from loopscope.ui.views.detector_choice import choose_detector
from loopscope.ui.views.report import CURVES, show_report
from loopscope.ui.views.saved_models import saved_models
from loopscope.ui.views.subset_choice import choose_subset
from loopscope.wording import counted


def train_step(library: Library, embeddings: EmbeddingSet) -> None:
    """Choice, start, live curves and report for the project's embeddings."""
    state = session()
    tasks = state.project.tasks
    for kind in (WALK, TRAIN, KEEP):
        ended(kind)
    kinds = (TRAIN, KEEP) if only_checks_run(state.project) else (TRAIN, WALK, KEEP)
    running = next((kind for kind in kinds if tasks.running(kind)), None)
    show_provenance()
    if not tasks.running(KEEP):
        _offer_stopped(state)
    with st.container(border=True):
        name, preset, seed = choose_detector()
        subset, chosen = choose_subset(state, library, embeddings)
        plan = Plan(detector=name, preset=preset, seed=seed)
        with st.container(horizontal=True):
            if st.button("Train", type="primary", disabled=running is not None, key="train-start"):
                start_training(state.project, store(), chosen, plan, subset)
                st.rerun()
            _offer_without_quarantined(state, chosen, plan, subset, running is not None)
    if running is not None:
        label, body = ("Stop" if running == TRAIN else "Cancel"), (None if running == KEEP else live_curves)
        show_task(running, cancel_label=label, body=body)
    elif state.model is not None:
        show_report(state, state.active, state.model)
    if running is None:
        saved_models(state, library, embeddings)


def _offer_without_quarantined(
    state: SessionState, embeddings: EmbeddingSet, plan: Plan, subset: str, is_busy: bool
) -> None:
    """What the user took out is not what is normal."""
    marks = store().get_marks(embeddings.loop_ids)
    quarantined = {loop_id for loop_id, mark in marks.items() if mark.mark == QUARANTINE}
    rest = [row for row, loop_id in enumerate(embeddings.loop_ids) if loop_id not in quarantined]
    if not quarantined or not is_enough(embeddings.X[rest]):
        return
    said = f"Train without {counted(len(quarantined), 'quarantined loop')}"
    if st.button(said, disabled=is_busy, key="train-without", help="They are scored too, as loops it never heard."):
        start_training(state.project, store(), embeddings, plan, subset, quarantined)
        st.rerun()


def _offer_stopped(state: SessionState) -> None:
    """A training that was stopped is not kept, unless the user says so."""
    if state.seen.stopped is None:
        return
    label, stopped = state.seen.stopped
    with st.container(border=True):
        st.markdown(f"**{plain(label)} was stopped and is not kept.** {plain(stopped.sentence)}")
        with st.container(horizontal=True):
            if st.button("Keep it, unfinished as it is", key="keep-stopped"):
                keep_stopped(state.project)
                st.rerun()
            if st.button("Discard it", key="drop-stopped", type="tertiary"):
                state.project.update(stopped=None)
                st.rerun()


def live_curves(task: Task) -> None:
    """Both phases' losses side by side as they grow, drawn anew twice a second, with the epoch and the time so far."""
    history = list(task.history)
    for column, phase in zip(st.columns(2), PHASE_TITLES, strict=True):
        column.markdown(f"**{PHASE_TITLES[phase]}**")
        column.plotly_chart(loss_curves(history, phase), key=f"live-{phase}", config={"displayModeBar": False})
        column.caption(CURVES[phase])
    if history:
        last = history[-1]
        st.caption(
            f"{PHASE_TITLES[last.phase]} · round {last.epoch:,} of at most {last.n_epochs:,} · "
            f"{duration(task.seconds)} so far"
        )
    else:
        st.caption(f"The curves begin with the training · {duration(task.seconds)} so far")
