"""What makes a model of a fit: its rows in their own order with their ids, its measures, its warnings, its library.

Conventions: as in `base`; X is (n, n_features) float32 in canonical order.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from loopscope.arrays import Bool, Float, Int
from loopscope.detection.collection import collection_of
from loopscope.detection.fitted import FitReport, Fitted
from loopscope.detection.quality import warnings_for
from loopscope.errors import DataError, ModelError


@dataclass(frozen=True)
class Rows:
    """What is fitted on: X in canonical order with the groups of equal rows, the order they came in, their names."""

    X: Float
    groups: Int
    order: Int
    loop_ids: tuple[str, ...]
    encoder_id: str | None


def checked_ids(loop_ids: Sequence[str] | None, n: int) -> tuple[str, ...]:
    """An id for each of n rows, () where none are given. Raises DataError."""
    if loop_ids is None:
        return ()
    ids = tuple(str(loop_id) for loop_id in loop_ids)
    if len(ids) != n:
        raise DataError(f"{len(ids)} loop ids were given for {n} embeddings; pass one id per row.")
    if len(set(ids)) != n:
        raise DataError(f"{n - len(set(ids))} of {n} loop ids are repeated; pass every loop once.")
    return ids


def require_variety(n: int, n_distinct: int, least: int) -> None:
    """Raises DataError where so many different rows among n are too few."""
    if n_distinct < least:
        raise DataError(
            f"{n_distinct} different embeddings among {n} loops are too few to learn what is normal; "
            f"choose a folder with at least {least} different loops."
        )


def finite(values: Float) -> Float:
    """What a model gives. Raises ModelError where that is no number."""
    if not np.isfinite(values).all():
        raise ModelError("The model gives values that are no numbers; train it again.")
    return values


def judged(fitted: Fitted, rows: Rows, seconds: float) -> Fitted:
    """All that is known of the rows, in the order they came in; `fitted` is in canonical order. Raises ModelError."""
    finite(fitted.scores)
    return replace(
        fitted.in_order(np.argsort(rows.order)),
        report=_report(fitted, seconds),
        loop_ids=rows.loop_ids,
        encoder_id=rows.encoder_id,
        n_features=rows.X.shape[1],
        collection=collection_of(rows.X, rows.groups),
    )


def exceedance(scores: Float, validation: Bool, percentile: float = 95.0) -> float:
    """Share of the validation rows above the percentile of the training rows' scores (nominal 1 - percentile/100)."""
    if validation.all() or not validation.any():
        return float("nan")
    return float(np.mean(scores[validation] > np.percentile(scores[~validation], percentile)))


def _report(fitted: Fitted, seconds: float) -> FitReport:
    """The report with the measures that every detector has, and a warning for each check that was not passed."""
    measures = {
        "held_out_exceedance": exceedance(fitted.scores, fitted.validation),
        "held_out_loops": float(fitted.validation.sum()),
        "training_loops": float((~fitted.validation).sum()),
        **fitted.report.measures,
    }
    warnings = (*fitted.report.warnings, *warnings_for(measures))
    return replace(fitted.report, seconds=seconds, measures=measures, warnings=warnings)
