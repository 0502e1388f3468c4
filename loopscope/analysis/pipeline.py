"""The whole walk without a screen: folder → loops → embeddings → detector → one table.

Pages, benchmarks and scripts use it. Scores: higher = more anomalous. Everything is joined on `loop_id`; two files of
equal content share one loop, one embedding and one score, and still have a row each in the table.
"""

import logging
import time
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from loopscope.analysis.projection import Projection, project
from loopscope.analysis.shown import overview_html
from loopscope.analysis.triage import triage_loops, with_triage
from loopscope.arrays import Bool, Float
from loopscope.config import DEFAULT_PERCENTILE
from loopscope.detection.base import BaseDetector
from loopscope.detection.registry import LOCAL, make_detector
from loopscope.detection.thresholds import is_anomaly, percentile_of, threshold_at
from loopscope.embeddings import EmbeddingSet, embed_library
from loopscope.encoders.base import Encoder, hearing_inside, load_encoder
from loopscope.errors import DataError
from loopscope.faults import add_near_duplicates, check_library, faults_frame
from loopscope.library import Library, scan_folder
from loopscope.progress import EpochCallback, ProgressCallback, StopCheck, ignore_epoch, ignore_progress, never_stop
from loopscope.store import Store

log = logging.getLogger(__name__)
SHOWN_COMPONENTS = 8
NEW = "new"  # the split of loops that a model never saw


@dataclass(frozen=True)
class ScoredLoops:
    """A fitted detector and what it says of one set of loops.

    `scores` has one row per loop_id: loop_id, score (higher = more anomalous), split ("train", "validation", or "new"
    for loops the detector never saw). `latents` is (n_loops, d) float32 in the order of `scores`. `subset` names the
    part of the library it was trained on, empty for all of it.
    """

    detector: BaseDetector
    scores: pd.DataFrame
    latents: Float
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


@dataclass(frozen=True)
class Analysis:
    """What one walk found.

    `table`: one row per file, most anomalous first: loop_id, path, name, folder, duration_s, …, split, score,
    percentile (of the training scores, 0 to 100), is_anomaly, rank (1 = most anomalous). `rejected`: path, reason.
    Every audio file below the folder is in exactly one of the two. `faults`: what the checks found in each loop.
    """

    library: Library
    embeddings: EmbeddingSet
    scored: ScoredLoops
    table: pd.DataFrame
    rejected: pd.DataFrame
    faults: pd.DataFrame

    @property
    def detector(self) -> BaseDetector:
        """The fitted detector."""
        return self.scored.detector

    def _repr_html_(self) -> str:
        return overview_html(self.table, self.rejected, self.faults)


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
    return ScoredLoops(model, scores, np.asarray(model.latents_, dtype=np.float32), subset)


def score_library(embeddings: EmbeddingSet, detector: BaseDetector) -> ScoredLoops:
    """What a fitted model says of these loops, rows in the order of `embeddings.loop_ids`.

    Loops that it was fitted on, known by loop_id, keep their stored score, split and latents (out of fold with preset
    robust), bit for bit; all others are scored as new loops, split "new". So a model opened on its own folder shows
    what its training found, and a folder that grew gets scores for what was added. Raises `ModelError` if another
    encoder made the embeddings, also where no loop is new.
    """
    started = time.monotonic()
    detector.require_encoder(embeddings.encoder_id, embeddings.X.shape[1])
    fitted_row = {loop_id: row for row, loop_id in enumerate(detector.loop_ids_)}
    rows = np.array([fitted_row.get(loop_id, -1) for loop_id in embeddings.loop_ids], dtype=np.int64)
    scores = np.empty(len(rows))
    split = np.full(len(rows), NEW, dtype=object)
    latents = np.empty((len(rows), detector.latents_.shape[1]), dtype=np.float32)
    known, new = rows >= 0, rows < 0
    scores[known], split[known] = detector.scores_[rows[known]], detector.split_[rows[known]]
    latents[known] = detector.latents_[rows[known]]
    if new.any():
        X, heard = embeddings.X[new], embeddings.patches
        ids = [embeddings.loop_ids[row] for row in np.flatnonzero(new)]
        patches = heard.select(ids) if heard is not None else None
        scores[new] = detector.anomaly_scores(X, embeddings.encoder_id, patches)
        latents[new] = detector.latents(X, patches=patches)
    n_new, seconds = int(new.sum()), time.monotonic() - started
    log.info("score: %d loops with a fitted %s, %d of them new, %.2f s", len(rows), detector.name, n_new, seconds)
    table = pd.DataFrame({"loop_id": list(embeddings.loop_ids), "score": scores, "split": split.astype(str)})
    return ScoredLoops(detector, table, latents)


