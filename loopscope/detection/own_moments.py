"""How far each moment of a loop is from the loop's own other moments, and where a stretch of them stands out.

Music repeats itself, so what comes once in a loop is odd in it, however usual it is elsewhere. Conventions: a curve is
as in `inside`; moments next to each other share sound, and so do those of one oddity, so neither is compared. A metric,
(n_values, n_values), is what patches are multiplied by before: what changes from each note to the next counts less than
what hardly ever changes within a loop. None, in models of older versions, leaves them as they are.
"""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np

from loopscope.arrays import Float, Int
from loopscope.detection.calibration import fuse, median_and_scale
from loopscope.detection.parts import DENSITY_PARTS, PATCH_PARTS, ScorePart
from loopscope.detection.pieces import ask
from loopscope.detection.preprocessing import whitening_matrix
from loopscope.encoders.base import Patches
from loopscope.progress import StopCheck, never_stop

APART = 8  # patches, 0.7 s of aiSFX: nearer ones are not compared, in short loops those nearer than a quarter
SHORTEST = 2 * APART + 1  # patches, 1.5 s: of fewer, those that are compared share sound, or there are hardly any
N_ALIKE = 3
STRETCH = 9  # patches, 0.8 s: a beat or two
ROUNDING = 4e-3  # of a patch's length: four times what float16 leaves open, by a metric too
ROWS = 256  # patches compared at once
N_MADE_UP = 40
WEIGHTS = dict.fromkeys(PATCH_PARTS, 1.0) | dict.fromkeys(DENSITY_PARTS, 0.25) | {ScorePart.OWN_MOMENTS: 3.0}
LEAST_SCALE = 0.25  # log units: where most loops are one sound throughout, others are not blown up
HIGHEST = 4.0  # z: more than that says no more, and is not to outweigh all else
LEAST_KNOWN = 8  # loops, of which something is learnt of all others


def metric_of(patches: Float) -> Float:
    """Of as many patches of each of some loops, (n_loops, m, n_values): what whitens their difference from their loop's
    mean, (n_values, n_values) float32, as Relevant Component Analysis does (Bar-Hillel et al. 2005).
    """
    changes = patches - patches.mean(axis=1, keepdims=True)
    return whitening_matrix(changes.reshape(-1, patches.shape[2]))


def from_own(patches: Patches, starts: Int, metric: Float | None = None, should_stop: StopCheck = never_stop) -> Float:
    """(n,) float32: mean distance of each patch to the three most alike of its own loop; NaN where that is
    shorter than SHORTEST.

    Raises Cancelled. A tenth of a millisecond a loop.
    """
    found = []
    for number, (first, stop) in enumerate(pairwise(starts)):
        if number % ROWS == 0:
            ask(should_stop)
        own = patches[first:stop].astype(np.float32)
        found.append(_within(own if metric is None else own @ metric))
    return np.concatenate(found) if found else np.empty(0, np.float32)


def highest_stretch(curve: Float, starts: Int) -> Float:
    """The highest mean of 9 patches in a row of each loop, (n_loops,); of all where a loop is no longer than that."""
    return np.array([_stretches(curve[first:stop]).max() for first, stop in pairwise(starts)])


def locations_and_scales(figures: Float) -> list[tuple[float, float]]:
    """Of logarithms of loops' stretches, (n, n_loops), without those that are NaN; none where too few are known."""
    known = figures[:, ~np.isnan(figures).any(axis=0)]
    if known.shape[1] < LEAST_KNOWN:
        return []
    return [(location, max(scale, LEAST_SCALE)) for location, scale in map(median_and_scale, known)]


def fused(parts: Mapping[str, Float]) -> Float:
    """Preset local's score of parts (n,) each; loops whose own moments say nothing are judged by the other parts."""
    own = parts.get(ScorePart.OWN_MOMENTS)
    if own is None:
        return fuse(parts, WEIGHTS)
    others = {name: part for name, part in parts.items() if name != ScorePart.OWN_MOMENTS}
    everything = {**parts, ScorePart.OWN_MOMENTS: np.nan_to_num(own)}
    return np.where(np.isnan(own), fuse(others, WEIGHTS), fuse(everything, WEIGHTS))


def made_up(patch: Float, location: float, metric: Float | None) -> Patches:
    """40 patches (40, n_values) around one, (n_values,), about as far apart as `location` says of loops' stretches."""
    around = np.random.default_rng(1).normal(size=(N_MADE_UP, len(patch)))
    longer = len(patch) if metric is None else float(np.square(metric).sum())  # mean squared length of normal rows
    moments: Patches = (patch + np.exp(np.clip(location, -10, 10)) / np.sqrt(2 * longer) * around).astype(np.float16)
    return moments


def _stretches(curve: Float) -> Float:
    length = min(STRETCH, len(curve))
    return np.convolve(curve, np.ones(length) / length, "valid")


def _within(patches: Float) -> Float:
    n = len(patches)
    if n < SHORTEST:
        return np.full(n, np.nan, np.float32)
    apart = min(APART, (n - 1) // 4)
    squares, places, found = np.einsum("nd,nd->n", patches, patches), np.arange(n), np.empty(n, np.float32)
    for start in range(0, n, ROWS):
        rows = slice(start, start + ROWS)
        squared = squares[rows, None] + squares - 2 * patches[rows] @ patches.T
        squared[np.abs(places[rows, None] - places) < apart] = np.inf
        found[rows] = np.sqrt(np.maximum(np.partition(squared, N_ALIKE - 1, axis=1)[:, :N_ALIKE], 0)).mean(axis=1)
    least: Float = ROUNDING * np.sqrt(squares)
    return np.maximum(found, least)
