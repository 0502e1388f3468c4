"""Drift: how far the folders of an archive lie from the library that a model learnt from.

A folder is a cluster, never a random part of a library. So its loops that are new to the model are held against the
folders that it learnt from, as many loops of each against all others that were learnt: a folder of the same kind is the
farthest of n + 1 once in n + 1 times. Where fewer than five were learnt there is only the distance to tell, beside
those of random parts (`analysis.collections`), which most folders exceed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loopscope.analysis.collections import CollectionDifference, difference_from
from loopscope.archive.manifest import Archive
from loopscope.arrays import Bool, Float
from loopscope.detection.base import MIN_LOOPS, BaseDetector
from loopscope.detection.collection import LARGEST_SAMPLE, Collection, Summary, frechet_distance, summarise
from loopscope.errors import Cancelled, ModelError
from loopscope.progress import Progress, ProgressCallback, StopCheck, ignore_progress, never_stop

STAGE = "Comparing folders"
MIN_FOLDERS = 5  # fewer do not say how far folders lie from each other


@dataclass(frozen=True)
class Drift:
    """An indexed folder: `n_loops` that its files hold, `n_new` of them to the model.

    `difference` of these from what was learnt, None where there are too few to compare: `low` and `high` are the
    distances of the `n_learnt` folders that the model learnt from, or of random parts where `n_learnt` is below 5.
    """

    folder: str
    n_loops: int
    n_new: int
    n_learnt: int
    difference: CollectionDifference | None

    @property
    def differs(self) -> bool | None:
        """Whether it is farther off than every folder that was learnt; None where nobody can say."""
        if self.difference is None or self.n_learnt < MIN_FOLDERS:
            return None
        return self.difference.differs

    def sentence(self) -> str:
        """What there is to say of it."""
        if self.difference is None:
            return f"{self.n_new:,} of {self.n_loops:,} loops are new to the model, too few to compare"
        found = self.difference
        farther = "farther" if found.differs else "no farther"
        distances = f"distance {found.distance:.2f}, theirs {found.low:.2f} to {found.high:.2f}"
        if self.differs is None:
            return (
                f"{farther} from what the model learnt from than random parts of that ({distances}), which promises "
                f"nothing: most folders are farther, and it learnt from fewer than {MIN_FOLDERS} here"
            )
        return (
            f"{farther} from what the model learnt from than the {self.n_learnt} folders in it are from each other "
            f"({distances})"
        )


def drift_of(
    archive: Archive,
    model: BaseDetector,
    on_progress: ProgressCallback = ignore_progress,
    should_stop: StopCheck = never_stop,
) -> list[Drift]:
    """Of each indexed folder, in alphabetical order. Raises ModelError for a model of another encoder; Cancelled."""
    parts, folders = archive.present[0], archive.folders
    model.require_encoder(parts.encoder_id, parts.n_features)
    library = model.fitted.collection
    if library is None:
        raise ModelError("The model is of an older version, which kept no library to compare with; fit it again.")
    on_progress(Progress(STAGE, 0, len(folders), unit="folders"))
    placed = [np.empty((0, library.axes.shape[1]), np.float32)]
    for X in parts.chunks():
        _stop_if(should_stop)
        placed.append(library.place(X))
    coordinates = np.concatenate(placed)
    is_learnt = _among(parts.loop_ids, pa.array(model.loop_ids_, pa.large_string()))
    inside = [_among(parts.loop_ids, _ids_in(archive, folder)) for folder in folders]
    learnt = _LearntFolders(library, coordinates, is_learnt, inside)
    found = []
    for number, (folder, here) in enumerate(zip(folders, inside, strict=True)):
        _stop_if(should_stop)
        on_progress(Progress(STAGE, number, len(folders), unit="folders"))
        new = coordinates[here & ~is_learnt]
        found.append(Drift(folder, int(here.sum()), len(new), len(learnt.folders), learnt.difference_of(new)))
    return found


class _LearntFolders:
    """Coordinates (n, k) of what a model learnt from, folder by folder, each beside a summary of all others."""

    def __init__(self, library: Collection, coordinates: Float, is_learnt: Bool, inside: Sequence[Bool]) -> None:
        self.library = library
        self.folders: list[tuple[Float, Summary]] = []
        for here in inside:
            own, others = coordinates[is_learnt & here], coordinates[is_learnt & ~here]
            if min(len(own), len(others)) >= MIN_LOOPS:
                self.folders.append((own, summarise(others)))
        self._all = summarise(coordinates[is_learnt]) if self.folders else None

    def difference_of(self, new: Float) -> CollectionDifference | None:
        """Of new loops, (n, k); None for too few. As many of each folder, half the folders may have fewer."""
        rng = np.random.default_rng(0)
        if min(len(new), len(self.library.coordinates)) < MIN_LOOPS:
            return None
        if self._all is None or len(self.folders) < MIN_FOLDERS:
            return difference_from(self.library.coordinates, _some(new, LARGEST_SAMPLE, rng))
        n = min(len(new), int(np.median([len(own) for own, _ in self.folders])))
        theirs = [frechet_distance(summarise(_some(own, n, rng)), others) for own, others in self.folders]
        distance = frechet_distance(summarise(_some(new, n, rng)), self._all)
        return CollectionDifference(distance, min(theirs), max(theirs), n)


def _some(rows: Float, n: int, rng: np.random.Generator) -> Float:
    """At most n of them."""
    return rows[rng.permutation(len(rows))[:n]]


def _ids_in(archive: Archive, folder: str) -> pa.Array:
    return pc.cast(archive.listing(folder).column("loop_id"), pa.large_string()).combine_chunks()


def _among(loop_ids: pa.ChunkedArray, some: pa.Array) -> Bool:
    return np.asarray(pc.is_in(loop_ids, value_set=some))


def _stop_if(should_stop: StopCheck) -> None:
    if should_stop():
        raise Cancelled("The comparison of folders was stopped.")
