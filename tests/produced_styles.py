"""What is done to music on purpose and measures like a fault, on the demo's instruments: no check may call it faulty.

Each maker gives (n,) or (2, n) float32 at RATE with a peak below full scale; the same samples every time.
"""

from collections.abc import Callable

import numpy as np
from scipy import signal as dsp

from loopscope.demo.instruments import INSTRUMENTS, Note
from loopscope.demo.synthesis import noise_burst

RATE = 44100
BPM = 120.0
SECONDS = 4.0  # two bars
SIXTEENTH_S = 60 / BPM / 4
MINOR = (0, 3, 5, 7, 10, 7, 5, 3)  # semitones

Maker = Callable[[], np.ndarray]


def times(seconds: float = SECONDS) -> np.ndarray:
    return np.arange(int(seconds * RATE)) / RATE


def levelled(x: np.ndarray, peak: float = 0.8) -> np.ndarray:
    return np.asarray(peak * x / np.abs(x).max(), dtype=np.float32)


def played(
    instrument: str, steps_s: np.ndarray, hz: np.ndarray, held_s: float = 0.4, seconds: float = SECONDS
) -> np.ndarray:
    """Notes of one instrument on a circle of `seconds`, so that the end runs on into the start."""
    rng = np.random.default_rng(1)
    x = np.zeros(int(seconds * RATE), np.float32)
    for at, pitch in zip(steps_s, hz, strict=True):
        tone = INSTRUMENTS[instrument](Note(float(pitch), held_s, 0.8, RATE), rng)
        places = (int(at * RATE) + np.arange(len(tone))) % len(x)
        np.add.at(x, places, tone)
    return x


def line(instrument: str, root_hz: float = 110.0, cents: tuple[float, ...] = (0.0,)) -> np.ndarray:
    """Eight notes in quavers, each off by its turn of `cents`."""
    semitones = np.array(MINOR) + np.resize(cents, 8) / 100
    return played(instrument, np.arange(8) * 0.5, root_hz * 2 ** (semitones / 12))


def overdriven_guitar() -> np.ndarray:
    """An overdriven guitar: a lopsided stage and a cabinet."""
    driven = np.tanh(9 * line("drive") + 0.4) - np.tanh(0.4)
    cabinet = dsp.butter(2, [70, 5000], "bandpass", fs=RATE, output="sos")
    return levelled(dsp.sosfilt(cabinet, driven))


def lopsided_bass() -> np.ndarray:
    """An overdriven bass whose mean is not zero while it sounds."""
    x = played("finger", np.arange(8) * 0.5, 55 * 2 ** (np.array(MINOR) / 12), held_s=0.3)
    return levelled(np.tanh(4 * x / np.abs(x).max() + 0.5) - np.tanh(0.5))


