"""laion-clap itself, as installed, to compare with: its own file list path, features and audio branch, random
weights.

The package cannot be imported here as it is: it asks the model hub for tokenizers and the text tower, and needs what
it declares (it is installed alone) and torchvision and torchaudio besides. Nothing of these makes an audio embedding
except three functions, which stand-ins provide as their packages define them: torchaudio's MelSpectrogram (HTK filters
computed at each construction) and AmplitudeToDB, and torchvision's Resize of a tensor (bilinear, antialiased, its
default since 0.17).
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

Frames = Tensor


class MelSpectrogram(nn.Module):
    def __init__(
        self, sample_rate: int, n_fft: int, hop_length: int, n_mels: int, f_min: float, f_max: float, **_: Any
    ):
        super().__init__()
        self.n_fft, self.hop_length = n_fft, hop_length
        self.register_buffer("window", torch.hann_window(n_fft))
        low, high = (2595 * torch.log10(1 + torch.tensor(f) / 700) for f in (f_min, f_max))
        edges = 700 * (10 ** (torch.linspace(float(low), float(high), n_mels + 2) / 2595) - 1)
        slopes = edges[None] - torch.linspace(0, sample_rate // 2, n_fft // 2 + 1)[:, None]
        down, up = -slopes[:, :-2] / edges.diff()[:-1], slopes[:, 2:] / edges.diff()[1:]
        self.register_buffer("filters", torch.minimum(down, up).clamp(min=0))

    def forward(self, waveform: Tensor) -> Frames:
        spectrum = torch.stft(
            waveform,
            self.n_fft,
            self.hop_length,
            window=self.window,
            center=True,
            pad_mode="reflect",
            return_complex=True,
        )
        return (spectrum.abs().pow(2).mT @ self.filters).mT


class AmplitudeToDB(nn.Module):
    def __init__(self, top_db: None):
        super().__init__()

    def forward(self, power: Tensor) -> Frames:
        return 10 * torch.log10(power.clamp(min=1e-10))


class Resize(nn.Module):
    def __init__(self, size: list[int]):
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        return functional.interpolate(x[None], self.size, mode="bilinear", align_corners=False, antialias=True)[0]


class _Absent(nn.Module):
    """Whatever else is imported by name and never used for audio: tokenizers, and a text tower of one word."""

    def __init__(self, *_: object) -> None:
        super().__init__()
        self.embeddings = nn.ModuleDict({"word_embeddings": nn.Embedding(1, 768)})

    @classmethod
    def from_pretrained(cls, *_: object) -> "_Absent":
        return cls()


class _StandIn(ModuleType):
    __version__ = "0"
    __path__: list[str] = []  # noqa: RUF012 - what makes a module a package

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Absent


STOOD_IN_FOR = (
    *("transformers", "transformers.tokenization_utils_base", "torchaudio", "torchaudio.transforms"),
    *("torchvision", "torchvision.datasets", "torchvision.transforms", "torchvision.ops", "torchvision.ops.misc"),
    *("braceexpand", "ftfy", "h5py", "progressbar", "regex", "wandb", "webdataset", "wget"),
)


def _stand_ins() -> dict[str, ModuleType]:
    modules: dict[str, ModuleType] = {name: _StandIn(name) for name in STOOD_IN_FOR}
    modules["torchaudio.transforms"].__dict__.update(MelSpectrogram=MelSpectrogram, AmplitudeToDB=AmplitudeToDB)
    modules["torchvision.transforms"].__dict__["Resize"] = Resize
    for name, module in modules.items():
        parent, _, child = name.rpartition(".")
        if parent:
            modules[parent].__dict__[child] = module
    return modules


@contextmanager
def _importable() -> Iterator[None]:
    modules, path = dict(sys.modules), list(sys.path)
    sys.modules.update(_stand_ins())
    try:
        yield
    finally:
        sys.path[:] = path
        for name in set(sys.modules) - set(modules):
            if name.split(".")[0] in {"laion_clap", "clap_module", *_stand_ins()}:
                del sys.modules[name]
        sys.modules.update({name: modules[name] for name in _stand_ins() if name in modules})


@cache
def laion_clap() -> Any:
    """The package `laion_clap`."""
    with _importable():
        import laion_clap as package
    return package


def clap_module(amodel: str, enable_fusion: bool, seed: int = 0) -> Any:
    """laion-clap's `CLAP_Module` with random weights whose batch normalisations have seen dB spectrograms."""
    torch.manual_seed(seed)
    module = laion_clap().CLAP_Module(enable_fusion=enable_fusion, device="cpu", amodel=amodel).eval()
    branch = module.model.audio_branch
    with torch.no_grad():
        branch.bn0.running_mean.normal_(-30, 5)
        branch.bn0.running_var.uniform_(100, 400)
        for name, parameter in branch.named_parameters():
            if "logmel" in name or "spectrogram" in name:
                continue
            parameter.mul_(1.5) if parameter.ndim > 1 else parameter.add_(0.1 * torch.randn_like(parameter))
    return module


def branch_embeddings(module: Any, features: list[dict[str, Tensor]]) -> Tensor:
    """(n, n_features): the audio branch's own output for features as `get_audio_features` returns them."""
    batch = {name: torch.stack([item[name] for item in features]) for name in features[0]}
    with torch.inference_mode():
        embedded: Tensor = module.model.encode_audio(batch, device="cpu")["embedding"]
    return embedded


def features_of(module: Any, waveform: Any) -> dict[str, Tensor]:
    """laion-clap's own features of one waveform (n,) at 48 kHz, as its file list path computes them."""
    hook = laion_clap().hook
    samples = torch.from_numpy(hook.int16_to_float32(hook.float32_to_int16(waveform))).float()
    filled: dict[str, Tensor] = hook.get_audio_features(
        {},
        samples,
        480_000,
        data_truncating="fusion" if module.enable_fusion else "rand_trunc",
        data_filling="repeatpad",
        audio_cfg=module.model_cfg["audio_cfg"],
    )
    return filled


class OwnForward(nn.Module):
    """laion-clap's whole forward pass on views as loopscope's front end makes them: float32, or under bf16 autocast.

    Nothing of theirs is edited. Under autocast the fused part comes out in another type than what it is written into;
    a hook casts it. Without fusion their network begins at the waveform; the two modules up to the spectrogram are
    replaced by the identity. Shapes: (n, 1001, 64) or (n, 4, 1001, 64) → (n, n_features).
    """

    def __init__(self, branch: Any, dtype: torch.dtype) -> None:
        super().__init__()
        self.branch, self.dtype = branch, dtype
        if branch.enable_fusion:
            branch.patch_embed.fusion_model.register_forward_hook(lambda _, given, fused: fused.to(given[0].dtype))
        else:
            branch.spectrogram_extractor = branch.logmel_extractor = nn.Identity()

    def forward(self, mel: Tensor) -> Tensor:
        mel = mel[:, None] if mel.ndim == 3 else mel
        if self.branch.enable_fusion:
            batch = {"mel_fusion": mel, "longer": torch.full((len(mel),), mel.shape[1] > 1)}
        else:
            batch = {"waveform": mel}
        with torch.autocast("cpu", torch.bfloat16, enabled=self.dtype is torch.bfloat16):
            embedded: Tensor = self.branch(batch, device="cpu")["embedding"]
        return embedded.float()
