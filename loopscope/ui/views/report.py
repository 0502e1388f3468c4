"""What a training came to, on the Train page: one line, warnings, and all that is for the curious under "Details"."""

import math

import streamlit as st

from loopscope.analysis.scoring import ScoredLoops
from loopscope.detection.fitted import FitReport
from loopscope.detection.quality import Outcome, outcomes_in_words, quality_checks
from loopscope.figures.scores import PHASE_TITLES, loss_curves
from loopscope.ui.components import duration, figures_row, next_step, plain
from loopscope.ui.state import SessionState
from loopscope.ui.views.packs import show_among_old, show_pack
from loopscope.ui.widgets.figure import show_figure
from loopscope.wording import stand_out

MARKS = {
    Outcome.PASSED: ":material/check:",
    Outcome.NOT_PASSED: ":material/close:",
    Outcome.MISSING: ":material/remove:",
}
COLLAPSED = (
    "This training failed: nearly every loop ended in one and the same point (the hypersphere collapsed), so the "
    "ranking is close to chance. Use preset local or another detector."
)
CURVES = {  # what the two lines of a phase mean
    "pretrain": "The lower, the better it rebuilds the loops. Validation: loops held back from it, odd ones included.",
    "finetune": "Validation: loops held back from it. This line may rise: what it did not learn from stays outside, "
    "odd loops farthest. The quality checks say whether to believe it.",
}
EPOCHS_HELP = "Epochs: how often training went through the loops, in both phases."
SPREAD_HELP = (
    "Spread after ÷ before fine-tuning: the mean squared distance of held-out loops to the centre. About 1 is healthy; "
    "near 0 all loops lie in one point (the sphere has collapsed)."
)
EXCEEDANCE_HELP = (
    "Held-out exceedance: the share of loops held back from training that lie above 95 % of those trained on. About "
    "5 % is expected; much more says that the training loops were learnt by heart."
)


def show_report(state: SessionState, label: str, scored: ScoredLoops) -> None:
    """The model in view: its time and how many loops stand out, what speaks against it, and the details."""
    report = scored.detector.report_
    st.subheader(plain(label), anchor=False)
    archived = state.seen.archived
    n_flagged = state.seen.n_flagged(label, state.project.percentile_of(label)) or 0
    n_loops = len(scored.scores if archived is None else archived.counts.scores)
    with st.container(key="train-said"):
        took = duration(report.seconds) if report.seconds >= 1 else "Under a second"
        st.markdown(f"**{took} · {stand_out(n_flagged, n_loops)}**")
    if archived is None:
        show_pack(state)
    if report.collapsed:
        st.error(COLLAPSED, icon=":material/warning:")
    for sentence in report.warnings:
        st.warning(plain(sentence), icon=":material/warning:")
    next_step("explore")
    _details(scored, report, archived is not None)


def _details(scored: ScoredLoops, report: FitReport, is_part: bool) -> None:
    """`is_part`: of an archive, where most loops are new to a model that learnt from a sample."""
    judged = quality_checks(report.measures)
    checks = (
        f" · {'quality check' if len(judged) == 1 else 'quality checks'}: {outcomes_in_words(judged)}" if judged else ""
    )
    unfinished = "" if report.complete else ", but training was stopped before its end"
    failed = any(check.outcome is Outcome.NOT_PASSED for check in judged)
    with st.expander(f"Details{checks}{unfinished}", expanded=failed, icon=":material/shield:"):
        for check in judged:
            term = f"{check.title}: {check.value} (limit: {check.limit})"
            st.markdown(f"{MARKS[check.outcome]} {plain(check.sentence)}", help=plain(term))
        _measures(report)
        if scored.is_new.any() and report.complete and not is_part:
            show_among_old(scored)
        if report.history:
            _curves(report)


def _measures(report: FitReport) -> None:
    before, after = report.measures.get("spread_before"), report.measures.get("spread_after")
    figures = [("Held-out loops that stand out", _share(report.measures.get("held_out_exceedance")), EXCEEDANCE_HELP)]
    if report.history:
        figures = [
            ("Rounds of training", f"{report.epochs:,}", EPOCHS_HELP),
            ("How far apart loops stayed", _ratio(after, before), SPREAD_HELP),
            *figures,
        ]
    figures_row(*figures)


def _curves(report: FitReport) -> None:
    for column, phase in zip(st.columns(2), PHASE_TITLES, strict=True):
        with column:
            show_figure(
                loss_curves(list(report.history), phase),
                key=f"loss-{phase}",
                title=PHASE_TITLES[phase],
                describe=f"Training and validation loss over the epochs, {PHASE_TITLES[phase]}.",
            )
            st.caption(CURVES[phase])


def _share(share: float | None) -> str:
    return "not measured" if share is None or math.isnan(share) else f"{share:.1%}".replace("%", " %")


def _ratio(after: float | None, before: float | None) -> str:
    return "not measured" if not before or after is None else f"{after / before:.2g} ×"
