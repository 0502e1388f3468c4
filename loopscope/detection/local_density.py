"""How isolated a loop is among its nearest neighbours, without training: the local outlier factor in two views.

Conventions: X is (n, n_features) float32; scores are local outlier factors (Breunig et al. 2000), positive, about 1
inside a cluster, higher = more anomalous. Loops come in packs, so distances are compared with those around the
neighbours instead of with one scale for all. Every fitted loop is scored without itself and its copies. The most
isolated tenth is nobody's neighbour (two odd loops must not vouch for each other), but is scored like all.

Views: ScorePart.DENSITY sees z-scored features, DECORRELATED_DENSITY the same after half whitening (Λ^-1/4 instead of
Λ^-1/2).
"""

from collections.abc import Callable
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors

from loopscope.arrays import Bool, Float, Int
from loopscope.detection.parts import DENSITY_PARTS
from loopscope.detection.pieces import ROWS, ask, in_pieces
from loopscope.detection.preprocessing import first_of_each, standardisation, standardise, whitening_matrix
from loopscope.progress import StopCheck, never_stop

LARGEST_REFERENCE = 10_000  # loops that neighbours are sought among


Search = Callable[[Float, int], tuple[Float, Int]]  # rows (n, n_features), k -> distances (n, k), neighbours (n, k)


def most_isolated(
    X: Float, groups: Int, share: float, n_neighbours: int = 5, should_stop: StopCheck = never_stop
) -> Bool:
    """True for the `share` of loops farthest from their nearest neighbours, (n,) bool; copies count as one loop.

    Raises Cancelled.
    """
    first = first_of_each(groups)
    Z = standardise(X[first], *standardisation(X[first]))
    k = min(n_neighbours, len(first) - 1)
    distance = _without_themselves(NearestNeighbors().fit(Z).kneighbors, Z, k, should_stop)[0].mean(axis=1)
    chosen = np.zeros(len(first), dtype=bool)
    chosen[np.argsort(-distance, kind="stable")[: int(share * len(first))]] = True
    return chosen[groups]


def _without_themselves(search: Search, Z: Float, k: int, should_stop: StopCheck) -> tuple[Float, Int]:
    """Distances and row numbers of the k nearest other rows, (n, k) each, as scikit-learn finds them in one piece."""
    distances, neighbours = np.empty((len(Z), k)), np.empty((len(Z), k), dtype=np.int64)
    for first in range(0, len(Z), ROWS):
        ask(should_stop)
        piece = np.arange(first, min(first + ROWS, len(Z)))
        distance, found = search(Z[piece], k + 1)
        is_other = found != piece[:, None]
        is_other[is_other.all(axis=1), 0] = False  # equal rows, of which the first stands for itself
        distances[piece] = distance[is_other].reshape(-1, k)
        neighbours[piece] = found[is_other].reshape(-1, k)
    return distances, neighbours


class _Factor(LocalOutlierFactor):  # type: ignore[misc]  # scikit-learn has no types
    """The local outlier factor, whose search for the neighbours of the fitted rows can be stopped."""

    def fit(self, X: Float, y: None = None, should_stop: StopCheck = never_stop) -> "_Factor":
        """Raises Cancelled."""
        self._of_fitted = partial(_without_themselves, super().kneighbors, X, should_stop=should_stop)
        super().fit(X)
        del self._of_fitted
        return self

    def kneighbors(
        self, X: Float | None = None, n_neighbors: int | None = None, return_distance: bool = True
    ) -> tuple[Float, Int]:
        """As scikit-learn has it, in pieces where no rows are given."""
        if X is None and n_neighbors is not None:
            return self._of_fitted(n_neighbors)
        found: tuple[Float, Int] = super().kneighbors(X, n_neighbors, return_distance)
        return found


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
        return self._learn()

    def _learn(self, should_stop: StopCheck = never_stop) -> "_Learnt":
        mean, scale = standardisation(self.reference)
        Z = standardise(self.reference, mean, scale)
        ask(should_stop)
        half_whitening = whitening_matrix(Z, power=0.25)
        k = min(self.n_neighbours, len(self.reference) - 1)
        views = (Z, Z @ half_whitening)
        factors = [_Factor(n_neighbors=k, novelty=True).fit(view, should_stop=should_stop) for view in views]
        return _Learnt(mean, scale, half_whitening, factors)

    def scores(self, X: Float, should_stop: StopCheck = never_stop) -> dict[str, Float]:
        """Of rows that are no neighbours themselves, part -> (n,). Raises Cancelled."""
        learnt = self._learnt
        Z = standardise(X, learnt.mean, learnt.scale)
        views = (Z, Z @ learnt.half_whitening)
        both = zip(learnt.factors, views, strict=True)
        found = [-in_pieces(factor.score_samples, view, should_stop) for factor, view in both]
        return dict(zip(DENSITY_PARTS, found, strict=True))

    def fit_scores(
        self, X: Float, groups: Int, isolated: Bool, should_stop: StopCheck = never_stop
    ) -> dict[str, Float]:
        """Fit on the rows that are not `isolated`, and score all without themselves and their copies, part -> (n,).

        Raises Cancelled.
        """
        first = first_of_each(groups)
        eligible = first[~isolated[first]][:LARGEST_REFERENCE]  # the order is one of content hashes, hence random
        self.fit(X[eligible])
        self._learnt = self._learn(should_stop)
        others = np.flatnonzero(~np.isin(groups, groups[eligible]))
        of_others = self.scores(X[others], should_stop) if len(others) else {}
        found: dict[str, Float] = {}
        for part, factor in zip(DENSITY_PARTS, self._learnt.factors, strict=True):
            own = np.empty(int(groups.max()) + 1)
            own[groups[eligible]] = -factor.negative_outlier_factor_
            found[part] = own[groups]
            if len(others):
                found[part][others] = of_others[part]
        return found
