"""One loop to look at: the outline of its waveform and its mel spectrogram, small enough to send to a browser.

Conventions: full scale is ±1, times are seconds from the start, levels are dB below the loudest cell (0 to -80). All
channels count: the outline spans their extremes and the spectrogram adds their powers, so that an inverted channel
does not cancel. Columns keep maxima, so that a click of a few samples stays visible at any length.
"""

from dataclasses import dataclass

import librosa
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
    mel_db = librosa.power_to_db(np.maximum.reduceat(mel, first, axis=1), ref=np.max, top_db=RANGE_DB)
    return SoundOutline(
        duration_s=n / sample_rate,
        times_s=(edges / sample_rate).astype(np.float32),
        low=np.minimum.reduceat(samples.min(axis=0), edges),
        high=np.maximum.reduceat(samples.max(axis=0), edges),
        frame_s=frame_s[first].astype(np.float32),
        mel_hz=librosa.mel_frequencies(N_MELS + 2, fmin=0.0, fmax=sample_rate / 2)[1:-1].astype(np.float32),
        mel_db=mel_db.astype(np.float32),
    )


def _mel_power(samples: Float, sample_rate: int) -> Float:
    """(mels, frames); the shortest sounds are filled up with silence to one window."""
    padded = np.pad(samples, (0, max(0, N_FFT - len(samples))))
    power: Float = librosa.feature.melspectrogram(y=padded, sr=sample_rate, n_fft=N_FFT, hop_length=HOP, n_mels=N_MELS)
    return power[:, : 1 + len(samples) // HOP]
