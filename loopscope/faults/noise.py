"""A broadband noise floor: the level that a band keeps whenever the music pauses.

Minimum statistics (Martin, IEEE Trans. Speech and Audio Processing 9, 2001) find the floor in the quietest frames of
each band. A decaying cymbal or a distorted chord also has quietest frames, so a band counts only if they look like
steady noise: equally strong (a plateau), flat across the band, and with the spread of a Gaussian from frame to frame.
Several neighbouring bands must agree; single bands of cymbals do pass.
"""

from itertools import pairwise

import numpy as np

from loopscope.arrays import Float
from loopscope.faults.base import SPECTRUM_SIZE, Measurement, Signal, block_view
from loopscope.faults.clicks import crackle_of
from loopscope.faults.limits import LIMITS

N_BANDS = 10
LOWEST_HZ, HIGHEST_HZ = 1000.0, 16000.0
QUIETEST = 0.5  # share of the frames
MIN_FRAMES = 20  # about a second
NO_NOISE_DB = -120.0
CONTENT_DB = -10.0  # a floor this close to the loudest parts is the sound itself
SOFTEST, LOUDEST = 5, 95  # percentiles of the frames
PAUSE_DB = 6.0  # the softest parts less far below the loudest are no pause, in which noise could be told from sound
MIN_BINS = 4
MIN_WEIGHT = 0.85
MIN_BANDS = 4  # neighbours, about an octave and a half
# Each property and where it turns from noise to not noise: full weight up to the first value, none from the second.
PLATEAU_DB = (1.5, 3.0)  # upper half of the quietest frames above the lower half
UNEVENNESS = (1.3, 1.8)  # mean over median of the band's bins
SPREAD = (0.2, 0.4)  # distance of standard deviation ÷ mean over frames from 1, that of an exponential


def measure_noise(signal: Signal) -> Measurement:
    """Score: noise floor from 1 to 16 kHz relative to the loudest parts, dB (negative; -120 for none)."""
    power = signal.power_spectrum
    if len(power) < MIN_FRAMES:
        return Measurement(NO_NOISE_DB)
    frames = block_view(signal.main, SPECTRUM_SIZE)
    soft, loud = np.percentile(np.einsum("bn,bn->b", frames, frames) / SPECTRUM_SIZE, (SOFTEST, LOUDEST))
    edges_hz = np.geomspace(LOWEST_HZ, min(HIGHEST_HZ, 0.45 * signal.sample_rate), N_BANDS + 1)
    edges = np.searchsorted(np.arange(power.shape[1]) * signal.sample_rate / SPECTRUM_SIZE, edges_hz)
    floor = _widest_floor([_floor(power[:, first:last]) for first, last in pairwise(edges)])
    if loud <= 0.0 or floor <= 0.0:
        return Measurement(NO_NOISE_DB)
    score = max(float(10 * np.log10(floor / loud)), NO_NOISE_DB)
    excuse = "The sound itself is noise." if score > CONTENT_DB else ""
    if not excuse and 10 * np.log10(loud / max(soft, floor)) < PAUSE_DB:
        excuse = "The sound never pauses, so the noise may belong to it."
    if not excuse and score >= LIMITS["noise"].fault:
        excuse = crackle_of(signal)  # a record's noise is there to be heard
    sentence = f"Steady noise {-score:.0f} dB below the loudest parts."
    return Measurement(score, (), sentence, f"noise {-score:.0f} dB down", excuse)


def _widest_floor(bands: list[tuple[float, float]]) -> float:
    """Mean square in the strongest run of MIN_BANDS or more neighbours that are noise; `bands` come from _floor."""
    best = run = 0.0
    length = 0
    for weight, power in bands:
        length, run = (length + 1, run + power) if weight >= MIN_WEIGHT else (0, 0.0)
        if length >= MIN_BANDS:
            best = max(best, run)
    return best


def _floor(band: Float) -> tuple[float, float]:
    """How noise-like the quietest frames of one band (frames, bins) are, 0 … 1, and their mean square."""
    if band.shape[1] < MIN_BINS:
        return 0.0, 0.0
    energy = band.sum(axis=1)
    order = np.argsort(energy)[: max(int(QUIETEST * len(energy)), 6)]
    half = len(order) // 2
    quiet = band[order]
    mean = quiet.mean(axis=0)
    if energy[order[:half]].min() <= 0.0 or mean.min() <= 0.0:
        return 0.0, 0.0
    plateau = 10 * np.log10(energy[order[half:]].mean() / energy[order[:half]].mean())
    unevenness = mean.mean() / np.median(mean)
    spread = abs(float(np.median(quiet.std(axis=0) / mean)) - 1.0)
    weight = _weight(plateau, PLATEAU_DB) * _weight(unevenness, UNEVENNESS) * _weight(spread, SPREAD)
    return weight, float(energy[order].mean())


def _weight(value: float, limits: tuple[float, float]) -> float:
    """1 up to the first limit, 0 from the second, linear between."""
    return float(np.interp(value, limits, (1.0, 0.0)))
