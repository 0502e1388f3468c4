"""Fitted detectors on disk: one folder each, `arrays.safetensors` and a JSON card, no pickle.

Conventions: a model is complete or absent: it is written beside its place and renamed into it. The card says what the
model is (encoder, preset, seed, data, thresholds, checks) and holds the checksum of its arrays. Joined on loop_id: the
card lists the ids of the fitted loops in the order of the arrays' rows (`saved_format`). A folder that does not read is
moved to `damaged/` with the reason, neither deleted nor trusted; whatever lies in it, that is found out before much is
read or built (`saved_card`).
"""

import datetime
import hashlib
import json
import logging
import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from loopscope import config
from loopscope.arrays import Float
from loopscope.detection import saved_format
from loopscope.detection.base import BaseDetector
from loopscope.detection.fitted import Arrays
from loopscope.detection.quality import quality_checks
from loopscope.detection.restored import DAMAGES, RestoredDetector
from loopscope.detection.saved_card import check_card, check_shapes, check_values
from loopscope.errors import ModelError
from loopscope.files import (
    display_name,
    file_sha256,
    flush,
    free_name,
    open_regular,
    read_small,
    remove_folder,
    unfinished_folder,
)

log = logging.getLogger(__name__)

CARD, ARRAYS = "card.json", "arrays.safetensors"
DAMAGED, REASON = "damaged", "reason.txt"
TOLERANCE = 1e-4  # relative, between the scores of the probe when saved and when loaded
LISTED = ("name", "saved", "detector", "preset", "seed", "encoder_id", "n_loops", "threshold_95", "collapsed")
LARGEST_CARD, LARGEST_REASON = 2**24, 2**16  # bytes: ids of 400,000 loops; a sentence
LARGEST_ARRAYS, LARGEST_HEADER = 2**32, 2**20  # bytes: a million loops; the names and shapes of 10,000 arrays


class NewerModelError(ModelError):
    """A newer version saved the model: it is sound, and not for this one."""


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
            place = part.rename(free_name(home / _slug(name), {str(home / DAMAGED).casefold()}))
    except (OSError, SafetensorError) as error:  # safetensors has its own error for a full disk
        raise ModelError(f"The model {name!r} was not saved in {home} ({error}); free some space.") from error
    log.info("save: a model of %d loops, %s, %s", n_loops, detector.name, detector.preset)
    return place


def load_model(path: str | Path, *, check: bool = True, set_aside: bool = True) -> BaseDetector:
    """A saved detector, ready to score. Raises ModelError; what does not read is set aside first (see `damaged`).

    Unless `set_aside` nothing is moved: for a folder that the user named and that may be anything.

    Without `check` it is not asked whether it scores as it did when it was saved: its scores of the loops it was
    fitted on are at hand at once, and what new loops need is made when they come (`restored`).
    """
    path = Path(path)
    if not path.is_dir():
        raise ModelError(f"There is no saved model at {path}; choose one of the list.")
    complain = partial(_set_aside if set_aside else _left_there, path)
    try:
        detector, probe = _read(path, check, complain)
        now = saved_format.probe_scores(detector) if check else probe
    except NewerModelError:
        raise
    except DAMAGES as error:
        raise ModelError(complain(error)) from error
    if not np.allclose(now, probe, rtol=TOLERANCE, atol=TOLERANCE):
        raise ModelError(
            f"The model at {path} scores differently here than when saved (by {np.abs(now - probe).max():.1e}); "
            "train it again with the versions installed here."
        )
    return detector


def list_models(folder: Path | None = None) -> pd.DataFrame:
    """One row per readable model, newest first: path, name, saved, detector, preset, seed, encoder_id, n_loops, …

    `complete` is False where training was stopped before its end. Models of a newer version stay where they are.
    """
    rows = []
    for path in _folders_in(folder or config.paths().models):
        if path.name.startswith(".") or path.name == DAMAGED:
            continue
        try:
            card = _read_card(path)
        except NewerModelError as error:
            log.warning("%s", error)
            continue
        except DAMAGES as error:
            _set_aside(path, error)
            continue
        complete = card.get("report", {}).get("complete", True)
        rows.append({"path": str(path), **{key: card[key] for key in LISTED}, "complete": complete})
    table = pd.DataFrame(rows, columns=["path", *LISTED, "complete"], dtype="object")
    table = table.sort_values(["saved", "name"], ascending=[False, True], ignore_index=True)
    return table.assign(saved=table["saved"].map(_to_the_second))


def _to_the_second(time: str) -> str:
    return datetime.datetime.fromisoformat(time).isoformat(timespec="seconds")


def data_of(place: str | Path) -> object:
    """What was said of the loops when a model was saved, unchecked; None where its card cannot be read."""
    try:
        return _read_card(Path(place)).get("data")
    except DAMAGES:
        return None


