"""What one explorer shows: a model's scores, latents and map beside what is known of each loop.

Conventions: one row per loop of the model, in the order of `ScoredLoops.scores`; scores: higher = more anomalous.
"""

import functools
import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from loopscope.analysis.moments import MomentFinder
from loopscope.analysis.scoring import ScoredLoops
from loopscope.analysis.triage import detector_evidence, triage_loops
from loopscope.arrays import Bool, Float, Int
from loopscope.detection.curves import HearsMoments
from loopscope.detection.thresholds import percentile_of
from loopscope.embeddings import EmbeddingSet
from loopscope.embeddings.neighbours import nearest_to
from loopscope.encoders.base import Patches
from loopscope.errors import DataError, ModelError
from loopscope.faults import faults_frame
from loopscope.library import Library
from loopscope.ui.components import printable_table, store
from loopscope.ui.explorer.lessons import Elsewhere, Lessons
from loopscope.ui.projects.contents import Contents
from loopscope.ui.projects.project import Project

NEIGHBOURS = 12
COMPARED = 200  # loops whose moments are looked at: 1 MB of patches
USUAL_PERCENTILE = 80.0  # of the loops that stand beside an odd moment
_COLUMNS = ("loop_id", "name", "folder", "duration_s", "score", "split")


@dataclass(frozen=True)
class ExplorerView:
    """What one explorer shows. Rows of `loops` and of the arrays correspond.

    version: names the content; must change whenever anything below changes.
    title: shown above the views, for example "AEwRES · robust · aiSFX".
    loops: loop_id (unique), name, folder, duration_s, score (higher = more anomalous; NaN where a loop has none yet),
        split ("train" | "validation"); where known also instrument, bpm, key, category, modified (seconds since the
        epoch) and the columns of `analysis.triage.triage_loops`.
    coordinates: (n, k) float32, principal components of the latents. explained_variance: (k,) ratios.
    latents: (n, d) float32. Both NaN for loops without a score.
    reference_scores: (m,) ascending; the scores that a percentile threshold refers to. Empty only where no loop has a
        score.
    neighbours: row number within `loops` -> row numbers, nearest first, without the loop itself; asked on the server's
        threads, for one loop at a time. None: the browser takes Euclidean distance of the latents.
    moments: says where a loop is oddest, asked likewise; None: the model hears no moments.
    lessons: what marks teach about the order of listening; None where they teach nothing.
    """

    version: str
    title: str
    loops: pd.DataFrame
    coordinates: Float
    explained_variance: Float
    latents: Float
    reference_scores: Float
    neighbours: Callable[[int], Int] | None = None
    moments: MomentFinder | None = None
    lessons: Lessons | None = None

    def __post_init__(self) -> None:
        n = len(self.loops)
        missing = [column for column in _COLUMNS if column not in self.loops]
        if missing:
            raise DataError(f"The explorer's table lacks {', '.join(missing)}; it needs {', '.join(_COLUMNS)}.")
        if not self.loops["loop_id"].is_unique:
            raise DataError("The explorer's table names a loop twice; keep one row per loop_id.")
        if np.isinf(self.loops["score"].to_numpy(np.float64)).any():
            raise DataError("The explorer's table has infinite scores; leave out those loops, or their scores (NaN).")
        for name in ("coordinates", "latents"):
            array = getattr(self, name)
            if array.ndim != 2 or len(array) != n:
                raise DataError(f"{name} has shape {array.shape} for {n} loops; give one row per loop.")
            if not np.isfinite(array[self.scored]).all():
                raise DataError(f"{name} is not finite for a loop that has a score; leave out its score (NaN) too.")
        if self.scored.any() and not len(self.reference_scores):
            raise DataError("The explorer has no reference scores; give those that the percentile refers to.")

    @functools.cached_property
    def scored(self) -> Bool:
        """(n,) bool: which rows of `loops` have a score."""
        known: Bool = ~np.isnan(self.loops["score"].to_numpy(np.float64))
        return known

    @functools.cached_property
    def order(self) -> Int:
        """(n,) row numbers of `loops` in the order in which they travel (`display_order`)."""
        return display_order(self.loops)


