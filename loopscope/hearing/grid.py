"""The grids that music is played on: where attacks may lie within one beat."""

import numpy as np

from loopscope.arrays import Float

SWINGS = (0.54, 0.58, 0.62, 0.667)  # of a pair, where its second half begins
FARTHEST_S = 0.06  # one stray attack counts no more than this
ON_LINE_S = 0.028
LATE_S = (-0.012, 0.0, 0.012, 0.024)  # a click is found before it is struck, a bow long after

# Places within one beat: straight sixteenths, swung eighths and sixteenths, triplets.
GRIDS: tuple[Float, ...] = (
    np.arange(4) / 4,
    *(
        np.array(lines)
        for swing in SWINGS
        for lines in ((0, swing / 2, 0.5, 0.5 + swing / 2), (0, swing / 2, swing, (1 + swing) / 2))
    ),
    np.arange(6) / 6,
)


def misfits(times_s: Float, weights: Float, tempi_bpm: Float) -> tuple[Float, Float]:
    """How badly attacks (n,) fit the best grid of each tempo (k,), the first beat being near 0 s: two arrays (k,).

    The mean distance from the grid's lines as a share of the gap between them (0.25 by chance), and the share of the
    attacks beyond ON_LINE_S of a line; both weighted by `weights` (n,), which add up to 1.
    """
    beat_s = 60 / tempi_bpm
    place = ((times_s - np.array(LATE_S)[:, None, None]) / beat_s[:, None]) % 1.0  # (shifts, k, n)
    cost, beyond = np.full(len(tempi_bpm), np.inf), np.zeros(len(tempi_bpm))
    for grid in GRIDS:
        off_s = np.abs(place[..., None] - np.append(grid, 1.0)).min(axis=-1) * beat_s[:, None]
        costs = np.minimum(off_s, FARTHEST_S) @ weights / (beat_s / len(grid))
        best = costs.argmin(axis=0), np.arange(len(tempi_bpm))
        is_better = costs[best] < cost
        cost = np.where(is_better, costs[best], cost)
        beyond = np.where(is_better, ((off_s[best] > ON_LINE_S) * weights).sum(axis=1), beyond)
    return cost, beyond
