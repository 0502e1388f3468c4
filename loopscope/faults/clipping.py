"""Clipping at any level: many samples pile up at one amplitude, few lie above it.

The histogram of the amplitudes of each polarity thins out towards the peak in unclipped sound; a clipped one has a
spike there (Laguna and Lerch, An efficient algorithm for clipping detection and declipping audio, AES 141, 2016). A
file that was turned down, resampled or coded after clipping keeps the spike, only wider and below the peak, so the
spike is looked for at every level of the upper half and in three widths. A steady sine has 2.4 times as many samples
in the last bin as in the one before, at every width; a limiter or a speaker cabinet after the distortion rounds the
spike off.
"""

from dataclasses import dataclass

import numpy as np

from loopscope.arrays import Bool, Float, Int
from loopscope.faults.base import (
    MAX_TIMES,
    NOTHING,
    SILENCE,
    SPECTRUM_SIZE,
    Measurement,
    Signal,
    block_view,
    decibels,
    in_percent,
)
from loopscope.faults.limits import LIMITS

N_BINS = 200  # of the file's peak, half a percent each
WIDTHS = (2, 4, 8)  # bins: exact, resampled, lossily coded
LOWEST = 0.5  # of the peak: spikes below it are quiet passages, not clipping
MAX_ABOVE = 0.25  # of the spike: overshoot of resampling and coding
RELEVANT = LOWEST - (3 + 1) * WIDTHS[-1] / N_BINS  # of the peak: the lowest amplitude that is compared
N_BELOW = 3  # widths; the fullest counts, since decaying waves step from level to level
PRIOR = 12.0  # samples added below the spike, so that a handful of samples proves nothing
MIN_SAMPLES = 12
SQUARE_SHARE = 0.6  # of all samples, in a spike that is exact
SATURATED_SHARE = 0.25  # of all samples, in a spike that is not
EVENT_GAP_S = 0.05
MIN_TOP = 4  # samples: a shorter top has no shape
CORNER = 8  # samples before a top, in which its slope is taken
ROUND_BEND = 0.2  # overdriven stages give 0.1 to 0.22, clipped ones mostly 0.4 and more
ROUND_BEND_WIDE = 0.3  # where tops are not level either: what is clipped is so only after a low-pass, and still turns
HITS_SHARE = 0.25  # of the time, at most
ONE_HIT_S = 0.6  # from the start of the file to the last flat top of its only hit
LEVEL_S, RING_S = 0.02, 0.2
LOUDEST = 95  # percentile of the levels of the rest
HIT_DB = 8.0  # clipped notes of a loop stand 5 dB out of the others
FLATNESS_HZ = (500.0, 8000.0)
DRUM_FLATNESS = 0.25  # clipped bass and guitar stay below 0.13


@dataclass(frozen=True)
class Spike:
    """Amplitudes `low`..`high` hold `share` of all samples, `ratio` times as many as the same width just below."""

    ratio: float
    low: float
    high: float
    share: float
    sign: int
    channel: int


def measure_clipping(signal: Signal) -> Measurement:
    """Score: samples at the clipping level ÷ samples just below it, in dB (steady sine: 8 dB)."""
    spikes = [
        _spike(channel, sign, number)
        for number, channel in enumerate(signal.distinct_channels)
        for sign in (1, -1)
        if signal.peak > 0
    ]
    if not spikes:
        return NOTHING
    worst = max(spikes, key=lambda spike: spike.ratio)
    score = float(decibels(worst.ratio))
    if score < LIMITS["clipping"].suspect:
        return Measurement(score)
    share = sum(spike.share for spike in spikes if spike.channel == worst.channel and spike.ratio > worst.ratio / 10)
    level = float(decibels(worst.high))
    sentence = f"{share:.1%} of the samples sit at one level ({level:.1f} dBFS): clipped."
    tops = _tops(signal, worst)
    times = tuple(signal.time_of(i) for i in tops[_begins(tops, signal)][:MAX_TIMES])
    return Measurement(score, times, sentence, f"clipped {in_percent(share)}", _excuse(signal, worst, share, tops))


def _excuse(signal: Signal, spike: Spike, share: float, tops: Int) -> str:
    """Half a waveform at one level, rounded tops and the attacks of drums are how it is meant to sound."""
    if share > SQUARE_SHARE:
        return "A square wave looks the same."
    exact = spike.high - spike.low < 1.5 * WIDTHS[0] / N_BINS * spike.high
    most = ROUND_BEND if exact else ROUND_BEND_WIDE
    if (not exact and share > SATURATED_SHARE) or _bend(signal, spike, tops) < most:
        return "A heavily saturated sound looks the same."
    return "Only hits are cut, as on drums made loud." if _are_hits(signal, tops) else ""


