"""Bursts of noise: a stretch of flat noise that begins and ends at once, with no attack and no decay.

Drums are noise too, but they ring off; a burst (a bad contact, a lost packet, a decoder that went astray) keeps its
level and stops. It is looked for in the second difference of the samples, which leaves little of the music.
"""

import numpy as np

from loopscope.arrays import Float, Int
from loopscope.faults.base import MAX_TIMES, NOTHING, Measurement, Signal, block_view, counted, decibels
from loopscope.faults.limits import LIMITS
from loopscope.late import late

fft = late("scipy.fft")
ndimage = late("scipy.ndimage")

BLOCK_S = 0.004
SHORTEST, LONGEST = 4, 150  # blocks: 16 ms to 0.6 s
EDGE = 3  # blocks beside a burst that must be quiet
LEVEL_DB = 5.0  # of a burst, from its loudest block to its softest
FLOOR_DB = -45.0  # of the peak: what codecs leave before a hit is softer
WHITE_GAIN = 6**0.5  # of the second difference, for white noise
FLATNESS = 2.5  # mean over median of the bins: up to 1.44 for white noise, more for pink and much more for tones
LOWEST_BIN = 1 / 8  # of the spectrum: below it the music is
SPECTRUM = 512  # samples
OFTEN = 4  # as many are a rhythm


def measure_bursts(signal: Signal) -> Measurement:
    """Score: level of the clearest burst above the sound right before and after it, above 1 kHz or so, dB."""
    size = max(int(BLOCK_S * signal.sample_rate), 8)
    found = [_bursts_of(channel, size) for channel in signal.distinct_channels]
    places, heights = (np.concatenate(parts) for parts in zip(*found, strict=True))
    if not len(places):
        return NOTHING
    score = float(heights.max())
    audible = np.unique(places[heights >= LIMITS["noise_burst"].suspect])
    brief = counted(len(audible), "noise burst")
    sentence = f"{brief}, {score:.0f} dB above what surrounds it."
    excuse = "They come again and again, as in glitch music or on gated drums." if len(audible) >= OFTEN else ""
    times = tuple(signal.time_of(place * size) for place in audible[:MAX_TIMES])
    return Measurement(score, times, sentence, brief, excuse)


def _bursts_of(x: Float, size: int) -> tuple[Int, Float]:
    """First blocks (k,) of the bursts of one channel and their heights (k,) in dB."""
    bright = np.diff(x, 2)
    blocks = block_view(bright, size)
    power = np.einsum("bn,bn->b", blocks, blocks) / np.float32(size)
    peak = float(np.abs(x).max(initial=0.0))
    if len(power) < SHORTEST + 2 * EDGE or peak == 0.0:
        return np.empty(0, np.intp), np.empty(0)
    level = np.maximum(decibels(np.sqrt(power)), float(decibels(WHITE_GAIN * peak)) + FLOOR_DB)
    bursts = [(first, height) for first, last, height in _plateaus(level) if _is_noise(x, first, last, size)]
    return np.array([first for first, _ in bursts], np.intp), np.array([height for _, height in bursts], np.float64)


def _plateaus(level: Float) -> list[tuple[int, int, float]]:
    """(first, last + 1, height in dB) of stretches of blocks that stand out at once and end at once."""
    suspect = LIMITS["noise_burst"].suspect
    before = ndimage.maximum_filter1d(level, EDGE, origin=(EDGE - 1) // 2)  # of EDGE blocks up to each
    after = ndimage.maximum_filter1d(level, EDGE, origin=-((EDGE - 1) // 2))
    begins = np.flatnonzero(level[2:] - before[:-2] >= suspect) + 1
    found = []
    end = 0
    for begin in begins:
        if begin < end:
            continue
        first = int(begin)
        raised = level[first + 1 : first + LONGEST + EDGE + 2] >= before[first - 1] + suspect
        length = 1 + (int(np.argmin(raised)) if not raised.all() else len(raised))
        last = first + length
        if not SHORTEST <= length <= LONGEST or last + 1 + EDGE > len(level):
            continue
        plateau = level[first + 1 : last - 1]
        height = float(np.median(plateau) - max(before[first - 1], after[last + 1]))
        if height >= suspect and float(plateau.max() - plateau.min()) <= LEVEL_DB:
            found.append((first, last, height))
            end = last
    return found


def _is_noise(x: Float, first: int, last: int, size: int) -> bool:
    """Is the spectrum of this stretch flat, as that of noise?"""
    stretch = x[(first + 1) * size : (last - 1) * size]
    n = min(SPECTRUM, len(stretch))
    frames = block_view(stretch, n) * np.hanning(n).astype(np.float32)
    power = (np.abs(fft.rfft(frames, axis=1)) ** 2).mean(axis=0)[int(LOWEST_BIN * n / 2) :]
    return bool(power.mean() <= FLATNESS * np.median(power))
