"""laion-clap's own audio network, loaded without running laion-clap.

Importing `laion_clap` builds four tokenizers from the model hub and needs torchvision; the audio branch needs
neither. Its two modules (`clap_module/htsat.py`, `feature_fusion.py`) are therefore loaded by file location into a
private package whose `utils` holds the two small functions they take from there. Source: Chen et al., "HTS-AT",
ICASSP 2022; Wu et al., "Large-scale Contrastive Language-Audio Pretraining", ICASSP 2023.
"""

import importlib.util
import json
import sys
import warnings
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Literal

from torch import Tensor, nn

from loopscope.errors import EncoderError

_PACKAGE = "_loopscope_laion_clap"


def build(size: Literal["tiny", "base"], fusion: bool) -> nn.Module:
    """laion-clap's `HTSAT_Swin_Transformer` with random weights, with AFF fusion of long clips or without."""
    module, folder = _laion_htsat()
    text = (folder / "model_configs" / f"HTSAT-{size}.json").read_text(encoding="utf-8")
    configuration = SimpleNamespace(**json.loads(text)["audio_cfg"])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.meshgrid")
        network: nn.Module = module.create_htsat_model(configuration, fusion, "aff_2d" if fusion else "None")
    return network


@cache
def _laion_htsat() -> tuple[Any, Path]:
    specification = importlib.util.find_spec("laion_clap")
    if specification is None or not specification.submodule_search_locations:
        raise EncoderError("The package laion-clap is not installed; install the packages of requirements.txt.")
    folder = Path(next(iter(specification.submodule_search_locations))) / "clap_module"
    package = ModuleType(_PACKAGE)
    package.__path__ = [str(folder)]
    utilities = ModuleType(f"{_PACKAGE}.utils")
    utilities.__dict__.update(interpolate=_interpolate, do_mixup=_no_mixup)
    sys.modules |= {_PACKAGE: package, f"{_PACKAGE}.utils": utilities}
    return importlib.import_module(f"{_PACKAGE}.htsat"), folder


def _interpolate(x: Tensor, ratio: int) -> Tensor:
    """Repeats each time step `ratio` times: (n, time, classes) → (n, time * ratio, classes)."""
    return x.repeat_interleave(ratio, dim=1)


def _no_mixup(*_: object) -> Tensor:
    raise EncoderError("Mixing up clips is a part of training; encoders here are frozen.")
