"""Percentile ↔ value ↔ flags, apart from scoring: moving a threshold never scores anything anew.

Conventions: `reference_scores` are the ascending scores of the training loops (paper section 5.4), (m,); percentiles
run from 0 to 100; scores above a threshold are anomalies, higher = more anomalous.
"""

import numpy as np
from numpy.typing import ArrayLike

from loopscope.arrays import Bool, Float
from loopscope.errors import DataError


def threshold_at(reference_scores: ArrayLike, percentile: float) -> float:
    """The score below which `percentile` per cent of the reference lies (linear between neighbours).

    >>> threshold_at([1.0, 2.0, 3.0, 4.0, 5.0], 75)
    4.0
    """
    reference = _reference(reference_scores)
    if not 0 <= percentile <= 100:
        raise DataError(f"The percentile is {percentile}; choose one between 0 and 100.")
    return float(np.percentile(reference, percentile))


def percentile_of(reference_scores: ArrayLike, scores: ArrayLike) -> Float:
    """Where scores lie among the reference, (n,) in 0 to 100: the reverse of `threshold_at`.

    >>> percentile_of([1.0, 2.0, 3.0, 4.0, 5.0], [4.0, 9.0]).tolist()
    [75.0, 100.0]
    """
    reference = _reference(reference_scores)
    values = np.asarray(scores, dtype=np.float64)
    if len(reference) == 1:
        return np.where(values > reference[0], 100.0, np.where(values < reference[0], 0.0, 50.0))
    steps, first = np.unique(reference, return_index=True)
    last = len(reference) - 1 - np.unique(reference[::-1], return_index=True)[1]
    position = np.interp(values, steps, (first + last) / 2)
    position = np.where(values > reference[-1], len(reference) - 1, np.where(values < reference[0], 0, position))
    return position / (len(reference) - 1) * 100


def is_anomaly(scores: ArrayLike, threshold: float) -> Bool:
    """Whether each score lies above the threshold, (n,) bool.

    >>> is_anomaly([1.0, 4.0, 5.0], 4.0).tolist()
    [False, False, True]
    """
    return np.asarray(scores, dtype=np.float64) > threshold


def _reference(reference_scores: ArrayLike) -> Float:
    reference = np.asarray(reference_scores, dtype=np.float64)
    if reference.size == 0:
        raise DataError("There are no training scores to take a threshold from; fit the detector first.")
    return np.sort(reference)
