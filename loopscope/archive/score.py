"""From parts to a ranked table: learn from a sample, score the rest as it passes by.

Scores are (n,) float64 in the order of `Parts.loop_ids`, higher = more anomalous. Loops of the sample keep the scores
of their training, out of fold with preset robust; the others are new to the detector.
"""

import time
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loopscope.analysis.scoring import NEW, fit_detector
from loopscope.archive.parts import Parts
from loopscope.archive.sample import LARGEST, folders_of, stratified_sample
from loopscope.arrays import Float, Int
from loopscope.config import DEFAULT_PERCENTILE
from loopscope.detection.base import BaseDetector
from loopscope.detection.registry import LOCAL
from loopscope.detection.thresholds import is_anomaly, percentile_of, threshold_at
from loopscope.embeddings import EmbeddingSet
from loopscope.errors import Cancelled, DataError
from loopscope.progress import (
    EpochCallback,
    Progress,
    ProgressCallback,
    StopCheck,
    ignore_epoch,
    ignore_progress,
    never_stop,
)

STAGE = "Scoring"


@dataclass(frozen=True)
class Ranking:
    """What a detector says of every loop in `parts`, rows in the order of `parts.loop_ids`.

    `splits` (n,) text: "train" or "validation" of the sample, "new" of the rest; `paths`: where each loop lies.
    `seconds` by stage.
    """

    parts: Parts
    paths: pa.ChunkedArray
    detector: BaseDetector
    scores: Float
    splits: np.ndarray
    seconds: dict[str, float]

    @cached_property
    def order(self) -> Int:
        """Rows, most anomalous first, of equal scores in the order of the loop_ids."""
        tie = np.empty(len(self.scores), np.int64)
        tie[pc.sort_indices(self.parts.loop_ids).to_numpy()] = np.arange(len(self.scores))
        return np.lexsort((tie, -self.scores))

    def table(self, percentile: float = DEFAULT_PERCENTILE, first: int | None = None) -> pa.Table:
        """A row a loop, most anomalous first: rank, loop_id, path, score, percentile, is_anomaly, split.

        `first` rows, or all. Ranks and flags are those of `analysis.pipeline.score_table`.
        """
        rows = self.order if first is None else self.order[:first]
        scores, reference = self.scores[rows], self.detector.reference_scores_
        ranks = np.searchsorted(-self.scores[self.order], -scores, side="left") + 1
        columns = {
            "rank": ranks,
            "loop_id": self.parts.loop_ids.take(pa.array(rows)),
            "path": self.paths.take(pa.array(rows)),
            "score": scores,
            "percentile": percentile_of(reference, scores),
            "is_anomaly": is_anomaly(scores, threshold_at(reference, percentile)),
            "split": self.splits[rows].tolist(),
        }
        return pa.table(columns)

    def n_flagged(self, percentile: float = DEFAULT_PERCENTILE) -> int:
        """How many loops lie above the threshold."""
        return int(is_anomaly(self.scores, threshold_at(self.detector.reference_scores_, percentile)).sum())


def rank_parts(
    parts: Parts,
    detector: str = "AEwRES",
    preset: str = "robust",
    seed: int = 0,
    *,
    model: BaseDetector | None = None,
    paths: pa.ChunkedArray | None = None,
    known: Float | None = None,
    sample: int = LARGEST,
    on_progress: ProgressCallback = ignore_progress,
    on_epoch: EpochCallback = ignore_epoch,
    should_stop: StopCheck = never_stop,
) -> Ranking:
    """Learns what is normal from at most `sample` loops, or takes the fitted `model`, and scores all of them.

    `paths` of the loops, by default those in the parts, say which folders the sample is to stand for. `known`: scores
    that the model gave before, (n_loops,), NaN where it gave none. Raises DataError where there is too little to learn
    from, and for presets that need more than embeddings; Cancelled.
    """
    _require_no_patches(preset if model is None else model.preset)
    paths = parts.paths if paths is None else paths
    seconds: dict[str, float] = {}
    if model is None:
        model, seconds = learn_from_sample(
            *(parts, paths, detector, preset, seed), sample=sample, on_epoch=on_epoch, should_stop=should_stop
        )
    started = time.perf_counter()
    model.require_encoder(parts.encoder_id, parts.n_features)
    scores, splits = scores_of(parts, model, on_progress, should_stop, known)
    seconds["score"] = time.perf_counter() - started
    return Ranking(parts, paths, model, scores, splits, seconds)


def learn_from_sample(
    parts: Parts,
    paths: pa.ChunkedArray,
    detector: str,
    preset: str,
    seed: int,
    *,
    sample: int = LARGEST,
    on_epoch: EpochCallback = ignore_epoch,
    should_stop: StopCheck = never_stop,
) -> tuple[BaseDetector, dict[str, float]]:
    """What `rank_parts` learns, with its seconds by stage; the rest is not scored. Raises DataError as there."""
    _require_no_patches(preset)
    started = time.perf_counter()
    chosen = stratified_sample(parts.loop_ids, folders_of(paths)[0], sample, seed)
    ids = tuple(parts.loop_ids.filter(pa.array(chosen)).to_pylist())
    learnt_from = EmbeddingSet(ids, parts.matrix(chosen), parts.encoder_id)
    seconds = {"sample": time.perf_counter() - started}
    started = time.perf_counter()
    fitted = fit_detector(learnt_from, detector, preset, seed, on_epoch=on_epoch, should_stop=should_stop)
    return fitted.detector, seconds | {"fit": time.perf_counter() - started}


def _require_no_patches(preset: str) -> None:
    if preset == LOCAL:
        raise DataError("The preset local needs patches, which parts do not hold; choose robust.")


def scores_of(
    parts: Parts,
    model: BaseDetector,
    on_progress: ProgressCallback,
    should_stop: StopCheck,
    known: Float | None = None,
) -> tuple[Float, np.ndarray]:
    """Scores and splits of all loops; those that the model was fitted on keep theirs, and so do those that it scored
    before (`known`, NaN elsewhere). Raises Cancelled."""
    fitted = pc.index_in(parts.loop_ids, value_set=pa.array(model.loop_ids_, pa.large_string()))
    rows_fitted = pc.fill_null(fitted, -1).to_numpy()
    is_known = rows_fitted >= 0
    scores = np.full(parts.n_loops, np.nan) if known is None else known.copy()
    splits = np.full(parts.n_loops, NEW, dtype="<U10")
    scores[is_known], splits[is_known] = model.scores_[rows_fitted[is_known]], model.split_[rows_fitted[is_known]]
    is_known |= ~np.isnan(scores)
    rows = np.flatnonzero(~is_known)
    done = 0
    for X in parts.chunks(~is_known):
        if should_stop():
            raise Cancelled("Scoring was stopped.")
        scores[rows[done : done + len(X)]] = model.anomaly_scores(X, parts.encoder_id)
        done += len(X)
        on_progress(Progress(STAGE, done, len(rows), unit="loops"))
    return scores, splits
