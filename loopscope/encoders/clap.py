"""CLAP: laion-clap's audio encoders, without its text tower, its downloads at import, or its chance.

`clap-fusion`: HTSAT-tiny of 630k-audioset-fusion-best, 768 features. Clips over 10 s are seen as four views, the
whole shrunk to 10 s and three crops, fused by attention (AFF). laion-clap draws the crops anew at each call; here
they are the start, the middle and the end, so that a clip has one embedding. `clap-music`: HTSAT-base of
music_audioset_epoch_15_esc_90.14, 1024 features, trained without fusion. laion-clap crops longer clips at random;
here they are the mean over evenly spread windows of 10 s.

Both: 48 kHz mono through 16-bit integers, clips up to 10 s repeated as often as they fit and padded with zeros, 64
mel bands from 50 Hz to 14 kHz in dB, 1001 frames. The embedding is the audio branch's own, before projection and
normalisation, as in the paper this project follows (Dadman et al.). Sources: Wu et al., ICASSP 2023;
laion_clap/training/data.py.
"""

from collections.abc import Iterable, Sequence
from copy import deepcopy
from math import ceil
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from loopscope.checkpoints import CLAP_FUSION, CLAP_MUSIC, Checkpoint, load_weights
from loopscope.checkpoints.stored import Weights
from loopscope.encoders import htsat
from loopscope.encoders.mel import FrameCollector, MelSpectrogram, decibels, quantised, repeat_padded
from loopscope.encoders.runtime import MakeNetwork, Precision
from loopscope.encoders.windowed import MAX_VIEWS, WindowedEncoder, fill
from loopscope.progress import ProgressCallback

SAMPLE_RATE = 48_000
N_FFT, HOP_LENGTH, N_MELS = 1024, 480, 64
CLIP_SAMPLES = 480_000
CLIP_FRAMES = CLIP_SAMPLES // HOP_LENGTH + 1


class ClapFrontEnd:
    """48 kHz waveforms to views of 1001 log-mel frames: one for clips up to 10 s, else what `long_views` says."""

    sample_rate = SAMPLE_RATE

    def __init__(self, filters: Tensor) -> None:
        self._mel = MelSpectrogram(filters, N_FFT, HOP_LENGTH, pad_mode="reflect")

    def features(self, pieces: Iterable[Tensor], n_samples: int) -> Tensor:
        """(n_views, 1001, 64) in dB of one clip of `n_samples` that arrives in pieces."""
        pieces = map(quantised, pieces)
        n_frames = n_samples // HOP_LENGTH + 1
        if n_frames > CLIP_FRAMES:
            collector = FrameCollector(n_frames, CLIP_FRAMES, self.crop_starts(n_frames), N_MELS)
            for frames in self._mel.stream(pieces):
                collector.add(decibels(frames))
            return self.long_views(collector)
        samples = torch.cat(list(pieces))
        if len(samples) < CLIP_SAMPLES:
            samples = repeat_padded(samples, CLIP_SAMPLES)
        return decibels(self._mel.whole(samples))[None, :CLIP_FRAMES]

    def crop_starts(self, n_frames: int) -> list[int]:
        """First frames of evenly spread windows that cover the clip."""
        n_windows = ceil(n_frames / CLIP_FRAMES)
        return [round(i * (n_frames - CLIP_FRAMES) / (n_windows - 1)) for i in range(n_windows)]

    def long_views(self, collector: FrameCollector) -> Tensor:
        """The windows themselves."""
        return collector.crops()


class FusionFrontEnd(ClapFrontEnd):
    """Long clips as four views: the whole shrunk to 1001 frames, then start, middle and end."""

    def crop_starts(self, n_frames: int) -> list[int]:
        """laion-clap draws one start from each third of the possible ones; here their first, middle and last."""
        first, second, third = np.array_split(np.arange(n_frames - CLIP_FRAMES + 1), 3)
        middle = int(second[len(second) // 2]) if len(second) else 0
        return [int(first[0]), middle, int(third[-1]) if len(third) else 0]

    def long_views(self, collector: FrameCollector) -> Tensor:
        """(4, 1001, 64), the global view first."""
        return torch.cat([collector.shrunk(), collector.crops()])


class FusionEncoder(WindowedEncoder):
    """Views of one clip go through the network together; short clips, with one view, need none of the fusion's work."""

    def _pooled(self, features: Sequence[Tensor]) -> Tensor:
        pooled = torch.empty(len(features), self.n_features)
        for n_views in {len(views) for views in features}:
            rows = [row for row, views in enumerate(features) if len(views) == n_views]
            pooled[rows] = self._runtime.run(torch.stack([features[row] for row in rows]), MAX_VIEWS)
        return pooled


def load_fusion(weights_file: str | Path | None, on_progress: ProgressCallback) -> WindowedEncoder:
    """The encoder clap-fusion. Raises `WeightsError`, or `EncoderError` before anything is fetched."""
    htsat.package_folder()
    return make_fusion(load_weights(CLAP_FUSION, weights_file, on_progress))


def load_music(weights_file: str | Path | None, on_progress: ProgressCallback) -> WindowedEncoder:
    """The encoder clap-music. Raises `WeightsError`, or `EncoderError` before anything is fetched."""
    htsat.package_folder()
    return make_music(load_weights(CLAP_MUSIC, weights_file, on_progress))


def make_fusion(weights: Weights, precision: Precision = "auto") -> WindowedEncoder:
    """HTSAT-tiny with fusion, of these weights."""
    return FusionEncoder(
        name=f"{CLAP_FUSION.encoder}-1",
        description="CLAP (LAION, HTSAT-tiny), 768 features; clips over 10 s fused of the whole, start, middle and end",
        front_end=FusionFrontEnd(htk_filters()),
        make_network=_network_maker(htsat.build("tiny", fusion=True), weights, CLAP_FUSION),
        pooling="mean",
        n_features=768,
        weights_sha256=weights.sha256,
        precision=precision,
    )


def make_music(weights: Weights, precision: Precision = "auto") -> WindowedEncoder:
    """HTSAT-base, of these weights; its mel filters come with them."""
    return WindowedEncoder(
        name=f"{CLAP_MUSIC.encoder}-1",
        description="CLAP for music (LAION, HTSAT-base), 1024 features; clips over 10 s as the mean over 10 s windows",
        front_end=ClapFrontEnd(weights.tensors["logmel_extractor.melW"]),
        make_network=_network_maker(htsat.build("base", fusion=False), weights, CLAP_MUSIC),
        pooling="mean",
        n_features=1024,
        weights_sha256=weights.sha256,
        precision=precision,
    )


def _network_maker(original: nn.Module, weights: Weights, checkpoint: Checkpoint) -> MakeNetwork:
    fill(original, weights, checkpoint)
    return lambda dtype: htsat.Htsat(deepcopy(original).eval(), dtype)


def htk_filters() -> Tensor:
    """(513, 64): the filters of torchaudio's mel spectrogram, which the fusion models were trained with."""
    import librosa

    filters = librosa.filters.mel(sr=SAMPLE_RATE, n_fft=N_FFT, n_mels=N_MELS, fmin=50, fmax=14_000, htk=True, norm=None)
    return torch.from_numpy(filters.T.copy())
