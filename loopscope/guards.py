"""Figures that say whether a trained model may be believed, each with its threshold and a plain sentence.

Conventions: latents are (n, d), spreads are mean squared distances to the centre (latent units squared), agreements are
Spearman rank correlations of scores (-1 to 1). Figures are taken on loops the model did not train on.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import rankdata

FloatArray = np.ndarray[Any, np.dtype[Any]]

MIN_SPREAD_KEPT = 0.05  # healthy fine-tuning keeps 0.9 to 1.2 of the spread, collapsed fine-tuning 1e-4 and less
MIN_EFFECTIVE_RANK = 3.0  # of 32; below, loops differ along one or two directions only
MAX_BOTTLENECK_LOSS = 0.9  # share of the data's variance lost without skips, when the skips reconstruct well
GOOD_RECONSTRUCTION = 0.5  # share of the variance lost at most by a decoder that reconstructs well
MIN_AGREEMENT_PRETRAINED = 0.3
MIN_AGREEMENT_SEEDS = 0.5
MAX_EXCEEDANCE = 0.15  # of held-out loops above the 95th percentile of the training scores (nominal 0.05)


def effective_rank(latents: FloatArray) -> float:
    """Exponential of the entropy of the normalised singular values (Roy and Vetterli 2007): 1 to d, 0 if constant."""
    singular = np.linalg.svd(latents - latents.mean(axis=0), compute_uv=False)
    total = singular.sum()
    if total <= 1e-12 * max(1.0, float(np.abs(latents).max(initial=0.0))):
        return 0.0
    shares = singular[singular > 0] / total
    return float(np.exp(-(shares * np.log(shares)).sum()))


def rank_agreement(first: FloatArray, second: FloatArray) -> float:
    """Spearman correlation of two scorings of the same loops; 0 when one of them is constant."""
    a, b = rankdata(first), rankdata(second)
    a, b = a - a.mean(), b - b.mean()
    norm = np.sqrt((a**2).sum() * (b**2).sum())
    return float((a * b).sum() / norm) if norm > 0 else 0.0


def mean_agreement(scorings: Sequence[FloatArray] | FloatArray) -> float:
    """Mean Spearman correlation over all pairs of scorings of the same loops; 1 for a single one."""
    pairs = [(i, j) for i in range(len(scorings)) for j in range(i)]
    return float(np.mean([rank_agreement(scorings[i], scorings[j]) for i, j in pairs])) if pairs else 1.0


def is_collapsed(spread_before: float, spread_after: float) -> bool:
    """Whether fine-tuning drew the latents together so far that distances to the centre no longer tell loops apart."""
    return not spread_after >= MIN_SPREAD_KEPT * spread_before or spread_before <= 0


def warnings_for(measures: Mapping[str, float]) -> tuple[str, ...]:
    """One sentence for every guard that was not passed; measures that are absent are not judged."""
    found = [check(measures) for check in (_spread, _rank, _bypass, _pretrained, _seeds, _exceedance)]
    return tuple(sentence for sentence in found if sentence)


def _spread(m: Mapping[str, float]) -> str:
    if "spread_before" not in m or not is_collapsed(m["spread_before"], m["spread_after"]):
        return ""
    kept = m["spread_after"] / m["spread_before"] if m["spread_before"] > 0 else 0.0
    return (
        f"The sphere has collapsed: fine-tuning shrank the spread of the latents to {kept:.1e} of what it was, so the "
        "ranking is unreliable; use the robust preset."
    )


def _rank(m: Mapping[str, float]) -> str:
    if m.get("effective_rank", np.inf) >= MIN_EFFECTIVE_RANK:
        return ""
    return (
        f"The latent space uses {m['effective_rank']:.1f} effective dimensions of {m['latent_size']:.0f}: loops differ "
        "along almost one direction, so the distance says little."
    )


def _bypass(m: Mapping[str, float]) -> str:
    if m.get("variance_lost_without_skips", 0.0) <= MAX_BOTTLENECK_LOSS or (
        m["variance_lost"] > GOOD_RECONSTRUCTION * m["variance_lost_without_skips"]
    ):
        return ""
    return (
        f"The decoder passes the bottleneck by: with skips it loses {m['variance_lost']:.0%} of the variance, without "
        f"them {m['variance_lost_without_skips']:.0%}, so the latent carries little of the sound."
    )


def _pretrained(m: Mapping[str, float]) -> str:
    if m.get("agreement_with_pretrained", 1.0) >= MIN_AGREEMENT_PRETRAINED:
        return ""
    return (
        f"Fine-tuning reordered the loops (rank agreement {m['agreement_with_pretrained']:.2f} with the pretrained "
        "model); compare with the baselines before trusting the ranking."
    )


def _seeds(m: Mapping[str, float]) -> str:
    if m.get("agreement_over_seeds", 1.0) >= MIN_AGREEMENT_SEEDS:
        return ""
    return (
        f"Two trainings rank these loops differently (agreement {m['agreement_over_seeds']:.2f}); another seed may "
        "do so too, so add loops or trust only the top of the list."
    )


def _exceedance(m: Mapping[str, float]) -> str:
    if not m.get("held_out_exceedance", 0.0) > MAX_EXCEEDANCE:
        return ""
    return (
        f"{m['held_out_exceedance']:.0%} of the held-out loops lie above the 95th percentile of the training scores "
        "instead of 5%: the model has learnt its training loops by heart, so lower thresholds flag too much."
    )
