"""Dropouts: sound that stops within a millisecond or so, is gone, and comes back as suddenly.

A rest between notes has one soft side: the release of the note before it, however short, or the swell of the one after.
A dropout has two hard ones. Chopped and gated loops have them too, but again and again at the same length, and the
sound that comes back is a new note; both are weighed. Digital silence is the share of a loop taken by its longest run
of exact zeros.
"""

import numpy as np

from loopscope.arrays import Float, Int
from loopscope.faults.base import MAX_TIMES, NOTHING, Measurement, Signal, counted, decibels, in_percent
from loopscope.faults.limits import LIMITS

QUIET = 10 ** (-66 / 20)  # of the peak: gone
QUIET_FLOOR = 1e-4  # full scale: below the noise of 14 bits nothing is sound
MIN_GAP_S = 0.003
MAX_GAP_S = 1.0
EDGE_S = 0.003
REFERENCE_DB = 60.0  # an edge this far below the peak counts nothing
LEAST_SILENCE = 0.2  # share of zeros below which their longest run is not looked for
SAME_NOTE_DB = 15.0
RELEASE_S = (0.01, 0.03)  # before a gap, where a staccato note still sounds in full
RELEASE_DB = 8.0  # from there to the gap; dropouts fall by 6 before they begin, a release of 60 ms by 13 and more
GATED_GAPS = 6
GATED_SPREAD = 0.15


def measure_dropouts(signal: Signal) -> Measurement:
    """Score: level right at the softer edge of the hardest gap, dB above -60 dB re peak."""
    if signal.peak < QUIET_FLOOR * 10:
        return NOTHING
    level = signal.level
    begin, end = _gaps(level, signal)
    if not len(begin):
        return NOTHING
    hardness, released = _hardness(level, begin, end, signal)
    score = float(hardness.max())
    limit = LIMITS["dropout"].suspect
    hard = hardness >= limit
    longest = float((end - begin)[hard].max(initial=0)) / signal.sample_rate * 1000
    times = tuple(signal.time_of(i) for i in begin[hard][:MAX_TIMES])
    brief = counted(int(hard.sum()), "dropout")
    sentence = f"{brief}: the sound is cut off and comes back, for up to {longest:.0f} ms."
    return Measurement(score, times, sentence, brief, _excuse((end - begin)[hardness + released >= limit]))


def measure_digital_silence(signal: Signal) -> Measurement:
    """Score: share of the block in its longest run of exact zeros, 0 … 1."""
    level = signal.level
    sound = np.flatnonzero(level)
    if len(sound) >= (1 - LEAST_SILENCE) * len(level):
        return NOTHING
    edges = np.concatenate([[-1], sound, [len(level)]])
    runs = np.diff(edges) - 1
    longest = int(runs.argmax())
    share = float(runs[longest] / len(level))
    seconds = runs[longest] / signal.sample_rate
    start = signal.time_of(edges[longest] + 1)
    sentence = f"{seconds:.1f} s of digital silence, {share:.0%} of the file."
    return Measurement(share, (start,), sentence, "silent" if share == 1.0 else f"silent for {in_percent(share)}")


def _gaps(level: Float, signal: Signal) -> tuple[Int, Int]:
    """First and one-past-last sample of each silent run of 3 ms to 1 s inside the block."""
    threshold = max(QUIET_FLOOR, QUIET * signal.peak)
    sound = np.flatnonzero(level > threshold)
    length = np.diff(sound)
    gap = (length > MIN_GAP_S * signal.sample_rate) & (length < MAX_GAP_S * signal.sample_rate)
    return sound[:-1][gap] + 1, sound[1:][gap]


def _hardness(level: Float, begin: Int, end: Int, signal: Signal) -> tuple[Float, Float]:
    """(gaps,) dB: the smaller RMS of the 3 ms before and after each gap, above -60 dB re the block's peak; and how much
    less that is as a note was released.

    What comes back much louder or softer than it left is another note, what falls before the gap is released; both
    count less.
    """
    width = max(int(EDGE_S * signal.sample_rate), 2)
    energy = np.concatenate([[0.0], np.cumsum(level.astype(np.float64) ** 2)])
    start = np.maximum(begin - width, 0)
    stop = np.minimum(end + width, len(level))
    before = (energy[begin] - energy[start]) / width
    after = (energy[stop] - energy[end]) / width
    far, near = (np.maximum(begin - int(seconds * signal.sample_rate), 0) for seconds in RELEASE_S[::-1])
    full = (energy[near] - energy[far]) / np.maximum(near - far, 1)
    before_db, after_db, full_db = (decibels(np.sqrt(power) / signal.peak) for power in (before, after, full))
    new_note = np.maximum(np.abs(before_db - after_db) - SAME_NOTE_DB, 0.0)
    released = np.maximum(full_db - before_db - RELEASE_DB, 0.0)
    hardness: Float = np.maximum(np.minimum(before_db, after_db) + REFERENCE_DB - new_note - released, 0.0)
    return hardness, released


def _excuse(lengths: Int) -> str:
    """Many gaps of one length are a gate or a chop."""
    if len(lengths) < GATED_GAPS or lengths.std() > GATED_SPREAD * lengths.mean():
        return ""
    return "They are equally long, as in a gated or chopped loop."
