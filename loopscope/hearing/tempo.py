"""Tempo of a loop, from its length and its attacks.

A loop lasts a whole number of beats, or its last bar is over and it rings on into silence. So few tempi are possible,
and a small model says how likely each is: it weighs what repeats after a beat or a bar, how the attacks lie on the
tempo's grid, whether the tempo and the number of beats are usual ones. That none is right is weighed with them, as for
a loop that was played freely or cut anywhere. Half and double tempo sound alike: the model takes the more usual.
"""

from dataclasses import dataclass

import numpy as np

from loopscope.arrays import Bool, Float
from loopscope.hearing.choice import Choice, choice_of
from loopscope.hearing.grid import misfits
from loopscope.hearing.onsets import Rhythm, rises
from loopscope.late import late

fft = late("scipy.fft")

SLOWEST, FASTEST = 55.0, 200.0
LONGEST_S = 60.0  # longer sound is no loop of a few bars: some whole number of beats always fits its length
SHOWN_FROM = 0.75  # probability; then 96 of 100 are right (docs/BENCHMARKS.md)
SAME_TEMPO = 0.006  # relative
WHOLE_BPM, WHOLE_LENGTH_S = 0.02, 0.002  # so near to a whole number a length was made for that tempo
ALMOST_WHOLE_BPM = 0.25

TAIL_BPM = np.arange(60.0, 191.0)  # of a loop with a tail only whole tempi
TAIL_S = (0.2, 1.6)
TAIL_BEATS = 2  # bars or halves of them come before a tail
SILENT_DB = -45.0  # of the loudest band, at the end of a tail
END_FRAMES = 9

ONSET_BEATS = (0.25, 0.5, 1, 2, 4)
SOUND_BEATS = (0.5, 1, 2, 4)
LONGEST_LAG = 0.75  # of a loop with a tail


@dataclass(frozen=True)
class Candidates:
    """Possible tempi of one loop, (k,) each: `bpm`, `beats` of the whole loop up to its tail, `has_tail`."""

    bpm: Float
    beats: Float
    has_tail: Bool


@dataclass(frozen=True)
class Tempi:
    """Possible tempi `bpm` (k,) of one loop and the probability of each; what is missing to 1 is that of none."""

    bpm: Float
    probability: Float

    def of(self, bpm: float) -> float:
        """The probability of one tempo, however many beats it gives the loop."""
        return float(self.probability[np.abs(self.bpm / bpm - 1) < SAME_TEMPO].sum())

    @property
    def best(self) -> tuple[float, float]:
        """The most likely tempo and its probability; (0, 0) where there is no candidate."""
        if not len(self.bpm):
            return 0.0, 0.0
        bpm = float(self.bpm[self.probability.argmax()])
        return _written(bpm), self.of(bpm)


def weigh_tempi(rhythm: Rhythm, choice: Choice | None = None) -> Tempi:
    """Every possible tempo of a whole loop."""
    candidates = find_candidates(rhythm)
    return Tempi(candidates.bpm, (choice or choice_of("tempo")).probabilities(tempo_features(candidates, rhythm)))


def find_candidates(rhythm: Rhythm) -> Candidates:
    """Whole numbers of beats, and whole tempi with a tail; none for silence and for what lasts over LONGEST_S."""
    if not len(rhythm.onsets) or rhythm.duration_s > LONGEST_S:
        return Candidates(np.empty(0), np.empty(0), np.empty(0, bool))
    beats = np.arange(1.0, FASTEST * rhythm.duration_s / 60 + 1)
    bpm = 60 * beats / rhythm.duration_s
    usual = (bpm >= SLOWEST) & (bpm <= FASTEST)
    tail_bpm, tail_beats = _with_tail(rhythm)
    has_tail = np.arange(usual.sum() + len(tail_bpm)) >= usual.sum()
    return Candidates(np.append(bpm[usual], tail_bpm), np.append(beats[usual], tail_beats), has_tail)


def _with_tail(rhythm: Rhythm) -> tuple[Float, Float]:
    """Whole tempi and numbers of beats after which nothing is struck any more, and the sound ends in silence."""
    if rhythm.level[-END_FRAMES:].mean(axis=1).max() > rhythm.level.max() + SILENT_DB:
        return np.empty(0), np.empty(0)
    n_most = int(rhythm.duration_s * TAIL_BPM[-1] / 60) // TAIL_BEATS
    bpm, beats = (grid.ravel() for grid in np.meshgrid(TAIL_BPM, TAIL_BEATS * np.arange(1.0, n_most + 1)))
    end_s = beats * 60 / bpm
    tail_s = rhythm.duration_s - end_s
    possible = (tail_s > TAIL_S[0]) & (tail_s < TAIL_S[1]) & (end_s > rhythm.onsets.times_s[-1] - 0.02)
    return bpm[possible], beats[possible]


