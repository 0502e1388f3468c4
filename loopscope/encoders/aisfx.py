"""aiSFX: a convolutional network trained on nine sound-effects libraries, here as the encoder that needs no hub.

Source: Ma and Lerch, "Representation Learning for the Automatic Indexing of Sound Effects Libraries", ISMIR 2022
(weights CC BY 4.0). Input as in its librosa front end: 44.1 kHz mono, peak-normalised, 96 HTK mel bands of unit sum
from 0 to 22.05 kHz, log10(1 + 10000 · power) scaled by the largest value of the training spectrograms; blocks of 100
frames (2.3 s) every 50, without a last incomplete one (shorter clips: one block, padded with zeros). A loop's
embedding is the maximum over its blocks, as the network itself takes the maximum over time.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from loopscope.checkpoints import AISFX, load_weights
from loopscope.checkpoints.stored import Weights
from loopscope.encoders.mel import MelSpectrogram
from loopscope.encoders.runtime import Precision
from loopscope.encoders.windowed import WindowedEncoder, fill
from loopscope.progress import ProgressCallback, ignore_progress

SAMPLE_RATE = 44_100
N_FFT, HOP_LENGTH, N_MELS = 2048, 1024, 96
BLOCK_FRAMES, BLOCK_HOP = 100, 50
LOG_SCALE = 9.457798957824707  # largest value in the training spectrograms (aisfx/preprocessing.py)
N_FEATURES = 512


class AisfxFrontEnd:
    """44.1 kHz waveforms to blocks of 100 log-mel frames."""

    sample_rate = SAMPLE_RATE

    def __init__(self) -> None:
        import librosa

        filters = librosa.filters.mel(sr=SAMPLE_RATE, n_fft=N_FFT, n_mels=N_MELS, htk=True, norm=1.0)
        self._mel = MelSpectrogram(torch.from_numpy(filters.T.copy()), N_FFT, HOP_LENGTH, pad_mode="constant")

    def features(self, pieces: Iterable[Tensor], n_samples: int) -> Tensor:
        """(n_blocks, 100, 96) of one clip that arrives in pieces of (n,) samples, `n_samples` in all."""
        peaks = [0.0]
        power = torch.cat(list(self._mel.stream(_noting_peaks(pieces, peaks))))
        # The spectrogram of the peak-normalised clip: power goes with the square, so the peak may be known
        # afterwards.
        power = power / (max(peaks) or 1.0) ** 2
        return _blocks(torch.log10(1 + 10_000 * power) / LOG_SCALE)


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
        maps: Tensor = self.layers(views[:, None].to(self.dtype, memory_format=torch.channels_last))
        return maps.float().mean(dim=3).amax(dim=2)


def load(weights_file: str | Path | None = None, on_progress: ProgressCallback = ignore_progress) -> WindowedEncoder:
    """The encoder with its published weights, fetched at first use. Raises `WeightsError`."""
    return make(load_weights(AISFX, weights_file, on_progress))


def make(weights: Weights, precision: Precision = "auto") -> WindowedEncoder:
    """The encoder of these weights."""
    network = AisfxNetwork()
    fill(network, weights, AISFX)
    return WindowedEncoder(
        name=f"{AISFX.encoder}-1",
        description="aiSFX (Ma and Lerch 2022), trained on sound effects; 512 features, maximum over blocks of 2.3 s",
        front_end=AisfxFrontEnd(),
        make_network=network.frozen,
        pooling="max",
        n_features=N_FEATURES,
        weights_sha256=weights.sha256,
        precision=precision,
    )
