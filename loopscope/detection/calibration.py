"""Scores of different kinds on one scale, and one score from several.

Conventions: raw parts are positive, (n,), higher = more anomalous. A calibrated part is a robust z-score of the part's
logarithm: 0 is the typical fitted loop, 1 one robust standard deviation above it (1.4826 times the median absolute
deviation, so that a tenth of odd loops does not move the scale). The fused score is positive and 1 for a loop that is
typical in every part.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from loopscope.arrays import Float

TINY = 1e-12  # below any part of a loop that differs from the others
NARROWEST = 1e-3  # log units; parts that hardly vary are not blown up to look as if they did
MAD_TO_DEVIATION = 1.4826  # of a normal distribution


def log_part(raw: Float) -> Float:
    """Natural logarithm of a raw part, finite also for zeros."""
    logs: Float = np.log(np.maximum(np.asarray(raw, dtype=np.float64), TINY))
    return logs


def median_and_scale(values: Float) -> tuple[float, float]:
    """Location and robust standard deviation of values, (n,)."""
    centre = float(np.median(values))
    return centre, max(MAD_TO_DEVIATION * float(np.median(np.abs(values - centre))), NARROWEST)


def fuse(parts: Mapping[str, Float], weights: Mapping[Any, float] | None = None) -> Float:
    """Mean over calibrated parts of log2(1 + exp(z)): nearly linear above typical, nearly 0 below. Shapes are kept.

    A loop that is odd in one part only still stands out; one that is a little less than typical is not rewarded.
    """
    counts = None if weights is None else [weights[name] for name in parts]
    mean: Float = np.average([np.logaddexp(0, z) for z in parts.values()], axis=0, weights=counts) / np.log(2)
    return mean
