"""The edges of the file: silence that is no rest, and sound that the edge cuts through.

A loop may begin with a rest, and most are cut at the bar line on purpose. So where the tempo is known and the length is
whole beats, an edge is what the loop wants; where the end runs on into the start, nothing is cut either.
"""

import numpy as np

from loopscope.arrays import Float
from loopscope.faults.base import NOTHING, Measurement, Signal, decibels, in_percent

LONGEST_S = 60.0  # longer files are no loops
SILENT = 10 ** (-60 / 20)  # of the peak
SILENT_FLOOR = 1e-4  # full scale: below the noise of 14 bits nothing is sound
BEATS_S = 0.015  # how near to whole half beats a length counts as musical
UNSURE = 0.25  # of silence that may be a rest, as the tempo is unknown
NEAR_S = 0.05  # a period of the lowest bass note
MIN_JUMP = 10 ** (-30 / 20)  # of the peak: smaller jumps are inaudible
SURER_DB = 6.0  # more evidence where the length is not musical
LAST_S = 0.005
FADED_DB = -40.0  # of the peak: a tail that ends here is not missed
MOST_OF_ENDING = 20.0  # dB: without a jump it stays a suspicion
BESIDE = 2  # samples next to the edge, over which a jump may be smeared
ON_PURPOSE = "Loops are also cut on purpose, and the tempo is not known."


def measure_silence(signal: Signal) -> Measurement:
    """Score: seconds of silence at the start or the end, 0 where the length is whole half beats at the known tempo.

    Where the tempo is unknown, a quarter of those at the start; sounds fade out anyhow.
    """
    sound = np.flatnonzero(signal.level > max(SILENT * signal.peak, SILENT_FLOOR))
    if signal.duration_s > LONGEST_S or not len(sound):
        return NOTHING
    head_s, tail_s = sound[0] / signal.sample_rate, signal.duration_s - (sound[-1] + 1) / signal.sample_rate
    is_musical = _is_whole_beats(signal)
    where, place, seconds = ("start", 0, head_s) if head_s > tail_s else ("end", int(sound[-1]), tail_s)
    said = f"{seconds:.2f} s of silence at the {where}"
    why = ", and the length is no whole number of beats" if is_musical is False else ""
    share = {True: 0.0, False: 1.0, None: UNSURE if where == "start" else 0.0}[is_musical]
    return Measurement(share * seconds, (signal.time_of(place),), f"{said}{why}.", said)


def measure_cut(signal: Signal) -> Measurement:
    """Score: the jump from or to silence at an edge over the largest other jump near it, dB.

    More where the length is no whole half beats at the known tempo, and at the end then also for sound that does not
    jump; 0 where it is.
    """
    is_musical = _is_whole_beats(signal)
    if signal.duration_s > LONGEST_S or signal.peak < SILENT_FLOOR or is_musical:
        return NOTHING
    size = int(NEAR_S * signal.sample_rate)
    edges = [
        (_cut(x[:size] if at_start else x[: -size - 1 : -1], x[-1] if at_start else x[0], signal.peak), at_start)
        for x in signal.distinct_channels
        for at_start in (True, False)
        if len(x) > 2 * size
    ]
    (score, jump), at_start = max(edges, default=((0.0, 0.0), True))
    if is_musical is False:
        score = score + SURER_DB if score else 0.0
        ending = _ending(signal)
        score, at_start = (score, at_start) if score >= ending else (ending, False)
    where = "start" if at_start else "end"
    time = signal.time_of(0 if at_start else signal.samples.shape[1] - 1)
    how = f", at {in_percent(jump)} of full scale" if score > MOST_OF_ENDING else ""
    sentence = f"The sound is cut through at the {where}{how}."
    return Measurement(score, (time,), sentence, f"cut {where}", ON_PURPOSE if is_musical is None else "")


def _cut(inwards: Float, beyond: float, peak: float) -> tuple[float, float]:
    """(dB above the other jumps, jump in full scale) of samples from one edge inwards.

    `beyond` is the sample that comes before them when the loop goes round.
    """
    jump = float(min(abs(inwards[0]), abs(inwards[0] - beyond)))
    others = float(np.abs(np.diff(inwards[BESIDE:])).max(initial=0.0))
    if jump <= MIN_JUMP * peak:
        return 0.0, jump
    return float(decibels(jump) - decibels(max(others, 1e-3 * peak))), jump


def _ending(signal: Signal) -> float:
    """How far the last 5 ms rise above a tail that has faded, dB; at most MOST_OF_ENDING."""
    last = signal.main[-int(LAST_S * signal.sample_rate) :]
    level = float(decibels(np.sqrt(np.square(last, dtype=np.float64).mean()) / signal.peak))
    return float(np.clip(level - FADED_DB, 0.0, MOST_OF_ENDING))


def _is_whole_beats(signal: Signal) -> bool | None:
    """Is the file as long as some half beats, None where the tempo is unknown?"""
    if not signal.tempo_bpm:
        return None
    half_s = 30 / signal.tempo_bpm
    return abs(signal.duration_s - round(signal.duration_s / half_s) * half_s) <= BEATS_S