def display_order(loops: pd.DataFrame) -> Int:
    """(n,) row numbers of `loops`, whatever the order of the table: first those whose score is NaN, by name from Z to
    A, then the others by ascending score. Equal ones by loop_id."""
    ids, scores = loops["loop_id"].to_numpy(str), loops["score"].to_numpy(np.float64)
    scored = np.isfinite(scores)
    by_score: Int = np.lexsort((ids, scores))
    names = loops["name"].astype(str).str.casefold().to_numpy(str)
    by_name: Int = np.lexsort((ids, names))[::-1]
    return np.concatenate([by_name[~scored[by_name]], by_score[scored[by_score]]])


def explorer_view(project: Project, contents: Contents, label: str) -> ExplorerView:
    """The model of this label for the browser, or before there is one the provisional ranking, or the bare list.

    Made once per state of the contents, for all tabs. Needs a scanned library.
    """
    model = hashlib.blake2b(label.encode(), digest_size=4).hexdigest()
    state = hashlib.blake2b(f"{project.key} {contents.serial}".encode(), digest_size=8).hexdigest()
    version = f"{model}-{state}"
    view: ExplorerView = project.view(version, lambda: _made(version, contents, label))
    return view


def _made(version: str, contents: Contents, label: str) -> ExplorerView:
    scored = contents.models.get(label) or contents.provisional
    loops = printable_table(_described(contents))
    faults = faults_frame([]) if contents.standing_faults is None else contents.standing_faults
    if scored is None:
        loops = triage_loops(loops.assign(score=np.nan, percentile=np.nan, split="train"), faults)
        nothing = np.full((len(loops), 1), np.nan, np.float32)
        return ExplorerView(version, "Loops", loops, nothing, np.zeros(1), nothing, np.empty(0))
    loops = loops.merge(scored.scores, on="loop_id", how="left", validate="one_to_one")
    if scored.subset:
        loops = loops[loops["score"].notna()].reset_index(drop=True)
    percentiles = percentile_of(scored.reference_scores, loops["score"].to_numpy())
    is_new = None if contents.archived else _new(loops["split"])  # of an archive only a sample was learnt from
    loops = loops.assign(split=loops["split"].fillna("train"), new=is_new, percentile=percentiles)
    rows = pd.Series(np.arange(len(scored.scores)), index=scored.scores["loop_id"]).reindex(loops["loop_id"])
    encoder = contents.encoder.description.partition(",")[0] if contents.encoder else ""
    loops = _with_silence(triage_loops(loops, faults), contents.library)
    return ExplorerView(
        version=version,
        title=" · ".join(filter(None, [label or "Provisional: nearest-neighbour distance", encoder])),
        loops=loops,
        coordinates=_placed(scored.projection.coordinates, rows),
        explained_variance=scored.projection.explained_variance,
        latents=_placed(scored.latents, rows),
        reference_scores=scored.reference_scores,
        neighbours=None if contents.embeddings is None else _neighbours(contents.embeddings, loops["loop_id"]),
        moments=None if contents.embeddings is None else _moments(contents.embeddings, loops, scored),
        lessons=None if contents.embeddings is None else _lessons(loops, contents.embeddings, scored),
    )


def _with_silence(loops: pd.DataFrame, library: Library | None) -> pd.DataFrame:
    """Rows that cannot be heard say so, in a few words."""
    if library is None or not library.silent:
        return loops
    said = [library.silent.get(loop_id, "").partition(":")[0].rstrip(".") for loop_id in loops["loop_id"]]
    both = zip(loops["brief"], said, strict=True)
    return loops.assign(brief=[" · ".join(filter(None, pair)) for pair in both])


def _moments(embeddings: EmbeddingSet, loops: pd.DataFrame, scored: ScoredLoops) -> MomentFinder | None:
    """Says where a loop is oddest, beside moments of loops that are like it, sound and usual."""
    try:
        detector = scored.detector
        curves = detector.curves if isinstance(detector, HearsMoments) else None
    except ModelError:  # a damaged model: that was said, and it was set aside
        return None
    if curves is None:
        return None
    usual = (loops["percentile"] <= USUAL_PERCENTILE) & (loops["faults"] == 0)
    known = {loop_id: row for row, loop_id in enumerate(embeddings.loop_ids)}
    compared = np.zeros(len(embeddings.X), dtype=bool)
    compared[[known[loop_id] for loop_id in loops["loop_id"][usual] if loop_id in known]] = True

    def near(loop_id: str) -> list[str]:
        row = known.get(loop_id)
        if row is None:
            return []
        found, _ = nearest_to(embeddings.X[row], embeddings.X, COMPARED, compared)
        return [embeddings.loop_ids[other] for other in found[0] if other != row]

    return MomentFinder(curves, _stored_patches, near)


