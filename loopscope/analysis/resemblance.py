"""Which loops sound alike: kernels, by which a mark on one loop says something of others (`analysis.feedback`).

Conventions: a kernel is about n loops, named by row. Its value for two rows is `weight` where they are equal and falls
to 0 with their distance; where one of them is unknown to it (a row of NaN) it is 0. Kernels of one set of loops add up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from loopscope.arrays import Float, Int
from loopscope.detection.preprocessing import standardisation, standardise
from loopscope.embeddings import EmbeddingSet

N_AXES = 16  # of the embedding: 8 and 32 find as many anomalies
WEIGHT = 0.1  # beside the noise of `feedback`: one mark moves its own loop by two fifths of what it asks for
REACH = 0.5  # of the median distance of two loops, at which a mark says exp(-1/2) of what it says of its own loop
SAMPLE_ROWS, SAMPLE_PAIRED = 4096, 1024  # enough for axes, and for a median distance


class Kernel(Protocol):
    """How much what is known of one loop says of another."""

    def between(self, rows: Int | slice, others: Int) -> Float:
        """Values for all of these rows with all of the others, (len(rows), len(others))."""
        ...

    def own(self, rows: Int | slice) -> Float:
        """Values for these rows with themselves, (len(rows),)."""
        ...


@dataclass(frozen=True)
class RadialKernel:
    """weight · exp(-|a - b|² / 2) of `coordinates` (n, d) float32, NaN in the rows of loops that are not known."""

    coordinates: Float
    weight: float = WEIGHT

    def between(self, rows: Int | slice, others: Int) -> Float:
        """See `Kernel`."""
        a, b = self.coordinates[rows], self.coordinates[others]
        exponent = a @ b.T
        exponent -= 0.5 * np.einsum("nd,nd->n", a, a)[:, None]
        exponent -= 0.5 * np.einsum("nd,nd->n", b, b)
        values = np.exp(np.minimum(exponent, 0, out=exponent), out=exponent)
        values *= np.float32(self.weight)
        return values if self._knows_all else np.nan_to_num(values, copy=False, nan=0.0)

    def own(self, rows: Int | slice) -> Float:
        """See `Kernel`."""
        return np.where(np.isfinite(self.coordinates[rows]).all(axis=1), np.float32(self.weight), np.float32(0))

    @cached_property
    def _knows_all(self) -> bool:
        return bool(np.isfinite(self.coordinates).all())


@dataclass(frozen=True)
class Resemblance:
    """What is known of how much loops sound alike: kernels over the rows that `loop_ids` (unique) names."""

    loop_ids: tuple[str, ...]
    kernels: tuple[Kernel, ...]


def resemblance_of(embeddings: EmbeddingSet, others: Sequence[Kernel] = ()) -> Resemblance:
    """By embedding, and by other kernels over the same rows."""
    return Resemblance(embeddings.loop_ids, (embedding_kernel(embeddings.X), *others))


def embedding_kernel(X: Float, weight: float = WEIGHT, reach: float = REACH) -> RadialKernel:
    """A kernel on the first principal axes of the z-scores of X (n_loops, n_features).

    `reach` is in median distances of two loops. Of more than 4,096 loops axes and distances are those of a sample.
    """
    mean, scale = standardisation(X)
    sample = standardise(_sample(X, SAMPLE_ROWS), mean, scale).astype(np.float64)
    _, axes = np.linalg.eigh(sample.T @ sample)
    placed = standardise(X, mean, scale) @ axes[:, ::-1][:, :N_AXES].astype(np.float32)
    return RadialKernel(scaled(placed, reach), weight)


def scaled(placed: Float, reach: float = REACH) -> Float:
    """Coordinates (n, d) in which two loops at `reach` median distances are 1 apart: what `RadialKernel` takes.

    Rows of NaN stay what they are.
    """
    known = placed[np.isfinite(placed).all(axis=1)]
    sample = _sample(known, SAMPLE_PAIRED).astype(np.float64)
    i, j = np.triu_indices(len(sample), 1)
    squares = np.einsum("nd,nd->n", sample, sample)
    squared = squares[i] + squares[j] - 2 * (sample @ sample.T)[i, j]
    median = np.sqrt(max(np.median(squared), 0.0)) if len(squared) else 0.0
    return (placed / np.float32(reach * median or 1.0)).astype(np.float32)


def _sample(X: Float, most: int) -> Float:
    """At most so many rows, evenly spread."""
    return X[:: max(-(-len(X) // most), 1)]
