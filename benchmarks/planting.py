"""Faults planted in loops that are in order, to count what the checks find.

A plant takes samples (channels, n), their rate, the loop's tempo in beats per minute and a generator, and gives
(channels, m) of the same rate.
"""

from collections.abc import Callable

import numpy as np
from scipy import signal as dsp

from loopscope.faults.base import Signal
from loopscope.faults.music.onsets import find_onsets

Plant = Callable[[np.ndarray, int, float, np.random.Generator], np.ndarray]

FADE_S = 0.003
PART = 0.35  # of the loop is out of tune
STUTTER_S = (0.045, 0.110)
STUTTER_REPEATS = (4, 8)


def clicked(height: float) -> Plant:
    """Two jumps of `height` of the peak, up and down."""

    def plant(x: np.ndarray, rate: int, bpm: float, rng: np.random.Generator) -> np.ndarray:
        y = x.copy()
        for at in rng.integers(rate // 20, x.shape[1] - rate // 20, 2):
            y[:, at : at + 3] += height * np.abs(x).max()
            y[:, at + 3 : at + 6] -= height * np.abs(x).max()
        return y

    return plant


def clipped(share: float, lossy: bool) -> Plant:
    """This share of the samples cut off, and rippled by a low-pass where `lossy`."""

    def plant(x: np.ndarray, rate: int, bpm: float, rng: np.random.Generator) -> np.ndarray:
        level = np.quantile(np.abs(x), 1 - share)
        y = np.clip(x, -level, level) * rng.uniform(0.3, 0.9) / max(level, 1e-6)
        if lossy:
            y = dsp.sosfilt(dsp.butter(6, 0.35 * rate, fs=rate, output="sos"), y)
        return y

    return plant


def dropped(milliseconds: float, fade: float) -> Plant:
    """A gap where it is loud, with fades of so many milliseconds around it."""

    def plant(x: np.ndarray, rate: int, bpm: float, rng: np.random.Generator) -> np.ndarray:
        y, width, ramp = x.copy(), int(milliseconds / 1000 * rate), int(fade / 1000 * rate)
        loudness = np.convolve(np.abs(x[0]), np.ones(rate // 20), "same")
        places = np.flatnonzero(loudness > 0.3 * loudness.max())
        places = places[(places > rate // 10) & (places < x.shape[1] - width - rate // 10)]
        at = int(rng.choice(places)) if len(places) else x.shape[1] // 3
        y[:, at : at + width] = 0
        if ramp:
            y[:, at - ramp : at] *= np.linspace(1, 0, ramp)
            y[:, at + width : at + width + ramp] *= np.linspace(0, 1, ramp)
        return y

    return plant


def hummed(level_db: float) -> Plant:
    """Eight lines of 50 or 60 Hz at this level relative to the loop."""

    def plant(x: np.ndarray, rate: int, bpm: float, rng: np.random.Generator) -> np.ndarray:
        t = np.arange(x.shape[1]) / rate
        mains = rng.choice([50, 60]) * (1 + rng.uniform(-0.001, 0.001))
        hum = sum(rng.uniform(0.2, 1) / k * np.sin(2 * np.pi * k * mains * t + rng.uniform(0, 6)) for k in range(1, 9))
        return x + hum / np.sqrt((hum**2).mean()) * np.sqrt((x**2).mean()) * 10 ** (level_db / 20)

    return plant


def detuned(cents: float) -> Plant:
    """All of it higher or lower, and by as much faster or slower."""

    def plant(x: np.ndarray, rate: int, bpm: float, rng: np.random.Generator) -> np.ndarray:
        speed = 2 ** (rng.choice([-1, 1]) * cents / 1200)
        return _read_at(x, np.arange(int(x.shape[1] / speed)) * speed)

    return plant


def detuned_in_part(cents: float) -> Plant:
    """A stretch in the middle higher or lower; what follows is where it was."""

    def plant(x: np.ndarray, rate: int, bpm: float, rng: np.random.Generator) -> np.ndarray:
        n = x.shape[1]
        first = int(rng.uniform(0.1, 0.9 - PART) * n)
        last = first + int(PART * n)
        speed = 2 ** (rng.choice([-1, 1]) * cents / 1200)
        middle = _read_at(x, first + np.arange(last - first) * speed)
        fade = int(FADE_S * rate)
        y = x.copy()
        weight = np.minimum(1, np.minimum(np.arange(last - first), np.arange(last - first)[::-1]) / fade)
        y[:, first:last] = weight * middle + (1 - weight) * x[:, first:last]
        return y

    return plant


def drifting(cents: float) -> Plant:
    """Evenly higher or lower from the first sample to the last, around the right pitch."""

    def plant(x: np.ndarray, rate: int, bpm: float, rng: np.random.Generator) -> np.ndarray:
        away = rng.choice([-1, 1]) * cents * np.linspace(-0.5, 0.5, x.shape[1])
        return _read_at(x, np.cumsum(2 ** (away / 1200)) - 1)

    return plant


def jittered(milliseconds: float) -> Plant:
    """Every attack early or late by a normal deviate; the sound between is moved with it."""

    def plant(x: np.ndarray, rate: int, bpm: float, rng: np.random.Generator) -> np.ndarray:
        at = (find_onsets(Signal(x, rate)).times_s * rate).astype(int) - int(0.012 * rate)
        at = np.unique(np.clip(at, 0, None))
        if not len(at):
            return x
        to = np.sort(np.clip(at + (rng.normal(0, milliseconds / 1000, len(at)) * rate).astype(int), 0, x.shape[1] - 1))
        y = np.zeros_like(x)
        y[:, : to[0]] = x[:, : to[0]]
        fade = int(FADE_S * rate)
        for i, (source, target) in enumerate(zip(at, to, strict=True)):
            end = to[i + 1] + fade if i + 1 < len(to) else x.shape[1]
            until = at[i + 1] if i + 1 < len(at) else x.shape[1]
            piece = x[:, source : min(until, source + end - target)].copy()
            ramp = min(fade, piece.shape[1])
            piece[:, :ramp] *= np.linspace(0, 1, ramp)
            piece[:, piece.shape[1] - ramp :] *= np.linspace(1, 0, ramp)
            y[:, target : target + piece.shape[1]] += piece[:, : y.shape[1] - target]
        return y

    return plant


def stuttering(x: np.ndarray, rate: int, bpm: float, rng: np.random.Generator) -> np.ndarray:
    """A slice of 45 to 110 ms, where it is loud, four to eight times."""
    size, times = int(rng.uniform(*STUTTER_S) * rate), int(rng.integers(*STUTTER_REPEATS))
    loudness = np.convolve(np.abs(x[0]), np.ones(size), "same")
    places = np.flatnonzero(loudness > 0.4 * loudness.max())
    places = places[places < max(x.shape[1] - (times + 1) * size, 1)]
    at = int(rng.choice(places)) if len(places) else 0
    y = x.copy()
    stuck = np.tile(x[:, at : at + size], times)[:, : x.shape[1] - at]
    y[:, at : at + stuck.shape[1]] = stuck
    return y


def backwards(x: np.ndarray, rate: int, bpm: float, rng: np.random.Generator) -> np.ndarray:
    """The whole loop reversed."""
    return np.ascontiguousarray(x[:, ::-1])


def offset(percent: float) -> Plant:
    """A constant of so many percent of full scale."""
    return lambda x, rate, bpm, rng: 0.8 * x + percent / 100


def hissing(level_db: float) -> Plant:
    """White noise at a level relative to the loop."""
    return lambda x, rate, bpm, rng: x + rng.standard_normal(x.shape) * np.sqrt((x**2).mean()) * 10 ** (level_db / 20)


def inverted(x: np.ndarray, rate: int, bpm: float, rng: np.random.Generator) -> np.ndarray:
    """The right channel upside down; mono becomes stereo."""
    return np.stack([x[0], -x[-1]])


def dual_mono(x: np.ndarray, rate: int, bpm: float, rng: np.random.Generator) -> np.ndarray:
    """The left channel twice."""
    return np.stack([x[0], x[0]])


def cut(start_s: float, end_share: float) -> Plant:
    """Without its first seconds and the last share of the rest."""

    def plant(x: np.ndarray, rate: int, bpm: float, rng: np.random.Generator) -> np.ndarray:
        rest = x[:, int(start_s * rate) :]
        return rest[:, : int((1 - end_share) * rest.shape[1])]

    return plant


def silent(start_s: float, end_s: float) -> Plant:
    """With so many seconds of silence before and after it."""
    return lambda x, rate, bpm, rng: np.pad(x, ((0, 0), (int(start_s * rate), int(end_s * rate))))


def burst(milliseconds: float, level_db: float) -> Plant:
    """White noise somewhere in the middle, at a level relative to the peak."""

    def plant(x: np.ndarray, rate: int, bpm: float, rng: np.random.Generator) -> np.ndarray:
        y, n = x.copy(), int(milliseconds / 1000 * rate)
        at = int(rng.integers(rate // 10, x.shape[1] - n - rate // 10))
        y[:, at : at + n] += rng.standard_normal(n) * np.abs(x).max() * 10 ** (level_db / 20)
        return y

    return plant


def levelled(peak: float) -> Plant:
    """The loop at this peak, full scale 1."""
    return lambda x, rate, bpm, rng: x * (peak / max(float(np.abs(x).max()), 1e-9))


def _read_at(x: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Samples (channels, n) read at fractional places, round the loop."""
    n = x.shape[1]
    return np.stack([np.interp(places, np.arange(n), channel, period=n) for channel in x]).astype(np.float32)


PLANTED: dict[str, dict[str, Plant]] = {
    "click": {f"{height:.0%} of the peak": clicked(height) for height in (0.05, 0.1, 0.25)},
    "clipping": {
        f"{share:.1%} of samples{', low-passed' if lossy else ''}": clipped(share, lossy)
        for share in (0.003, 0.03)
        for lossy in (False, True)
    },
    "dropout": {f"{ms} ms, fades {fade} ms": dropped(ms, fade) for ms in (5, 20, 80) for fade in (0, 3)},
    "hum": {f"{level} dB re the loop": hummed(level) for level in (-10, -20, -30)},
    "off_tuning": {f"all of it by {cents} cents": detuned(cents) for cents in (15, 25, 40)},
    "note_out_of_tune": {f"a third of it by {cents} cents": detuned_in_part(cents) for cents in (15, 25, 40)},
    "drift": {f"by {cents} cents": drifting(cents) for cents in (20, 30)},
    "off_grid": {f"attacks moved by {ms} ms": jittered(ms) for ms in (10, 20, 30, 40)},
    "stutter": {"4 to 8 times 45 to 110 ms": stuttering},
    "reversed": {"all of it": backwards},
    "dc_offset": {f"{percent} % of full scale": offset(percent) for percent in (4, 8)},
    "noise": {f"{level} dB re the loop": hissing(level) for level in (-20, -30)},
    "stereo_phase": {"right channel inverted": inverted},
    "cut": {"first 30 ms": cut(0.03, 0.0), "last 5 %": cut(0.0, 0.05)},
    "noise_burst": {f"{ms} ms, {level} dB re peak": burst(ms, level) for ms in (30, 100) for level in (-20, -30)},
    "true_peak": {"1 dB over full scale": levelled(10 ** (1 / 20))},
    "false_stereo": {"left channel twice": dual_mono},
    "silence": {"0.3 s before": silent(0.3, 0.0), "0.3 s after": silent(0.0, 0.3)},
    "off_level": {"peak at -40 dBFS": levelled(0.01)},
}
