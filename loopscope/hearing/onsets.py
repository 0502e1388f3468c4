"""Attacks of a loop, from a mel spectrogram with a frame every 6 ms."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from loopscope.arrays import Float
from loopscope.late import late

fft = late("scipy.fft")
ndimage = late("scipy.ndimage")
filters = late("librosa.filters")

FRAME_S = 0.0464  # two periods of the lowest bass, whose single pulses are no attacks
HOP_S = 0.0058
N_MELS = 40
CHUNK = 512  # frames transformed at once, which bounds memory
RANGE_DB = 60.0
RISE_FRAMES = 3  # 17 ms
APART_FRAMES = 11  # between two attacks: ±29 ms
MIN_SHARE = 0.12  # of the strongest attack
MIN_RISE_DB = 3.0  # mean over the bands; what swells or beats rises less


@dataclass(frozen=True)
class Onsets:
    """`times_s` (n,) ascending, `rises_db` (n,) how far the bands rise on average in 17 ms."""

    times_s: Float
    rises_db: Float

    def __len__(self) -> int:
        return len(self.times_s)


@dataclass(frozen=True)
class Rhythm:
    """What is struck when in a loop of `duration_s`.

    `level` (frames, N_MELS) as from `mel_levels`, a frame every `hop_s` seconds, and the `onsets` found in it.
    """

    level: Float
    hop_s: float
    onsets: Onsets
    duration_s: float


def find_rhythm(samples: Float, sample_rate: int) -> Rhythm:
    """The rhythm of samples (n,)."""
    level = mel_levels(samples, sample_rate)
    return Rhythm(level, hop_s(sample_rate), find_onsets(level, sample_rate), len(samples) / sample_rate)


def mel_levels(samples: Float, sample_rate: int) -> Float:
    """(frames, N_MELS) dB of `samples` (n,), at most RANGE_DB below their loudest place."""
    size, hop = int(FRAME_S * sample_rate), round(HOP_S * sample_rate)
    size += size % 2
    x = np.pad(samples, (size // 2, size // 2))  # frames are centred on their time
    frames = np.lib.stride_tricks.sliding_window_view(x, size)[::hop]
    window, bands = np.hanning(size).astype(np.float32), _bands(sample_rate, size)
    power = np.empty((len(frames), N_MELS), np.float32)
    for first in range(0, len(frames), CHUNK):
        spectra = fft.rfft(frames[first : first + CHUNK] * window, axis=1)
        power[first : first + CHUNK] = (spectra.real**2 + spectra.imag**2) @ bands
    level = 10 * np.log10(power + 1e-12)
    return np.asarray(np.maximum(level, level.max(initial=-np.inf) - RANGE_DB))


def hop_s(sample_rate: int) -> float:
    """Seconds between two frames, a whole number of samples."""
    return round(HOP_S * sample_rate) / sample_rate


def find_onsets(level: Float, sample_rate: int) -> Onsets:
    """Peaks of the rise over 17 ms in `level`, as from `mel_levels`."""
    rise = ndimage.uniform_filter1d(np.pad(rises(level), (RISE_FRAMES - 1, 1)), 3)
    highest = float(rise.max(initial=0.0))
    is_onset = (rise == ndimage.maximum_filter1d(rise, APART_FRAMES)) & (rise > max(MIN_SHARE * highest, MIN_RISE_DB))
    frames = np.flatnonzero(is_onset)
    return Onsets(frames * hop_s(sample_rate), rise[frames])


def rises(level: Float) -> Float:
    """(frames - RISE_FRAMES,) dB that the bands of (frames, bands) rise in 17 ms, on average; what falls counts 0."""
    return np.asarray(np.maximum(level[RISE_FRAMES:] - level[:-RISE_FRAMES], 0).mean(axis=1))


@lru_cache(maxsize=8)
def _bands(sample_rate: int, size: int) -> Float:
    """(size // 2 + 1, N_MELS) weights."""
    highest = min(sample_rate / 2, 11025.0)
    return np.asarray(filters.mel(sr=sample_rate, n_fft=size, n_mels=N_MELS, fmax=highest).T, dtype=np.float32)
