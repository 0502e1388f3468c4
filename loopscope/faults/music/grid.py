"""Off the grid: attacks beside the straight, swung and triplet divisions of the beat.

Pads, swelling leads and distorted chords have no attacks to speak of, free playing no whole number of beats: of these
nothing is said. What is late in every beat alike is a groove, or a sampler's late attack: it comes again at the same
few places of the beat, on a grid of its own, which chance does not. A wobble, a tremolo or two strings that beat
against each other swell evenly and at a pace of their own: that is no playing, and is left out.
"""

from dataclasses import dataclass

import numpy as np

from loopscope.arrays import Float
from loopscope.faults.base import NOTHING, Measurement, Signal
from loopscope.faults.music.onsets import Onsets, find_onsets
from loopscope.hearing.grid import FARTHEST_S, GRIDS

MIN_ONSETS = 6
CLEAREST_DB = 5.0  # rise of the clearest attack; in pads that swell what is found besides is no attack
USUAL_GAP_S = 0.125  # sixteenths at 120 BPM
SHIFTS_S = np.arange(-0.030, 0.0301, 0.006)  # a whole loop early or late is cut so, and an attack takes time
WORST_S = 0.025  # beyond it an attack is named
MOST_NAMED = 12
BEATS = (4, 6, 8, 12, 16, 24, 32, 48, 64)  # of a loop whose name tells no tempo
SLOWEST, FASTEST = 60.0, 180.0
WHOLE_BPM = 0.003  # so near to a whole number a length was made for that tempo; by chance one in thirty is
WHOLE_BEATS_S = 0.010  # what was played freely, or has another tempo than its name says, is of no such length
MOST_OWN_LINES = 4  # a beat
OWN_SHARE = 0.4  # of the distance from the grid: what lies so near to lines of its own may be played so,
SURELY_OWN = 0.2  # and this near it is
MIN_PULSE = 5  # swells in a row at one pace
PULSE_S = 0.012  # two frames: so near to that pace each of them is
SOFTEST_STROKE_DB = 6.0  # what swells rises less; a frame of it spans much of a period
PULSE_LINES = np.array([1 / 6, 1 / 4])  # of a beat: a pace of whole such parts is the tempo's


@dataclass(frozen=True)
class Fit:
    """How well attacks fit the best grid: (n,) `late_s` each, and their mean `cost`.

    A hand is late by milliseconds, chance by a share of the gap between two lines: the cost is relative to the
    geometric mean of USUAL_GAP_S and the gap. By chance it is 0.25 at 120 BPM.
    """

    cost: float
    late_s: Float


def measure_off_grid(signal: Signal) -> Measurement:
    """Score: mean distance of the attacks from the best grid, as `Fit.cost`; 0 for a groove."""
    onsets = signal.once(find_onsets)
    tempo = tempo_of(signal)
    if tempo is None:
        return NOTHING
    onsets = without_pulses(onsets, tempo)
    if len(onsets) < MIN_ONSETS or onsets.rises_db.max() < CLEAREST_DB:
        return NOTHING
    fit = fit_grid(onsets, tempo)
    distance_s = float(np.abs(fit.late_s) @ onsets.rises_db / onsets.rises_db.sum())
    own_s = own_spread(onsets, tempo)
    if own_s <= SURELY_OWN * distance_s:
        return NOTHING
    off = np.flatnonzero(np.abs(fit.late_s) > WORST_S)
    worst = off[np.argsort(-np.abs(fit.late_s[off]))[:MOST_NAMED]]
    typical = 1000 * float(np.abs(fit.late_s).mean())
    excuse = "" if signal.tempo_bpm else "That tempo is a guess from its length."
    if own_s <= OWN_SHARE * distance_s:
        excuse = "They come again at the same places of the beat, as in a groove."
    return Measurement(
        fit.cost,
        tuple(sorted(signal.time_of(onsets.times_s[i] * signal.sample_rate) for i in worst)),
        f"{len(off)} of {len(onsets)} attacks lie off the grid of {tempo:g} BPM, {typical:.0f} ms on average.",
        f"{typical:.0f} ms off the grid",
        excuse,
    )


