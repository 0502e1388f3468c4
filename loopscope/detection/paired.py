"""Several scores of the same labelled loops side by side, and how sure it is that one finds the odd ones better.

Conventions: as in `evaluation`; a difference is that of AUROC, positive where a score is better than the first one.
Its interval is a paired bootstrap: odd and normal loops are drawn again, for both scores the same ones.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.metrics import roc_auc_score

from loopscope.arrays import Float
from loopscope.detection.evaluation import ranking_metrics

FIRST = 20
MAX_FALSE_ALARMS = 0.1  # share of the normal loops, up to which the partial area counts
N_DRAWN = 1000
LARGEST_KIND = 1000  # loops of a kind that intervals are drawn from; of more, so many by chance, around all's figure


def side_by_side(labels: ArrayLike, scores: Mapping[str, ArrayLike]) -> pd.DataFrame:
    """One row per score, (n,) each: score, auroc, difference to the first, low and high (95 %), partial_auroc,
    precision_at_20; those of the first difference are NaN.

    `partial_auroc` is the area up to a tenth of false alarms, 0.5 by chance and 1 at best (McClish). `precision_at_20`
    is of all loops where there are fewer. Labels must be of both kinds, and scores numbers.
    """
    y = np.asarray(labels)
    of = {name: np.asarray(score, np.float64) for name, score in scores.items()}
    first = next(iter(of))
    drawn = _drawn(y)
    rows: list[dict[str, Any]] = []
    for name, score in of.items():
        figures = ranking_metrics(y, score, FIRST)
        difference = figures["auroc"] - rows[0]["auroc"] if rows else np.nan
        low, high = _interval(of[first], score, drawn, difference) if rows else (np.nan, np.nan)
        rows.append(
            {
                "score": name,
                "auroc": figures["auroc"],
                "difference": difference,
                "low": low,
                "high": high,
                "partial_auroc": float(roc_auc_score(y, score, max_fpr=MAX_FALSE_ALARMS)),
                "precision_at_20": figures["precision_at_k"],
            }
        )
    return pd.DataFrame(rows)


Drawn = tuple[tuple[Float, Float], tuple[Float, Float]]  # of odd and of normal loops: rows, weights (N_DRAWN, rows)


def _drawn(y: Float) -> Drawn:
    """Which loops are compared, and how often each is drawn, as a share of its kind."""
    rng = np.random.default_rng(0)

    def kind(label: int) -> tuple[Float, Float]:
        rows = np.sort(rng.permutation(np.flatnonzero(y == label))[:LARGEST_KIND])
        n = len(rows)
        return rows, (rng.multinomial(n, np.full(n, 1 / n), N_DRAWN) / n).astype(np.float32)

    return kind(1), kind(0)


def _interval(first: Float, other: Float, drawn: Drawn, difference: float) -> tuple[float, float]:
    """Around the difference of all loops, which that of those that are drawn from may miss."""
    (odd, odd_weights), (normal, normal_weights) = drawn
    better = _before(other[odd], other[normal]) - _before(first[odd], first[normal])
    differences = np.einsum("dn,dn->d", odd_weights @ better, normal_weights)
    low, high = np.percentile(differences, [2.5, 97.5]) + (difference - better.mean(dtype=np.float64))
    return float(low), float(high)


def _before(odd: Float, normal: Float) -> Float:
    """(n_odd, n_normal): 1 where an odd loop stands before a normal one, ½ where neither does; its mean is AUROC."""
    signs: Float = np.sign(odd[:, None] - normal[None])
    return (0.5 + 0.5 * signs).astype(np.float32)
