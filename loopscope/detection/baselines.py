"""Baselines through scikit-learn: Isolation Forest, PCA reconstruction, kNN distance, Mahalanobis distance.

Conventions: X is (n, n_features) float32; every score is turned once, here, to higher = more anomalous. Features are
z-scored with the mean and deviation of the training rows, clipped to ±10. Preset "paper" fits once on 80 % of the rows
(paper section 4.1) and scores all of them; preset "robust" fits one member per fold and scores each row by the member
that did not see it.
"""

from collections.abc import Callable
from functools import cached_property
from inspect import signature
from typing import Any

import numpy as np
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import NearestNeighbors

from loopscope.arrays import Bool, Float, Int
from loopscope.detection.base import BaseDetector, check_embeddings
from loopscope.detection.fitted import Arrays, FitReport, Fitted
from loopscope.detection.folds import fold_numbers, validation_mask
from loopscope.detection.pieces import ask, in_pieces
from loopscope.detection.preprocessing import standardisation, standardise
from loopscope.errors import DataError
from loopscope.progress import EpochCallback, StopCheck, never_stop

VALIDATION_FRACTION = 0.2  # paper section 4.1
N_FOLDS = 5
ScoreRows = Callable[[Float], Float]  # z-scored rows (n, n_features) -> (n,), higher = more anomalous


def isolation_forest(Z: Float, seed: int, n_trees: int = 200) -> ScoreRows:
    """Isolation Forest (Liu et al. 2008): how few random cuts isolate a row, 0 to 1 (scikit-learn's score negated)."""
    model = IsolationForest(n_estimators=n_trees, random_state=seed).fit(Z)
    return lambda rows: -model.score_samples(rows)


def pca_reconstruction(Z: Float, seed: int, n_components: int | float = 0.95) -> ScoreRows:
    """PCA reconstruction (paper appendix A, Algorithm 1): mean squared error per feature after k components.

    `n_components` is a number of components (int) or the share of variance to keep (float below 1): the two modes of
    the algorithm. Raises DataError when there are not as many components.
    """
    limit = min(Z.shape)
    fraction = isinstance(n_components, float)
    if not (0 < n_components < 1 if fraction else 1 <= n_components <= limit):
        raise DataError(
            f"PCA cannot keep {n_components} components of {Z.shape[0]} training loops with {Z.shape[1]} features; "
            f"choose 1 to {limit} components or a share of variance between 0 and 1."
        )
    model = PCA(n_components=n_components, svd_solver="full").fit(Z)
    return lambda rows: np.square(rows - model.inverse_transform(model.transform(rows))).mean(axis=1)


def neighbour_distance(Z: Float, seed: int, n_neighbours: int = 5) -> ScoreRows:
    """Mean Euclidean distance to the nearest training rows (Ramaswamy et al. 2000)."""
    model = NearestNeighbors(n_neighbors=min(n_neighbours, len(Z))).fit(Z)
    return lambda rows: model.kneighbors(rows)[0].mean(axis=1)


def mahalanobis_distance(Z: Float, seed: int) -> ScoreRows:
    """Squared Mahalanobis distance to the mean, the covariance shrunk as Ledoit and Wolf (2004) do."""
    model = LedoitWolf().fit(Z)
    scores: ScoreRows = model.mahalanobis
    return scores


class BaselineDetector(BaseDetector):
    """A baseline behind the contract of all detectors: `learn(Z, seed, **options)` gives what scores rows.

    Its latents are the embeddings themselves.
    """

    def __init__(
        self, learn: Callable[..., ScoreRows], name: str, preset: str = "robust", seed: int = 0, **options: Any
    ) -> None:
        super().__init__(name, preset, seed, options)
        self._learn = learn
        signature(learn).bind(None, seed, **options)  # TypeError for an unknown option, before any fitting

    def _fit(self, X: Float, groups: Int, on_epoch: EpochCallback, should_stop: StopCheck) -> Fitted:
        rng = np.random.default_rng(self.seed)
        if self.preset == "paper":
            validation = validation_mask(groups, VALIDATION_FRACTION, rng)
            train_rows, member_of = ~validation[None], np.zeros(len(X), dtype=int)
        else:
            member_of = fold_numbers(groups, N_FOLDS, rng)
            train_rows, validation = member_of != np.unique(member_of)[:, None], member_of == 0
        self._learn_from(X, train_rows)
        self._members = self._learnt(should_stop)
        scores = np.empty(len(X))
        for member in range(len(train_rows)):
            own = np.flatnonzero(member_of == member)
            scores[own] = self._score_by(member, X[own], should_stop)
        return Fitted(scores, validation, X, FitReport(), {self.name: scores})

    @cached_property
    def _members(self) -> list[tuple[Float, Float, ScoreRows]]:
        """Made when they are asked for: a restored model may never be."""
        return self._learnt()

    def _learnt(self, should_stop: StopCheck = never_stop) -> list[tuple[Float, Float, ScoreRows]]:
        members = []
        for rows in self._train_rows:
            ask(should_stop)
            mean, scale = standardisation(self._X[rows])
            score = self._learn(standardise(self._X[rows], mean, scale), self.seed, **self.options)
            members.append((mean, scale, score))
        return members

    def _learn_from(self, X: Float, train_rows: Bool) -> None:
        self._X, self._train_rows = X, train_rows
        vars(self).pop("_members", None)

    def _score_by(self, member: int, X: Float, should_stop: StopCheck = never_stop) -> Float:
        mean, scale, score = self._members[member]
        return in_pieces(lambda rows: score(standardise(rows, mean, scale)), X, should_stop)

    def _scores(self, X: Float) -> Float:
        mean: Float = np.mean([self._score_by(member, X) for member in range(len(self._members))], axis=0)
        return mean

    def _latents(self, X: Float) -> Float:
        return X

    def state(self) -> Arrays:
        """The training rows and who saw them: fitting again from these is exact and needs no pickled object."""
        return {"X": self._X, "train_rows": self._train_rows}

    def _restore(self, state: Arrays) -> None:
        """Fit again on the saved rows, once that is needed."""
        X, train_rows = check_embeddings(state["X"]), state["train_rows"].astype(bool)
        n_members, shape = len(train_rows), (len(self.fitted.scores), self.fitted.n_features)
        if X.shape != shape or train_rows.shape != (n_members, len(X)) or not 1 <= n_members <= N_FOLDS:
            raise ValueError(f"rows of shape {X.shape} with members of shape {train_rows.shape} are not the {shape}")
        if train_rows.sum(axis=1).min() < 2:
            raise ValueError("a member has no rows to learn from")
        self._learn_from(X, train_rows)