def without_pulses(onsets: Onsets, tempo_bpm: float) -> Onsets:
    """The attacks that are no swells at a pace of their own: MIN_PULSE or more in a row that rise softly and lie within
    PULSE_S of an even pace, which is none of the tempo's."""
    is_soft = onsets.rises_db < SOFTEST_STROKE_DB
    is_struck = np.ones(len(onsets), bool)
    first = 0
    while first <= len(onsets) - MIN_PULSE:
        last = first
        while last < len(onsets) and is_soft[last] and _is_even(onsets.times_s[first : last + 1]):
            last += 1
        run = onsets.times_s[first:last]
        if len(run) >= MIN_PULSE and not _is_of_tempo(_pace(run), tempo_bpm):
            is_struck[first:last] = False
            first = last
        else:
            first += 1
    return Onsets(onsets.times_s[is_struck], onsets.rises_db[is_struck])


def _pace(times_s: Float) -> float:
    """Seconds from one to the next of evenly spaced times (n,), n at least 2."""
    return float(np.polyfit(np.arange(len(times_s)), times_s, 1)[0])


def _is_even(times_s: Float) -> bool:
    if len(times_s) < 3:
        return True
    steps = np.arange(len(times_s))
    return bool(np.abs(times_s - np.polyval(np.polyfit(steps, times_s, 1), steps)).max() <= PULSE_S)


def _is_of_tempo(pace_s: float, tempo_bpm: float) -> bool:
    parts = PULSE_LINES * 60 / tempo_bpm
    return bool((np.abs(pace_s - np.round(pace_s / parts) * parts) <= PULSE_S).any())


def own_spread(onsets: Onsets, tempo_bpm: float) -> float:
    """Mean distance of attacks (n,) from the few places of the beat around which they gather, in seconds.

    There are one to MOST_OWN_LINES such places, told apart where no attack is for longest. Each costs one attack, as a
    mean costs a variance one sample; infinite where that leaves none.
    """
    beat_s, n = 60 / tempo_bpm, len(onsets)
    order = np.argsort(onsets.times_s % beat_s)
    place, weight = (onsets.times_s % beat_s)[order], (onsets.rises_db / onsets.rises_db.sum())[order]
    gaps = np.diff(place, append=place[0] + beat_s)
    widest_first = np.argsort(-gaps) + 1  # a group begins after a gap; the last gap is before the first place
    spreads = [np.inf]
    for n_lines in range(1, min(MOST_OWN_LINES, n - 1) + 1):
        begins = np.sort(widest_first[:n_lines] % n)
        round_the_beat = np.r_[place, place + beat_s][begins[0] : begins[0] + n]
        groups = np.split(round_the_beat, begins[1:] - begins[0])
        off = np.concatenate([np.abs(group - np.median(group)) for group in groups])
        spreads.append(float(off @ np.roll(weight, -begins[0])) * n / (n - n_lines))
    return min(spreads)


def tempo_of(signal: Signal) -> float | None:
    """Beats per minute of a loop of whole beats at the tempo of its name, or at the only whole tempo that fits it."""
    if signal.tempo_bpm:
        beat_s = 60 / signal.tempo_bpm
        off_s = abs(signal.duration_s - round(signal.duration_s / beat_s) * beat_s)
        return signal.tempo_bpm if off_s <= WHOLE_BEATS_S else None
    tempi = 60 * np.array(BEATS) / max(signal.duration_s, 0.1)
    fitting = tempi[(tempi >= SLOWEST) & (tempi <= FASTEST) & (np.abs(tempi - np.round(tempi)) <= WHOLE_BPM)]
    return float(fitting[0]) if len(fitting) == 1 else None


def fit_grid(onsets: Onsets, tempo_bpm: float) -> Fit:
    """The best of all grids and shifts, the first beat being at the start of the block."""
    beat_s = 60 / tempo_bpm
    strength = onsets.rises_db / onsets.rises_db.sum()
    best = Fit(np.inf, np.zeros(len(onsets)))
    place = (onsets.times_s - SHIFTS_S[:, None]) % beat_s  # (shifts, n)
    for grid in GRIDS:
        lines = np.append(grid, 1.0) * beat_s
        late = place[..., None] - lines
        nearest = np.abs(late).argmin(axis=-1)
        late = np.take_along_axis(late, nearest[..., None], -1)[..., 0]
        costs = np.minimum(np.abs(late), FARTHEST_S) @ strength / np.sqrt(USUAL_GAP_S * beat_s / len(grid))
        shift = int(costs.argmin())
        if costs[shift] < best.cost:
            best = Fit(float(costs[shift]), late[shift])
    return best
