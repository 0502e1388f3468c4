"""Does the end meet the start? Looks at the place where a player jumps back.

The last and first tenth of a second are put end to end. A waveform jump there that stands out of its surroundings
clicks at every turn: the loop was cut off too early, or not at a place where it closes. A steady sound may also change
its colour there, without a jump: a pad that began without its reverberation, an ambience whose end fades.
"""

from functools import lru_cache

import numpy as np

from loopscope.arrays import Float
from loopscope.faults.base import NOTHING, SILENCE, SPECTRUM_SIZE, Measurement, Signal, decibels, in_percent

SEAM_S = 0.1  # kept of each end
SHARP_S = 0.0003  # the jump must fall within this of the seam
LONGEST_S = 60.0  # longer files are no loops
SPECTRUM_FRAMES = 24  # at least, about a second
N_BANDS = 16
LOWEST_HZ, HIGHEST_HZ = 60.0, 12000.0
RANGE_DB = 50.0  # below the loudest band of the file nothing is compared
STEADY_DB = -20.0  # of the loudest part: what begins or ends below it has faded
SPANS = (0.25, 0.5, 0.75)  # of the file
MARGIN_S = 0.15  # at each edge, where what is wrong is
SWEEP = 1.5  # of the longest span: what a sweep through the whole file changes
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


def measure_spectral_seam(signal: Signal) -> Measurement:
    """Score: change of the spectrum from the last to the first 46 ms beyond what changes within the file, dB.

    The change is the mean over the bands. Away from the edges neighbours are compared and parts of the file far from
    each other, so that neither rhythm nor a slow sweep counts; nor does a stroke at the start, by what falls again
    after it.
    """
    power = signal.power_spectrum
    if signal.duration_s > LONGEST_S or len(power) < SPECTRUM_FRAMES:
        return NOTHING
    end = Signal(signal.main[None, -SPECTRUM_SIZE:], signal.sample_rate).power_spectrum
    bands = np.concatenate([power, end]) @ _bands(signal.sample_rate)
    level = 10 * np.log10(bands / max(float(bands.max()), SILENCE) + 10 ** (-RANGE_DB / 10))
    margin = int(MARGIN_S * signal.sample_rate / SPECTRUM_SIZE) + 1
    first, inside, last = level[0], level[margin : -1 - margin], level[-1]
    edges = bands[[0, -1]].sum(axis=1)
    if edges.min() < 10 ** (STEADY_DB / 10) * float(bands.sum(axis=1).max()):
        return NOTHING
    lags = (1, *(int(span * len(inside)) for span in SPANS))
    largest = max(float(np.abs(inside[lag:] - inside[:-lag]).mean(axis=1).max()) for lag in lags)
    change = float(np.abs(last - first).mean())
    stroke = float(np.maximum(first - inside[0], 0.0).mean())
    sentence = f"The sound changes its colour by {change:.0f} dB where the end meets the start."
    return Measurement(
        max(change - SWEEP * largest - stroke, 0.0),
        (signal.time_of(len(signal.main)),),
        sentence,
        "colour changes at the seam",
    )


@lru_cache(maxsize=4)
def _bands(sample_rate: int) -> Float:
    """(bins, N_BANDS) 1 where a bin of a power spectrum belongs to a band."""
    edges_hz = np.geomspace(LOWEST_HZ, min(HIGHEST_HZ, 0.45 * sample_rate), N_BANDS + 1)
    hz = np.arange(SPECTRUM_SIZE // 2 + 1) * sample_rate / SPECTRUM_SIZE
    return np.asarray((hz[:, None] >= edges_hz[:-1]) & (hz[:, None] < edges_hz[1:]), dtype=np.float32)


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
