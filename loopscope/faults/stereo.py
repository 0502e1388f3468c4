"""Stereo checks: channels that cancel in mono, a channel that carries nothing, and stereo that is none."""

import numpy as np

from loopscope.arrays import Float
from loopscope.faults.base import NOTHING, SPECTRUM_SIZE, Measurement, Signal, block_view, decibels
from loopscope.faults.limits import LIMITS
from loopscope.late import late

fft = late("scipy.fft")

DEAD_RATIO = 1e-3  # -60 dB: a channel this far below the other carries nothing
MIN_LEVEL = 1e-4  # full scale RMS; quieter than this there is no stereo to judge
N_BANDS = 6
BAND_SHARE = 1e-4  # of all power: softer bands say nothing
AGREEING = 0.4  # correlation of the channels of a band that is not turned round
SAME_DB = 120.0  # said of channels that are equal to the last bit


def measure_stereo_phase(signal: Signal) -> Measurement:
    """Score: minus the correlation of left and right, -1 … 1 (1: one channel inverted); mono counts as -1."""
    left_right = _pair(signal)
    if left_right is None:
        return Measurement(-1.0)
    power, cross = left_right
    if power.min() < (DEAD_RATIO**2) * power.max() or power.max() < MIN_LEVEL**2:
        return Measurement(-1.0)
    correlation = cross / float(np.sqrt(power[0] * power[1]))
    left_in_mono = max(power.sum() + 2 * cross, 0.0) / (2 * power.sum())  # rounding takes it below nothing
    loss = 10 * np.log10(left_in_mono + 1e-9)
    sentence = f"Left and right correlate at {correlation:+.2f}: in mono {-loss:.0f} dB are lost."
    excuse = _excuse(signal) if -correlation >= LIMITS["stereo_phase"].suspect else ""
    return Measurement(-correlation, (), sentence, f"loses {-loss:.0f} dB in mono", excuse)


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


def measure_false_stereo(signal: Signal) -> Measurement:
    """Score: how far what the channels differ by lies below what they share, dB (SAME_DB for equal channels)."""
    if signal.samples.shape[0] != 2 or signal.samples.shape[1] == 0 or signal.peak < MIN_LEVEL:
        return NOTHING
    left, right = signal.samples
    if len(signal.distinct_channels) == 1:
        return Measurement(SAME_DB, (), "Both channels are the same: mono in a stereo file.", "mono in a stereo file")
    middle, side = left + right, left - right
    difference = float(decibels(np.sqrt(middle @ middle)) - decibels(np.sqrt(side @ side)))
    sentence = f"The channels differ only {difference:.0f} dB below what they share: mono in a stereo file."
    return Measurement(min(difference, SAME_DB), (), sentence, "mono in a stereo file")


def _excuse(signal: Signal) -> str:
    """An inverted channel is inverted at all frequencies, an effect or a record's rumble at some."""
    left, right = (fft.rfft(block_view(channel, SPECTRUM_SIZE), axis=1) for channel in signal.samples)
    bands = np.geomspace(1, SPECTRUM_SIZE // 2, N_BANDS + 1).astype(np.intp)[:-1]
    cross, *powers = (
        np.add.reduceat((one * other.conj()).real.sum(axis=0), bands)
        for one, other in ((left, right), (left, left), (right, right))
    )
    heard = np.minimum(*powers) > BAND_SHARE * sum(power.sum() for power in powers)
    agree = heard & (cross > AGREEING * np.sqrt(powers[0] * powers[1]))
    return "Only a part of the spectrum is turned round, as by an effect that widens." if agree.any() else ""


def _pair(signal: Signal) -> tuple[Float, float] | None:
    """Mean squares (2,) of left and right without their DC, and their mean product; None unless stereo."""
    if signal.samples.shape[0] != 2 or signal.samples.shape[1] == 0:
        return None
    n = signal.samples.shape[1]
    mean = signal.samples.mean(axis=1, dtype=np.float64)
    products = (signal.samples @ signal.samples.T).astype(np.float64) / n - np.outer(mean, mean)
    return np.maximum(np.diag(products), 0.0), float(products[0, 1])
