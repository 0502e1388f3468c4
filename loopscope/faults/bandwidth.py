"""Band-limited content: a wall in the spectrum far below half the sample rate.

A file that was upsampled or decoded from a low bit rate has sound up to a frequency and nothing above. A mellow sound
fades out instead, so only a fall of tens of decibels within a sixth of an octave counts, and only where there is
sound to cut. The partials of a synthesiser or of a wavetable may all end at one place as well; but there the floor
between them goes on, which a cut file's does not.
"""

import numpy as np

from loopscope.arrays import Float
from loopscope.faults.base import NOTHING, Measurement, Signal, block_view
from loopscope.faults.limits import LIMITS
from loopscope.late import late

fft = late("scipy.fft")

MIN_FRAMES = 4
LOWEST_HZ = 3300.0  # telephones' 8 kHz leave 3.4 kHz; a synthesiser of few partials may end anywhere below
FARTHEST = 0.8  # of half the sample rate: walls above it are ordinary anti-alias filters
STEP_OCTAVES = 1 / 12
SIXTH_OCTAVE = 2 ** (1 / 6)
TRANSITION = 1.04  # width of the filter that made the wall
FLOOR_DB = -115.0  # below the loudest bin; hides what rounding leaves
AUDIBLE_HZ = 13000.0  # low bit rates end at 15 or 16 kHz, which few hear and many loops have
FINE_SIZE = 16384  # samples; tells the partials of a bass of 41 Hz apart at 96 kHz
BETWEEN = 20  # percentile of the bins: the floor between partials
QUIETEST = 0.01  # of the loudest frame's power
FLOOR_SHARE = 0.2  # of the fall; where the floor falls by less, only the partials end


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
    score = float(falls[best])
    return Measurement(score, (), sentence, brief, _excuse(signal, wall, score))


def _excuse(signal: Signal, wall_hz: float, fall_db: float) -> str:
    if fall_db < LIMITS["band_limited"].suspect:
        return ""
    if wall_hz > AUDIBLE_HZ:
        return "Hardly audible."
    if _floor_fall(signal, wall_hz) < FLOOR_SHARE * fall_db:
        return "The floor between its partials goes on, as where a synthesiser has no more of them."
    return ""


def _floor_fall(signal: Signal, wall_hz: float) -> float:
    """dB by which the floor between the partials falls at a wall, the median over the frames that are not quiet.

    Below the wall it is that of a quarter of an octave, and another quarter away from it: real filters begin to fall
    before the place where they have fallen most.
    """
    size = min(FINE_SIZE, len(signal.main))
    power = np.abs(fft.rfft(block_view(signal.main, size) * np.hanning(size).astype(np.float32), axis=1)) ** 2
    whole = power.sum(axis=1)
    power = power[whole > QUIETEST * whole.max()]
    level = 10 * np.log10(power / power.max() + 10 ** (FLOOR_DB / 10))
    bin_hz = signal.sample_rate / size
    below = level[:, int(wall_hz / 2**0.5 / bin_hz) : int(wall_hz / 2**0.25 / bin_hz)]
    above = level[:, int(wall_hz * TRANSITION / bin_hz) + 1 : int(wall_hz * SIXTH_OCTAVE / bin_hz) + 2]
    return float(np.median(np.percentile(below, BETWEEN, axis=1) - np.median(above, axis=1)))


def _fall(level: Float, place: float) -> float:
    """dB from the median of the sixth of an octave below `place` (share of half the rate) to the loudest bin above."""
    below = level[int(place / SIXTH_OCTAVE * len(level)) : int(place * len(level))]
    return float(np.median(below) - level[int(place * TRANSITION * len(level)) + 1 :].max())
