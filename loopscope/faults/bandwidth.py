"""Band-limited content: a wall in the spectrum far below half the sample rate.

A file that was upsampled or decoded from a low bit rate has sound up to a frequency and nothing above. A mellow sound
fades out instead, so only a fall of tens of decibels within a sixth of an octave counts, and only where there is
sound to cut.
"""

import numpy as np

from loopscope.arrays import Float
from loopscope.faults.base import NOTHING, Measurement, Signal

MIN_FRAMES = 4
LOWEST_HZ = 3300.0  # telephones' 8 kHz leave 3.4 kHz; a synthesiser of few partials may end anywhere below
FARTHEST = 0.8  # of half the sample rate: walls above it are ordinary anti-alias filters
STEP_OCTAVES = 1 / 12
SIXTH_OCTAVE = 2 ** (1 / 6)
TRANSITION = 1.04  # width of the filter that made the wall
FLOOR_DB = -115.0  # below the loudest bin; hides what rounding leaves
AUDIBLE_HZ = 13000.0  # low bit rates end at 15 or 16 kHz, which few hear and many loops have


def measure_bandwidth(signal: Signal) -> Measurement:
    """Score: steepest fall of the long-term spectrum within a sixth of an octave below 0.8 of half the rate, dB."""
    if len(signal.power_spectrum) < MIN_FRAMES:
        return NOTHING
    power = signal.power_spectrum.mean(axis=0)
    if power.max() <= 0.0:
        return NOTHING
    level = 10 * np.log10(power / power.max() + 10 ** (FLOOR_DB / 10))
    nyquist = signal.sample_rate / 2
    walls = np.arange(np.log2(LOWEST_HZ), np.log2(FARTHEST * nyquist), STEP_OCTAVES)
    if not len(walls):
        return NOTHING
    walls_hz = 2**walls
    falls = np.array([_fall(level, hz / nyquist) for hz in walls_hz])
    best = int(falls.argmax())
    wall = float(walls_hz[best])
    sentence = f"Nothing above {wall / 1000:.1f} kHz in a file of {signal.sample_rate / 1000:g} kHz."
    brief = f"nothing above {wall / 1000:.1f} kHz"
    return Measurement(float(falls[best]), (), sentence, brief, "Hardly audible." if wall > AUDIBLE_HZ else "")


def _fall(level: Float, place: float) -> float:
    """dB from the median of the sixth of an octave below `place` (share of half the rate) to the loudest bin above."""
    below = level[int(place / SIXTH_OCTAVE * len(level)) : int(place * len(level))]
    return float(np.median(below) - level[int(place * TRANSITION * len(level)) + 1 :].max())
