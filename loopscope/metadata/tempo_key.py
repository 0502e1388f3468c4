"""Tempo and key by ear, for loops whose names say nothing. Guesses: shown as such, never instead of a name.

Tempo: the likeliest of `hearing.tempo`, where it is likely enough. Key: the mean constant-Q chroma against the profiles
of Krumhansl and Kessler (1982); no key unless one profile clearly beats the others.
"""

from dataclasses import dataclass

import librosa
import numpy as np

from loopscope import audio
from loopscope.arrays import Float
from loopscope.hearing.onsets import find_rhythm
from loopscope.hearing.tempo import LONGEST_S, SHOWN_FROM, weigh_tempi
from loopscope.user_files import FilePath

RATE = 22050
SHORTEST_S = 1.0
SHORTEST_ANALYSED_S = 3.0  # the lowest octave needs this much; shorter loops are played again
QUIETEST = 1e-3  # peak, full scale; below it there is nothing to hear

MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)
NOTES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
MIN_CORRELATION = 0.5
MIN_MARGIN = 0.06


@dataclass(frozen=True)
class TempoAndKey:
    """`bpm` in beats per minute and `key` such as "F#m"; None where nothing is clear enough."""

    bpm: float | None
    key: str | None


def estimate_from_audio(path: FilePath) -> TempoAndKey:
    """Listen to a file, of a long one to the first minute. Raises AudioError with the reason if it cannot be read."""
    x = audio.decode(path, RATE, duration_s=LONGEST_S + 1).samples
    if len(x) < SHORTEST_S * RATE or float(np.abs(x).max()) < QUIETEST:
        return TempoAndKey(None, None)
    return TempoAndKey(estimate_tempo(x, RATE), estimate_key(x, RATE))


def estimate_tempo(x: Float, sample_rate: int) -> float | None:
    """Tempo of a whole loop (n,) in BPM; None where none is likely enough, and for what is longer than LONGEST_S."""
    bpm, probability = weigh_tempi(find_rhythm(x, sample_rate)).best
    return bpm if probability >= SHOWN_FROM else None


def estimate_key(x: Float, sample_rate: int) -> str | None:
    """Key of (n,) samples, or None where no profile stands out."""
    lowest = librosa.note_to_hz("C1")
    x = np.tile(x, int(np.ceil(SHORTEST_ANALYSED_S * sample_rate / len(x))))
    chroma = librosa.feature.chroma_cqt(y=x, sr=sample_rate, fmin=lowest, n_octaves=7).mean(axis=1)
    if float(chroma.std()) == 0.0:
        return None
    profiles = np.array([np.roll(profile, tonic) for profile in (MAJOR, MINOR) for tonic in range(12)])
    match = np.array([np.corrcoef(profile, chroma)[0, 1] for profile in profiles])
    second, first = np.argsort(match)[-2:]
    if match[first] < MIN_CORRELATION or match[first] - match[second] < MIN_MARGIN:
        return None
    return NOTES[first % 12] + ("m" if first >= 12 else "")
