"""A fitted detector as named arrays and a JSON-ready card, and back; what older versions wrote is brought up to date.

Conventions: both walk over the fields of `Fitted`: arrays lie among the arrays by the field's name, one for each of the
components and of the collection, all else on the card. The arrays that scoring needs (`BaseDetector.state`) begin with
"state.".
"""

import datetime
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopscope.arrays import Float
from loopscope.detection.base import BaseDetector
from loopscope.detection.collection import Collection
from loopscope.detection.fitted import Arrays, FitReport, Fitted
from loopscope.detection.quality import quality_checks
from loopscope.detection.thresholds import threshold_at
from loopscope.progress import EpochReport

FORMAT = 2
PERCENTILES = (90.0, 95.0, 97.5, 99.0)
STATE, COMPONENT, COLLECTION = "state.", "component.", "collection."
PROBE = "probe_scores"
NEWER = ("collection", "patch_id", "patch_seconds")  # fields that older files have not


def arrays_of(detector: BaseDetector) -> dict[str, NDArray[Any]]:
    """Every array of a fitted detector by name."""
    fitted = detector.fitted
    own = {
        **{name: value for name, value in _values(fitted).items() if isinstance(value, np.ndarray)},
        **{COMPONENT + name: part for name, part in fitted.components.items()},
        **{COLLECTION + name: array for name, array in _collection_arrays(fitted).items()},
        **{STATE + name: array for name, array in detector.state().items()},
        PROBE: probe_scores(detector),
    }
    return {name: np.ascontiguousarray(array) for name, array in own.items()}


def card_of(detector: BaseDetector, name: str, data_summary: Mapping[str, Any], arrays_sha256: str) -> dict[str, Any]:
    """What the model is, for people and for `fitted_from`."""
    fitted = detector.fitted
    thresholds = {f"{p:g}": threshold_at(fitted.reference_scores, p) for p in PERCENTILES}
    return {
        "format": FORMAT,
        "name": name,
        "saved": datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds"),  # two may come in one second
        "detector": detector.name,
        "preset": detector.preset,
        "seed": detector.seed,
        "options": detector.options,
        "data": dict(data_summary),
        "n_loops": len(fitted.scores),
        "thresholds": thresholds,
        "threshold_95": thresholds["95"],
        "collapsed": fitted.report.collapsed,
        "quality_checks": [asdict(check) for check in quality_checks(fitted.report.measures)],
        "arrays_sha256": arrays_sha256,
        **{field: value for field, value in _values(fitted).items() if not isinstance(value, np.ndarray)},
        "collection": list(_collection_arrays(fitted)),
        "components": list(fitted.components),
        "report": asdict(fitted.report),
    }


def fitted_from(card: Mapping[str, Any], arrays: Arrays) -> Fitted:
    """The reverse of both. Raises KeyError or TypeError for what they did not write."""
    found: dict[str, Any] = {
        field.name: (arrays if field.name in arrays else card)[field.name]
        for field in fields(Fitted)
        if field.name not in NEWER or field.name in card
    }
    kept = {name.removeprefix(COLLECTION): array for name, array in arrays.items() if name.startswith(COLLECTION)}
    found["collection"] = Collection(**kept) if kept else None
    found["components"] = {name: arrays[COMPONENT + name] for name in card["components"]}
    found["loop_ids"] = tuple(card["loop_ids"])
    history = tuple(EpochReport(**epoch) for epoch in card["report"]["history"])
    found["report"] = FitReport(**card["report"] | {"history": history, "warnings": tuple(card["report"]["warnings"])})
    return Fitted(**found)


def state_from(arrays: Arrays) -> Arrays:
    """The arrays that scoring needs, named as the detector named them."""
    return {name.removeprefix(STATE): array for name, array in arrays.items() if name.startswith(STATE)}


def probe_scores(detector: BaseDetector) -> Float:
    """Scores of made-up embeddings, (4,): a loaded model must give those of the saved one."""
    X = np.random.default_rng(0).normal(size=(4, detector.fitted.n_features))
    return detector.anomaly_scores(X, patches=detector.made_up_patches(4))


def up_to_date(card: dict[str, Any], arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
    """A card and its arrays as the present format has them."""
    for number in range(card["format"], FORMAT):
        card, arrays = MIGRATIONS[number](card, arrays)
        card["format"] = number + 1
    return card, arrays


def _from_version_0_1(card: dict[str, Any], arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
    """Format 1: the report in pieces, members' layers one name deeper, a single network's weights (n_out, n_in)."""
    report = {name: card[name] for name in ("collapsed", "warnings", "measures")}
    report["seconds"] = card["training"]["seconds"]
    report["history"] = [asdict(EpochReport(*epoch)) for epoch in card["training"]["history"]]
    renamed = {name.replace(".layers.", "."): array for name, array in arrays.items()}
    batched = {
        name: array.T[None] if name.endswith(".weight") and array.ndim == 2 else array
        for name, array in renamed.items()
    }
    no_repeats = np.empty((0, len(arrays["scores"])))  # the first files had no such array
    return {**card, "report": report}, {"repeat_scores": no_repeats, **batched}


MIGRATIONS: Mapping[int, Callable[[dict[str, Any], Arrays], tuple[dict[str, Any], Arrays]]] = {1: _from_version_0_1}


def _collection_arrays(fitted: Fitted) -> dict[str, NDArray[Any]]:
    return {} if fitted.collection is None else fitted.collection._asdict()


def _values(fitted: Fitted) -> dict[str, Any]:
    return {field.name: getattr(fitted, field.name) for field in fields(fitted)}
