"""Tempo and key by ear, for loops whose names say nothing. Guesses: shown as such, never instead of a name.

The likeliest of `hearing.tempo` and `hearing.key`, where it is likely enough.
"""

from dataclasses import dataclass

import numpy as np

from loopscope import audio
from loopscope.arrays import Float, Int
from loopscope.hearing.key import KEY_FROM, TONIC_FROM, weigh_keys
from loopscope.hearing.notes import Notes, find_notes, resampled
from loopscope.hearing.onsets import find_rhythm
from loopscope.hearing.riff import riff_of
from loopscope.hearing.tempo import LONGEST_S, SHOWN_FROM, weigh_tempi
from loopscope.user_files import FilePath

RATE = 22050
SHORTEST_S = 1.0
QUIETEST = 1e-3  # peak, full scale; below it there is nothing to hear


@dataclass(frozen=True)
class TempoAndKey:
    """`bpm` in beats per minute, `key` such as "F#m", `tonic` its root; None where nothing is clear enough.

    The tonic is often clear where major or minor is not.
    """

    bpm: float | None
    key: str | None
    tonic: str | None = None


def estimate_from_audio(path: FilePath) -> TempoAndKey:
    """Listen to a file, of a long one to the first minute. Raises AudioError with the reason if it cannot be read."""
    return hear_music(path)[0]


def hear_music(path: FilePath) -> tuple[TempoAndKey, Int | None]:
    """The same, and what it plays as in `hearing.riff`: None where that is no riff, or longer than a minute."""
    x = audio.decode(path, RATE, duration_s=LONGEST_S + 1).samples
    if len(x) < SHORTEST_S * RATE or float(np.abs(x).max()) < QUIETEST:
        return TempoAndKey(None, None), None
    beginning = x[: int(LONGEST_S * RATE)]
    notes, duration_s = find_notes(resampled(beginning, RATE)), len(beginning) / RATE
    heard = TempoAndKey(estimate_tempo(x, RATE), *key_of_notes(notes, duration_s))
    return heard, riff_of(notes, duration_s) if len(beginning) == len(x) else None


def estimate_tempo(x: Float, sample_rate: int) -> float | None:
    """Tempo of a whole loop (n,) in BPM; None where none is likely enough, and for what is longer than LONGEST_S."""
    bpm, probability = weigh_tempi(find_rhythm(x, sample_rate)).best
    return bpm if probability >= SHOWN_FROM else None


def estimate_key(x: Float, sample_rate: int) -> tuple[str | None, str | None]:
    """Key of (n,) samples and its root, each None where it is not likely enough."""
    return key_of_notes(find_notes(resampled(x, sample_rate)), len(x) / sample_rate)


def key_of_notes(notes: Notes, duration_s: float) -> tuple[str | None, str | None]:
    """The same of a loop's notes."""
    keys = weigh_keys(notes, duration_s)
    (key, of_key), (tonic, of_tonic) = keys.best, keys.tonic
    return (key if of_key >= KEY_FROM else None), (tonic if of_tonic >= TONIC_FROM else None)
