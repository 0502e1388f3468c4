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
