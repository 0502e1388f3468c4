"""laion-clap's own audio network, loaded without importing laion-clap, and run without what embeddings do not need.

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

import torch
from torch import Tensor, nn

from loopscope.errors import EncoderError

_PACKAGE = "_loopscope_laion_clap"


class Htsat(nn.Module):
    """(n, 1001, 64) or (n, 4, 1001, 64) in dB → (n, n_features) float32, the mean over the last stage's tokens.

    `original` is laion-clap's network, which is changed. Its blocks run in `dtype`; the class head and the attention
    maps, which its own forward pass computes for every clip, are left out. Four views of one clip (the whole first,
    then three crops) are fused by attention.
    """

    def __init__(self, original: Any, dtype: torch.dtype) -> None:
        super().__init__()
        self.original, self.dtype = original, dtype
        original.layers.to(dtype)

    def forward(self, mel: Tensor) -> Tensor:
        """All clips of a batch have the same number of views."""
        network = self.original
        mel = mel[:, None] if mel.ndim == 3 else mel
        image = network.reshape_wav2img(network.bn0(mel.transpose(1, 3)).transpose(1, 3))
        fused = list(range(len(mel))) if mel.shape[1] > 1 else []
        x = network.patch_embed(image, longer_idx=fused).to(self.dtype)
        for layer in network.layers:
            for block in layer.blocks:
                x, _ = block(x)
            x = x if layer.downsample is None else layer.downsample(x)
        normalised: Tensor = network.norm(x.float())
        return normalised.mean(1)


def build(size: Literal["tiny", "base"], fusion: bool) -> nn.Module:
    """laion-clap's `HTSAT_Swin_Transformer` with random weights, with AFF fusion of long clips or without."""
    module, folder = _laion_htsat()
    text = (folder / "model_configs" / f"HTSAT-{size}.json").read_text(encoding="utf-8")
    configuration = SimpleNamespace(**json.loads(text)["audio_cfg"])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.meshgrid")
        network: nn.Module = module.create_htsat_model(configuration, fusion, "aff_2d" if fusion else "None")
    return network


def package_folder() -> Path:
    """Where laion-clap lies. Raises EncoderError where it is not installed."""
    specification = importlib.util.find_spec("laion_clap")
    if specification is None or not specification.submodule_search_locations:
        raise EncoderError("The package laion-clap is not installed; run: pip install --no-deps laion-clap==1.1.7.")
    return Path(next(iter(specification.submodule_search_locations)))


@cache
def _laion_htsat() -> tuple[Any, Path]:
    folder = package_folder() / "clap_module"
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
