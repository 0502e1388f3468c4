"""Log-mel front ends in torch: from waveforms to the views a network looks at.

Conventions: waveforms are (..., n_samples) float32 at the front end's rate, time along the last axis; mel
spectrograms are (..., n_frames, n_mels). A *view* is one stretch of spectrogram of the length the network was trained
on. All views of one clip form a tensor (n_views, n_frames, n_mels), its *features*; the network embeds each view, the
encoder pools over them.

Sound arrives in pieces, so that a long file never has to be in memory; the frames are those of the whole waveform,
whatever the pieces (frame k is centred on sample k * hop_length; only the two ends are padded).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from loopscope.errors import EncoderError


@dataclass(frozen=True)
class MelSpectrogram:
    """Power spectrogram through mel filters: periodic Hann window of n_fft samples.

    `filters` is (n_fft // 2 + 1, n_mels); `pad_mode` is how half a window is added at both ends ("reflect",
    "constant").
    """

    filters: Tensor
    n_fft: int
    hop_length: int
    pad_mode: str

    def whole(self, waveforms: Tensor) -> Tensor:
        """(..., n_samples) → (..., 1 + n_samples // hop_length, n_mels), in units of power."""
        half = self.n_fft // 2
        return self._inner(functional.pad(waveforms[None], (half, half), mode=self.pad_mode)[0])

    def stream(self, pieces: Iterable[Tensor]) -> Iterator[Tensor]:
        """Frames (n, n_mels) as soon as the sound for them has arrived; put together they equal `whole`."""
        half = self.n_fft // 2
        buffer, begun = torch.empty(0), False
        for piece in pieces:
            buffer = torch.cat([buffer, piece])
            if not begun and len(buffer) > half:
                buffer, begun = self._padded(buffer, (half, 0)), True
            if begun and len(buffer) > 2 * self.n_fft:
                frames = self._inner(buffer[: -self.n_fft])  # what is kept back is enough to reflect at the end
                yield frames
                buffer = buffer[len(frames) * self.hop_length :]
        if not begun:
            buffer = self._padded(buffer, (half, 0))
        yield self._inner(self._padded(buffer, (0, half)))

    def _padded(self, samples: Tensor, amount: tuple[int, int]) -> Tensor:
        return functional.pad(samples[None], amount, mode=self.pad_mode)[0]

    def _inner(self, samples: Tensor) -> Tensor:
        """Frames that lie wholly inside (..., n_samples)."""
        window = torch.hann_window(self.n_fft, device=samples.device)
        spectrum = torch.stft(samples, self.n_fft, self.hop_length, window=window, center=False, return_complex=True)
        power = spectrum.real.square() + spectrum.imag.square()
        return power.mT @ self.filters.to(samples.device)


def decibels(power: Tensor) -> Tensor:
    """10 log10 of power, floored at -100 dB."""
    return 10 * torch.log10(power.clamp(min=1e-10))


def quantised(samples: Tensor) -> Tensor:
    """What is left of the samples after 16-bit integers: clipped to ±1, cut towards zero."""
    return torch.trunc(samples.clamp(-1, 1) * 32767) / 32767


def repeat_padded(samples: Tensor, length: int) -> Tensor:
    """(n,) → (length,): as many whole repetitions as fit, then zeros."""
    if len(samples) == 0:
        raise EncoderError("A waveform is empty; leave this file out.")
    repeated = samples.repeat(length // len(samples))
    return functional.pad(repeated, (0, length - len(repeated)))


class FrameCollector:
    """Picks crops out of a spectrogram that arrives in parts, and shrinks the whole of it, without keeping it.

    The crops start at frames `starts` and are `length` frames long. The shrunk view has `length` frames too, each a
    triangle-weighted mean over the `n_frames` of the whole (bilinear interpolation with antialiasing).
    """

    def __init__(self, n_frames: int, length: int, starts: list[int], n_mels: int) -> None:
        self._n_frames, self._length, self._starts = n_frames, length, starts
        self._crops = torch.zeros(len(starts), length, n_mels)
        self._sum = torch.zeros(length, n_mels)
        self._weight = torch.zeros(length, 1)
        self._n_seen = 0

    def add(self, frames: Tensor) -> None:
        """Takes the next (n, n_mels) frames."""
        begin, end = self._n_seen, self._n_seen + len(frames)
        for crop, start in zip(self._crops, self._starts, strict=True):
            first, last = max(begin, start), min(end, start + self._length)
            if first < last:
                crop[first - start : last - start] = frames[first - begin : last - begin]
        self._shrink(frames, begin)
        self._n_seen = end

    def _shrink(self, frames: Tensor, begin: int) -> None:
        step = self._n_frames / self._length
        first = max(0, int((begin - step) / step) - 1)
        last = min(self._length, int((begin + len(frames) + step) / step) + 2)
        centres = (torch.arange(first, last, dtype=torch.float64)[:, None] + 0.5) * step
        positions = torch.arange(begin, begin + len(frames), dtype=torch.float64) + 0.5
        weights = (1 - (positions - centres).abs() / step).clamp(min=0).float()
        self._sum[first:last] += weights @ frames
        self._weight[first:last] += weights.sum(1, keepdim=True)

    def crops(self) -> Tensor:
        """(n_crops, length, n_mels). Raises `EncoderError` if fewer frames arrived than were announced."""
        if self._n_seen < self._n_frames:
            raise EncoderError(
                f"The sound ended after {self._n_seen} of {self._n_frames} frames; scan the folder again."
            )
        return self._crops

    def shrunk(self) -> Tensor:
        """(1, length, n_mels): the whole at a glance."""
        return (self._sum / self._weight)[None]
