"""Clicks and pops: a jump that neither the sound before nor the sound after explains.

The third difference of the samples stands in for the residual of an autoregressive model (Godsill and Rayner, Digital
Audio Restoration, 1998, ch. 5): music is smooth there and an impulse is not. A drum hit is also a jump, but its high
frequencies ring on; a sawtooth jumps every period. So a millisecond counts only when it stands above the second
largest millisecond of the 60 ms before and of the 60 ms after it. In the first and the last millisecond of a file its
cut end jumps, or a sampler keeps its few samples beyond the loop there: that is heard at the seam, and judged there.
"""

from collections.abc import Sequence

import numpy as np

from loopscope.arrays import Float, Int
from loopscope.faults.base import MAX_TIMES, NOTHING, Measurement, Signal, block_view, counted, decibels
from loopscope.faults.limits import LIMITS
from loopscope.faults.music.stutter import LONGEST_S, SHORTEST_S, is_on_grid, measure_stutter
from loopscope.late import late

ndimage = late("scipy.ndimage")

BLOCK_S = 0.001
CONTEXT_BLOCKS = 60
NEIGHBOUR_BLOCKS = 2  # the jump itself may straddle two blocks
EDGE_BLOCKS = 1  # at either end; what ends one minute of a longer file lies inside the next
LEVEL_BLOCKS = 10
FLOOR = 0.006  # of the file's peak: jumps smaller than about -44 dB are masked by the loop itself
EDGE_RATIO = 0.03  # one side 30 dB below the other: a slice or a note begins or ends here
EDGE_LEVEL = 0.02  # of the peak: what counts as sound on the louder side of an edge
FREE_RISE_DB = 6.0  # a larger rise of the level is an onset, whose attack may be sharp
MAX_CANDIDATES = 400
CRACKLE_DB = 6.0
CRACKLE_PER_S = 3.0
CRACKLE_MIN = 12
MIN_IN_TIME = 4
MOST_IN_TIME = 0.9  # of the clicks
SHORTEST_STEP_S = 0.015
IN_TIME_S = 0.0015
BY_CHANCE = 0.01
MOST_STUCK = 0.5  # of the loop; a sampler's own loop goes round for as long as it is played


def measure_clicks(signal: Signal) -> Measurement:
    """Score: how far the most isolated jump stands above its surroundings, dB."""
    found = [_clicks_of(channel, signal.sample_rate) for channel in signal.distinct_channels]
    places, prominence = (np.concatenate(parts) for parts in zip(*found, strict=True))
    if not len(places):
        return NOTHING
    score = float(prominence.max())
    audible = _apart(places[prominence >= LIMITS["click"].suspect], _block_size(signal.sample_rate))
    times = tuple(signal.time_of(place) for place in audible[:MAX_TIMES])
    brief = counted(len(audible), "click")
    sentence = f"{brief}, the strongest {score:.0f} dB above what surrounds it."
    excuse = _crackle_in(found, signal.duration_s)
    audible_s = audible / signal.sample_rate
    if not excuse and _keep_time(audible_s):
        if not _sticks(audible_s, signal):
            excuse = "They keep time, as where slices or a sampler's own loop meet."
        elif _stutters(signal):
            excuse = "They are the ends of a slice that repeats."
        else:
            sentence += f" One every {1000 * float(np.diff(audible_s).mean()):.0f} ms, as where a slice sticks."
    return Measurement(score, times, sentence, brief, excuse)


def crackle_of(signal: Signal) -> str:
    """Where so much crackles that it is the sound of a record: the sentence, else ""."""
    return _crackle_in(
        [_clicks_of(channel, signal.sample_rate) for channel in signal.distinct_channels], signal.duration_s
    )


def _crackle_in(found: Sequence[tuple[Int, Float]], duration_s: float) -> str:
    """Channel by channel, as most clicks are heard in both."""
    return max((_crackle(prominence, duration_s) for _, prominence in found), key=len)


def _apart(places: Int, size: int) -> Int:
    """Ascending places (samples), those of several channels within `size` samples once."""
    places = np.sort(places)
    return places[np.diff(places, prepend=-np.inf) > size]


def _keep_time(times_s: Float) -> bool:
    """Do the times (n,) lie on multiples of one of their own intervals, more closely than chance would have it?"""
    if len(times_s) < MIN_IN_TIME:
        return False
    since = times_s - times_s[0]
    steps = np.unique(np.round(np.diff(times_s), 4))
    steps = steps[steps >= SHORTEST_STEP_S]
    off = np.abs((since[None] + steps[:, None] / 2) % steps[:, None] - steps[:, None] / 2)
    on_time = (off <= IN_TIME_S).sum(axis=1) - 1
    chance = len(steps) * (2 * IN_TIME_S / steps) ** on_time
    return bool((chance[on_time + 1 >= MOST_IN_TIME * len(times_s)] < BY_CHANCE).any())


