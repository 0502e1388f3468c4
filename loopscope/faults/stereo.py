"""Stereo checks: channels that cancel in mono, and a channel that carries nothing."""

import numpy as np

from loopscope.arrays import Float
from loopscope.faults.base import NOTHING, Measurement, Signal, decibels

DEAD_RATIO = 1e-3  # -60 dB: a channel this far below the other carries nothing
MIN_LEVEL = 1e-4  # full scale RMS; quieter than this there is no stereo to judge


def measure_stereo_phase(signal: Signal) -> Measurement:
    """Score: minus the correlation of left and right, -1 … 1 (1: one channel inverted); mono counts as -1."""
    left_right = _pair(signal)
    if left_right is None:
        return Measurement(-1.0)
    power, cross = left_right
    if power.min() < (DEAD_RATIO**2) * power.max() or power.max() < MIN_LEVEL**2:
        return Measurement(-1.0)
    correlation = cross / float(np.sqrt(power[0] * power[1]))
    loss = 10 * np.log10((power.sum() + 2 * cross) / (2 * power.sum()) + 1e-9)
    sentence = f"Left and right correlate at {correlation:+.2f}: in mono {-loss:.0f} dB are lost."
    return Measurement(-correlation, (), sentence, f"loses {-loss:.0f} dB in mono")


def measure_dead_channel(signal: Signal) -> Measurement:
    """Score: level difference of the channels, dB (120 at most)."""
    left_right = _pair(signal)
    if left_right is None or left_right[0].max() < MIN_LEVEL**2:
        return NOTHING
    rms = np.sqrt(left_right[0])
    difference = float(np.clip(decibels(rms.max()) - decibels(rms.min()), 0, 120))
    side = ("left", "right")[int(rms.argmin())]
    sentence = f"The {side} channel is {difference:.0f} dB below the other."
    return Measurement(difference, (), sentence, f"{side} channel {difference:.0f} dB down")


def _pair(signal: Signal) -> tuple[Float, float] | None:
    """Mean squares (2,) of left and right without their DC, and their mean product; None unless stereo."""
    if signal.samples.shape[0] != 2 or signal.samples.shape[1] == 0:
        return None
    n = signal.samples.shape[1]
    mean = signal.samples.mean(axis=1, dtype=np.float64)
    products = (signal.samples @ signal.samples.T).astype(np.float64) / n - np.outer(mean, mean)
    return np.maximum(np.diag(products), 0.0), float(products[0, 1])
