"""Fitted detectors on disk: one folder each, `arrays.safetensors` and a JSON card, no pickle.

Conventions: a model is complete or absent: it is written beside its place and renamed into it. The card says what the
model is (encoder, preset, seed, data, thresholds, checks) and holds the checksum of its arrays. Joined on loop_id: the
card lists the ids of the fitted loops in the order of the arrays `scores`, `split` and `latents`. A folder that does
not read is moved to `damaged/` with the reason, neither deleted nor trusted.
"""

import datetime
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from loopscope import config
from loopscope.detection.base import BaseDetector
from loopscope.detection.quality import quality_checks
from loopscope.detection.registry import FitReport, make_detector
from loopscope.detection.thresholds import threshold_at
from loopscope.errors import DataError, ModelError
from loopscope.files import file_sha256, flush, free_name, remove_folder, unfinished_folder
from loopscope.progress import EpochReport

log = logging.getLogger(__name__)

FORMAT = 1
CARD, ARRAYS = "card.json", "arrays.safetensors"
DAMAGED, REASON = "damaged", "reason.txt"
PERCENTILES = (90.0, 95.0, 97.5, 99.0)
STATE = "state."  # prefix of the arrays that scoring needs
TOLERANCE = 1e-4  # relative, between the scores of the probe when saved and when loaded
LISTED = ("name", "saved", "detector", "preset", "seed", "encoder_id", "n_loops", "threshold_95", "collapsed")


def save_model(detector: BaseDetector, name: str, data_summary: Mapping[str, Any], folder: Path | None = None) -> Path:
    """Write a fitted detector; returns its folder. `data_summary` is any JSON-ready description of the loops.

    Raises ModelError when the detector was not fitted or the disk refuses.
    """
    if not hasattr(detector, "report_"):
        raise ModelError(f"The detector {detector.name} has not been fitted; fit it before saving.")
    home = folder or config.paths().models
    try:
        with unfinished_folder(home) as part:
            save_file(_arrays(detector), part / ARRAYS)
            card = _card(detector, name, data_summary, file_sha256(part / ARRAYS))
            (part / CARD).write_text(json.dumps(card, indent=1), encoding="utf-8")
            flush(part)
            place = part.rename(free_name(home / _slug(name)))
    except (OSError, SafetensorError) as error:  # safetensors has its own error for a full disk
        raise ModelError(f"The model {name!r} was not saved in {home} ({error}); free some space.") from error
    log.info("save: a model of %d loops, %s, %s", len(detector.scores_), detector.name, detector.preset)
    return place


def load_model(path: str | Path) -> BaseDetector:
    """A saved detector, ready to score. Raises ModelError; what does not read is set aside first (see `damaged`)."""
    path = Path(path)
    if not path.is_dir():
        raise ModelError(f"There is no saved model at {path}; choose one of the list.")
    try:
        card, arrays = _read_card(path), _read_arrays(path)
        detector = make_detector(card["detector"], card["preset"], card["seed"], **_options(card))
        detector.restore({k.removeprefix(STATE): v for k, v in arrays.items() if k.startswith(STATE)})
        _fill(detector, card, arrays)
    except (ValueError, KeyError, TypeError, RuntimeError, SafetensorError, DataError) as error:
        raise ModelError(_set_aside(path, str(error))) from error
    _check_probe(detector, arrays["probe_scores"], path)
    return detector


def list_models(folder: Path | None = None) -> pd.DataFrame:
    """One row per readable model, newest first: path, name, saved, detector, preset, seed, encoder_id, n_loops, …"""
    home = folder or config.paths().models
    rows = []
    for path in sorted(home.iterdir()) if home.is_dir() else []:
        if not path.is_dir() or path.name.startswith(".") or path.name == DAMAGED:
            continue
        try:
            card = _read_card(path)
            rows.append({"path": str(path), **{key: card[key] for key in LISTED}})
        except (ValueError, KeyError) as error:
            _set_aside(path, str(error))
    table = pd.DataFrame(rows, columns=["path", *LISTED])
    return table.sort_values(["saved", "name"], ascending=[False, True], ignore_index=True)


def damaged(folder: Path | None = None) -> pd.DataFrame:
    """Folders that were set aside: path, reason."""
    home = (folder or config.paths().models) / DAMAGED
    found = sorted(home.iterdir()) if home.is_dir() else []
    reasons = [(path / REASON) for path in found]
    texts = [file.read_text(encoding="utf-8") if file.exists() else "unknown" for file in reasons]
    return pd.DataFrame({"path": [str(path) for path in found], "reason": texts})


def model_card(path: str | Path) -> dict[str, Any]:
    """Everything the card says. Raises ModelError when it does not read."""
    try:
        return _read_card(Path(path))
    except (ValueError, KeyError) as error:
        raise ModelError(f"The card of the model at {path} does not read ({error}); train the model again.") from error


def delete_model(path: str | Path) -> None:
    """Remove a saved model. Raises ModelError when the folder is not one."""
    path = Path(path)
    if not (path / CARD).is_file():
        raise ModelError(f"{path} is not a saved model, so it was not deleted; choose one of the list.")
    remove_folder(path)


