"""Fitted detectors on disk: one folder each, `arrays.safetensors` and a JSON card, no pickle.

Conventions: a model is complete or absent: it is written beside its place and renamed into it. The card says what the
model is (encoder, preset, seed, data, thresholds, checks) and holds the checksum of its arrays. Joined on loop_id: the
card lists the ids of the fitted loops in the order of the arrays' rows (`saved_format`). A folder that does not read is
moved to `damaged/` with the reason, neither deleted nor trusted.
"""

import json
import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from loopscope import config
from loopscope.arrays import Float
from loopscope.detection import saved_format
from loopscope.detection.base import BaseDetector
from loopscope.detection.fitted import Arrays
from loopscope.detection.registry import make_detector
from loopscope.errors import DataError, ModelError
from loopscope.files import file_sha256, flush, free_name, remove_folder, unfinished_folder

log = logging.getLogger(__name__)

CARD, ARRAYS = "card.json", "arrays.safetensors"
DAMAGED, REASON = "damaged", "reason.txt"
TOLERANCE = 1e-4  # relative, between the scores of the probe when saved and when loaded
LISTED = ("name", "saved", "detector", "preset", "seed", "encoder_id", "n_loops", "threshold_95", "collapsed")


def save_model(detector: BaseDetector, name: str, data_summary: Mapping[str, Any], folder: Path | None = None) -> Path:
    """Write a fitted detector; returns its folder. `data_summary` is any JSON-ready description of the loops.

    Raises ModelError when the detector was not fitted or the disk refuses.
    """
    n_loops = len(detector.scores_)
    home = folder or config.paths().models
    try:
        with unfinished_folder(home) as part:
            save_file(saved_format.arrays_of(detector), part / ARRAYS)
            card = saved_format.card_of(detector, name, data_summary, file_sha256(part / ARRAYS))
            (part / CARD).write_text(json.dumps(card, indent=1), encoding="utf-8")
            flush(part)
            place = part.rename(free_name(home / _slug(name)))
    except (OSError, SafetensorError) as error:  # safetensors has its own error for a full disk
        raise ModelError(f"The model {name!r} was not saved in {home} ({error}); free some space.") from error
    log.info("save: a model of %d loops, %s, %s", n_loops, detector.name, detector.preset)
    return place


def load_model(path: str | Path, *, check: bool = True) -> BaseDetector:
    """A saved detector, ready to score. Raises ModelError; what does not read is set aside first (see `damaged`).

    Without `check` it is not asked whether it scores as it did when it was saved: its scores of the loops it was
    fitted on are at hand at once, and what new loops need is made when they come.
    """
    path = Path(path)
    if not path.is_dir():
        raise ModelError(f"There is no saved model at {path}; choose one of the list.")
    try:
        card, arrays = saved_format.up_to_date(_read_card(path), _read_arrays(path))
        detector = make_detector(card["detector"], card["preset"], card["seed"], **_options(card))
        detector.restore(saved_format.fitted_from(card, arrays), saved_format.state_from(arrays))
    except (ValueError, KeyError, TypeError, RuntimeError, SafetensorError, DataError) as error:
        raise ModelError(_set_aside(path, str(error))) from error
    if check:
        _check_probe(detector, arrays[saved_format.PROBE], path)
    return detector


def list_models(folder: Path | None = None) -> pd.DataFrame:
    """One row per readable model, newest first: path, name, saved, detector, preset, seed, encoder_id, n_loops, …

    `complete` is False where training was stopped before its end.
    """
    home = folder or config.paths().models
    rows = []
    for path in sorted(home.iterdir()) if home.is_dir() else []:
        if not path.is_dir() or path.name.startswith(".") or path.name == DAMAGED:
            continue
        try:
            card = _read_card(path)
            complete = "report" not in card or card["report"].get("complete", True)
            rows.append({"path": str(path), **{key: card[key] for key in LISTED}, "complete": complete})
        except (ValueError, KeyError, AttributeError) as error:
            _set_aside(path, str(error))
    table = pd.DataFrame(rows, columns=["path", *LISTED, "complete"])
    return table.sort_values(["saved", "name"], ascending=[False, True], ignore_index=True)


def damaged(folder: Path | None = None) -> pd.DataFrame:
    """Folders that were set aside: path, reason."""
    home = (folder or config.paths().models) / DAMAGED
    found = sorted(home.iterdir()) if home.is_dir() else []
    reasons = [(path / REASON) for path in found]
    texts = [file.read_text(encoding="utf-8") if file.exists() else "unknown" for file in reasons]
    return pd.DataFrame({"path": [str(path) for path in found], "reason": texts})


def delete_model(path: str | Path) -> None:
    """Remove a saved model. Raises ModelError when the folder is not one."""
    path = Path(path)
    if not (path / CARD).is_file():
        raise ModelError(f"{path} is not a saved model, so it was not deleted; choose one of the list.")
    remove_folder(path)


def _check_probe(detector: BaseDetector, saved: Float, path: Path) -> None:
    now = saved_format.probe_scores(detector)
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
    if not isinstance(card, dict) or card.get("format") not in (*saved_format.MIGRATIONS, saved_format.FORMAT):
        raise ValueError(f"the card is not of format {saved_format.FORMAT} or an older one")
    missing = {*LISTED, "arrays_sha256", "loop_ids", "options", "n_features"} - set(card)
    if missing:
        raise ValueError(f"the card lacks {', '.join(sorted(missing))}")
    return card


def _read_arrays(path: Path) -> Arrays:
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