def damaged(folder: Path | None = None) -> pd.DataFrame:
    """Folders that were set aside: path, reason."""
    found = _folders_in((folder or config.paths().models) / DAMAGED)
    return pd.DataFrame({"path": [display_name(path) for path in found], "reason": [_reason(path) for path in found]})


def _folders_in(home: Path) -> list[Path]:
    """In order; none where `home` is no folder or may not be looked into."""
    try:
        return sorted(path for path in home.iterdir() if path.is_dir())
    except OSError:
        return []


def _reason(path: Path) -> str:
    with suppress(OSError):
        return read_small(path / REASON, LARGEST_REASON).decode("utf-8", "replace")
    return "unknown"


def delete_model(path: str | Path) -> None:
    """Remove a saved model. Raises ModelError when the folder is not one."""
    path = Path(path)
    if not (path / CARD).is_file():
        raise ModelError(f"{path} is not a saved model, so it was not deleted; choose one of the list.")
    try:
        remove_folder(path)
    except OSError as error:
        raise ModelError(f"The model at {path} was not deleted ({error.strerror}); delete that folder.") from error


def _read(path: Path, check: bool, complain: Callable[[Exception], str]) -> tuple[BaseDetector, Float]:
    """The detector, only built to `check` it, and the scores of the probe when it was saved. Raises one of DAMAGES.

    `complain` is for what is found out later.
    """
    card = _read_card(path)
    card, arrays = saved_format.up_to_date(card, _read_arrays(path / ARRAYS, card))
    check_card(card)
    check_values(arrays)
    detector = RestoredDetector(
        *(card["detector"], card["preset"], card["seed"], _options(card)),
        *(saved_format.fitted_from(card, arrays), saved_format.state_from(arrays)),
        complain,
    )
    quality_checks(detector.report_.measures)  # that they can be told
    return (detector.whole() if check else detector), arrays[saved_format.PROBE]


def _options(card: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in card["options"].items()}


def _read_card(path: Path) -> dict[str, Any]:
    card = json.loads(read_small(path / CARD, LARGEST_CARD).decode("utf-8"))
    written = card.get("format") if isinstance(card, dict) else None
    if type(written) is int and written > saved_format.FORMAT:
        raise NewerModelError(
            f"The model {display_name(path.name)} was saved by a newer loopscope (format {written}, this one reads "
            f"{saved_format.FORMAT}); update loopscope to use it."
        )
    return check_card(card)


def _read_arrays(file: Path, card: Mapping[str, Any]) -> Arrays:
    with open_regular(file) as opened:
        n_bytes, n_header = os.fstat(opened.fileno()).st_size, int.from_bytes(opened.read(8), "little")
        if n_bytes > LARGEST_ARRAYS or n_header > LARGEST_HEADER:
            raise ValueError(f"the arrays are {n_bytes:,} bytes long, {n_header:,} of them names")
        with safe_open(file, "numpy") as arrays:
            slices = {name: arrays.get_slice(name) for name in arrays.keys()}  # noqa: SIM118 (it is no mapping)
            check_shapes(card, {name: (it.get_dtype(), tuple(it.get_shape())) for name, it in slices.items()})
        opened.seek(0)
        if hashlib.file_digest(opened, "sha256").hexdigest() != card["arrays_sha256"]:
            raise ValueError("the arrays are not the ones that were saved (checksum)")
    return load_file(file)


def _set_aside(path: Path, why: Exception) -> str:
    """Move a folder that does not read to `damaged/`, if that can be; returns the sentence for the user."""
    log.warning("A saved model does not read and was set aside.")
    said = _does_not_read(path, why)
    home = path.parent / DAMAGED
    try:
        home.mkdir(exist_ok=True)
        target = path.rename(free_name(home / path.name))
    except OSError as error:  # somebody else moved it, or nothing may be written
        return f"{said} and could not be set aside ({error.strerror}); train it again."
    sentence = f"{said} and was set aside in {display_name(target)}; train it again."
    with suppress(OSError):
        (target / REASON).unlink(missing_ok=True)  # a pipe would wait for a reader
        (target / REASON).write_text(sentence, encoding="utf-8", errors="backslashreplace")
    return sentence


def _left_there(path: Path, why: Exception) -> str:
    return f"{_does_not_read(path, why)}; train it again."


def _does_not_read(path: Path, why: Exception) -> str:
    return f"The model {display_name(path.name)} does not read ({_in_words(why):.500})"


def _in_words(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"{error} is missing"
    said = error.strerror if isinstance(error, OSError) else None
    return (said or str(error)).partition("\n")[0].rstrip(":.")


def _slug(name: str) -> str:
    return re.sub(r"[^\w-]+", "-", name, flags=re.ASCII).strip("-").lower()[:60] or "model"
