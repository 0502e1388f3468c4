"""One loop to look at: the outline of its waveform and its mel spectrogram, small enough to send to a browser.

Conventions: full scale is ±1, times are seconds from the start, levels are dB below the loudest cell (0 to -80). All
channels count: the outline spans their extremes and the spectrogram adds their powers, so that an inverted channel
does not cancel. Columns keep maxima, so that a click of a few samples stays visible at any length.

The mel scale is Slaney's, as librosa has it by default (linear up to 1 kHz, then logarithmic), and so are the triangles
of equal area. It is written out because the first loop that is looked at would wait two seconds for librosa's import.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from loopscope import audio
from loopscope.arrays import Float
from loopscope.user_files import FilePath

LONGEST_S = 300.0  # of a file that are drawn
N_COLUMNS = 1200  # of the outline
N_FRAMES = 600  # of the spectrogram, at most
N_MELS = 96
N_FFT = 2048
HOP = 512
RANGE_DB = 80.0
SILENT = 1e-10  # power
FRAMES_AT_ONCE = 1024
HZ_PER_MEL, BEND_HZ, LOG_STEP = 200 / 3, 1000.0, np.log(6.4) / 27  # linear below the bend, logarithmic above it


@dataclass(frozen=True)
class SoundOutline:
    """Outline: `times_s`, `low`, `high` (columns,). Spectrogram: `mel_db` (mels, frames), `frame_s`, `mel_hz` (mels,).

    `duration_s` is what was drawn, the whole file up to five minutes.
    """

    duration_s: float
    times_s: Float
    low: Float
    high: Float
    frame_s: Float
    mel_hz: Float
    mel_db: Float


def outline_of_file(path: FilePath) -> SoundOutline:
    """Outline and spectrogram of a file. Raises AudioError with the reason if it cannot be decoded."""
    wave = audio.decode(path, mono=False, duration_s=LONGEST_S)
    return draw(wave.samples, wave.sample_rate)


def draw(samples: Float, sample_rate: int) -> SoundOutline:
    """Outline and spectrogram of `samples` (channels, n)."""
    n = samples.shape[1]
    edges = np.linspace(0, n, min(N_COLUMNS, n) + 1).astype(np.int64)[:-1]
    powers = [_mel_power(channel, sample_rate) for channel in samples]
    mel = np.sum(powers, axis=0)
    frame_s = np.arange(mel.shape[1]) * HOP / sample_rate
    step = -(-mel.shape[1] // N_FRAMES)
    first = np.arange(0, mel.shape[1], step)
    mel_db = 10 * np.log10(np.maximum(np.maximum.reduceat(mel, first, axis=1), SILENT))
    return SoundOutline(
        duration_s=n / sample_rate,
        times_s=(edges / sample_rate).astype(np.float32),
        low=np.minimum.reduceat(samples.min(axis=0), edges),
        high=np.maximum.reduceat(samples.max(axis=0), edges),
        frame_s=frame_s[first].astype(np.float32),
        mel_hz=mel_edges_hz(sample_rate)[1:-1].astype(np.float32),
        mel_db=np.maximum(mel_db - mel_db.max(), -RANGE_DB).astype(np.float32),
    )


def _mel_power(samples: Float, sample_rate: int) -> Float:
    """(mels, frames), each frame centred on its time; beyond the ends of the sound is silence."""
    padded = np.pad(samples, (N_FFT // 2, N_FFT))
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[: len(samples) + 1 : HOP]
    window = np.hanning(N_FFT + 1)[:-1].astype(np.float32)
    filters = mel_filters(sample_rate).T
    pieces = [frames[first : first + FRAMES_AT_ONCE] for first in range(0, len(frames), FRAMES_AT_ONCE)]
    return np.concatenate([np.abs(np.fft.rfft(piece * window)) ** 2 @ filters for piece in pieces]).T


@lru_cache(maxsize=8)
def mel_filters(sample_rate: int) -> Float:
    """(mels, N_FFT / 2 + 1): a triangle of equal area for every band."""
    low, peak, high = (edges[:, None] for edges in (mel_edges_hz(sample_rate)[i : i + N_MELS] for i in range(3)))
    bins = np.fft.rfftfreq(N_FFT, 1 / sample_rate)
    triangles = np.minimum((bins - low) / (peak - low), (high - bins) / (high - peak))
    return (np.maximum(triangles, 0) * 2 / (high - low)).astype(np.float32)


def mel_edges_hz(sample_rate: int) -> Float:
    """Where the triangles begin, peak and end, (mels + 2,): evenly spaced in mel from 0 to half the sample rate."""
    bend, highest = BEND_HZ / HZ_PER_MEL, sample_rate / 2
    top = bend + np.log(highest / BEND_HZ) / LOG_STEP if highest > BEND_HZ else highest / HZ_PER_MEL
    mel = np.linspace(0.0, top, N_MELS + 2)
    return np.where(mel < bend, HZ_PER_MEL * mel, BEND_HZ * np.exp(LOG_STEP * (mel - bend)))
