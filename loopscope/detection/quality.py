"""Figures that say whether a trained model may be believed, each with its threshold and a plain sentence.

Conventions: latents are (n, d), spreads are mean squared distances to the centre (latent units squared), agreements are
Spearman rank correlations of scores (-1 to 1). Figures are taken on loops the model did not train on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import hypergeom, rankdata

from loopscope.arrays import Float

MIN_SPREAD_KEPT = 0.05  # healthy fine-tuning keeps 0.9 to 1.2 of the spread, collapsed fine-tuning 1e-4 and less
MIN_EFFECTIVE_RANK = 3.0  # of 32; below, loops differ along one or two directions only
MAX_BOTTLENECK_LOSS = 0.9  # share of the data's variance lost without skips, when the skips reconstruct well
GOOD_RECONSTRUCTION = 0.5  # share of the variance lost at most by a decoder that reconstructs well
MIN_AGREEMENT_PRETRAINED = 0.3
MIN_AGREEMENT_SEEDS = 0.5
MAX_EXCEEDANCE = 0.15  # of held-out loops above the 95th percentile of the training scores (nominal 0.05)
MIN_CHANCE = 0.01  # with few loops held out, that many above the threshold may be mere chance


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
    a, b = rankdata(first), rankdata(second)
    a, b = a - a.mean(), b - b.mean()
    norm = np.sqrt((a**2).sum() * (b**2).sum())
    return float((a * b).sum() / norm) if norm > 0 else 0.0


def mean_agreement(scorings: Sequence[Float] | Float) -> float:
    """Mean Spearman correlation over all pairs of scorings of the same loops; 1 for a single one."""
    pairs = [(i, j) for i in range(len(scorings)) for j in range(i)]
    return float(np.mean([rank_agreement(scorings[i], scorings[j]) for i, j in pairs])) if pairs else 1.0


def is_collapsed(spread_before: float, spread_after: float) -> bool:
    """Whether fine-tuning drew the latents together so far that distances to the centre no longer tell loops apart."""
    return not spread_after >= MIN_SPREAD_KEPT * spread_before or spread_before <= 0


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


@dataclass(frozen=True)
class QualityCheck:
    """One check: what was measured, the limit it is held to, and a plain sentence either way."""

    title: str
    value: str
    limit: str
    passed: bool
    sentence: str


def quality_checks(measures: Mapping[str, float]) -> tuple[QualityCheck, ...]:
    """Every check that these measures allow to judge; those whose measure is absent or undefined are left out."""
    judged = [judge(measures) for judge in (_spread, _rank, _bypass, _pretrained, _seeds, _exceedance)]
    return tuple(check for check in judged if check is not None)


def warnings_for(measures: Mapping[str, float]) -> tuple[str, ...]:
    """One sentence for every check that was not passed; measures that are absent are not judged."""
    return tuple(check.sentence for check in quality_checks(measures) if not check.passed)


def _spread(m: Mapping[str, float]) -> QualityCheck | None:
    if "spread_before" not in m:
        return None
    kept = m["spread_after"] / m["spread_before"] if m["spread_before"] > 0 else 0.0
    passed = not is_collapsed(m["spread_before"], m["spread_after"])
    sentence = (
        f"The sphere kept its size: held-out loops are spread {kept:.2g} times as far after fine-tuning as before."
        if passed
        else f"The sphere has collapsed: fine-tuning shrank the spread of the latents to {kept:.1e} of what it was, so "
        "the ranking is unreliable; use the robust preset."
    )
    return QualityCheck("Spread after ÷ before", f"{kept:.3g}", f"at least {MIN_SPREAD_KEPT:g}", passed, sentence)


def _rank(m: Mapping[str, float]) -> QualityCheck | None:
    if "effective_rank" not in m:
        return None
    used = f"The latent space uses {m['effective_rank']:.1f} effective dimensions of {m['latent_size']:.0f}"
    passed = m["effective_rank"] >= MIN_EFFECTIVE_RANK
    sentence = (
        f"{used}." if passed else f"{used}: loops differ along almost one direction, so the distance says little."
    )
    return QualityCheck(
        "Effective dimensions", f"{m['effective_rank']:.1f}", f"at least {MIN_EFFECTIVE_RANK:g}", passed, sentence
    )


def _bypass(m: Mapping[str, float]) -> QualityCheck | None:
    if "variance_lost_without_skips" not in m:
        return None
    lost, without = m["variance_lost"], m["variance_lost_without_skips"]
    passed = without <= MAX_BOTTLENECK_LOSS or lost > GOOD_RECONSTRUCTION * without
    figures = f"with skips it loses {lost:.0%} of the variance, without them {without:.0%}"
    sentence = (
        f"The decoder does not live on its skip connections alone: {figures}."
        if passed
        else f"The decoder passes the bottleneck by: {figures}, so the latent carries little of the sound."
    )
    limit = f"without skips at most {MAX_BOTTLENECK_LOSS:.0%}, or with skips over half of it"
    return QualityCheck("Variance lost with / without skips", f"{lost:.0%} / {without:.0%}", limit, passed, sentence)


def _pretrained(m: Mapping[str, float]) -> QualityCheck | None:
    return _agreement(
        m.get("agreement_with_pretrained"),
        "Agreement with the pretrained model",
        MIN_AGREEMENT_PRETRAINED,
        good="Fine-tuning refined the order of the loops (rank agreement {:.2f} with the pretrained model).",
        bad="Fine-tuning reordered the loops (rank agreement {:.2f} with the pretrained model); compare with the "
        "baselines before trusting the ranking.",
    )


def _seeds(m: Mapping[str, float]) -> QualityCheck | None:
    return _agreement(
        m.get("agreement_over_seeds"),
        "Agreement over seeds",
        MIN_AGREEMENT_SEEDS,
        good="Two trainings from different seeds rank these loops alike (rank agreement {:.2f}).",
        bad="Two trainings rank these loops differently (agreement {:.2f}); another seed may do so too, so add loops "
        "or trust only the top of the list.",
    )


def _agreement(value: float | None, title: str, least: float, *, good: str, bad: str) -> QualityCheck | None:
    """A rank agreement held to a minimum; `good` and `bad` have a place for it."""
    if value is None:
        return None
    passed = value >= least
    return QualityCheck(title, f"{value:.2f}", f"at least {least:g}", passed, (good if passed else bad).format(value))


def _exceedance(m: Mapping[str, float]) -> QualityCheck | None:
    share = m.get("held_out_exceedance", np.nan)
    if np.isnan(share):
        return None
    chance = exceedance_by_chance(share, m["held_out_loops"], m["training_loops"]) if "held_out_loops" in m else 0.0
    passed = share <= MAX_EXCEEDANCE or chance >= MIN_CHANCE
    above = f"{share:.0%} of the held-out loops lie above the 95th percentile of the training scores"
    sentence = (
        f"{above} (nominal 5%)."
        if share <= MAX_EXCEEDANCE
        else f"{above} instead of 5%, which may be chance: only {m['held_out_loops']:.0f} loops were held out."
        if passed
        else f"{above} instead of 5%: the model has learnt its training loops by heart, so lower thresholds flag too "
        "much."
    )
    limit = f"at most {MAX_EXCEEDANCE:.0%} or within chance, nominal 5%"
    return QualityCheck("Held-out loops above the 95th percentile", f"{share:.1%}", limit, passed, sentence)


def exceedance_by_chance(share: float, n_held_out: float, n_training: float) -> float:
    """Probability that so large a share of the held-out loops lies above the 95th percentile of the training loops
    although both come from one population: the negative hypergeometric law of order statistics, 0 to 1.
    """
    n_above = round(share * n_held_out)
    n_top = max(1, round(0.05 * n_training))  # training loops above their own 95th percentile
    total, first = int(n_held_out + n_training), n_above + n_top - 1
    return float(hypergeom.sf(n_above - 1, total, int(n_held_out), min(first, total)))
