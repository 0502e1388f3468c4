"""Loops and what a detector says of them: fitted on these, or on others.

Conventions: higher scores are more anomalous; everything is joined on `loop_id`.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from loopscope.analysis.projection import Projection, project
from loopscope.arrays import Bool, Float
from loopscope.detection.base import BaseDetector
from loopscope.detection.registry import make_detector
from loopscope.embeddings import EmbeddingSet
from loopscope.embeddings.patch_set import PatchSet
from loopscope.errors import DataError, ModelError
from loopscope.progress import EpochCallback, ProgressCallback, StopCheck, ignore_epoch, ignore_progress, never_stop
from loopscope.store import Store
from loopscope.wording import counted

log = logging.getLogger(__name__)
SHOWN_COMPONENTS = 8
NEW = "new"  # the split of loops that a model never saw


@dataclass(frozen=True)
class ScoredLoops:
    """A fitted detector and what it says of one set of loops.

    `scores` has one row per loop_id: loop_id, score (higher = more anomalous), split ("train", "validation", or "new"
    for loops the detector never saw). `latents` is (n_loops, d) float32 and `components` the parts of the scores, name
    -> (n_loops,), both in the order of `scores`. `subset` names the part of the library it was trained on, empty for
    all of it.
    """

    detector: BaseDetector
    scores: pd.DataFrame
    latents: Float
    components: Mapping[str, Float]
    subset: str = ""

    def __post_init__(self) -> None:
        if len(self.scores) != len(self.latents):
            raise DataError(
                f"{len(self.scores)} scores came with {len(self.latents)} latent rows; fit or score the loops again."
            )

    @cached_property
    def is_new(self) -> Bool:
        """Which loops the detector was not fitted on, (n_loops,)."""
        return np.asarray(self.scores["split"] == NEW, dtype=np.bool_)

    @cached_property
    def is_of_another_library(self) -> bool:
        """Whether the detector comes from elsewhere: most of these loops are new to it, and most of its own not here.

        A copy or two in both does not make them one, and a folder that grew or shrank stays its own.
        """
        n_known = int((~self.is_new).sum())
        return n_known < len(self.is_new) / 2 and n_known < len(self.detector.scores_) / 2

    @cached_property
    def projection(self) -> Projection:
        """Principal components of the latents, for figures; computed once.

        Axes are those of the fitted loops where one of them is among these, so that the map of a library that grew
        stays where it was; otherwise those of these loops among themselves, unless there is but one.
        """
        among_themselves = len(self.latents) > 1 and bool(self.is_new.all())
        reference = None if among_themselves else self.detector.latents_
        return project(self.latents, n_components=SHOWN_COMPONENTS, reference=reference)

    @property
    def reference_scores(self) -> Float:
        """The ascending scores that a percentile threshold refers to."""
        return self.detector.reference_scores_


@dataclass(frozen=True)
class StoppedTraining:
    """A detector whose training was stopped after it had learnt something; nothing is scored until it is wanted.

    `subset`: as in `ScoredLoops`.
    """

    detector: BaseDetector
    subset: str = ""

    @property
    def sentence(self) -> str:
        """What was not finished."""
        return self.detector.unfinished

    def score(
        self, on_progress: ProgressCallback = ignore_progress, should_stop: StopCheck = never_stop
    ) -> ScoredLoops:
        """What the unfinished model says of the loops it learnt from. Raises Cancelled, and can be called again."""
        return _scored_by(self.detector.finish(on_progress, should_stop), self.subset)


def fit_detector(
    embeddings: EmbeddingSet,
    detector: str = "AEwRES",
    preset: str = "robust",
    seed: int = 0,
    *,
    on_epoch: EpochCallback = ignore_epoch,
    should_stop: StopCheck = never_stop,
) -> ScoredLoops:
    """Fits a detector on these loops and scores the same loops (out of fold with preset robust).

    Raises `DataError` for an unknown name or preset, or when there are too few loops to learn from.
    """
    trained = train_detector(embeddings, detector, preset, seed, on_epoch=on_epoch, should_stop=should_stop)
    return trained.score() if isinstance(trained, StoppedTraining) else trained


def train_detector(
    embeddings: EmbeddingSet,
    detector: str = "AEwRES",
    preset: str = "robust",
    seed: int = 0,
    subset: str = "",
    *,
    on_epoch: EpochCallback = ignore_epoch,
    should_stop: StopCheck = never_stop,
) -> ScoredLoops | StoppedTraining:
    """The same for somebody who waits: a training that was stopped is given back at once, without scores."""
    model = make_detector(detector, preset=preset, seed=seed)
    model.fit(
        embeddings.X,
        loop_ids=embeddings.loop_ids,
        encoder_id=embeddings.encoder_id,
        on_epoch=on_epoch,
        should_stop=should_stop,
        patches=embeddings.patches,
    )
    return StoppedTraining(model, subset) if model.unfinished else _scored_by(model, subset)


def _scored_by(model: BaseDetector, subset: str) -> ScoredLoops:
    """What a fitted model says of its own loops."""
    scores = pd.DataFrame({"loop_id": list(model.loop_ids_), "score": model.scores_, "split": model.split_})
    return ScoredLoops(model, scores, np.asarray(model.latents_, dtype=np.float32), model.components_, subset)


def label_of(detector: BaseDetector) -> str:
    """A model's name among those of one folder."""
    return f"{detector.name} · {detector.preset} · seed {detector.seed}"


