"""How isolated a loop is among its nearest neighbours, without training: the local outlier factor in two views.

Conventions: X is (n, n_features) float32; scores are local outlier factors (Breunig et al. 2000), positive, about 1
inside a cluster, higher = more anomalous. Loops come in packs, so distances are compared with those around the
neighbours instead of with one scale for all. Every fitted loop is scored without itself and its copies. The most
isolated tenth is nobody's neighbour (two odd loops must not vouch for each other), but is scored like all.

Views: ScorePart.DENSITY sees z-scored features, DECORRELATED_DENSITY the same after half whitening (Λ^-1/4 instead of
Λ^-1/2).
"""

from functools import cached_property
from typing import NamedTuple

import numpy as np
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors

from loopscope.arrays import Bool, Float, Int
from loopscope.detection.parts import DENSITY_PARTS
from loopscope.detection.preprocessing import first_of_each, standardisation, standardise, whitening_matrix

LARGEST_REFERENCE = 10_000  # loops that neighbours are sought among


def most_isolated(X: Float, groups: Int, share: float, n_neighbours: int = 5) -> Bool:
    """True for the `share` of loops farthest from their nearest neighbours, (n,) bool; copies count as one loop."""
    first = first_of_each(groups)
    Z = standardise(X[first], *standardisation(X[first]))
    k = min(n_neighbours, len(first) - 1)
    distance = NearestNeighbors(n_neighbors=k).fit(Z).kneighbors()[0].mean(axis=1)  # without the row itself
    chosen = np.zeros(len(first), dtype=bool)
    chosen[np.argsort(-distance, kind="stable")[: int(share * len(first))]] = True
    return chosen[groups]


class _Learnt(NamedTuple):
    """What scoring needs: mean and scale (n_features,), the matrix of the second view, a factor for each view."""

    mean: Float
    scale: Float
    half_whitening: Float
    factors: list[LocalOutlierFactor]


class LocalDensity:
    """Local outlier factors in both views."""

    def __init__(self, n_neighbours: int) -> None:
        self.n_neighbours = n_neighbours

    def fit(self, reference: Float) -> None:
        """Learn from different rows that may be neighbours, (m, n_features), at most LARGEST_REFERENCE of them."""
        self.reference = reference
        vars(self).pop("_learnt", None)  # made when it is asked for: a restored model may never be

    @cached_property
    def _learnt(self) -> "_Learnt":
        mean, scale = standardisation(self.reference)
        Z = standardise(self.reference, mean, scale)
        half_whitening = whitening_matrix(Z, power=0.25)
        k = min(self.n_neighbours, len(self.reference) - 1)
        factors = [LocalOutlierFactor(n_neighbors=k, novelty=True).fit(view) for view in (Z, Z @ half_whitening)]
        return _Learnt(mean, scale, half_whitening, factors)

    def scores(self, X: Float) -> dict[str, Float]:
        """Of rows that are no neighbours themselves, part -> (n,)."""
        learnt = self._learnt
        Z = standardise(X, learnt.mean, learnt.scale)
        views = (Z, Z @ learnt.half_whitening)
        found = [-factor.score_samples(view) for factor, view in zip(learnt.factors, views, strict=True)]
        return dict(zip(DENSITY_PARTS, found, strict=True))

    def fit_scores(self, X: Float, groups: Int, isolated: Bool) -> dict[str, Float]:
        """Fit on the rows that are not `isolated`, and score all without themselves and their copies, part -> (n,)."""
        first = first_of_each(groups)
        eligible = first[~isolated[first]][:LARGEST_REFERENCE]  # the order is one of content hashes, hence random
        self.fit(X[eligible])
        of_all = self.scores(X)
        for part, factor in zip(DENSITY_PARTS, self._learnt.factors, strict=True):
            own = np.full(int(groups.max()) + 1, np.nan)
            own[groups[eligible]] = -factor.negative_outlier_factor_
            of_all[part] = np.where(np.isnan(own[groups]), of_all[part], own[groups])
        return of_all
