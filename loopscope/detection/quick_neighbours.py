"""Nearest neighbours in a moment, for a ranking while there is no better one yet: 50,000 loops in a second.

Conventions: as in `base`; a score is the mean Euclidean distance, in standard deviations, to the nearest of 200 loops
in each of five random fifths of a sample of 1,000, along the sample's first 32 principal axes. It stands for the mean
distance to the five nearest loops (`baselines.neighbour_distance`) where there is no time to look at all of them. No
loop is its own neighbour or that of its copies, so every score is one of a loop that was not learnt from.
"""

import numpy as np
from sklearn.decomposition import PCA

from loopscope.arrays import Float, Int
from loopscope.detection.base import BaseDetector
from loopscope.detection.fitted import Arrays, FitReport, Fitted
from loopscope.detection.preprocessing import first_of_each, standardisation, standardise
from loopscope.progress import EpochCallback, StopCheck

NAME, PRESET = "knn", "provisional"
N_SAMPLE = 1_000  # loops that neighbours are sought among
N_PARTS = 5
N_AXES = 32
CHUNK = 4_096  # rows whose distances are held at once: 16 MB
NOBODY = -1  # the group of rows that are no copies of the sample's


class QuickNeighbours(BaseDetector):
    """Not in the registry, since nobody chooses it; to all else the nearest neighbours, preset "provisional"."""

    def __init__(self, name: str = NAME, preset: str = PRESET, seed: int = 0) -> None:
        super().__init__(name, preset, seed)

    def _fit(self, X: Float, groups: Int, on_epoch: EpochCallback, should_stop: StopCheck) -> Fitted:
        chosen = first_of_each(groups)[:N_SAMPLE]  # the order is one of content hashes, hence random
        mean, scale = standardisation(X[chosen])
        Z = standardise(X[chosen], mean, scale)
        model = PCA(n_components=min(N_AXES, *Z.shape), svd_solver="randomized", random_state=self.seed).fit(Z)
        self._axes = np.asarray(model.components_.T / scale[:, None], dtype=np.float32)
        self._origin = mean @ self._axes
        self._sample = self._latents(X[chosen])
        latents = self._latents(X)
        scores = self._distance(latents, groups, groups[chosen])
        return Fitted(scores, np.zeros(len(X), dtype=np.bool_), latents, FitReport(), {self.name: scores})

    def _scores(self, X: Float) -> Float:
        nobody = np.full(len(X), NOBODY)
        return self._distance(self._latents(X), nobody, np.arange(len(self._sample)))

    def _latents(self, X: Float) -> Float:
        out: Float = X @ self._axes - self._origin
        return out

    def _distance(self, latents: Float, groups: Int, sample_groups: Int) -> Float:
        """Mean over the parts of the distance to the nearest there that is no copy, (n, k) -> (n,)."""
        squares = np.einsum("nk,nk->n", self._sample, self._sample)
        starts = np.linspace(0, len(self._sample), min(N_PARTS, len(self._sample) // 2), endpoint=False).astype(int)
        out = np.empty(len(latents))
        column = {int(group): place for place, group in enumerate(sample_groups)}
        copies = np.array([column.get(int(group), NOBODY) for group in groups])
        for first in range(0, len(latents), CHUNK):
            rows = latents[first : first + CHUNK]
            distance = squares - 2 * (rows @ self._sample.T)
            own = copies[first : first + CHUNK]
            distance[np.flatnonzero(own >= 0), own[own >= 0]] = np.inf
            nearest = np.minimum.reduceat(distance, starts, axis=1) + np.einsum("nk,nk->n", rows, rows)[:, None]
            out[first : first + CHUNK] = np.sqrt(np.maximum(nearest, 0)).mean(axis=1)
        return out

    def state(self) -> Arrays:
        """The axes and the sample."""
        return {"axes": self._axes, "origin": self._origin, "sample": self._sample}

    def _restore(self, state: Arrays) -> None:
        self._axes, self._origin, self._sample = state["axes"], state["origin"], state["sample"]
