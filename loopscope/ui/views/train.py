"""The Train page's parts: choosing a detector, live curves, the report with its quality checks."""

import math

import streamlit as st

from loopscope.analysis.pipeline import ScoredLoops
from loopscope.analysis.subsets import EVERYTHING, subsets
from loopscope.analysis.walk import Plan
from loopscope.config import DEFAULT_PERCENTILE
from loopscope.detection.fitted import FitReport
from loopscope.detection.quality import Outcome, outcomes_in_words, quality_checks
from loopscope.detection.thresholds import is_anomaly, threshold_at
from loopscope.embeddings import EmbeddingSet
from loopscope.figures.scores import PHASE_TITLES, loss_curves
from loopscope.library import Library
from loopscope.ui.components import duration, ended, figures_row, next_step, plain, show_provenance, show_task, store
from loopscope.ui.metadata_task import metadata_of
from loopscope.ui.projects.tasks import Task
from loopscope.ui.projects.walking import TRAIN, WALK, keep_model, start_training
from loopscope.ui.state import SessionState, session
from loopscope.ui.views.detector_choice import choose_detector
from loopscope.ui.views.packs import show_among_old, show_pack
from loopscope.ui.views.saved_models import saved_models
from loopscope.ui.widgets.figure import show_figure

PASSED = {Outcome.PASSED: "yes", Outcome.NOT_PASSED: "no", Outcome.MISSING: "not measured"}
SPREAD_HELP = "Mean squared distance of held-out latents to the centre; near 0 the sphere has collapsed."
EXCEEDANCE_HELP = "Share of loops the model did not train on that lie above the 95th percentile of the training scores."


def choose_subset(state: SessionState, library: Library, embeddings: EmbeddingSet) -> tuple[str, EmbeddingSet]:
    """The loops to train on: all of them, or one instrument or folder; its name is empty for all."""
    known = metadata_of(state, library).table.drop_duplicates("loop_id")[["loop_id", "instrument"]]
    loops = library.unique[["loop_id", "folder"]].merge(known, on="loop_id", validate="one_to_one")
    parts = subsets(loops[loops["loop_id"].isin(embeddings.loop_ids)])
    chosen = st.selectbox(
        "Train on",
        list(parts),
        format_func=lambda name: f"{name[0].upper()}{name[1:]} ({len(parts[name]):,})",
        key="train-subset",
        help="A model of its own for one instrument or folder knows only that; it scores and shows these loops only.",
    )
    return ("", embeddings) if chosen == EVERYTHING else (chosen, embeddings.select(parts[chosen]))


def train_step(library: Library, embeddings: EmbeddingSet) -> None:
    """Choice, start, live curves and report for the project's embeddings."""
    state = session()
    tasks = state.project.tasks
    for kind in (WALK, TRAIN):
        ended(kind)
    running = next((kind for kind in (TRAIN, WALK) if tasks.running(kind)), None)
    show_provenance()
    _offer_stopped(state)
    with st.container(border=True):
        name, preset, seed = choose_detector()
        subset, chosen = choose_subset(state, library, embeddings)
        if st.button("Train", type="primary", disabled=running is not None, key="train-start"):
            plan = Plan(detector=name, preset=preset, seed=seed)
            start_training(state.project, store(), chosen, plan, subset)
            st.rerun()
    if running is not None:
        show_task(running, cancel_label="Stop" if running == TRAIN else "Cancel", body=live_curves)
    elif state.model is not None:
        show_report(state.active, state.model)
    if running is None:
        saved_models(state, library, embeddings)


def _offer_stopped(state: SessionState) -> None:
    """A training that was stopped is not kept, unless the user says so."""
    if state.seen.stopped is None:
        return
    label, scored = state.seen.stopped
    with st.container(border=True):
        reasons = " ".join(scored.detector.report_.warnings)
        st.markdown(f"**{plain(label)} was stopped and is not kept.** {plain(reasons)}")
        with st.container(horizontal=True):
            if st.button("Keep it, unfinished as it is", key="keep-stopped"):
                keep_model(state.project, f"{label} (unfinished)", scored)
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
    if history:
        last = history[-1]
        spread = "" if last.spread is None else f" · spread {last.spread:.3g}"
        st.caption(
            f"{PHASE_TITLES[last.phase]} · epoch {last.epoch} of at most {last.n_epochs} · "
            f"{duration(task.seconds)} so far{spread}"
        )
    else:
        st.caption(f"Preparing · {duration(task.seconds)} so far")


def show_report(label: str, scored: ScoredLoops) -> None:
    """What training came to: time, spread, flags, and every warning in words."""
    report = scored.detector.report_
    st.subheader(plain(label), anchor=False)
    show_pack(session())
    if report.collapsed:
        st.error(
            "The hypersphere has collapsed: the encoder maps nearly every loop onto the centre, so this ranking is "
            "close to noise. Use preset robust, or a baseline.",
            icon=":material/warning:",
        )
    for sentence in report.warnings:
        st.warning(plain(sentence), icon=":material/warning:")
    threshold = threshold_at(scored.reference_scores, DEFAULT_PERCENTILE)
    flagged = is_anomaly(scored.scores["score"].to_numpy(), threshold).sum()
    before, after = report.measures.get("spread_before"), report.measures.get("spread_after")
    figures_row(
        ("Training time", duration(report.seconds), None),
        ("Spread after ÷ before", _ratio(after, before), SPREAD_HELP),
        ("Flagged", f"{int(flagged):,} of {len(scored.scores):,}", "Above the 95th percentile."),
        ("Held-out above (nominal 5 %)", _share(report.measures.get("held_out_exceedance")), EXCEEDANCE_HELP),
    )
    if report.epochs and before is not None and after is not None:
        st.caption(
            f"{report.epochs:,} epochs in both phases; spread {before:.3g} before fine-tuning, {after:.3g} after."
        )
    if scored.is_new.any() and report.complete:
        show_among_old(scored)
    if report.history:
        for column, phase in zip(st.columns(2), PHASE_TITLES, strict=True):
            with column:
                show_figure(
                    loss_curves(list(report.history), phase),
                    key=f"loss-{phase}",
                    title=PHASE_TITLES[phase],
                    describe=f"Training and validation loss over the epochs, {PHASE_TITLES[phase]}.",
                )
    show_quality_checks(report)
    next_step("explore")


def show_quality_checks(report: FitReport) -> None:
    """Every check with its limit, passed, not passed or not measured, and what it means; open when one failed."""
    judged = quality_checks(report.measures)
    if not judged:
        return
    failed = any(check.outcome is Outcome.NOT_PASSED for check in judged)
    outcome = outcomes_in_words(judged) + ("" if report.complete else ", but training was stopped before its end")
    with st.expander(f"Quality checks · {outcome}", expanded=failed, icon=":material/shield:"):
        st.dataframe(
            [
                {
                    "check": check.title,
                    "value": check.value,
                    "limit": check.limit,
                    "passed": PASSED[check.outcome],
                    "in words": check.sentence,
                }
                for check in judged
            ],
            hide_index=True,
        )


def _share(share: float | None) -> str:
    return "not measured" if share is None or math.isnan(share) else f"{share:.1%}"


def _ratio(after: float | None, before: float | None) -> str:
    return "not measured" if not before or after is None else f"{after / before:.3g}"
