"""What one explorer shows: a model's scores, latents and map beside what is known of each loop.

Conventions: one row per loop of the model, in the order of `ScoredLoops.scores`; scores: higher = more anomalous.
"""

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from loopscope.analysis.pipeline import ScoredLoops
from loopscope.arrays import Bool, Float, Int
from loopscope.embeddings import EmbeddingSet
from loopscope.embeddings.neighbours import nearest_to
from loopscope.errors import DataError
from loopscope.library import Library
from loopscope.ui.components import encoder_name, printable_table
from loopscope.ui.metadata_task import metadata_of
from loopscope.ui.server.media import session_token
from loopscope.ui.state import SessionState, kept

NEIGHBOURS = 12
_COLUMNS = ("loop_id", "name", "folder", "duration_s", "score", "split")


@dataclass(frozen=True)
class ExplorerView:
    """What one explorer shows. Rows of `loops` and of the arrays correspond.

    version: names the content; must change whenever anything below changes.
    title: shown above the views, for example "AEwRES · robust · aiSFX".
    loops: loop_id (unique), name, folder, duration_s, score (higher = more anomalous; NaN where a loop has none yet),
        split ("train" | "validation"); where known also instrument, bpm, key, category, fault.
    coordinates: (n, k) float32, principal components of the latents. explained_variance: (k,) ratios.
    latents: (n, d) float32. Both NaN for loops without a score.
    reference_scores: (m,) ascending; the scores that a percentile threshold refers to. Empty only where no loop has a
        score.
    neighbours: row number within `loops` -> row numbers, nearest first, without the loop itself; asked on the server's
        threads, for one loop at a time. None: the browser takes Euclidean distance of the latents.
    """

    version: str
    title: str
    loops: pd.DataFrame
    coordinates: Float
    explained_variance: Float
    latents: Float
    reference_scores: Float
    neighbours: Callable[[int], Int] | None = None

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


def explorer_view(
    state: SessionState, library: Library, embeddings: EmbeddingSet, label: str, scored: ScoredLoops
) -> ExplorerView:
    """The session's model of this label for the browser, made once per fitted model and state of the metadata."""
    content = f"{label} {state.generation} {state.metadata_changes} {session_token()}"
    version = hashlib.blake2b(content.encode(), digest_size=8).hexdigest()

    def make() -> ExplorerView:
        loops = scored.scores.merge(_described(state, library), on="loop_id", how="left", validate="one_to_one")
        return ExplorerView(
            version=version,
            title=f"{label} · {encoder_name()}",
            loops=printable_table(loops),
            coordinates=scored.projection.coordinates,
            explained_variance=scored.projection.explained_variance,
            latents=scored.latents,
            reference_scores=scored.reference_scores,
            neighbours=_neighbours(embeddings, loops["loop_id"]),
        )

    return kept("explorer-view", version, make)


def _described(state: SessionState, library: Library) -> pd.DataFrame:
    """One row per loop: name, folder and duration, what its name says, and the faults the signal checks are sure of."""
    loops = library.unique[["loop_id", "name", "folder", "duration_s"]]
    known = metadata_of(state, library).table.drop_duplicates("loop_id")
    known = known[["loop_id", "instrument", "genre", "bpm", "key", "loop_structure"]]
    loops = loops.merge(known, on="loop_id", how="left", validate="one_to_one")
    if state.faults is None:
        return loops
    sure = state.faults[state.faults["verdict"] == "fault"]
    kinds = sure.groupby("loop_id")["kind"].agg(lambda kinds: ", ".join(sorted(set(kinds))))
    return loops.assign(fault=loops["loop_id"].map(kinds).fillna(""))


def _neighbours(embeddings: EmbeddingSet, loop_ids: "pd.Series[str]") -> Callable[[int], Int] | None:
    """Answers which of these loops lie nearest to one of them by embedding, by row; None where there are too few."""
    if len(loop_ids) < 3:
        return None
    rows = np.array([embeddings.row_of(loop_id) for loop_id in loop_ids])
    shown_as = np.full(len(embeddings.X), -1)
    shown_as[rows] = np.arange(len(rows))

    def near(row: int) -> Int:
        found, _ = nearest_to(embeddings.X[rows[row]], embeddings.X, NEIGHBOURS + 1, shown_as >= 0)
        others: Int = shown_as[found[0]]
        others = others[others != row]
        return others[:NEIGHBOURS]

    return near