def score_table(loops: pd.DataFrame, scored: ScoredLoops, percentile: float = DEFAULT_PERCENTILE) -> pd.DataFrame:
    """One row per file with its score, most anomalous first.

    `percentile` in 0 to 100 sets the threshold among the training scores; moving it changes `is_anomaly` alone. Rows of
    equal rank keep the order of `loops`, which a scan gives by path.
    """
    scores = scored.scores
    reference = scored.reference_scores
    ranked = scores.assign(
        percentile=percentile_of(reference, scores["score"].to_numpy()),
        is_anomaly=is_anomaly(scores["score"].to_numpy(), threshold_at(reference, percentile)),
        rank=scores["score"].rank(ascending=False, method="min").astype(int),
    )
    table = loops.merge(ranked, on="loop_id", how="inner", validate="many_to_one")
    return table.sort_values("rank", kind="stable", ignore_index=True)  # never by path: it may be no text for pandas


def listing_table(
    library: Library, faults: pd.DataFrame | None = None, triaged: pd.DataFrame | None = None
) -> pd.DataFrame:
    """One row per file while there is no model, or too few loops for one: what `score_table` gives, without scores.

    Columns as there and of `triage_rank`: score and percentile NaN, split "", is_anomaly False. `rank` (of a loop, 1 =
    first) and the order are those of triage by the signal checks alone (`faults` of `check_library`; None: not made
    yet), and by name where these say nothing; `triaged` is that order where `triage_loops` has made it already.
    """
    unscored = library.loops.assign(score=np.nan, split="", percentile=np.nan, is_anomaly=False, rank=0)
    findings = faults_frame([]) if faults is None else faults
    if triaged is None:
        triaged = triage_loops(unscored.drop_duplicates("loop_id"), findings)
    table = with_triage(unscored, triaged, findings)
    return table.assign(rank=table["triage_rank"])


def analyse_folder(
    folder: str | Path,
    encoder: str | Encoder = "auto",
    detector: str = "AEwRES",
    preset: str = "robust",
    seed: int = 0,
    *,
    model: BaseDetector | None = None,
    engine: str = "threads",
    percentile: float = DEFAULT_PERCENTILE,
    store: Store | None = None,
    on_progress: ProgressCallback = ignore_progress,
    on_epoch: EpochCallback = ignore_epoch,
    should_stop: StopCheck = never_stop,
) -> Analysis:
    """Scans, embeds, checks, trains and ranks a folder of loops, as the app does.

    `encoder` is a name of `encoders.base.ENCODERS` or a loaded encoder; `detector` and `preset` are those of
    `registry.make_detector` ("local" of AE and AEwRES hears inside the loops), where no fitted `model` is given to
    score with; `engine`: see `embed_library`. Without a `store` the user's database is used, so that a second call
    embeds nothing anew. Raises `LoopscopeError` subclasses, each with one sentence; files that cannot be used are
    listed in `.rejected`.
    """
    with nullcontext(store) if store is not None else Store.default() as opened:
        library = scan_folder(folder, store=opened, on_progress=on_progress, should_stop=should_stop)
        if library.loops.empty:
            raise DataError(
                f"No readable loop was found in {folder} ({len(library.rejected)} files left out); "
                "choose another folder."
            )
        loaded = load_encoder(encoder, on_progress=on_progress) if isinstance(encoder, str) else encoder
        if inside := (preset if model is None else model.preset) == LOCAL:
            loaded = hearing_inside(loaded)
        embeddings = embed_library(library, loaded, opened, on_progress, should_stop, engine, with_patches=inside)
        checked = check_library(library, opened, on_progress, should_stop)
    faults = add_near_duplicates(checked, library, embeddings, on_progress, should_stop)
    scored = (
        fit_detector(embeddings, detector, preset, seed, on_epoch=on_epoch, should_stop=should_stop)
        if model is None
        else score_library(embeddings, model)
    )
    return Analysis(
        library=library,
        embeddings=embeddings,
        scored=scored,
        table=score_table(library.loops, scored, percentile),
        rejected=left_out(library, embeddings),
        faults=faults,
    )


def left_out(library: Library, embeddings: EmbeddingSet | None = None) -> pd.DataFrame:
    """Every file that has no score, with its reason: those the scan refused and those that failed to embed."""
    parts = [library.rejected] if embeddings is None else [library.rejected, embeddings.rejected]
    return pd.concat([part[["path", "reason"]] for part in parts], ignore_index=True)
