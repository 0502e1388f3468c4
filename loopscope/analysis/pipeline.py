"""The whole walk without a screen: folder → loops → embeddings → detector → one table.

Pages, benchmarks and scripts use it. Scores: higher = more anomalous. Everything is joined on `loop_id`; two files of
equal content share one loop, one embedding and one score, and still have a row each in the table.
"""

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from loopscope.analysis.scoring import ScoredLoops, fit_detector, score_library
from loopscope.analysis.shown import overview_html
from loopscope.analysis.triage import triage_loops, with_triage
from loopscope.cluster.spread import embed_anywhere
from loopscope.config import DEFAULT_PERCENTILE
from loopscope.detection.base import BaseDetector
from loopscope.detection.registry import LOCAL, ROBUST, recommended_preset
from loopscope.detection.thresholds import is_anomaly, percentile_of, threshold_at
from loopscope.embeddings import EmbeddingSet
from loopscope.encoders.base import Encoder, hearing_inside, load_encoder
from loopscope.errors import DataError, EncoderError, WeightsError
from loopscope.faults import add_near_duplicates, check_library, faults_frame
from loopscope.faults.check import without_corrected
from loopscope.library import Library, scan_folder
from loopscope.progress import EpochCallback, ProgressCallback, StopCheck, ignore_epoch, ignore_progress, never_stop
from loopscope.store import Store


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


def heard_by(encoder: Encoder, detector: str, preset: str | None, model: BaseDetector | None) -> tuple[Encoder, str]:
    """The encoder that a `model`, or else the `detector` to be trained, listens with, and the preset of that: the
    `preset` asked for, or (None) the best that the encoder serves. With LOCAL, the encoder gives patches.

    Raises `EncoderError` or `WeightsError` where patches are asked for and cannot be had.
    """
    chosen = (preset or recommended_preset(detector)) if model is None else model.preset
    if chosen != LOCAL:
        return encoder, chosen
    try:
        return hearing_inside(encoder), LOCAL
    except (EncoderError, WeightsError):
        if preset == LOCAL or model is not None:
            raise
        return encoder, ROBUST  # nobody asked for more than the encoder can give


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
    preset: str | None = None,
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
    `registry.make_detector` (None: the best that the encoder serves), where no fitted `model` is given to score
    with; `engine`: see
    `embed_anywhere`. Without a `store` the user's database is used, so that a second call embeds nothing anew. Raises
    `LoopscopeError` subclasses, each with one sentence; files that cannot be used are listed in `.rejected`.
    """
    with nullcontext(store) if store is not None else Store.default() as opened:
        library = scan_folder(folder, store=opened, on_progress=on_progress, should_stop=should_stop)
        if library.loops.empty:
            raise DataError(
                f"No readable loop was found in {folder} ({len(library.rejected)} files left out); "
                "choose another folder."
            )
        loaded = load_encoder(encoder, on_progress=on_progress) if isinstance(encoder, str) else encoder
        loaded, chosen = heard_by(loaded, detector, preset, model)
        inside = chosen == LOCAL
        embeddings = embed_anywhere(library, loaded, opened, on_progress, should_stop, engine, with_patches=inside)
        checked = without_corrected(check_library(library, opened, on_progress, should_stop), opened)
    faults = add_near_duplicates(checked, library, embeddings, on_progress, should_stop)
    scored = (
        fit_detector(embeddings, detector, chosen, seed, on_epoch=on_epoch, should_stop=should_stop)
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
