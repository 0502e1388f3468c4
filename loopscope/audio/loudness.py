"""How loud a loop is, so that auditioning does not compare levels instead of sounds.

Integrated loudness after ITU-R BS.1770-4 / EBU R128 (through pyloudnorm), in LUFS, of the loop as it is heard: looped.
Peaks are sample peaks in dBFS (0 dBFS = full scale ±1).
"""

from dataclasses import dataclass

import numpy as np

from loopscope import audio
from loopscope.arrays import Float
from loopscope.late import late
from loopscope.user_files import FilePath

pyloudnorm = late("pyloudnorm")

LONGEST_MEASURED_S = 60.0  # loudness of the first minute stands for longer files
_SHORTEST_MEASURED_S = 1.0  # BS.1770 gates blocks of 0.4 s with 75 % overlap; shorter loops are repeated up to this
_MOST_CHANNELS = 5  # BS.1770 weights of pyloudnorm end here


@dataclass(frozen=True)
class Loudness:
    """Integrated loudness in LUFS (None where everything is gated: silence) and sample peak in dBFS."""

    lufs: float | None
    peak_dbfs: float | None


def measure(samples: Float, sample_rate: int) -> Loudness:
    """Measure one loop.

    Args:
        samples: (n,) or (channels, n) float32, full scale ±1; channels beyond the fifth are ignored.
        sample_rate: in Hz.

    Returns:
        Both values None for digital silence or an empty array.
    """
    channels = np.atleast_2d(samples)[:_MOST_CHANNELS]
    peak = float(np.max(np.abs(channels))) if channels.size else 0.0
    if peak == 0.0:
        return Loudness(None, None)
    repeats = int(np.ceil(_SHORTEST_MEASURED_S * sample_rate / channels.shape[1]))
    looped = np.tile(channels, (1, max(1, repeats)))
    with np.errstate(divide="ignore"):  # blocks of silence have a loudness of -inf, which the gate drops
        lufs = float(pyloudnorm.Meter(sample_rate).integrated_loudness(looped.T.astype(np.float64)))
    return Loudness(lufs if np.isfinite(lufs) else None, float(20 * np.log10(peak)))


def measure_file(path: FilePath) -> Loudness:
    """Measure the first minute of a file; raises `AudioError` where it cannot be decoded."""
    waveform = audio.decode(path, mono=False, duration_s=LONGEST_MEASURED_S)
    return measure(waveform.samples, waveform.sample_rate)
