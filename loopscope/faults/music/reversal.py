"""Played backwards: sounds swell and break off instead of striking and fading.

A compressor that pumps and a slow pad with short releases do the same to the level. Only what was struck also brightens
towards the place where it breaks off, since its high partials fade first; without that it is no more than a suspicion.
"""

import numpy as np

from loopscope.arrays import Float, Int
from loopscope.faults.base import NOTHING, Measurement, Signal, counted
from loopscope.faults.music.onsets import hop_s, mel_levels
from loopscope.late import late

ndimage = late("scipy.ndimage")

STEP_FRAMES = 4  # 23 ms
RANGE_DB = 50.0
STEEPEST = 25  # one in so many steps counts
SEAM_FRAMES = 8
LOUD_DB = 25.0  # below the loudest place a sound that ends is no break
MIN_BREAK_DB = 4.0
APART_FRAMES = 17
MIN_BREAKS = 3  # one is a riser
BEFORE_FRAMES = 28  # 160 ms before a break, the last 23 ms of which a frame of 46 ms already sees the fall
AT_BREAK_FRAMES = 4
HEARD = 1e-4  # of the strongest band's power
SWELLS_DB, BRIGHTENS_DB = 0.2, 0.45


def measure_reversal(signal: Signal) -> Measurement:
    """Score: how much steeper the sharpest falls are than the sharpest rises, -1 … 1; 0 for the same."""
    level = signal.once(mel_levels)
    if len(level) < 2 * STEEPEST:
        return NOTHING
    loudness = 10 * np.log10((10 ** (level / 10)).sum(axis=1) + 1e-12)
    loudness = np.maximum(loudness, loudness.max() - RANGE_DB)
    around = np.concatenate([loudness[-SEAM_FRAMES:], loudness])
    change = np.sort(around[STEP_FRAMES:] - around[:-STEP_FRAMES])
    n = max(STEP_FRAMES, len(change) // STEEPEST)
    rise, fall = float(change[-n:].mean()), -float(change[:n].mean())
    breaks = _breaks(loudness, max(MIN_BREAK_DB, fall / 2))
    if len(breaks) < MIN_BREAKS:
        return NOTHING
    before = [slice(i - BEFORE_FRAMES, i - STEP_FRAMES + 1) for i in breaks]
    swells = np.median([_swelling(loudness[frames]) for frames in before])
    brightens = np.median([_brightening(level[frames]) for frames in before])
    is_struck = swells > SWELLS_DB and brightens > BRIGHTENS_DB
    hop = hop_s(signal.sample_rate)
    return Measurement(
        (fall - rise) / (abs(fall) + abs(rise) + 1e-6),
        tuple(signal.time_of(i * hop * signal.sample_rate) for i in breaks),
        f"Sounds swell and break off, as if played backwards: {counted(len(breaks), 'break')}.",
        "reversed",
        "" if is_struck else "A compressor that pumps does so too.",
    )


def _breaks(loudness: Float, at_least_db: float) -> Int:
    """Frames (n,) at which loud sound falls by so much in 23 ms, with room for a swell before them."""
    change = loudness[STEP_FRAMES:] - loudness[:-STEP_FRAMES]
    loud = loudness[:-STEP_FRAMES] > loudness.max() - LOUD_DB
    frames = np.flatnonzero((change == ndimage.minimum_filter1d(change, APART_FRAMES)) & (change < -at_least_db) & loud)
    return frames[frames >= BEFORE_FRAMES]


def _swelling(loudness: Float) -> float:
    """dB by which the last of these frames lies above the first two thirds."""
    return float(loudness[-1] - loudness[: 2 * len(loudness) // 3].mean())


def _brightening(level: Float) -> float:
    """dB by which the upper half of the bands rises more than the lower from the first of these frames to the last."""
    rise = level[-AT_BREAK_FRAMES:].mean(axis=0) - level[:AT_BREAK_FRAMES].mean(axis=0)
    power = (10 ** (level / 10)).mean(axis=0)
    bands = np.flatnonzero(power > HEARD * power.max())
    low, high = np.array_split(bands, 2)
    return float(rise[high].mean() - rise[low].mean()) if len(high) else 0.0