def scorable(embeddings: EmbeddingSet, detector: BaseDetector, store: Store) -> EmbeddingSet:
    """The loops that the detector can score: where it hears inside the loops, not those that are new to it and were
    embedded without patches.
    """
    if not detector.patch_id or embeddings.patches is not None:
        return embeddings
    known = set(detector.loop_ids_)
    new = [loop_id for loop_id in embeddings.loop_ids if loop_id not in known]
    heard = store.get_patches(new, detector.patch_id) if new else {}
    if len(heard) == len(new):
        return embeddings
    return embeddings.select([loop_id for loop_id in embeddings.loop_ids if loop_id in known or loop_id in heard])


def score_library(embeddings: EmbeddingSet, detector: BaseDetector, store: Store | None = None) -> ScoredLoops:
    """What a fitted model says of these loops, rows in the order of `embeddings.loop_ids`.

    Loops that it was fitted on, known by loop_id, keep their stored score, split and latents (out of fold with preset
    robust), bit for bit; all others are scored as new loops, split "new". So a model opened on its own folder shows
    what its training found, and a folder that grew gets scores for what was added. Where the detector hears inside the
    loops the patches of new ones are those of `embeddings`, or else those in the `store`. Raises `ModelError` if
    another encoder made the embeddings, also where no loop is new, and if patches are missing.
    """
    started = time.monotonic()
    detector.require_encoder(embeddings.encoder_id, embeddings.X.shape[1])
    fitted_row = {loop_id: row for row, loop_id in enumerate(detector.loop_ids_)}
    rows = np.array([fitted_row.get(loop_id, -1) for loop_id in embeddings.loop_ids], dtype=np.int64)
    scores = np.empty(len(rows))
    split = np.full(len(rows), NEW, dtype=object)
    latents = np.empty((len(rows), detector.latents_.shape[1]), dtype=np.float32)
    parts = {name: np.empty(len(rows)) for name in detector.components_}
    known, new = rows >= 0, rows < 0
    scores[known], split[known] = detector.scores_[rows[known]], detector.split_[rows[known]]
    latents[known] = detector.latents_[rows[known]]
    for name, part in parts.items():
        part[known] = detector.components_[name][rows[known]]
    if new.any():
        ids = [embeddings.loop_ids[row] for row in np.flatnonzero(new)]
        patches = _patches_of(ids, embeddings, detector, store)
        scores[new], latents[new], own = detector.judge(embeddings.X[new], embeddings.encoder_id, patches)
        for name, part in parts.items():
            part[new] = own[name]
    n_new, seconds = int(new.sum()), time.monotonic() - started
    log.info("score: %d loops with a fitted %s, %d of them new, %.2f s", len(rows), detector.name, n_new, seconds)
    table = pd.DataFrame({"loop_id": list(embeddings.loop_ids), "score": scores, "split": split.astype(str)})
    return ScoredLoops(detector, table, latents, parts)


def _patches_of(
    loop_ids: Sequence[str], embeddings: EmbeddingSet, detector: BaseDetector, store: Store | None
) -> PatchSet | None:
    """What the detector hears of these loops; None for one that hears no patches, or where there are none."""
    if embeddings.patches is not None:
        return embeddings.patches.select(loop_ids)
    fitted = detector.fitted
    if not fitted.patch_id or store is None:
        return None
    found = store.get_patches(loop_ids, fitted.patch_id)
    n_missing = len(loop_ids) - len(found)
    if n_missing:
        raise ModelError(
            f"{counted(n_missing, 'loop')} of {len(loop_ids):,} new to the model {detector.name} were not heard moment "
            "by moment; embed them with preset local first."
        )
    return PatchSet.gathered(found, loop_ids, fitted.patch_id, fitted.patch_seconds)
