"""One model's score, its parts alone, and the scores of other models, on the labelled loops that all of them score."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from loopscope.analysis.explanation import title_of
from loopscope.analysis.scoring import ScoredLoops
from loopscope.arrays import Float
from loopscope.detection.evaluation import ALL, LabelledSet
from loopscope.detection.paired import side_by_side
from loopscope.errors import DataError

PART = "· "  # before the title of a part


def beside(
    data: LabelledSet, models: Mapping[str, ScoredLoops], first: str, category: str = ALL
) -> tuple[pd.DataFrame, int]:
    """`side_by_side` of the model named `first`, its parts where there are several, and the others by their names; and
    how many loops that is of. With a `category` anomalies of others are left out. So is a part that says nothing of
    most loops. Raises DataError where these are all of one kind.
    """
    own = models[first]
    columns = {first: _of(data, own, own.scores["score"].to_numpy())}
    if len(own.components) > 1:
        detector = own.detector.name
        parts = {PART + title_of(detector, name): _of(data, own, part) for name, part in own.components.items()}
        n = np.isfinite(columns[first]).sum()
        columns |= {title: part for title, part in parts.items() if 2 * np.isfinite(part).sum() >= n}
    columns |= {
        name: _of(data, model, model.scores["score"].to_numpy()) for name, model in models.items() if name != first
    }
    scored = np.isfinite(list(columns.values())).all(axis=0)
    if category != ALL:
        scored &= (data.labels == 0) | (data.categories == category)
    labels = data.labels[scored]
    if not 0 < labels.sum() < len(labels):
        raise DataError("The models score no labelled loops of both kinds together, so they cannot be compared.")
    return side_by_side(labels, {name: values[scored] for name, values in columns.items()}), len(labels)


def _of(data: LabelledSet, model: ScoredLoops, values: Float) -> Float:
    """Values by row of the model, by row of the labels; NaN where it has none."""
    return pd.Series(values, model.scores["loop_id"]).reindex(list(data.loop_ids)).to_numpy(np.float64)