def tempo_features(candidates: Candidates, rhythm: Rhythm) -> dict[str, Float]:
    """What the model weighs, by the names of its coefficients: (k,) of each candidate."""
    bpm, beats, tail = candidates.bpm, candidates.beats, candidates.has_tail
    if not len(bpm):
        return {}
    onsets = rhythm.onsets
    cost, beyond = misfits(onsets.times_s, onsets.rises_db / onsets.rises_db.sum(), bpm)
    octaves = np.log2(bpm / 110)
    from_whole = np.abs(bpm - np.round(bpm))
    end_s = beats * 60 / bpm
    made_for_it = from_whole < np.maximum(WHOLE_BPM, WHOLE_LENGTH_S * bpm / end_s)
    an_onset = np.log1p(len(onsets) / beats)
    silence_beats = np.minimum((end_s - onsets.times_s[-1]) * bpm / 60, 4)
    return {
        **_repetition(candidates, rhythm.level, 60 / bpm / rhythm.hop_s),
        "off_grid": cost,
        "attacks_off_grid": beyond,
        "octaves_from_110": octaves,
        "octaves_from_110_squared": octaves**2,
        "whole_tempo": np.where(tail, 0.0, made_for_it),
        "from_whole_tempo": np.where(tail, 0.0, np.minimum(from_whole, ALMOST_WHOLE_BPM)),
        "whole_bars": beats % 4 == 0,
        "4_8_16_or_32_beats": np.isin(beats, (4, 8, 16, 32)),
        "8_beats": beats == 8,
        "16_beats": beats == 16,
        "2_6_12_or_24_beats": np.isin(beats, (2, 6, 12, 24)),
        "odd_beats": beats % 2 == 1,
        "attacks_a_beat": an_onset,
        "attacks_a_beat_squared": an_onset**2,
        "tail": tail,
        "tail_s": np.where(tail, rhythm.duration_s - end_s, 0.0),
        "tail_silence_beats": np.where(tail, silence_beats, 0.0),
        "tail_off_grid": np.where(tail, cost + beyond, 0.0),
    }


def _repetition(candidates: Candidates, level: Float, beat: Float) -> dict[str, Float]:
    """How alike attacks and sound are after a part of the beat, or several; `beat` (k,) in frames.

    A loop is the circle it is when looped, one with a tail is not.
    """
    attacks = rises(level)
    curves = {"attacks": (attacks - attacks.mean())[:, None], "sound": level - level.mean(axis=0)}
    found = {}
    for name, multiples in (("attacks", ONSET_BEATS), ("sound", SOUND_BEATS)):
        around, along = _circular(curves[name]), _linear(curves[name])
        for multiple in multiples:
            lag = multiple * beat
            found[f"{name}_after_{multiple}"] = np.where(
                candidates.has_tail, _at(along, lag, LONGEST_LAG * len(along)), _at(around, lag, len(around) / 2 + 1)
            )
    return found


def _at(correlation: Float, lag: Float, longest: float) -> Float:
    """Values at fractional lags; 0 beyond the longest."""
    return np.where(lag <= longest, np.interp(lag, np.arange(len(correlation)), correlation), 0.0)


def _circular(curves: Float) -> Float:
    """(n,) autocorrelation of (n, curves) as if they went round in a circle, summed, 1 at lag 0."""
    return _normal(_autocorrelation(curves, len(curves)))


def _linear(curves: Float) -> Float:
    """(n,) the same without the circle: what fewer frames overlap for is raised accordingly."""
    n = len(curves)
    return _normal(_autocorrelation(curves, 2 * n)[:n]) * n / (n - np.minimum(np.arange(n), LONGEST_LAG * n) + n / 20)


def _autocorrelation(curves: Float, size: int) -> Float:
    spectrum = fft.rfft(curves, size, axis=0)
    return np.asarray(fft.irfft((spectrum.real**2 + spectrum.imag**2).sum(axis=1), size))


def _normal(correlation: Float) -> Float:
    """1 at lag 0; all 0 where nothing changes."""
    return correlation / correlation[0] if correlation[0] > 1e-9 else np.zeros_like(correlation)


def _written(bpm: float) -> float:
    """A whole number where it is nearly one, else to a tenth."""
    whole = round(bpm)
    return float(whole if abs(bpm - whole) < 0.1 else round(bpm, 1))
