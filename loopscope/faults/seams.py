"""Does the end meet the start? Looks only at the place where a player jumps back.

The last and first tenth of a second are put end to end. A waveform jump there that stands out of its surroundings
clicks at every turn: the loop was cut off too early, or not at a place where it closes.
"""

import numpy as np

from loopscope.arrays import Float
from loopscope.faults.base import NOTHING, Measurement, Signal, decibels, in_percent

SEAM_S = 0.1  # kept of each end
SHARP_S = 0.0003  # the jump must fall within this of the seam
MIN_JUMP_DB = -30.0  # of the louder end's peak: smaller jumps are inaudible


def measure_seam(signal: Signal) -> Measurement:
    """Score: jump between last and first sample over the largest other jump near the seam, dB.

    `signal` holds the tail of the file followed by its head, the seam in the middle.
    """
    half = signal.samples.shape[1] // 2
    if half < 8:
        return NOTHING
    score, jump = max(_jump(channel, half, signal.sample_rate) for channel in signal.samples)
    sentence = f"The loop clicks where its end meets its start: a jump of {100 * jump:.0f} % of full scale."
    return Measurement(score, (signal.time_of(half),), sentence, f"jump of {in_percent(jump)} at the seam")


def _jump(x: Float, half: int, sample_rate: int) -> tuple[float, float]:
    """(dB above the other jumps, jump in full scale) of one channel."""
    steps = np.abs(np.diff(x))
    jump = float(steps[half - 1])
    margin = max(int(SHARP_S * sample_rate), 2)
    others = np.concatenate([steps[: half - 1 - margin], steps[half - 1 + margin :]])
    peak = float(np.abs(x).max())
    if not len(others) or jump <= peak * 10 ** (MIN_JUMP_DB / 20):
        return 0.0, jump
    return float(decibels(jump) - decibels(max(float(others.max()), peak * 1e-3))), jump
