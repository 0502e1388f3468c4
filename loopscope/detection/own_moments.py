"""How far each moment of a loop is from the loop's own other moments, and where a stretch of them stands out.

Music repeats itself, so what comes once in a loop is odd in it, however usual it is elsewhere. Conventions: a curve is
as in `inside`; moments next to each other share sound, and so do those of one oddity, so neither is compared.
"""

from itertools import pairwise

import numpy as np

from loopscope.arrays import Float, Int
from loopscope.detection.calibration import median_and_scale
from loopscope.detection.pieces import ask
from loopscope.encoders.base import Patches
from loopscope.progress import StopCheck, never_stop

APART = 8  # patches, 0.7 s of aiSFX: nearer ones are not compared, of short loops a quarter of it
N_ALIKE = 3
STRETCH = 9  # patches, 0.8 s: a beat or two
ROUNDING = 4e-3  # of a patch's length: four times what float16 leaves open
ROWS = 256  # patches compared at once
LEAST_SCALE = 0.05  # log units: where most loops are one sound throughout, others are not blown up


def from_own(patches: Patches, starts: Int, should_stop: StopCheck = never_stop) -> Float:
    """(n,) float32: mean distance of each patch to the three most alike of its own loop; NaN where that has no other.

    Raises Cancelled. A tenth of a millisecond a loop.
    """
    found = []
    for number, (first, stop) in enumerate(pairwise(starts)):
        if number % ROWS == 0:
            ask(should_stop)
        found.append(_within(patches[first:stop].astype(np.float32)))
    return np.concatenate(found) if found else np.empty(0, np.float32)


def highest_stretch(curve: Float, starts: Int) -> Float:
    """The highest mean of 9 patches in a row of each loop, (n_loops,); of all where a loop is no longer than that."""
    return np.array([_stretches(curve[first:stop]).max() for first, stop in pairwise(starts)])


def location_and_scale(figures: Float) -> tuple[float, float]:
    """Of the logarithms of loops' stretches, (n_loops,), without those that are NaN."""
    known = figures[~np.isnan(figures)]
    location, scale = median_and_scale(known) if len(known) else (0.0, 1.0)
    return location, max(scale, LEAST_SCALE)


def _stretches(curve: Float) -> Float:
    length = min(STRETCH, len(curve))
    return np.convolve(curve, np.ones(length) / length, "valid")


def _within(patches: Float) -> Float:
    n = len(patches)
    if n == 1:
        return np.full(1, np.nan, np.float32)
    apart = min(APART, max(1, (n - 1) // 4))
    k = min(N_ALIKE, n - 2 * apart + 1)
    squares, places, found = np.einsum("nd,nd->n", patches, patches), np.arange(n), np.empty(n, np.float32)
    for start in range(0, n, ROWS):
        rows = slice(start, start + ROWS)
        squared = squares[rows, None] + squares - 2 * patches[rows] @ patches.T
        squared[np.abs(places[rows, None] - places) < apart] = np.inf
        found[rows] = np.sqrt(np.maximum(np.partition(squared, k - 1, axis=1)[:, :k], 0)).mean(axis=1)
    least: Float = ROUNDING * np.sqrt(squares)
    return np.maximum(found, least)
