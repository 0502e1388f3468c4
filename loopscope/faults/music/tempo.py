"""Another tempo than its name or tags say: length and attacks fit one, the one said is unlikely and fits no better.

Half and double tempo sound alike and are never held against them. A loop that was cut anywhere fits no tempo by its
length; its attacks still lie on the grid of its own, and then nothing is said.
"""

import re

import numpy as np

from loopscope.faults.base import NOTHING, Measurement, Signal
from loopscope.faults.music.onsets import find_onsets, hop_s, mel_levels
from loopscope.hearing.grid import misfits
from loopscope.hearing.onsets import Onsets, Rhythm
from loopscope.hearing.tempo import Tempi, weigh_tempi

OCTAVES = (0.5, 1.0, 2.0)
APART = 0.015  # relative; nearer, a name is no other tempo but inexact
LIKELY = 0.2  # probability of the other tempo, where all the rest is shared by a dozen
LEAST = 1e-4  # of the named one: a candidate that was not thought of is not impossible
AS_WELL = 0.02  # of the gap between the grid's lines
BRIEF = "{:g} BPM, not {:g}"
_IN_BRIEF = re.compile(r"([\d.]+) BPM, not ([\d.]+)")


def measure_other_tempo(signal: Signal) -> Measurement:
    """Score: logarithm of how many times likelier the other tempo is, of what its name or its tags say."""
    said: dict[float, str] = {}
    for bpm, who in ((signal.tagged_bpm, "tags say"), (signal.tempo_bpm, "name says")):
        if bpm:
            said[bpm] = f"{who.split()[0]} and its tags say" if bpm in said else who
    if not said:
        return NOTHING
    level, onsets = signal.once(mel_levels), signal.once(find_onsets)
    tempi = weigh_tempi(Rhythm(level, hop_s(signal.sample_rate), onsets, signal.duration_s))
    found = []
    for bpm, who in said.items():
        score, other = odds_of_another(tempi, onsets, bpm)
        if other:
            sentence = f"Its {who} {bpm:g} BPM; its length and its attacks fit {other:g} BPM."
            found.append(Measurement(score, sentence=sentence, brief=BRIEF.format(other, bpm)))
    return max(found, key=lambda one: one.score, default=NOTHING)


def tempi_of(brief: str) -> tuple[float, float] | None:
    """The tempo that was found and the one that was said, in BPM, by a finding's brief; None for another kind's."""
    found = _IN_BRIEF.fullmatch(brief)
    return None if found is None else (float(found[1]), float(found[2]))


def odds_of_another(tempi: Tempi, onsets: Onsets, named_bpm: float) -> tuple[float, float]:
    """How many times likelier than the named tempo another is, as a logarithm, and that tempo; zeros if none is.

    None is the named tempo's half or double, nor one that is hardly likely or fits the onsets no better.
    """
    off = [np.abs(tempi.bpm / (octave * named_bpm) - 1) for octave in OCTAVES]
    apart = np.min(off, axis=0) > APART
    other, probability = Tempi(tempi.bpm[apart], tempi.probability[apart]).best
    if probability < LIKELY:
        return 0.0, 0.0
    (cost, cost_of_other), _ = misfits(
        onsets.times_s, onsets.rises_db / onsets.rises_db.sum(), np.array([named_bpm, other])
    )
    if cost < cost_of_other - AS_WELL:
        return 0.0, 0.0
    return float(np.log(probability / (tempi.of(named_bpm) + LEAST))), other