def _bend(signal: Signal, spike: Spike, tops: Int) -> float:
    """How suddenly the waveform turns at the sharper end of a flat top, as a share of its slope there; median over the
    tops. Clipping turns within a sample or two, an overdriven stage bends."""
    x = signal.distinct_channels[spike.channel] * np.float32(spike.sign)
    breaks = np.flatnonzero(np.diff(tops) > 1)
    first, last = tops[np.r_[0, breaks + 1]], tops[np.r_[breaks, len(tops) - 1]]
    wide = (last - first >= MIN_TOP) & (first >= CORNER) & (last < len(x) - CORNER)
    if not wide.any():
        return 1.0
    reach = np.arange(-CORNER, MIN_TOP)
    bends = [_turn(x[corner[wide, None] + side * reach]) for corner, side in ((first, 1), (last, -1))]
    return float(np.median(np.minimum(*bends)))


def _turn(corners: Float) -> Float:
    """(tops, samples up to a top and a little along it) -> (tops,) largest change of slope ÷ steepest slope."""
    slope = np.diff(corners, axis=1)
    turn: Float = np.abs(np.diff(slope, axis=1)).max(axis=1) / np.maximum(slope.max(axis=1), SILENCE)
    return turn


def _are_hits(signal: Signal, tops: Int) -> bool:
    """Do the flat tops come in short groups that are drums: noise, or one hit at the start that rings off?"""
    begins = np.flatnonzero(_begins(tops, signal))
    first, last = tops[begins], tops[np.r_[begins[1:] - 1, len(tops) - 1]]
    if (last - first).sum() > HITS_SHARE * signal.samples.shape[1]:
        return False
    size = int(LEVEL_S * signal.sample_rate)
    level = decibels(np.sqrt(np.square(block_view(signal.main, size)).mean(axis=1)))
    hit = _covered(first // size, last // size, len(level))
    rung = _covered(first // size, last // size + int(RING_S / LEVEL_S), len(level))
    if not hit.any() or rung.all():
        return False
    is_one = last[-1] <= ONE_HIT_S * signal.sample_rate
    stands_out = np.median(level[hit]) - np.percentile(level[~rung], LOUDEST) >= HIT_DB
    return bool(is_one and stands_out) or _flatness(signal, first, last) >= DRUM_FLATNESS


def _covered(first: Int, last: Int, n: int) -> Bool:
    """(n,) which blocks lie between any of `first` and the `last` that belongs to it."""
    covered = np.zeros(n, np.bool_)
    for start, end in zip(first, last, strict=True):
        covered[start : end + 1] = True
    return covered


def _flatness(signal: Signal, first: Int, last: Int) -> float:
    """Geometric over arithmetic mean of the spectrum where the tops are, 0 … 1: 0 for notes, about 0.5 for noise."""
    bins = [int(hz * SPECTRUM_SIZE / signal.sample_rate) for hz in FLATNESS_HZ]
    frames = _covered(first // SPECTRUM_SIZE, last // SPECTRUM_SIZE, len(signal.power_spectrum))
    power = signal.power_spectrum[frames, bins[0] : bins[1]] + SILENCE**2
    if not power.size:
        return 0.0
    return float(np.median(np.exp(np.log(power).mean(axis=1)) / power.mean(axis=1)))


def _spike(x: Float, sign: int, channel: int) -> Spike:
    """The most spike-like band of one polarity of one channel."""
    peak = float(x.max(initial=0.0) if sign > 0 else -x.min(initial=0.0))
    if peak < SILENCE:
        return Spike(0.0, 0.0, 0.0, 0.0, sign, channel)
    side = x[x > RELEVANT * peak] if sign > 0 else -x[x < -RELEVANT * peak]
    bins = np.minimum((side * np.float32(N_BINS / peak)).astype(np.intp), N_BINS - 1)
    total = np.concatenate([[0], np.cumsum(np.bincount(bins, minlength=N_BINS))])
    ratio, start, width = max(_best_band(total, width) for width in WIDTHS)
    count = int(total[start + width] - total[start])
    return Spike(ratio, start / N_BINS * peak, (start + width) / N_BINS * peak, count / len(x), sign, channel)


def _best_band(total: Int, width: int) -> tuple[float, int, int]:
    """(ratio, first bin, width) of the band with the highest ratio; `total` (N_BINS + 1,) cumulated counts."""
    start = np.arange(int(LOWEST * N_BINS), N_BINS - width + 1)
    inside = total[start + width] - total[start]
    below = np.max([total[start - k * width] - total[start - (k + 1) * width] for k in range(N_BELOW)], axis=0)
    above = total[-1] - total[start + width]
    ratio = inside / (below + PRIOR)
    ratio[(inside < MIN_SAMPLES) | (above > MAX_ABOVE * inside)] = 0.0
    best = int(ratio.argmax())
    return float(ratio[best]), int(start[best]), width


def _tops(signal: Signal, spike: Spike) -> Int:
    """(k,) samples at the level of the spike, ascending."""
    x = signal.distinct_channels[spike.channel] * np.float32(spike.sign)
    return np.flatnonzero((x >= spike.low) & (x <= spike.high * 1.0001))


def _begins(tops: Int, signal: Signal) -> Bool:
    """(k,) which of the samples come more than 50 ms after the one before."""
    return np.diff(tops, prepend=-np.inf) > EVENT_GAP_S * signal.sample_rate
