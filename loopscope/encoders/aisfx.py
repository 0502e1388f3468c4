"""aiSFX: a convolutional network trained on nine sound-effects libraries, here as the encoder that needs no hub.

Source: Ma and Lerch, "Representation Learning for the Automatic Indexing of Sound Effects Libraries", ISMIR 2022
(weights CC BY 4.0). Input as in its librosa front end: 44.1 kHz mono, peak-normalised, 96 HTK mel bands of unit sum
from 0 to 22.05 kHz, log10(1 + 10000 · power) scaled by the largest value of the training spectrograms; blocks of 100
frames (2.3 s) every 50, without a last incomplete one (shorter clips: one block, padded with zeros). A loop's
embedding is the maximum over its blocks, as the network itself takes the maximum over time.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from loopscope.checkpoints import AISFX, load_weights
from loopscope.checkpoints.stored import Weights
from loopscope.encoders.base import Patches, Samples
from loopscope.encoders.mel import MelSpectrogram
from loopscope.encoders.patches import Axes, Layout
from loopscope.encoders.runtime import Precision
from loopscope.encoders.windowed import MAX_VIEWS, WindowedEncoder, fill
from loopscope.progress import ProgressCallback, ignore_progress

SAMPLE_RATE = 44_100
N_FFT, HOP_LENGTH, N_MELS = 2048, 1024, 96
BLOCK_FRAMES, BLOCK_HOP = 100, 50
LOG_SCALE = 9.457798957824707  # largest value in the training spectrograms (aisfx/preprocessing.py)
N_FEATURES = 512
PATCH_FRAMES, N_BANDS, RAW_PATCH_VALUES = 4, 4, 512
EDGE_PATCHES = 2  # of a block hear its edge
PATCH_VERSION = 1  # raise with the axes and whatever else changes a patch
AXES = Path(__file__).with_name("aisfx_axes.npz")  # benchmarks.patch_axes makes it


class AisfxFrontEnd:
    """44.1 kHz waveforms to log-mel frames."""

    sample_rate = SAMPLE_RATE

    def __init__(self) -> None:
        import librosa

        filters = librosa.filters.mel(sr=SAMPLE_RATE, n_fft=N_FFT, n_mels=N_MELS, htk=True, norm=1.0)
        self._mel = MelSpectrogram(torch.from_numpy(filters.T.copy()), N_FFT, HOP_LENGTH, pad_mode="constant")

    def features(self, pieces: Iterable[Tensor], n_samples: int) -> Tensor:
        """(n_frames, 96) of one clip that arrives in pieces of (n,) samples, `n_samples` in all."""
        peaks = [0.0]
        power = torch.cat(list(self._mel.stream(_noting_peaks(pieces, peaks))))
        # The spectrogram of the peak-normalised clip: power goes with the square, so the peak may be known
        # afterwards.
        power = power / (max(peaks) or 1.0) ** 2
        return torch.log10(1 + 10_000 * power) / LOG_SCALE


def _noting_peaks(pieces: Iterable[Tensor], peaks: list[float]) -> Iterator[Tensor]:
    for piece in pieces:
        peaks.extend([float(piece.abs().max())] if len(piece) else [])
        yield piece


def _blocks(frames: Tensor) -> Tensor:
    """(n_blocks, 100, n_mels) of (n_frames, n_mels); the blocks overlap in memory too."""
    frames = functional.pad(frames, (0, 0, 0, max(0, BLOCK_FRAMES - len(frames))))
    return frames.unfold(0, BLOCK_FRAMES, BLOCK_HOP).mT


class ConvBlock(nn.Module):
    """Two 3×3 convolutions, each with batch normalisation; the names are those of the published weights."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(n_out)
        self.bn2 = nn.BatchNorm2d(n_out)

    def folded(self, pool: int) -> nn.Sequential:
        """(n, n_in, time, mel) → (n, n_out, time // pool, mel // pool), normalisation folded into the convolutions."""
        self.eval()
        first, second = fuse_conv_bn_eval(self.conv1, self.bn1), fuse_conv_bn_eval(self.conv2, self.bn2)
        return nn.Sequential(first, nn.ReLU(inplace=True), second, nn.ReLU(inplace=True), nn.MaxPool2d(pool))


