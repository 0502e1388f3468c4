"""A saved model by its name or folder, for the subcommands that score with one."""

from pathlib import Path
from typing import TYPE_CHECKING

from loopscope.errors import ModelError
from loopscope.files import is_file

if TYPE_CHECKING:
    from loopscope.detection.base import BaseDetector


def saved_model(name: str) -> "BaseDetector":
    """The newest model of that name, else the one in that folder, where nothing is changed. Raises ModelError."""
    from loopscope.detection.saved import CARD, list_models, load_model

    models = list_models()
    named = models[models["name"] == name]
    if named.empty and is_file(Path(name) / CARD):
        return load_model(name, set_aside=False)
    if named.empty:
        known = ", ".join(dict.fromkeys(models["name"])) or "there is none yet"
        raise ModelError(f"There is no saved model {name!r}; choose one of loopscope models ({known}).")
    return load_model(named.iloc[0]["path"])


def encoder_name(asked: str, model: "BaseDetector | None") -> str:
    """The encoder to load: where none was asked for, the one that the model learnt from."""
    from loopscope.analysis.walk import Plan

    return asked if model is None else Plan(encoder=asked, encoder_id=model.encoder_id or "").encoder_name
