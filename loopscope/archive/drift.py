"""Drift: how far the folders of an archive lie from the library that a model learnt from.

Like is compared with like (`analysis.collections`): loops that are new to the model, at most 10,000 of a folder, with
as many of the library. A folder that drifts asks for a model that is fitted anew.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loopscope.analysis.collections import CollectionDifference, collection_difference
from loopscope.archive.manifest import Archive
from loopscope.archive.sample import stratified_sample
from loopscope.detection.base import MIN_LOOPS, BaseDetector
from loopscope.detection.collection import LARGEST_SAMPLE
from loopscope.errors import Cancelled, ModelError
from loopscope.progress import Progress, ProgressCallback, StopCheck, ignore_progress, never_stop

STAGE = "Comparing folders"


@dataclass(frozen=True)
class Drift:
    """An indexed folder: `n_loops` that its files hold, `n_new` of them to the model.

    `difference` of these from the model's library, None where there are too few to compare.
    """

    folder: str
    n_loops: int
    n_new: int
    difference: CollectionDifference | None

    def sentence(self) -> str:
        """What there is to say of it."""
        if self.difference is None:
            return f"{self.n_new:,} of {self.n_loops:,} loops are new to the model, too few to compare"
        found = self.difference
        says = "differs from what the model learnt from" if found.differs else "is like what the model learnt from"
        return f"{says} (distance {found.distance:.2f}, within the library {found.low:.2f} to {found.high:.2f})"


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
    learnt_from = pa.array(model.loop_ids_, pa.large_string())
    is_new = np.asarray(pc.invert(pc.is_in(parts.loop_ids, value_set=learnt_from)))
    found = []
    for number, folder in enumerate(folders):
        if should_stop():
            raise Cancelled("The comparison of folders was stopped.")
        on_progress(Progress(STAGE, number, len(folders), unit="folders"))
        ids = pc.cast(archive.listing(folder).column("loop_id"), pa.large_string()).combine_chunks()
        inside = np.asarray(pc.is_in(parts.loop_ids, value_set=ids))
        rows = np.flatnonzero(inside & is_new)
        difference = None
        if min(len(rows), len(library.coordinates)) >= MIN_LOOPS:
            some = stratified_sample(parts.loop_ids.take(pa.array(rows)), np.zeros(len(rows), np.int64), LARGEST_SAMPLE)
            chosen = np.zeros(len(inside), np.bool_)
            chosen[rows[some]] = True
            difference = collection_difference(library, parts.matrix(chosen))
        found.append(Drift(folder, int(inside.sum()), len(rows), difference))
    return found