def _card(detector: BaseDetector, name: str, data_summary: Mapping[str, Any], sha256: str) -> dict[str, Any]:
    report = detector.report_
    thresholds = {f"{p:g}": threshold_at(detector.reference_scores_, p) for p in PERCENTILES}
    return {
        "format": FORMAT,
        "name": name,
        "saved": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "detector": detector.name,
        "preset": detector.preset,
        "seed": detector.seed,
        "options": detector.options,
        "encoder_id": detector.encoder_id,
        "n_features": detector.n_features,
        "n_loops": len(detector.scores_),
        "data": dict(data_summary),
        "thresholds": thresholds,
        "threshold_95": thresholds["95"],
        "collapsed": report.collapsed,
        "warnings": list(report.warnings),
        "measures": dict(report.measures),
        "quality checks": [asdict(check) for check in quality_checks(report.measures)],
        "training": {
            "seconds": report.seconds,
            "epochs": report.epochs,
            "spread_before": report.spread_before,
            "spread_after": report.spread_after,
            "history": [list(vars(epoch).values()) for epoch in report.history],
        },
        "components": list(detector.components_),
        "loop_ids": list(detector.loop_ids_),
        "arrays_sha256": sha256,
    }


def _arrays(detector: BaseDetector) -> dict[str, np.ndarray[Any, Any]]:
    own = {
        "scores": detector.scores_,
        "validation": detector.split_ == "validation",
        "latents": detector.latents_,
        "probe_scores": detector.anomaly_scores(_probe(detector.n_features)),
        "repeat_scores": detector.repeat_scores_,
        **{f"component.{name}": part for name, part in detector.components_.items()},
        **{STATE + name: array for name, array in detector.state().items()},
    }
    return {name: np.ascontiguousarray(array) for name, array in own.items()}


def _probe(n_features: int) -> np.ndarray[Any, Any]:
    """Made-up embeddings, (4, n_features): a loaded model must score them as the saved one did."""
    return np.random.default_rng(0).normal(size=(4, n_features)).astype(np.float32)


def _fill(detector: BaseDetector, card: Mapping[str, Any], arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
    detector.encoder_id, detector.n_features = card["encoder_id"], card["n_features"]
    detector.loop_ids_ = tuple(card["loop_ids"])
    detector.scores_, detector.latents_ = arrays["scores"], arrays["latents"]
    detector.split_ = np.where(arrays["validation"], "validation", "train")
    detector.components_ = {name: arrays[f"component.{name}"] for name in card["components"]}
    detector.repeat_scores_ = arrays.get("repeat_scores", np.empty((0, len(detector.scores_))))
    detector.reference_scores_ = np.sort(detector.scores_[~arrays["validation"]])
    training = card["training"]
    detector.report_ = FitReport(
        history=tuple(EpochReport(*epoch) for epoch in training["history"]),
        seconds=training["seconds"],
        epochs=training["epochs"],
        spread_before=training["spread_before"],
        spread_after=training["spread_after"],
        collapsed=card["collapsed"],
        warnings=tuple(card["warnings"]),
        measures=card["measures"],
    )


def _check_probe(detector: BaseDetector, saved: np.ndarray[Any, Any], path: Path) -> None:
    now = detector.anomaly_scores(_probe(detector.n_features))
    if not np.allclose(now, saved, rtol=TOLERANCE, atol=TOLERANCE):
        raise ModelError(
            f"The model at {path} scores differently here than when saved (by {np.abs(now - saved).max():.1e}); "
            "train it again with the versions installed here."
        )


def _options(card: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in card["options"].items()}


def _read_card(path: Path) -> dict[str, Any]:
    try:
        card = json.loads((path / CARD).read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"the card cannot be read: {error}") from error
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise ValueError(f"the card is not of format {FORMAT}")
    missing = {*LISTED, "arrays_sha256", "loop_ids", "options", "n_features", "training"} - set(card)
    if missing:
        raise ValueError(f"the card lacks {', '.join(sorted(missing))}")
    return card


def _read_arrays(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    file = path / ARRAYS
    if not file.is_file() or file_sha256(file) != _read_card(path)["arrays_sha256"]:
        raise ValueError("the arrays are missing or not the ones that were saved (checksum)")
    return load_file(file)


def _set_aside(path: Path, reason: str) -> str:
    """Move a folder that does not read to `damaged/`; returns the sentence for the user."""
    home = path.parent / DAMAGED
    home.mkdir(exist_ok=True)
    target = free_name(home / path.name)
    path.rename(target)
    log.warning("A saved model does not read and was set aside.")
    sentence = f"The model {path.name} does not read ({reason}) and was set aside in {target}; train it again."
    (target / REASON).write_text(sentence, encoding="utf-8")
    return sentence


def _slug(name: str) -> str:
    return re.sub(r"[^\w-]+", "-", name, flags=re.ASCII).strip("-").lower()[:60] or "model"
