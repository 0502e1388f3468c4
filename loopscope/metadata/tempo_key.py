"""Tempo and key by ear, for loops whose names say nothing. Guesses: shown as such, never instead of a name.

Tempo: a loop lasts a whole number of beats, so only such tempi are candidates, and the onset strength, taken as the
circle it is when looped, should repeat after one, two and four beats (autocorrelation; a wide prior around 110 BPM as
in Ellis, Beat tracking by dynamic programming, 2007). Key: the mean constant-Q chroma against the profiles of
Krumhansl and Kessler (1982); no key unless one profile clearly beats the others.
"""

from dataclasses import dataclass

import librosa
import numpy as np

from loopscope import audio
from loopscope.arrays import Float
from loopscope.user_files import FilePath

RATE = 22050
HOP = 256
LONGEST_S = 60.0
SHORTEST_S = 1.0
SHORTEST_ANALYSED_S = 3.0  # the lowest octave needs this much; shorter loops are played again
QUIETEST = 1e-3  # peak, full scale; below it there is nothing to hear

SLOWEST, FASTEST = 60.0, 190.0
PRIOR_BPM, PRIOR_OCTAVES = 110.0, 0.7
BEAT_WEIGHTS = ((1, 1.0), (2, 0.5), (4, 0.5))  # multiples of the beat and their weights
BASE_SCORE = 0.3  # lets the prior decide where nothing repeats clearly
MIN_PERIODICITY = 0.1  # of the autocorrelation at lag 0

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
    """Listen to the first minute of a file. Raises AudioError with the reason if it cannot be decoded."""
    x = audio.decode(path, RATE, duration_s=LONGEST_S).samples
    if len(x) < SHORTEST_S * RATE or float(np.abs(x).max()) < QUIETEST:
        return TempoAndKey(None, None)
    return TempoAndKey(estimate_tempo(x, RATE), estimate_key(x, RATE))


def estimate_tempo(x: Float, sample_rate: int) -> float | None:
    """Tempo of a loop (n,) in BPM, from 60 to 190; None where the onsets do not repeat."""
    onsets = librosa.onset.onset_strength(y=x, sr=sample_rate, hop_length=HOP).astype(np.float64)
    periodicity = _circular_autocorrelation(onsets)
    duration_s = len(x) / sample_rate
    n_beats = np.arange(1, int(FASTEST * duration_s / 60) + 1)
    bpm = 60 * n_beats / duration_s
    n_beats, bpm = n_beats[bpm >= SLOWEST], bpm[bpm >= SLOWEST]
    if not len(bpm) or not len(periodicity):
        return None
    beat = len(onsets) / n_beats
    periodic = np.sum([weight * _at(periodicity, multiple * beat) for multiple, weight in BEAT_WEIGHTS], axis=0)
    prior = np.exp(-0.5 * (np.log2(bpm / PRIOR_BPM) / PRIOR_OCTAVES) ** 2)
    best = int(np.argmax((periodic + BASE_SCORE) * prior))
    if periodic[best] < MIN_PERIODICITY:
        return None
    whole = round(bpm[best])
    return float(whole if abs(bpm[best] - whole) < 0.1 else round(bpm[best], 1))


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


def _circular_autocorrelation(onsets: Float) -> Float:
    """Autocorrelation of (n,) as if it went round in a circle, 1 at lag 0; empty where nothing changes."""
    spectrum = np.abs(np.fft.rfft(onsets - onsets.mean())) ** 2
    correlation = np.fft.irfft(spectrum, len(onsets))
    return correlation / correlation[0] if correlation[0] > 1e-12 else np.empty(0)


def _at(periodicity: Float, lag: Float) -> Float:
    """Values at fractional lags; 0 beyond half the circle, where they would only repeat."""
    value = np.interp(lag, np.arange(len(periodicity)), periodicity)
    return np.where(lag <= len(periodicity) / 2 + 1, value, 0.0)
