"""Level checks: DC offset, near-silence, and a level far from those of the folder."""

import numpy as np

from loopscope.arrays import Float
from loopscope.faults.base import NO_VALUE, NOTHING, Measurement, Signal, block_view, decibels
from loopscope.faults.limits import LIMITS

PART_S = 0.05  # short enough for the gaps between notes
MIN_PARTS = 8
QUIETEST = 1 / 12  # share of the parts
MEDIAN_STEP = 7  # every seventh sample is plenty for a median
PROVEN_BY_QUIET = 0.4  # an offset of that share of the quietest parts' deviation is none of their waveform
PROVEN_BY_PEAKS = 0.75  # of the offset; by so much at least it shifts upper and lower peaks alike
SILENT_DB = -120.0  # full scale: the last bit of 20
DEVIATIONS = 1.4826  # standard deviations in a median distance
LOUDEST_S = 0.4  # the momentary window of EBU R 128


def measure_dc_offset(signal: Signal) -> Measurement:
    """Score: offset, % of full scale, that every part of the file has.

    A lopsided waveform (an overdriven bass) has a mean too, but only while it sounds. So the smallest of the mean, the
    median and the mean of the quietest parts counts. Where no part is quiet, only peaks that are shifted with the rest
    prove an offset; without them it has an excuse.
    """
    size = max(int(PART_S * signal.sample_rate), 1)
    offsets = [_offset(channel, size) for channel in signal.distinct_channels if len(channel)]
    worst, is_proven = max(offsets, default=(0.0, True))
    proven = max((offset for offset, is_sure in offsets if is_sure), default=0.0)
    if 100 * proven >= LIMITS["dc_offset"].fault:  # what the other channel may be excused for is not excused here
        worst, is_proven = proven, True
    percent = 100 * worst
    excuse = "" if is_proven else "No part is quiet enough to tell it from a lopsided waveform, as of a synth bass."
    sentence = f"DC offset of {percent:.1f} % of full scale."
    return Measurement(percent, (), sentence, f"DC offset {percent:.0f} %", excuse)


def _offset(x: Float, size: int) -> tuple[float, bool]:
    """What mean, median and the quietest parts of `size` samples share, full scale 1, and whether it must be an offset;
    0 where their signs differ."""
    offsets = [float(x.mean(dtype=np.float64)), float(np.median(x[::MEDIAN_STEP]))]
    parts, is_soft = block_view(x, min(size, len(x))), False
    if len(parts) >= MIN_PARTS:
        means, powers = parts.mean(axis=1, dtype=np.float64), parts.var(axis=1)
        quiet = np.argsort(powers)[: max(int(QUIETEST * len(parts)), 1)]
        offsets.append(float(np.median(means[quiet])))
        is_soft = min(map(abs, offsets)) > PROVEN_BY_QUIET * float(np.sqrt(np.median(powers[quiet])))
    shared = min(map(abs, offsets))
    middle = np.sign(offsets[0]) * float(np.median(parts.max(axis=1) + parts.min(axis=1))) / 2
    agree = min(offsets) > 0 or max(offsets) < 0
    return (shared, bool(is_soft or middle >= PROVEN_BY_PEAKS * shared)) if agree else (0.0, True)


def measure_near_silence(signal: Signal) -> Measurement:
    """Score: how far the loudest 400 ms stay below full scale, dB (180 for digital silence)."""
    if signal.samples.shape[1] == 0:
        return NOTHING
    level = _loudest(signal)
    brief = "silent" if level <= SILENT_DB else f"nearly silent, {-level:.0f} dB down"
    return Measurement(-level, (), f"Nearly silent: the loudest part reaches {level:.0f} dBFS.", brief)


def measure_loudest(signal: Signal) -> Measurement:
    """Value: level of the loudest 400 ms, dBFS; none for silence."""
    level = _loudest(signal) if signal.samples.shape[1] else SILENT_DB
    return Measurement(level) if level > SILENT_DB else NO_VALUE


def compare_levels(levels: Float, around: Float) -> list[Measurement]:
    """Score: distance of each level (k,) from the median of its folder (m,) beyond twice the folder's spread, dB.

    The spread is the median distance from the median, as the standard deviation that a Gaussian would have.
    """
    usual = float(np.median(around))
    spread = DEVIATIONS * float(np.median(np.abs(around - usual)))
    return [_beside(float(level) - usual, spread) for level in levels]


def _beside(difference: float, spread: float) -> Measurement:
    said = f"{abs(difference):.0f} dB {'louder' if difference > 0 else 'softer'} than its folder"
    return Measurement(abs(difference) - 2 * spread, (), f"{said[0].upper()}{said[1:]} mostly is.", said)


def _loudest(signal: Signal) -> float:
    """Level of the loudest 400 ms of one channel, dBFS."""
    size = max(min(int(LOUDEST_S * signal.sample_rate), signal.samples.shape[1]), 1)
    power = max(
        float(np.einsum("bn,bn->b", blocks, blocks).max())
        for blocks in (block_view(channel, size) for channel in signal.distinct_channels)
    )
    return float(decibels(np.sqrt(power / size)))
