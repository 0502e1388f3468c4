"""The Train page's parts: choosing a detector, live curves, the report with its quality checks."""

import math
from dataclasses import replace

import streamlit as st

from loopscope.analysis.pipeline import ScoredLoops, fit_detector
from loopscope.analysis.subsets import EVERYTHING, subsets
from loopscope.config import DEFAULT_PERCENTILE
from loopscope.detection.fitted import FitReport
from loopscope.detection.quality import Outcome, outcomes_in_words, quality_checks
from loopscope.detection.registry import detector_info, detector_names
from loopscope.detection.thresholds import is_anomaly, threshold_at
from loopscope.embeddings import EmbeddingSet
from loopscope.figures.scores import PHASE_TITLES, loss_curves
from loopscope.library import Library
from loopscope.ui.components import duration, ended, figures_row, next_step, plain, show_provenance, show_task
from loopscope.ui.metadata_task import metadata_of
from loopscope.ui.state import SessionState, recall, remember, session
from loopscope.ui.projects.tasks import Task, task_board
from loopscope.ui.views.saved_models import saved_models, show_among_old
from loopscope.ui.widgets.figure import show_figure

KIND = "train"
PRESETS = {  # title and what it means
    "robust": (
        "Robust (recommended)",
        "Robust: scored by members that did not train on the loop, and kept from collapse.",
    ),
    "paper": (
        "Paper, section 4.3",
        "Paper: as published (section 4.3); its hypersphere usually collapses, and the report says so.",
    ),
}
JOINED = ", joined with its reconstruction error and the local density of the embeddings"
PASSED = {Outcome.PASSED: "yes", Outcome.NOT_PASSED: "no", Outcome.MISSING: "not measured"}
SPREAD_HELP = "Mean squared distance of held-out latents to the centre; near 0 the sphere has collapsed."
EXCEEDANCE_HELP = "Share of loops the model did not train on that lie above the 95th percentile of the training scores."


def choose_detector() -> tuple[str, str, int]:
    """Detector, preset and seed."""
    names = detector_names()
    recall({"detector-name": names[0], "preset-name": "", "seed": 0})
    left, middle, right = st.columns([5, 5, 2])
    name = left.selectbox("Detector", names, format_func=_title, key="detector-name")
    info = detector_info(name)
    if st.session_state["preset-name"] not in info.presets:
        st.session_state["preset-name"] = next(iter(info.presets))
    preset = middle.selectbox(
        "Preset", list(info.presets), format_func=lambda name: PRESETS[name][0], key="preset-name"
    )
    seed = right.number_input("Seed", min_value=0, max_value=9999, key="seed")
    remember("detector-name", "preset-name", "seed")
    joined = JOINED if preset == "robust" and info.is_deep else ""
    st.caption(f"Score: {info.score}{joined}; higher = more anomalous. {PRESETS[preset][1]}")
    return name, preset, int(seed)


def _title(name: str) -> str:
    return f"{name} · {detector_info(name).title}"


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


def start_training(embeddings: EmbeddingSet, name: str, preset: str, seed: int, subset: str = "") -> None:
    """Fits in a worker thread; stop keeps the best weights so far. `subset` names the loops where they are not all."""

    def work(task: Task) -> tuple[str, ScoredLoops]:
        scored = fit_detector(embeddings, name, preset, seed, on_epoch=task.on_epoch, should_stop=task.should_stop)
        scored = replace(scored, subset=subset)
        _ = scored.projection  # here rather than when the Explore page opens
        return " · ".join(filter(None, [name, preset, f"seed {seed}", subset])), scored

    task_board().start(KIND, f"Training {name}", work)


def train_step(library: Library, embeddings: EmbeddingSet) -> None:
    """Choice, start, live curves and report for the session's embeddings."""
    state = session()
    finished = ended(KIND)
    if finished is not None and finished.done:
        state.add_model(*finished.result)
    running = task_board().running(KIND)
    show_provenance()
    with st.container(border=True):
        name, preset, seed = choose_detector()
        subset, chosen = choose_subset(state, library, embeddings)
        if st.button("Train", type="primary", disabled=running, key="train-start"):
            start_training(chosen, name, preset, seed, subset)
            st.rerun()
    if running:
        show_task(KIND, cancel_label="Stop", body=live_curves)
    elif state.model is not None:
        show_report(state.active, state.model)
    if not running:
        saved_models(state, library, embeddings)


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
    if (scored.scores["split"] == "new").all():
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
