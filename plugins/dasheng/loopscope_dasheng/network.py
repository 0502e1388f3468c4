"""The network of Dasheng-base and how loops go through it.

Source: Dinkel et al., "Scaling up masked audio encoder learning for general audio classification", Interspeech 2024;
code and weights Apache-2.0. The network is written out here, because the package `dasheng` needs torchaudio, which
does not load beside PyTorch's builds for processors; names are those of the published weights, and numbers are held
against that package's own code.

16 kHz mono, 64 HTK mel bands to 8 kHz in dB, at most 120 dB below the loudest of the loop, a patch each four frames
(40 ms). Windows of 252 patches (10 s) pass the network by themselves; the embedding is the mean over all patches. A
last patch that is not whole is left out, a loop shorter than one is padded with silence.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from loopscope.checkpoints import load_weights
from loopscope.checkpoints.stored import Weights
from loopscope.encoders.mel import MelSpectrogram
from loopscope.encoders.runtime import Precision
from loopscope.encoders.windowed import MAX_VIEWS, WindowedEncoder, fill
from loopscope.progress import ProgressCallback
from loopscope_dasheng import CHECKPOINT, N_MELS, NAME, PATCH_FRAMES, WIDTH

SAMPLE_RATE = 16_000
N_FFT, HOP_LENGTH = 512, 160
WINDOW_FRAMES = 1008
SHORTEST = PATCH_FRAMES * HOP_LENGTH  # samples
QUIETEST_POWER, RANGE_DB = 1e-10, 120.0
DEPTH, HEADS = 12, 12
FRONT_END = "front_end."  # of the published file; ours makes its own


class DashengFrontEnd:
    """16 kHz waveforms to log-mel frames."""

    sample_rate = SAMPLE_RATE

    def __init__(self) -> None:
        import librosa

        filters = librosa.filters.mel(sr=SAMPLE_RATE, n_fft=N_FFT, n_mels=N_MELS, htk=True, norm=None)
        self._mel = MelSpectrogram(torch.from_numpy(filters.T.copy()), N_FFT, HOP_LENGTH, pad_mode="reflect")

    def features(self, pieces: Iterable[Tensor], n_samples: int) -> Tensor:
        """(n_frames, 64) in dB of one clip of `n_samples` that arrives in pieces of (n,) samples."""
        if n_samples < SHORTEST:
            samples = torch.cat(list(pieces))
            pieces = [functional.pad(samples, (0, SHORTEST - len(samples)))]
        decibels = 10 * torch.log10(torch.cat(list(self._mel.stream(pieces))).clamp(min=QUIETEST_POWER))
        return decibels.clamp(min=float(decibels.max()) - RANGE_DB)


class Attention(nn.Module):
    """Every patch of a window asks every other."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(n, n_patches, width) → the same shape."""
        queries, keys, values = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        heard = functional.scaled_dot_product_attention(queries, keys, values)
        mixed: Tensor = self.proj(heard.transpose(1, 2).flatten(-2))
        return mixed


class Block(nn.Module):
    """Attention, then a small network for each patch, both beside what comes in."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, heads)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)})

    def forward(self, x: Tensor) -> Tensor:
        """(n, n_patches, width) → the same shape."""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp["fc2"](functional.gelu(self.mlp["fc1"](self.norm2(x))))


class Dasheng(nn.Module):
    """(n, up to 1008 frames, 64) in dB → (n, width) float32, the mean over the patches."""

    def __init__(self, width: int = WIDTH, depth: int = DEPTH, heads: int = HEADS) -> None:
        super().__init__()
        self.init_bn = nn.Sequential(nn.Identity(), nn.BatchNorm2d(N_MELS))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(1, width, (N_MELS, PATCH_FRAMES), PATCH_FRAMES)})
        self.time_pos_embed = nn.Parameter(torch.zeros(1, width, 1, WINDOW_FRAMES // PATCH_FRAMES))
        self.freq_pos_embed = nn.Parameter(torch.zeros(1, width, 1, 1))
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, mel: Tensor) -> Tensor:
        """All windows of a batch have the same number of frames."""
        bands = self.init_bn(mel.mT[..., None])  # (n, 64, n_frames, 1)
        patches = self.patch_embed["proj"](bands.permute(0, 3, 1, 2))
        placed = patches + self.time_pos_embed[..., : patches.shape[-1]] + self.freq_pos_embed
        x = self.blocks(placed.squeeze(2).mT.to(self.dtype))
        pooled: Tensor = self.norm(x.float()).mean(1)
        return pooled

    @property
    def dtype(self) -> torch.dtype:
        """What the blocks compute in."""
        return next(self.blocks.parameters()).dtype


class DashengEncoder(WindowedEncoder):
    """Windows of one loop, the last one as long as it is, each with the weight of its patches."""

    def _views(self, features: Tensor) -> Tensor:
        return features[None]

    def _pooled(self, features: Sequence[Tensor]) -> Tensor:
        return torch.stack(list(map(self._of_clip, features)))

    def _of_clip(self, frames: Tensor) -> Tensor:
        windows = [part for part in frames.split(WINDOW_FRAMES) if len(part) >= PATCH_FRAMES]
        n_patches = torch.tensor([len(part) // PATCH_FRAMES for part in windows], dtype=torch.float32)
        whole = [part for part in windows if len(part) == WINDOW_FRAMES]
        means = [self._runtime.run(torch.stack(whole), MAX_VIEWS)] if whole else []
        means += [self._runtime.run(windows[-1][None], MAX_VIEWS)] if len(whole) < len(windows) else []
        return n_patches @ torch.cat(means) / n_patches.sum()


def load(weights_file: str | Path | None, on_progress: ProgressCallback) -> WindowedEncoder:
    """The encoder dasheng-base, of model.safetensors or of dasheng_base.pt. Raises `WeightsError`."""
    return make_encoder(load_weights(CHECKPOINT, weights_file, on_progress), Dasheng)


def make_encoder(
    weights: Weights, make_network: Callable[[], nn.Module], precision: Precision = "auto"
) -> DashengEncoder:
    """The encoder of these weights in that network."""
    tensors = {name: tensor for name, tensor in weights.tensors.items() if not name.startswith(FRONT_END)}
    n_features = len(tensors["norm.weight"])

    def filled(dtype: torch.dtype) -> nn.Module:
        network = make_network()
        fill(network, Weights(tensors, weights.sha256), CHECKPOINT)
        network.get_submodule("blocks").to(dtype)
        return network

    return DashengEncoder(
        name=f"{NAME}-1",
        description=f"Dasheng-base (Xiaomi), {n_features} features; the mean over patches of 40 ms",
        front_end=DashengFrontEnd(),
        make_network=filled,
        pooling="mean",
        n_features=n_features,
        weights_sha256=weights.sha256,
        precision=precision,
    )