class AisfxNetwork(nn.Module):
    """The published network's parameters; `frozen` gives the network itself."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_block1 = ConvBlock(1, 64)
        self.conv_block2 = ConvBlock(64, 128)
        self.conv_block3 = ConvBlock(128, 256)
        self.conv_block4 = ConvBlock(256, 512)

    def frozen(self, dtype: torch.dtype) -> "FrozenAisfx":
        """The network for inference in `dtype`."""
        blocks = (self.conv_block1, self.conv_block2, self.conv_block3, self.conv_block4)
        pools = (2, 2, 2, 1)
        return FrozenAisfx([block.folded(pool) for block, pool in zip(blocks, pools, strict=True)], dtype)


class FrozenAisfx(nn.Module):
    """(n, frames, mels) → (n, 512) float32: mean over mel bands, then maximum over time, of the last block's maps."""

    def __init__(self, blocks: list[nn.Sequential], dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        self.layers = nn.Sequential(*blocks).to(dtype=dtype)
        self.layers.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, views: Tensor) -> Tensor:
        """Embeds each view by itself."""
        return self.embedded(self.early(views))

    def early(self, views: Tensor) -> Tensor:
        """What the first two convolution blocks make of each view: (n, 128, frames / 4, 24)."""
        maps: Tensor = self.layers[:2](views[:, None].to(self.dtype, memory_format=torch.channels_last))
        return maps

    def embedded(self, early: Tensor) -> Tensor:
        """The embeddings of views of which `early` gave this."""
        maps: Tensor = self.layers[2:](early)
        return maps.float().mean(dim=3).amax(dim=2)