def legato_pulse_bass() -> np.ndarray:
    """Decaying notes of a narrow pulse without a gap, driven so hard that both peaks are cut alike and the mean is not
    zero."""
    t = times()
    hz = np.repeat(55 * 2 ** (np.array(MINOR) / 12), len(t) // 8)
    pulse = ((np.cumsum(hz) / RATE) % 1 < 0.56) - 0.5
    body = dsp.sosfilt(dsp.butter(2, 900, fs=RATE, output="sos"), pulse)
    return levelled(np.tanh(6 * body) * np.exp(-1.5 * (t % 0.5)), 0.7)


def gated_chord() -> np.ndarray:
    """A trance gate on a chord in sixteenths."""
    t = times()
    chord = sum(dsp.sawtooth(2 * np.pi * hz * t) for hz in (220.0, 261.63, 329.63))
    return levelled(chord * ((t / SIXTEENTH_S) % 1 < 0.5))


def old_record() -> np.ndarray:
    """A line under crackle, surface noise and rumble in opposite phase."""
    rng = np.random.default_rng(5)
    x = levelled(line("round"), 0.5)
    crackle = np.zeros(len(x))
    crackle[rng.integers(0, len(x), 200)] = rng.exponential(0.06, 200) * rng.choice([-1, 1], 200)
    crackle = dsp.sosfilt(dsp.butter(2, [500, 9000], "bandpass", fs=RATE, output="sos"), crackle)
    rumble = dsp.sosfilt(dsp.butter(2, 30, fs=RATE, output="sos"), rng.standard_normal(len(x)))
    hiss = 0.0005 * rng.standard_normal((2, len(x)))
    return np.asarray(x + crackle + hiss + 0.05 * rumble * np.array([[1], [-1]]), dtype=np.float32)


def chopped() -> np.ndarray:
    """Slices of a line, cut hard, repeated and thrown about, with bursts of noise between."""
    rng = np.random.default_rng(6)
    x = levelled(line("fm"))
    step = int(SIXTEENTH_S * RATE / 2)
    slices = [x[i * step : (i + 1) * step] for i in range(len(x) // step)]
    order = rng.permutation(len(slices))
    order[8:16] = order[8]
    y = np.concatenate([slices[i] for i in order])
    for i in rng.choice(len(slices), 12, replace=False):
        y[i * step : i * step + step // 3] = 0.4 * rng.standard_normal(step // 3)
    for i in rng.choice(len(slices), 6, replace=False):
        y[i * step + step // 2 : (i + 1) * step] = 0
    return levelled(y)


def drums_at_the_ceiling() -> np.ndarray:
    """Kick, gated snare and hats, pushed into the ceiling by 6 dB."""
    rng = np.random.default_rng(3)
    x = np.zeros(int(SECONDS * RATE))
    t = np.arange(RATE // 4) / RATE
    kick = np.sin(2 * np.pi * (48 * t + 4 * (1 - np.exp(-t * 50)))) * np.exp(-t * 18)
    snare = noise_burst(len(t), RATE, (800.0, 9000.0), 0.5, rng) * (t < 0.12) + np.sin(400 * np.pi * t) * np.exp(
        -t * 40
    )
    hat = noise_burst(len(t), RATE, (6000.0, 16000.0), 0.03, rng)
    for step in range(32):
        at = int(step * SIXTEENTH_S * RATE)
        for hit, gain, when in (
            (kick, 1.0, step % 8 in (0, 3)),
            (snare, 0.6, step % 8 == 4),
            (hat, 0.2, step % 2 == 0),
        ):
            part = hit[: len(x) - at] if when else np.zeros(0)
            x[at : at + len(part)] += gain * part
    return np.clip(2 * levelled(x, 1.0), -0.99, 0.99).astype(np.float32)


def airy_pad() -> np.ndarray:
    """An ambient pad in stereo that breathes, with air in it, and never pauses."""
    t = times(8.0)
    rng = np.random.default_rng(8)
    sides = []
    for side in range(2):
        tone = sum(
            np.sin(2 * np.pi * hz * t + rng.uniform(0, 6)) * (1 + 0.3 * np.sin(2 * np.pi * t * k / 8 + side))
            for k, hz in enumerate((110.0, 164.875, 220.0, 277.125, 329.625), 1)
        )
        sides.append(tone + 0.08 * rng.standard_normal(len(t)))
    return levelled(np.array(sides))


def looped_sampler() -> np.ndarray:
    """A drone whose recording was looped where its waveform jumps, every 0.37 s."""
    cycle = 16384
    t = np.arange(cycle) / RATE
    once = sum(np.sin(2 * np.pi * hz * t + hz) / hz for hz in (43.3, 86.9, 131.2, 219.7))
    x = np.tile(once, 8)
    edges = np.minimum(np.arange(len(x)), np.arange(len(x))[::-1]) / (0.01 * RATE)
    return levelled(x * np.minimum(edges, 1))


def sampled_organ() -> np.ndarray:
    """An organ pipe for a sampler: its file ends in full sound, a few samples beyond the end of the sampler's loop."""
    t = times(2.0)
    rng = np.random.default_rng(3)
    pipe = sum(np.sin(2 * np.pi * 130.8 * k * t + rng.uniform(0, 6)) / k for k in range(1, 9))
    x = pipe * np.minimum(0.2 + t / 0.2, 1)
    x[-60:] = x[:60]
    return levelled(x)


def widened_bell() -> np.ndarray:
    """A bell whose high partials an effect throws apart."""
    x = levelled(line("bell"))
    low = dsp.sosfiltfilt(dsp.butter(2, 500, fs=RATE, output="sos"), x)
    return levelled(np.stack([0.3 * low + (x - low), 0.3 * low - (x - low)]))


PRODUCED: dict[str, Maker] = {
    "overdriven guitar": overdriven_guitar,
    "lopsided bass": lopsided_bass,
    "gated chord": gated_chord,
    "old record": old_record,
    "chopped": chopped,
    "drums at the ceiling": drums_at_the_ceiling,
    "airy pad": airy_pad,
    "looped sampler": looped_sampler,
    "sampled organ": sampled_organ,
    "widened bell": widened_bell,
}
