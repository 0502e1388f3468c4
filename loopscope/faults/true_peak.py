"""Peaks between the samples: what a converter or an encoder makes of them, after ITU-R BS.1770-5, annex 2.

Oversampling is dear, so it is done only where the samples come near full scale and only in the gaps between samples
that a cubic says are the highest; elsewhere the sample peak says enough.
"""

import numpy as np

from loopscope.arrays import Float, Int
from loopscope.faults.base import MAX_TIMES, SILENCE, Measurement, Signal, decibels

NEAR = 0.7  # full scale: what lies between two softer samples is no over
MAX_PLACES = 2000  # of a channel, the highest
EVENT_GAP_S = 0.05
NO_PEAK_DB = -180.0
# Annex 2: two of the four phases of an interpolating low-pass, a quarter of a sample apart; the others mirror them.
_PHASES = (
    "0.001708984375 0.010986328125 -0.0196533203125 0.033203125 -0.0594482421875 0.1373291015625 "
    "0.97216796875 -0.102294921875 0.047607421875 -0.026611328125 0.014892578125 -0.00830078125",
    "-0.0291748046875 0.029296875 -0.0517578125 0.089111328125 -0.16650390625 0.465087890625 "
    "0.77978515625 -0.2003173828125 0.1015625 -0.0582275390625 0.0330810546875 -0.0189208984375",
)
_HALF = np.array([phase.split() for phase in _PHASES], dtype=np.float32)
PHASES = np.concatenate([_HALF, _HALF[:, ::-1]]).T  # (12, 4)
TAPS = len(PHASES)


def measure_true_peak(signal: Signal) -> Measurement:
    """Score: true peak in dBTP (the sample peak in dBFS where that is far below full scale)."""
    if signal.peak < NEAR:
        return Measurement(float(decibels(signal.peak)) if signal.peak > SILENCE else NO_PEAK_DB)
    found = [_peaks(channel) for channel in signal.distinct_channels]
    score = float(decibels(max(signal.peak, *(float(peaks.max()) for _, peaks in found))))
    over = np.unique(np.concatenate([places[peaks > 1.0] for places, peaks in found]))
    first = np.diff(over, prepend=-np.inf) > EVENT_GAP_S * signal.sample_rate
    sentence = f"Between the samples it peaks at {score:+.1f} dBTP, which converters and encoders clip."
    times = tuple(signal.time_of(place) for place in over[first][:MAX_TIMES])
    return Measurement(score, times, sentence, f"true peak {score:+.1f} dB")


def _peaks(x: Float) -> tuple[Int, Float]:
    """Samples (k,) before the highest gaps of one channel, and the largest magnitude (k,) at them and in the gap."""
    padded = np.pad(x, TAPS)
    inner, outer = padded[1:-2] + padded[2:-1], padded[:-3] + padded[3:]
    middle = np.abs(inner - outer / 9)[TAPS - 1 : TAPS - 1 + len(x)]  # a cubic through four samples, times 16 / 9
    places = np.flatnonzero(middle >= 2 * NEAR)
    if len(places) > MAX_PLACES:
        places = np.sort(places[np.argpartition(middle[places], -MAX_PLACES)[-MAX_PLACES:]])
    if not len(places):
        return np.zeros(1, np.intp), np.abs(x).max(keepdims=True)
    windows = np.lib.stride_tricks.sliding_window_view(padded, TAPS)[places + TAPS // 2 + 1]
    return places, np.maximum(np.abs(x[places]), np.abs(windows @ PHASES).max(axis=1))
