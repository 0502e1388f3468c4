"""Oddities that no check knows, planted in one beat or half a bar of loops that are in order.

A plant takes samples (n,) of a loop and of another one at SAMPLE_RATE, the stretch (start, stop) and a generator, and
gives samples of the first's length, changed in the stretch alone.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import librosa
import numpy as np
from scipy import signal as dsp

from loopscope.arrays import Float

SAMPLE_RATE = 44_100
FADE = 256  # samples
Plant = Callable[[Float, Float, tuple[int, int], np.random.Generator], Float]


class Kind(NamedTuple):
    """A plant, whether its other loop is of another instrument, and how long it is: None for one beat or two."""

    plant: Plant
    of_stranger: bool = False
    width_s: float | None = None


def planted(x: Float, other: Float, bpm: float, kind: Kind, rng: np.random.Generator) -> tuple[Float, float, float]:
    """The loop with it, and where it begins and ends in seconds: on a beat, where the loop sounds."""
    beat = round(60 / bpm * SAMPLE_RATE)
    wanted = beat * int(rng.integers(1, 3)) if kind.width_s is None else round(kind.width_s * SAMPLE_RATE)
    width = min(wanted, len(x) // 2)
    loudness = [np.abs(x[at : at + width]).mean() for at in range(0, len(x) - width, beat)]
    sounding = np.flatnonzero(np.array(loudness) > 0.3 * max(loudness))
    start = int(rng.choice(sounding)) * beat
    changed = kind.plant(x, other, (start, start + width), rng)
    ramp = np.minimum(1, np.minimum(np.arange(width), np.arange(width)[::-1]) / FADE)
    y = x.copy()
    y[start : start + width] = ramp * changed[start : start + width] + (1 - ramp) * x[start : start + width]
    return y.astype(np.float32), start / SAMPLE_RATE, (start + width) / SAMPLE_RATE


def phrase_of_another(x: Float, other: Float, at: tuple[int, int], rng: np.random.Generator) -> Float:
    """What another loop plays there, as loud: of another instrument or of the same."""
    start, stop = at
    there = np.resize(other, len(x))[start:stop]
    return _put(x, at, there * _level(x[start:stop]) / _level(there))


def filter_sweep(x: Float, other: Float, at: tuple[int, int], rng: np.random.Generator) -> Float:
    """A resonant band-pass that climbs from 200 Hz to 6 kHz."""
    start, stop = at
    edges = np.linspace(start, stop, 33).astype(int)
    out, state = [], np.zeros((1, 2))
    for number, (first, last) in enumerate(pairwise(edges)):
        centre = 200 * 30 ** (number / 32)
        sos = dsp.tf2sos(*dsp.iirpeak(centre, 3, SAMPLE_RATE))
        piece, state = dsp.sosfilt(sos, x[first:last], zi=state)
        out.append(piece)
    swept = np.concatenate(out)
    return _put(x, at, swept * _level(x[start:stop]) / _level(swept))


def pitch_shift(x: Float, other: Float, at: tuple[int, int], rng: np.random.Generator) -> Float:
    """Three to six semitones higher or lower, as long as before."""
    steps = int(rng.choice([-6, -5, -4, -3, 3, 4, 5, 6]))
    return _put(x, at, librosa.effects.pitch_shift(x[at[0] : at[1]], sr=SAMPLE_RATE, n_steps=steps))


def voice(x: Float, other: Float, at: tuple[int, int], rng: np.random.Generator) -> Float:
    """A vowel over it: a pulse train with vibrato through two formants."""
    start, stop = at
    t = np.arange(stop - start) / SAMPLE_RATE
    phase = 2 * np.pi * np.cumsum(rng.uniform(120, 240) * (1 + 0.02 * np.sin(2 * np.pi * 5 * t))) / SAMPLE_RATE
    pulses = dsp.sawtooth(phase)
    sound = sum(
        dsp.sosfilt(dsp.tf2sos(*dsp.iirpeak(f, 8, SAMPLE_RATE)), pulses)
        for f in rng.choice([350, 700, 1200, 2200], 2, False)
    )
    return _put(x, at, 0.5 * x[start:stop] + sound * _level(x[start:stop]) / _level(sound))


def reversal(x: Float, other: Float, at: tuple[int, int], rng: np.random.Generator) -> Float:
    """Backwards."""
    return _put(x, at, x[at[0] : at[1]][::-1])


def double_time(x: Float, other: Float, at: tuple[int, int], rng: np.random.Generator) -> Float:
    """Twice as fast, twice."""
    start, stop = at
    fast = librosa.effects.time_stretch(x[start:stop], rate=2.0)
    return _put(x, at, np.resize(fast, stop - start))


def click(x: Float, other: Float, at: tuple[int, int], rng: np.random.Generator) -> Float:
    """Half of the peak, up and down, for six samples in the middle of the stretch."""
    middle, height = sum(at) // 2, np.abs(x).max() / 2
    return _put(x, (middle, middle + 6), x[middle : middle + 6] + height * np.repeat([1, -1], 3))


def dropout(x: Float, other: Float, at: tuple[int, int], rng: np.random.Generator) -> Float:
    """Nothing."""
    return _put(x, at, np.zeros(at[1] - at[0]))


def stutter(x: Float, other: Float, at: tuple[int, int], rng: np.random.Generator) -> Float:
    """What comes first in the stretch, 45 to 110 ms, until its end."""
    start, stop = at
    return _put(x, at, np.resize(x[start : start + int(rng.uniform(0.045, 0.11) * SAMPLE_RATE)], stop - start))


def _put(x: Float, at: tuple[int, int], there: Float) -> Float:
    y = x.copy()
    y[at[0] : at[1]] = there[: at[1] - at[0]]
    return y


def _level(x: Float) -> float:
    return float(np.sqrt(np.mean(np.square(x)))) + 1e-9


KINDS = {
    "another instrument's phrase": Kind(phrase_of_another, of_stranger=True),
    "filter sweep": Kind(filter_sweep),
    "pitch-shifted": Kind(pitch_shift),
    "a voice": Kind(voice),
    "reversed": Kind(reversal),
    "another loop's phrase": Kind(phrase_of_another),
    "doubled tempo": Kind(double_time),
}
FAULTS = {
    f"{name} {number}": kind
    for number in (1, 2)
    for name, kind in (
        ("click", Kind(click, width_s=0.02)),
        ("dropout", Kind(dropout, width_s=0.08)),
        ("stutter", Kind(stutter, width_s=0.4)),
    )
}
