"""The threshold that marks speak for: the percentile that best tells what is to stand out from what is not.

Conventions: percentiles, 0 to 100, are places among the training scores; quarantined and loved loops are to stand out,
kept ones are not. Best is the highest mean of both shares that come to lie on their side (balanced accuracy).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from loopscope.analysis.feedback import WANTED
from loopscope.arrays import Float

FEWEST = 3  # on either side: of fewer the next mark changes everything
N_RESAMPLES = 400
INTERVAL = (5.0, 95.0)  # per cent


@dataclass(frozen=True)
class Separation:
    """The best `percentile`, and what nine of ten resamplings of the marks take for as good: `low` to `high`. `right`:
    the share of the marks, mean of both sides, that it puts on their side.
    """

    percentile: float
    low: float
    high: float
    right: float
    n_marks: int


def separation(percentiles: Mapping[str, float], marks: Mapping[str, str], seed: int = 0) -> Separation | None:
    """The threshold that the marks on these loops speak for; None where there are too few of either kind.

    `percentiles` by loop_id, NaN where a loop has no score. In which order marks came changes nothing.
    """
    known = sorted(i for i, mark in marks.items() if mark in WANTED and np.isfinite(percentiles.get(i, np.nan)))
    places = np.array([percentiles[i] for i in known])
    stands_out = np.array([WANTED[marks[i]] > 0 for i in known], dtype=bool)
    above, below = np.sort(places[stands_out]), np.sort(places[~stands_out])
    if min(len(above), len(below)) < FEWEST:
        return None
    best, _, _, right = _best(above, below)
    rng = np.random.default_rng(seed)
    resampled = [np.sort(rng.choice(marked, (N_RESAMPLES, len(marked)))) for marked in (above, below)]
    drawn = np.array([_best(*pair) for pair in zip(*resampled, strict=True)])
    low, high = np.percentile(drawn[:, 1], INTERVAL[0]), np.percentile(drawn[:, 2], INTERVAL[1])
    return Separation(best, float(min(low, best)), float(max(high, best)), right, len(known))


def _best(above: Float, below: Float) -> tuple[float, float, float, float]:
    """The percentile between two marks, of equally good ones the middle one, the least and most that are as good, and
    the share that they put right.
    """
    steps = np.concatenate([[0.0], np.unique(np.concatenate([above, below])), [100.0]])
    limits = (steps[1:] + steps[:-1]) / 2
    found = 1 - np.searchsorted(above, limits, side="right") / len(above)
    spared = np.searchsorted(below, limits, side="right") / len(below)
    right = (found + spared) / 2
    ties = np.flatnonzero(right >= right.max() - 1e-12)
    middle = limits[ties[(len(ties) - 1) // 2]]
    return float(middle), float(steps[ties[0]]), float(steps[ties[-1] + 1]), float(right.max())
