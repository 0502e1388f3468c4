"""Figures that say whether a trained model may be believed, each with its threshold and a plain sentence.

A check that applies to the model and could not be made is said to be missing, which is not the same as passed.

Conventions: latents are (n, d), spreads are mean squared distances to the centre (latent units squared), agreements are
Spearman rank correlations of scores (-1 to 1). Figures are taken on loops the model did not train on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from loopscope.arrays import Float
from loopscope.late import late
from loopscope.progress import PHASES

stats = late("scipy.stats")

MIN_SPREAD_KEPT = 0.05  # healthy fine-tuning keeps 0.9 to 1.2 of the spread, collapsed fine-tuning 1e-4 and less
MIN_EFFECTIVE_RANK = 3.0  # of 32; below, loops differ along one or two directions only
MAX_BOTTLENECK_LOSS = 0.9  # share of the data's variance lost without skips, when the skips reconstruct well
GOOD_RECONSTRUCTION = 0.5  # share of the variance lost at most by a decoder that reconstructs well
MIN_AGREEMENT_PRETRAINED = 0.3
MIN_AGREEMENT_SEEDS = 0.5
MAX_EXCEEDANCE = 0.15  # of held-out loops above the 95th percentile of the training scores (nominal 0.05)
MAX_GAP = 1.5  # times the loss of training rows: more on rows held out is learnt by heart
ADDED_NOTHING, NO_GAIN = 0.99, 0.05  # rank agreement with the linear start, share of the held-out loss that was saved
MIN_CHANCE = 0.01  # with few loops held out, that many above the threshold may be mere chance
NOT_FINE_TUNED = "training ended before fine-tuning, so there is nothing to compare with"
UNTUNED = ("spread_after", "agreement_with_pretrained")  # measures that say what fine-tuning did


def effective_rank(latents: Float) -> float:
    """Exponential of the entropy of the normalised singular values (Roy and Vetterli 2007): 1 to d, 0 if constant."""
    singular = np.linalg.svd(latents - latents.mean(axis=0), compute_uv=False)
    total = singular.sum()
    if total <= 1e-12 * max(1.0, float(np.abs(latents).max(initial=0.0))):
        return 0.0
    shares = singular[singular > 0] / total
    return float(np.exp(-(shares * np.log(shares)).sum()))


def rank_agreement(first: Float, second: Float) -> float:
    """Spearman correlation of two scorings of the same loops; 0 when one of them is constant."""
    a, b = stats.rankdata(first), stats.rankdata(second)
    a, b = a - a.mean(), b - b.mean()
    norm = np.sqrt((a**2).sum() * (b**2).sum())
    return float((a * b).sum() / norm) if norm > 0 else 0.0


def mean_agreement(scorings: Sequence[Float] | Float) -> float:
    """Mean Spearman correlation over all pairs of scorings of the same loops; NaN for a single one."""
    pairs = [(i, j) for i in range(len(scorings)) for j in range(i)]
    return float(np.mean([rank_agreement(scorings[i], scorings[j]) for i, j in pairs])) if pairs else float("nan")


def is_collapsed(spread_before: float, spread_after: float) -> bool:
    """Whether fine-tuning drew the latents together so far that distances to the centre no longer tell loops apart."""
    return not spread_after >= MIN_SPREAD_KEPT * spread_before or spread_before <= 0


def without_fine_tuning(measures: Mapping[str, float]) -> dict[str, float]:
    """The measures of a model that was never fine-tuned: what would say that fine-tuning did no harm is left out."""
    return {name: value for name, value in measures.items() if name not in UNTUNED}


def latent_measures(latents: Float, before: Float, after: Float) -> dict[str, float]:
    """What fine-tuning did to held-out rows, means over members.

    `latents` is (n_members, n, d), after it; the distances to the centre `before` and `after` it are (n_members, n).
    """
    return {
        "spread_before": float(before.mean()),
        "spread_after": float(after.mean()),
        "effective_rank": float(np.mean(list(map(effective_rank, latents)))),
        "latent_size": float(latents.shape[2]),
        "agreement_with_pretrained": float(np.mean(list(map(rank_agreement, before, after)))),
    }


class Outcome(StrEnum):
    """What came of a check."""

    PASSED = "passed"
    NOT_PASSED = "not passed"
    MISSING = "missing"


@dataclass(frozen=True)
class QualityCheck:
    """One check: what was measured, the limit it is held to, and a plain sentence: what that means, or why it is
    missing.
    """

    title: str
    value: str
    limit: str
    outcome: Outcome
    sentence: str

    @property
    def passed(self) -> bool:
        """Whether it was made and passed."""
        return self.outcome is Outcome.PASSED


def quality_checks(measures: Mapping[str, float]) -> tuple[QualityCheck, ...]:
    """Every check that applies to the model which these measures are of.

    Models that train no network have no latents to check, and networks without skip connections nothing that these
    could pass by: such checks are left out. One that applies but has no figure is among them as missing.
    """
    judges = (
        (_spread, _rank, _bypass, _pretrained, _seeds, _curves, _linear, _exceedance)
        if "spread_before" in measures
        else (_exceedance,)
    )
    judged = [judge(measures) for judge in judges]
    return tuple(check for check in judged if check is not None)


def warnings_for(measures: Mapping[str, float]) -> tuple[str, ...]:
    """One sentence for every check that was not passed; checks that are missing are no warning."""
    return tuple(check.sentence for check in quality_checks(measures) if check.outcome is Outcome.NOT_PASSED)


def outcomes_in_words(checks: Sequence[QualityCheck]) -> str:
    """Such as "all 6 passed" or "1 not passed, 4 passed, 1 not measured"."""
    counts = {outcome: sum(check.outcome is outcome for check in checks) for outcome in Outcome}
    if counts[Outcome.PASSED] == len(checks):
        return f"all {len(checks)} passed" if len(checks) > 1 else "passed"
    words = {Outcome.NOT_PASSED: "not passed", Outcome.PASSED: "passed", Outcome.MISSING: "not measured"}
    return ", ".join(f"{counts[outcome]} {what}" for outcome, what in words.items() if counts[outcome])


def _judged(title: str, value: str, limit: str, passed: bool, sentence: str) -> QualityCheck:
    return QualityCheck(title, value, limit, Outcome.PASSED if passed else Outcome.NOT_PASSED, sentence)


def _missing(title: str, limit: str, why: str) -> QualityCheck:
    return QualityCheck(title, "not measured", limit, Outcome.MISSING, f"Not measured: {why}.")


def _figure(m: Mapping[str, float], name: str) -> float | None:
    """A measure, None where it was not taken or is no number."""
    value = m.get(name, np.nan)
    return None if np.isnan(value) else value


def _spread(m: Mapping[str, float]) -> QualityCheck:
    title, limit = "Spread after ÷ before", f"at least {MIN_SPREAD_KEPT:g}"
    if "spread_after" not in m:
        return _missing(title, limit, NOT_FINE_TUNED)
    kept = m["spread_after"] / m["spread_before"] if m["spread_before"] > 0 else 0.0
    passed = not is_collapsed(m["spread_before"], m["spread_after"])
    sentence = (
        f"The sphere kept its size: held-out loops are spread {kept:.2g} times as far after fine-tuning as before."
        if passed
        else f"The sphere has collapsed: fine-tuning shrank the spread of the latents to {kept:.1e} of what it was, so "
        "the ranking is unreliable; use the robust preset."
    )
    return _judged(title, f"{kept:.3g}", limit, passed, sentence)


def _rank(m: Mapping[str, float]) -> QualityCheck:
    title, limit, rank = "Effective dimensions", f"at least {MIN_EFFECTIVE_RANK:g}", _figure(m, "effective_rank")
    if rank is None:
        return _missing(title, limit, "the latents of the held-out loops are no numbers")
    used = f"Loops differ in {rank:.1f} independent ways of {m['latent_size']:.0f} possible"
    passed = rank >= MIN_EFFECTIVE_RANK
    sentence = f"{used}." if passed else f"{used}: almost along one direction, so the distance says little."
    return _judged(title, f"{rank:.1f}", limit, passed, sentence)


def _bypass(m: Mapping[str, float]) -> QualityCheck | None:
    if "variance_lost_without_skips" not in m:
        return None
    title = "Variance lost with / without skips"
    limit = f"without skips at most {MAX_BOTTLENECK_LOSS:.0%}, or with skips over half of it"
    lost, without = _figure(m, "variance_lost"), _figure(m, "variance_lost_without_skips")
    if lost is None or without is None:
        return _missing(title, limit, "the reconstructions of the held-out loops are no numbers")
    passed = without <= MAX_BOTTLENECK_LOSS or lost > GOOD_RECONSTRUCTION * without
    figures = f"with skips it loses {lost:.0%} of the variance, without them {without:.0%}"
    sentence = (
        f"The decoder does not live on its skip connections alone: {figures}."
        if passed
        else f"The decoder passes the bottleneck by: {figures}, so the latent carries little of the sound."
    )
    return _judged(title, f"{lost:.0%} / {without:.0%}", limit, passed, sentence)


def _pretrained(m: Mapping[str, float]) -> QualityCheck:
    return _agreement(
        _figure(m, "agreement_with_pretrained"),
        "Agreement with the pretrained model",
        MIN_AGREEMENT_PRETRAINED,
        good="Fine-tuning refined the order of the loops (rank agreement {:.2f} with the pretrained model).",
        bad="Fine-tuning reordered the loops (rank agreement {:.2f} with the pretrained model); compare with the "
        "baselines before trusting the ranking.",
        why="the distances to the centre are no numbers" if "agreement_with_pretrained" in m else NOT_FINE_TUNED,
    )


def _seeds(m: Mapping[str, float]) -> QualityCheck:
    return _agreement(
        _figure(m, "agreement_over_seeds"),
        "Agreement over seeds",
        MIN_AGREEMENT_SEEDS,
        good="Two trainings from different seeds rank these loops alike (rank agreement {:.2f}).",
        bad="Two trainings rank these loops differently (agreement {:.2f}); another seed may do so too, so add loops "
        "or trust only the top of the list.",
        why="the model was trained once, so no second training confirms its ranking; preset robust trains twice",
    )


def _curves(m: Mapping[str, float]) -> QualityCheck | None:
    """Of models that say how their losses went; each phase ends where that of held-out rows was lowest."""
    phases = [phase for phase in PHASES if f"{phase}_loss_start" in m]
    if not phases:
        return None
    title, limit = "Held-out loss, start → end (training)", f"below its start, at most {MAX_GAP:g} × training"
    figures = [[m[f"{phase}_loss_{which}"] for which in ("start", "held_out", "training")] for phase in phases]
    value = ", ".join(f"{start:.2g} → {end:.2g} ({training:.2g})" for start, end, training in figures)
    falls = all(end < start for start, end, _ in figures)
    passed = falls and all(end <= MAX_GAP * training for _, end, training in figures)
    sentence = (
        f"What was learnt holds for loops that were not learnt from: their loss fell in every phase, {value}."
        if passed
        else f"Loops that were not learnt from are rebuilt worse than others: held-out loss {value}; more loops help."
        if falls
        else f"Nothing was learnt that holds for other loops: the loss of those held out did not fall, {value}."
    )
    return _judged(title, value, limit, passed, sentence)


def _linear(m: Mapping[str, float]) -> QualityCheck | None:
    """Of networks that begin as PCA and Mahalanobis distance."""
    if "agreement_with_linear" not in m:
        return None
    title = "Networks beside their linear start"
    limit = f"rank agreement below {ADDED_NOTHING:g}, or {NO_GAIN:.0%} less loss"
    agreement = _figure(m, "agreement_with_linear")
    start, end = m.get("pretrain_loss_start", np.nan), m.get("pretrain_loss_held_out", np.nan)
    if agreement is None or not start > 0:
        return _missing(title, limit, "the scores of the held-out loops are no numbers")
    gain = 1 - end / start
    passed = agreement < ADDED_NOTHING or gain >= NO_GAIN
    did = f"the networks changed the ranking by ρ = {agreement:.2f}, and held-out loss by {-gain:+.0%}"
    sentence = f"Beside their linear start {did}." if passed else f"The networks add nothing to PCA: {did}."
    return _judged(title, f"ρ {agreement:.2f}, loss {-gain:+.0%}", limit, passed, sentence)


def _agreement(value: float | None, title: str, least: float, *, good: str, bad: str, why: str) -> QualityCheck:
    """A rank agreement held to a minimum; `good` and `bad` have a place for it, `why` says why it may be missing."""
    limit = f"at least {least:g}"
    if value is None:
        return _missing(title, limit, why)
    passed = value >= least
    return _judged(title, f"{value:.2f}", limit, passed, (good if passed else bad).format(value))


def _exceedance(m: Mapping[str, float]) -> QualityCheck | None:
    if "held_out_exceedance" not in m:
        return None
    title = "Held-out loops above the 95th percentile"
    limit = f"at most {MAX_EXCEEDANCE:.0%} or within chance, nominal 5%"
    share = _figure(m, "held_out_exceedance")
    if share is None:
        return _missing(title, limit, "no loop was held out from training")
    passed = share <= MAX_EXCEEDANCE or (
        "held_out_loops" in m and exceedance_by_chance(share, m["held_out_loops"], m["training_loops"]) >= MIN_CHANCE
    )
    above = f"{share:.0%} of the held-out loops score higher than 95% of the training loops"
    sentence = (
        f"{above} (about 5% is expected)."
        if share <= MAX_EXCEEDANCE
        else f"{above} instead of 5%, which may be chance: only {m['held_out_loops']:.0f} loops were held out."
        if passed
        else f"{above} instead of 5%: the model has learnt its training loops by heart, so lower thresholds flag too "
        "much."
    )
    return _judged(title, f"{share:.1%}", limit, passed, sentence)


def exceedance_by_chance(share: float, n_held_out: float, n_training: float) -> float:
    """Probability that so large a share of the held-out loops lies above the 95th percentile of the training loops
    although both come from one population: the negative hypergeometric law of order statistics, 0 to 1.
    """
    n_above = round(share * n_held_out)
    n_top = max(1, round(0.05 * n_training))  # training loops above their own 95th percentile
    total, first = int(n_held_out + n_training), n_above + n_top - 1
    return float(stats.hypergeom.sf(n_above - 1, total, int(n_held_out), min(first, total)))