def _stored_patches(loop_ids: Collection[str], patch_id: str) -> Mapping[str, Patches]:
    return store().get_patches(loop_ids, patch_id)


def _lessons(loops: pd.DataFrame, embeddings: EmbeddingSet, scored: ScoredLoops) -> Lessons:
    """Marks on the library of the model teach too: they carry over to a pack that it scores."""
    detector, here = scored.detector, set(loops["loop_id"])
    away = np.array([loop_id not in here for loop_id in detector.loop_ids_], dtype=bool)
    if not away.any():
        return Lessons(loops, embeddings, _marks)
    ids = [loop_id for loop_id, is_away in zip(detector.loop_ids_, away, strict=True) if is_away]
    evidence = detector_evidence(percentile_of(scored.reference_scores, detector.scores_[away]))
    vectors = partial(_stored_vectors, encoder_id=embeddings.encoder_id)
    return Lessons(loops, embeddings, _marks, Elsewhere(dict(zip(ids, evidence.tolist(), strict=True)), vectors))


def _stored_vectors(loop_ids: Collection[str], encoder_id: str) -> Mapping[str, Float]:
    return store().get_embeddings(sorted(loop_ids), encoder_id)


def _marks() -> dict[str, str]:
    """All there are."""
    return {loop_id: kept.mark for loop_id, kept in store().get_marks().items() if kept.mark}


def _placed(values: Float, rows: "pd.Series[float]") -> Float:
    """`values` in the order of the list, NaN in rows that have none."""
    missing = rows.isna().to_numpy()
    placed = values[rows.fillna(0).astype(int).to_numpy()].astype(np.float32)
    placed[missing] = np.nan
    return placed


def _new(split: "pd.Series[str]") -> "pd.Series[str]":
    """Whether a loop came after the model was trained; unknown where it knows none of them, another folder's."""
    is_new = split == "new"
    if not (is_new.any() and (~is_new & split.notna()).any()):
        return pd.Series(None, index=split.index, dtype=object)
    return is_new.map({True: "New since training", False: None})


def _described(contents: Contents) -> pd.DataFrame:
    """One row per loop: name, folder and duration, when the youngest of its copies changed, what its name says."""
    assert contents.library is not None  # the caller looked
    youngest = contents.library.loops.groupby("loop_id", sort=False)["mtime_ns"].max()  # in the order of `unique`
    loops = contents.library.unique[["loop_id", "name", "folder", "duration_s"]]
    loops = loops.assign(modified=youngest.to_numpy() / 1e9)
    if contents.embeddings is not None:  # what cannot be embedded is listed with its reason, not here
        failed = set(contents.embeddings.rejected["path"])
        files = zip(contents.library.loops["path"], contents.library.loops["loop_id"], strict=True)
        loops = loops[~loops["loop_id"].isin({loop_id for path, loop_id in files if path in failed})]
    if contents.metadata is not None:
        known = contents.metadata.table.drop_duplicates("loop_id")
        known = known[["loop_id", "instrument", "genre", "bpm", "key", "loop_structure"]]
        loops = loops.merge(known, on="loop_id", how="left", validate="one_to_one")
    return loops


def _neighbours(embeddings: EmbeddingSet, loop_ids: "pd.Series[str]") -> Callable[[int], Int] | None:
    """Answers which of these loops lie nearest to one of them by embedding, by row; None where there are too few."""
    if len(loop_ids) < 3:
        return None
    known = {loop_id: row for row, loop_id in enumerate(embeddings.loop_ids)}
    rows = np.array([known.get(loop_id, -1) for loop_id in loop_ids])
    embedded = np.flatnonzero(rows >= 0)
    shown_as = np.full(len(embeddings.X), -1)
    shown_as[rows[embedded]] = embedded

    def near(row: int) -> Int:
        if rows[row] < 0:
            return np.empty(0, np.int64)
        found, _ = nearest_to(embeddings.X[rows[row]], embeddings.X, NEIGHBOURS + 1, shown_as >= 0)
        others: Int = shown_as[found[0]]
        others = others[others != row]
        return others[:NEIGHBOURS]

    return near