class AisfxEncoder(WindowedEncoder):
    """aiSFX, a `PatchEncoder`: one patch for every 93 ms, of the maps of its second convolution block.

    A patch is 4 frames and hears 6 more on either side. The 128 maps are averaged over four bands of six mel rows each
    and projected on the axes of the encoder (512 values as they are where `axes` is None).
    """

    companion = None
    patch_seconds = PATCH_FRAMES * HOP_LENGTH / SAMPLE_RATE

    def __init__(self, weights: Weights, precision: Precision, axes: Axes | None) -> None:
        network = AisfxNetwork()
        fill(network, weights, AISFX)
        super().__init__(
            name=f"{AISFX.encoder}-1",
            description="aiSFX (Ma and Lerch 2022), trained on sound effects; 512 features, maximum over blocks of "
            "2.3 s",
            front_end=AisfxFrontEnd(),
            make_network=network.frozen,
            pooling="max",
            n_features=N_FEATURES,
            weights_sha256=weights.sha256,
            precision=precision,
        )
        self._axes = axes
        self.n_patch_values = RAW_PATCH_VALUES if axes is None else axes.axes.shape[1]
        self.patch_id = f"{self.encoder_id}-patches-{PATCH_VERSION if axes is not None else 'raw'}"

    def hear(self, features: Sequence[Tensor]) -> tuple[Samples, list[Patches]]:
        """Embeddings and patches in one pass; see `PatchEncoder`."""
        if not features:
            return np.empty((0, self.n_features), np.float32), []
        with torch.inference_mode():
            blocks = list(map(_blocks, features))
            heard = [self._both(views) for views in torch.split(torch.cat(blocks), MAX_VIEWS)]
            embedded, early = (torch.cat(parts) for parts in zip(*heard, strict=True))
            lengths = list(map(len, blocks))
            X = torch.stack([rows.amax(0) for rows in torch.split(embedded, lengths)])
            return X.numpy(), self._assembled(features, torch.split(early, lengths))

    def listen(self, features: Sequence[Tensor]) -> list[Patches]:
        """The patches alone, at half of the work; see `PatchMaker`."""
        with torch.inference_mode():
            return self._assembled(features, [self._early(_blocks(frames)) for frames in features])

    def patches(self, waveform: Samples) -> tuple[Patches, float]:
        """The patches of one waveform (n_samples,), and 0.093 s; see `PatchEncoder`."""
        (patches,) = self.listen([self.prepare([waveform], len(waveform))])
        return patches, self.patch_seconds

    def _views(self, features: Tensor) -> Tensor:
        return _blocks(features)

    def _both(self, views: Tensor) -> tuple[Tensor, Tensor]:
        network = self._network()
        early = network.early(views.to(self._runtime.device))
        return network.embedded(early).float().cpu(), self._in_bands(early)

    def _early(self, views: Tensor) -> Tensor:
        """(n_views, 25, n_patch_values) of any number of views."""
        early, device = self._network().early, self._runtime.device
        return torch.cat([self._in_bands(early(part.to(device))) for part in torch.split(views, MAX_VIEWS)])

    def _in_bands(self, early: Tensor) -> Tensor:
        """(n, 128, time, 24) → (n, time, n_patch_values) on the processor."""
        bands = early.float().reshape(*early.shape[:3], N_BANDS, -1).mean(dim=4).cpu()
        raw = bands.permute(0, 2, 3, 1).flatten(2)
        return raw if self._axes is None else self._axes.project(raw)

    def _assembled(self, features: Sequence[Tensor], early: Sequence[Tensor]) -> list[Patches]:
        """Each clip's patches from those of its blocks, and of one more block where these leave the end out."""
        starts = [_starts(len(frames), len(blocks)) for frames, blocks in zip(features, early, strict=True)]
        made = iter(self._early(torch.stack(missing)) if (missing := _missing(features, early, starts)) else ())
        assembled = []
        for frames, blocks, begin in zip(features, early, starts, strict=True):
            views = blocks if len(blocks) == len(begin) else torch.cat([blocks, next(made)[None]])
            layout = Layout.of(_n_patches(len(frames)), begin, BLOCK_FRAMES, PATCH_FRAMES, EDGE_PATCHES)
            assembled.append(views[layout.view, layout.place].numpy().astype(np.float16))
        return assembled

    def _network(self) -> FrozenAisfx:
        network = self._runtime.network
        assert isinstance(network, FrozenAisfx)
        return network


def _n_patches(n_frames: int) -> int:
    return max(1, n_frames // PATCH_FRAMES)


def _starts(n_frames: int, n_blocks: int) -> list[int]:
    """First frames of a clip's blocks, and of one more up to its last patch where they do not go that far."""
    starts = [BLOCK_HOP * number for number in range(n_blocks)]
    last = _n_patches(n_frames) * PATCH_FRAMES - BLOCK_FRAMES
    return [*starts, last] if last > starts[-1] else starts


def _missing(features: Sequence[Tensor], early: Sequence[Tensor], starts: Sequence[Sequence[int]]) -> list[Tensor]:
    """The blocks, (100, n_mels), that begin somewhere but were not heard yet."""
    parts = zip(features, early, starts, strict=True)
    return [frames[begin[-1] :][:BLOCK_FRAMES] for frames, blocks, begin in parts if len(begin) > len(blocks)]


def load(weights_file: str | Path | None = None, on_progress: ProgressCallback = ignore_progress) -> AisfxEncoder:
    """The encoder with its published weights, fetched at first use. Raises `WeightsError`."""
    return make(load_weights(AISFX, weights_file, on_progress))


def make(weights: Weights, precision: Precision = "auto", with_axes: bool = True) -> AisfxEncoder:
    """The encoder of these weights; `with_axes` false: its patches are the 512 values that the axes were learnt of."""
    return AisfxEncoder(weights, precision, Axes.read(AXES) if with_axes else None)
