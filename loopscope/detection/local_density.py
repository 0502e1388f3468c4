"""How isolated a loop is among its nearest neighbours, without training: the local outlier factor in two views.

Conventions: X is (n, n_features) float32; scores are local outlier factors (Breunig et al. 2000), positive, about 1
inside a cluster, higher = more anomalous. Loops come in packs, so distances are compared with those around the
neighbours instead of with one scale for all. Every fitted loop is scored without itself and its copies. The most
isolated tenth is nobody's neighbour (two odd loops must not vouch for each other), but is scored like all.

Views: "local density" sees z-scored features, "decorrelated density" the same after half whitening (Λ^-1/4 instead of
Λ^-1/2).
"""

from collections.abc import Mapping

import numpy as np
from sklearn.covariance import LedoitWolf
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors

from loopscope.detection.quality import FloatArray

CLIP = 10.0  # z-scores beyond this say no more than this
CONSTANT = 1e-6  # a feature whose deviation is below this share of its size does not vary
LARGEST_REFERENCE = 10_000  # loops that neighbours are sought among
PARTS = ("local density", "decorrelated density")


def standardisation(X: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and scale of each feature, (n_features,) float32 each; features that do not vary get scale 1."""
    mean, deviation = X.mean(axis=0, dtype=np.float64), X.std(axis=0, dtype=np.float64)
    varies = deviation > CONSTANT * np.maximum(np.abs(mean), 1e-12)
    return mean.astype(np.float32), np.where(varies, deviation, 1.0).astype(np.float32)


def standardise(X: FloatArray, mean: FloatArray, scale: FloatArray) -> FloatArray:
    """z-scores clipped to ±10."""
    z: FloatArray = np.clip((X - mean) / scale, -CLIP, CLIP)
    return z


def whitening_matrix(Z: FloatArray, power: float = 0.5) -> FloatArray:
    """The symmetric W = C^-power, (n_features, n_features) float32, scaled so that Z @ W has unit mean square.

    C is the Ledoit-Wolf covariance of Z, (n, n_features). With power 1/2 the features of Z @ W are uncorrelated.
    """
    values, vectors = np.linalg.eigh(LedoitWolf(assume_centered=True).fit(Z).covariance_)
    root = np.maximum(values, 1e-6 * values.max()) ** -power
    W: FloatArray = ((vectors * root) @ vectors.T).astype(np.float32)
    W /= np.float32(np.sqrt(np.mean(np.square(Z @ W))) or 1.0)
    return W


def most_isolated(X: FloatArray, groups: FloatArray, share: float, n_neighbours: int = 5) -> FloatArray:
    """True for the `share` of loops farthest from their nearest neighbours, (n,) bool; copies count as one loop."""
    first = _first_of_each(groups)
    Z = standardise(X[first], *standardisation(X[first]))
    k = min(n_neighbours, len(first) - 1)
    distance = NearestNeighbors(n_neighbors=k).fit(Z).kneighbors()[0].mean(axis=1)  # without the row itself
    chosen = np.zeros(len(first), dtype=bool)
    chosen[np.argsort(-distance, kind="stable")[: int(share * len(first))]] = True
    return chosen[groups]


class LocalDensity:
    """Local outlier factors in both views."""

    def __init__(self, n_neighbours: int) -> None:
        self.n_neighbours = n_neighbours

    def fit(self, reference: FloatArray) -> None:
        """Learn from different rows that may be neighbours, (m, n_features), at most LARGEST_REFERENCE of them."""
        self.reference = reference
        self._mean, self._scale = standardisation(reference)
        Z = standardise(reference, self._mean, self._scale)
        self._half_whitening = whitening_matrix(Z, power=0.25)
        k = min(self.n_neighbours, len(reference) - 1)
        self._factors = [LocalOutlierFactor(n_neighbors=k, novelty=True).fit(view) for view in self._views(Z)]

    def scores(self, X: FloatArray) -> dict[str, FloatArray]:
        """Of rows that are no neighbours themselves, part -> (n,)."""
        views = self._views(standardise(X, self._mean, self._scale))
        return {
            part: -factor.score_samples(view) for part, factor, view in zip(PARTS, self._factors, views, strict=True)
        }

    def fit_scores(self, X: FloatArray, groups: FloatArray, isolated: FloatArray) -> dict[str, FloatArray]:
        """Fit on the rows that are not `isolated`, and score all without themselves and their copies, part -> (n,)."""
        first = _first_of_each(groups)
        eligible = first[~isolated[first]][:LARGEST_REFERENCE]  # the order is one of content hashes, hence random
        self.fit(X[eligible])
        of_all = self.scores(X)
        for part, factor in zip(PARTS, self._factors, strict=True):
            own = np.full(int(groups.max()) + 1, np.nan)
            own[groups[eligible]] = -factor.negative_outlier_factor_
            of_all[part] = np.where(np.isnan(own[groups]), of_all[part], own[groups])
        return of_all

    def _views(self, Z: FloatArray) -> tuple[FloatArray, FloatArray]:
        return Z, Z @ self._half_whitening

    def state(self) -> Mapping[str, FloatArray]:
        """The reference rows: fitting again is exact."""
        return {"reference": self.reference}


def _first_of_each(groups: FloatArray) -> FloatArray:
    """Row number of the first of every group of equal rows, ascending by row."""
    rows: FloatArray = np.sort(np.unique(groups, return_index=True)[1])
    return rows