def _sticks(times_s: Float, signal: Signal) -> bool:
    """Do clicks (n,) come evenly, one after another, in one place of the loop and off the tempo? A roll keeps it."""
    steps = np.diff(times_s)
    pace = float(steps.mean())
    is_one_place = float(times_s[-1] - times_s[0]) <= MOST_STUCK * signal.duration_s
    is_even = float(np.abs(steps - pace).max()) <= 2 * IN_TIME_S
    return is_one_place and is_even and SHORTEST_S <= pace <= LONGEST_S and not is_on_grid(pace, signal)


def _stutters(signal: Signal) -> bool:
    """Does the stutter check say so itself? It cannot where the sound fades or hardly changes."""
    stutter = measure_stutter(signal)
    return stutter.score >= LIMITS["stutter"].fault and not stutter.excuse


def _crackle(prominence: Float, duration_s: float) -> str:
    """The excuse of one channel: crackle is many clicks of all sizes, most of them small."""
    small, large = int((prominence >= CRACKLE_DB).sum()), int((prominence >= LIMITS["click"].fault).sum())
    crackle = small >= max(CRACKLE_MIN, CRACKLE_PER_S * duration_s) and large <= small / 3
    return f"With {small} clicks in {duration_s:.0f} s it is rather crackle, as on vinyl." if crackle else ""


def _block_size(sample_rate: int) -> int:
    return max(int(BLOCK_S * sample_rate), 4)


def _clicks_of(x: Float, sample_rate: int) -> tuple[Int, Float]:
    """Candidates of one channel, as samples (k,), and their prominence (k,) in dB."""
    size = _block_size(sample_rate)
    peak = float(np.abs(x).max(initial=0.0))
    if len(x) < 3 * size + 3 or peak == 0.0:
        return np.empty(0, np.intp), np.empty(0)
    third = block_view(np.abs(np.diff(x, 3)), size)
    jumps = third.max(axis=1)
    is_jump = (jumps >= ndimage.maximum_filter1d(jumps, 3)) & (jumps > 2 * FLOOR * peak)
    is_jump[:EDGE_BLOCKS] = is_jump[len(jumps) - EDGE_BLOCKS :] = False
    places = np.flatnonzero(is_jump)
    if len(places) > MAX_CANDIDATES:
        places = np.sort(places[np.argsort(jumps[places])[-MAX_CANDIDATES:]])
    if not len(places):
        return places, np.empty(0)
    offsets = np.arange(NEIGHBOUR_BLOCKS, CONTEXT_BLOCKS + 1)
    around = np.maximum(_second_largest(jumps, places, -offsets), _second_largest(jumps, places, offsets))
    prominence = decibels(jumps[places]) - decibels(around + FLOOR * peak)
    before, after = _levels_around(x, places, size)
    prominence -= np.maximum(decibels((after + FLOOR * peak) / (before + FLOOR * peak)) - FREE_RISE_DB, 0.0)
    louder, softer = np.maximum(before, after), np.minimum(before, after)
    inside = (softer >= EDGE_RATIO * louder) | (louder <= EDGE_LEVEL * peak)
    found = places[inside]
    return found * size + third[found].argmax(axis=1), prominence[inside]


def _second_largest(values: Float, places: Int, offsets: Int) -> Float:
    """(k,) second largest of `values` at `places` + `offsets`."""
    return np.sort(_gather(values, places, offsets), axis=1)[:, -2]


def _gather(values: Float, places: Int, offsets: Int) -> Float:
    """(k, m) values at places + offsets, round the ends as a loop is played: an attack that begins 2 ms before its end
    goes on at its start."""
    return values.take(places[:, None] + offsets, mode="wrap")


def _levels_around(x: Float, places: Int, size: int) -> tuple[Float, Float]:
    """(k,) and (k,) RMS of the 10 ms before and after each place, its own surroundings left out."""
    blocks = block_view(x, size)
    power = np.einsum("bn,bn->b", blocks, blocks) / np.float32(size)
    offsets = np.arange(NEIGHBOUR_BLOCKS + 1, NEIGHBOUR_BLOCKS + 1 + LEVEL_BLOCKS)
    before, after = _gather(power, places, -offsets), _gather(power, places, offsets)
    return np.sqrt(before.mean(axis=1, dtype=np.float64)), np.sqrt(after.mean(axis=1, dtype=np.float64))
