"""A library as one thing: where its loops lie in a few directions, and how far two collections are from each other.

Conventions: X is (n, n_features) float32; coordinates are (n, k), z-scores clipped to ±10 along the first k ≤ 8
principal axes of the library, scaled so that the library has variance 1/k along each: the whole variance of a library
is 1. The distance is the Fréchet distance of two normal distributions (as in FID; Heusel et al. 2017),

    |m₁ - m₂|² + tr(C₁ + C₂ - 2 (C₁ C₂)^½)

with covariances shrunk as Ledoit and Wolf (2004) do, since packs are small. It is a square, in units of the library's
variance, and too large for few loops: compare it with others of as many loops only. Measured with both encoders: eight
whitened axes told bass from guitar loops, and kinds of bass from the others, 5 to 15 times as clearly as chance where a
pack has 50 loops, and called an unseen half of a library different in 0 to 8 of 100 trials; 32 axes did so in most.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from loopscope.arrays import Float, Int
from loopscope.detection.preprocessing import CLIP, first_of_each, standardisation, standardise
from loopscope.errors import DataError
from loopscope.late import late

skcovariance = late("sklearn.covariance")
decomposition = late("sklearn.decomposition")

N_AXES = 8
LOOPS_PER_AXIS = 8  # fewer loops say little of a direction
LARGEST_SAMPLE = 10_000  # loops kept of a library
LARGEST_FOR_AXES = 4_096  # loops the axes are found from
FLAT = 1e-6  # axes with less than this share of the first one's variance are rounding


class Collection(NamedTuple):
    """A library, or a sample of it: `mean`, `scale` (n_features,) of its features, `axes` (n_features, k), and its
    own `coordinates` (n, k).
    """

    mean: Float
    scale: Float
    axes: Float
    coordinates: Float

    def place(self, X: Float) -> Float:
        """Coordinates of other loops, (n, n_features) -> (n, k)."""
        return _placed(X, self.mean, self.scale, self.axes)


@dataclass(frozen=True)
class Summary:
    """`mean` (k,) and shrunk `covariance` (k, k) of `n` loops' coordinates."""

    mean: Float
    covariance: Float
    n: int


def collection_of(X: Float, groups: Int) -> Collection:
    """A library's loops, each once; the rows of X come in random order (see `base.content_order`), and the first are
    taken of very many. `groups` (n,) numbers the equal rows.
    """
    rows = X[first_of_each(groups)[:LARGEST_SAMPLE]]
    mean, scale = standardisation(rows)
    sample = standardise(rows[:LARGEST_FOR_AXES], mean, scale)
    k = max(1, min(N_AXES, len(rows) // LOOPS_PER_AXIS, *sample.shape))
    model = decomposition.PCA(n_components=k, svd_solver="randomized", random_state=0).fit(sample)
    variance = model.explained_variance_
    kept = variance > FLAT * variance[0]
    axes = model.components_[kept].T / np.sqrt(variance[kept])
    axes = np.asarray(axes, dtype=np.float32)
    return Collection(mean, scale, axes, _placed(rows, mean, scale, axes))


def summarise(coordinates: Float) -> Summary:
    """Mean and shrunk covariance of coordinates (n, k). Raises DataError for fewer than two rows."""
    n = len(coordinates)
    if n < 2:
        raise DataError(f"A collection of {n} loops has no spread; compare at least 2.")
    mean = coordinates.mean(axis=0, dtype=np.float64)
    covariance, _ = skcovariance.ledoit_wolf(coordinates - mean, assume_centered=True)
    return Summary(mean, np.atleast_2d(covariance) * (n / (n - 1)), n)


def frechet_distance(a: Summary, b: Summary) -> float:
    """The squared Fréchet distance of two summaries in the same coordinates: 0 where they are equal, never below."""
    values, vectors = np.linalg.eigh(a.covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ b.covariance @ root), 0)).sum()
    apart = np.square(a.mean - b.mean).sum() + np.trace(a.covariance) + np.trace(b.covariance) - 2 * shared
    return max(float(apart), 0.0)


def _placed(X: Float, mean: Float, scale: Float, axes: Float) -> Float:
    placed: Float = np.clip(standardise(X, mean, scale) @ axes, -CLIP, CLIP) / np.float32(np.sqrt(axes.shape[1]))
    return placed
