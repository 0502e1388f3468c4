"""Sounds of styles that are easily mistaken for faults, all synthesised; `MUSIC` and `STYLES` name them.

What is played is (n,) float32 at RATE, four to eight seconds; with a tempo it is 120 BPM.
"""

from collections.abc import Callable

import numpy as np
from scipy import signal as dsp

RATE = 44100
BPM = 120.0


def notes(seconds: float = 4.0, rate: int = RATE, hz: tuple[float, ...] = (110, 146.83, 98, 130.81)) -> np.ndarray:
    """(n,) plucked notes of half a second each: ten harmonics, soft attack, exponential decay, soft release."""
    step = int(0.5 * rate)
    t = np.arange(step) / rate
    envelope = (1 - np.exp(-t / 0.002)) * np.exp(-t / 0.25) * np.clip((0.5 - t) / 0.03, 0, 1)
    parts = []
    for i in range(int(np.ceil(seconds / 0.5))):
        pitch = hz[i % len(hz)]
        tone = sum(np.sin(2 * np.pi * k * pitch * t + 0.3 * k) / k**1.3 for k in range(1, 11))
        parts.append(tone * envelope)
    x = np.concatenate(parts)[: int(seconds * rate)]
    return (0.7 * x / np.abs(x).max()).astype(np.float32)


def distorted_chords() -> np.ndarray:
    """Power chords through a soft clipper and a speaker cabinet."""
    t = np.arange(4 * RATE) / RATE
    saws = [dsp.sawtooth(2 * np.pi * f * t) for f in (82.41, 123.47, 164.81)]
    driven = np.tanh(6 * sum(saws) * np.exp(-(t % 1) / 0.8))
    cabinet = dsp.butter(4, [80, 4500], "bandpass", fs=RATE, output="sos")
    x = dsp.sosfilt(cabinet, driven)
    return (0.8 * x / np.abs(x).max()).astype(np.float32)


def drums() -> np.ndarray:
    """Kick with a beater click, snare, rim shot and hi-hats over two bars of 120 BPM."""
    rng = np.random.default_rng(3)
    x = np.zeros(4 * RATE)
    t = np.arange(RATE // 3) / RATE
    kick = np.sin(2 * np.pi * (50 * t + 3 * (1 - np.exp(-t * 60)))) * np.exp(-t * 14)
    kick[:60] += rng.standard_normal(60) * np.exp(-np.arange(60) / 15)
    snare = (rng.standard_normal(len(t)) * 0.6 + np.sin(2 * np.pi * 190 * t)) * np.exp(-t * 22)
    rim = np.sin(2 * np.pi * 1700 * t) * np.exp(-t * 300)
    hat = rng.standard_normal(len(t)) * np.exp(-t * 90)
    for i in range(32):
        at = i * RATE // 8
        for hit, level, when in ((kick, 0.8, i % 8 == 0), (snare, 0.5, i % 8 == 4), (rim, 0.5, i % 8 == 7)):
            if when:
                x[at : at + len(t)] += level * hit[: len(x) - at]
        x[at : at + len(t)] += 0.15 * hat[: len(x) - at]
    return (0.9 * x / np.abs(x).max()).astype(np.float32)


def saw_bass() -> np.ndarray:
    """A raw sawtooth, which jumps at every period."""
    t = np.arange(4 * RATE) / RATE
    return (0.6 * dsp.sawtooth(2 * np.pi * 41.2 * t) * np.exp(-(t % 0.5) / 0.4)).astype(np.float32)


def vinyl() -> np.ndarray:
    """Notes under dense crackle and a little surface noise."""
    rng = np.random.default_rng(5)
    x = 0.6 * notes()
    crackle = np.zeros(len(x))
    crackle[rng.integers(0, len(x), 160)] = rng.exponential(0.08, 160) * rng.choice([-1, 1], 160)
    played = dsp.sosfilt(dsp.butter(2, [500, 9000], "bandpass", fs=RATE, output="sos"), crackle)
    return (x + played + 0.0005 * rng.standard_normal(len(x))).astype(np.float32)


def gated() -> np.ndarray:
    """A trance gate: hard edges, but eight times the same."""
    t = np.arange(4 * RATE) / RATE
    return (0.5 * dsp.sawtooth(2 * np.pi * 110 * t) * ((t * 4) % 1 < 0.5)).astype(np.float32)


def placed(sounds: list[tuple[float, np.ndarray]], seconds: float) -> np.ndarray:
    """Sounds (n,) at their times in seconds, at a peak of 0.8."""
    x = np.zeros(int(seconds * RATE))
    for at_s, sound in sounds:
        at = round(at_s * RATE)
        part = sound[: len(x) - at]
        x[at : at + len(part)] += part
    return (0.8 * x / np.abs(x).max()).astype(np.float32)


def tone(cents: np.ndarray | float, seconds: float, decay_s: float = 0.6, partials: int = 10) -> np.ndarray:
    """(n,) a plucked tone; `cents` above 110 Hz, one number or the curve of a bend (n,)."""
    t = np.arange(int(seconds * RATE)) / RATE
    hz = 110 * 2 ** (np.broadcast_to(np.asarray(cents, np.float64), t.shape) / 1200)
    turn = 2 * np.pi * np.cumsum(hz) / RATE
    sound = sum(np.sin(k * turn + 0.3 * k) / k**1.3 for k in range(1, partials + 1))
    return np.asarray(sound * (1 - np.exp(-t / 0.002)) * np.exp(-t / decay_s) * np.clip((seconds - t) / 0.02, 0, 1))


def pad(cents: tuple[float, ...], seconds: float, attack_s: float) -> np.ndarray:
    """(n,) a chord that swells and stays; slightly beating voices."""
    rng, t = np.random.default_rng(0), np.arange(int(seconds * RATE)) / RATE
    shape = np.clip(t / attack_s, 0, 1) * np.clip((seconds - t) / attack_s, 0, 1)
    voices = [
        np.sin(2 * np.pi * k * 220 * 2 ** ((c + beside) / 1200) * t + rng.uniform(0, 6)) / k**1.6
        for c in cents
        for beside in (-4, 4)
        for k in range(1, 9)
    ]
    return np.asarray(sum(voices) * shape)


def glitch() -> np.ndarray:
    """A beat whose slices stick at a thirty-second and a sixty-fourth, on the beat."""
    x = drums()
    for beat, lag_s, times in ((1, 1 / 16, 8), (3, 1 / 8, 4), (5, 1 / 16, 8)):
        at, lag = round(beat * 0.5 * RATE), round(lag_s * RATE)
        x[at : at + times * lag] = np.tile(x[at : at + lag], times)
    return x


def riser() -> np.ndarray:
    """Noise that grows and opens for two bars and stops."""
    rng, t = np.random.default_rng(1), np.arange(4 * RATE) / RATE
    noise = rng.standard_normal(len(t))
    low = dsp.sosfilt(dsp.butter(2, 900, fs=RATE, output="sos"), noise)
    x = (low * (1 - t / 4) + noise * t / 4) * (t / 4) ** 3
    return (0.8 * x / np.abs(x).max()).astype(np.float32)


def ambient_pads() -> np.ndarray:
    """Two chords that fade into each other."""
    return placed([(0.0, pad((0, 400, 700), 4.5, 1.2)), (3.5, pad((-300, 100, 400), 4.5, 1.2))], 8.0)


def held_saw() -> np.ndarray:
    """A synthesiser's lowest notes, held: every period is an exact copy of the last."""
    t = np.arange(RATE // 2) / RATE
    steps = (0, 300, 500, 700, 0, 300, -200, 700)
    held = [0.5 * dsp.sawtooth(2 * np.pi * 41.2 * 2 ** (cents / 1200) * t) for cents in steps]
    return np.concatenate(held).astype(np.float32)


def pumping_pad() -> np.ndarray:
    """A chord that a kick drum, unheard, pushes down at every beat."""
    x = pad((0, 300, 700), 4.0, 0.01)
    t = np.arange(len(x)) / RATE
    return placed([(0.0, x * (0.1 + 0.9 * np.clip((t % 0.5) / 0.48, 0, 1) ** 1.5))], 4.0)


def tape_stop() -> np.ndarray:
    """Notes that slow down to nothing in the last bar."""
    x = notes(6.0).astype(np.float64)
    t = np.arange(4 * RATE) / RATE
    speed = np.clip((4.0 - t) / 1.5, 0, 1)
    place = np.cumsum(speed)
    return np.interp(place, np.arange(len(x)), x).astype(np.float32) * np.clip(speed * 8, 0, 1).astype(np.float32)


def whammy() -> np.ndarray:
    """Notes that dive by a fourth and come back."""
    n = int(RATE)
    dive = -500 * np.sin(np.pi * np.clip(np.arange(n) / n * 1.4 - 0.3, 0, 1)) ** 2
    return placed([(i, tone(base + dive, 1.0)) for i, base in enumerate((0, 300, 700, 500))], 4.0)


def string_bends() -> np.ndarray:
    """A blues lead: notes pushed up by a whole tone, half of it, and a quarter tone that stays."""
    t = np.arange(RATE // 2) / RATE
    push = np.clip((t - 0.1) / 0.12, 0, 1)
    lead = ((1200, 200), (1500, 0), (1700, 100), (1200, 0), (1500, 50), (1200, 200), (1000, 0), (1200, 0))
    return placed([(0.5 * i, tone(base + up * push, 0.5)) for i, (base, up) in enumerate(lead)], 4.0)


def vibrato() -> np.ndarray:
    """Notes that sway by 40 cents six times a second."""
    t = np.arange(RATE) / RATE
    sway = 40 * np.sin(2 * np.pi * 6 * t)
    return placed([(i, tone(base + sway, 1.0, decay_s=2.0)) for i, base in enumerate((0, 300, 700, 500))], 4.0)


def microtonal() -> np.ndarray:
    """A scale of seven equal steps, as in Thailand, up and down."""
    steps = [0, 1, 2, 3, 4, 5, 6, 7, 6, 5, 4, 3, 2, 1, 0, 2]
    return placed([(0.25 * i, tone(step * 1200 / 7, 0.3)) for i, step in enumerate(steps)], 4.0)


def quarter_tones() -> np.ndarray:
    """A maqam with two neutral steps, which are neither major nor minor."""
    scale = (0, 150, 300, 500, 700, 850, 1000, 1200)
    steps = (0, 1, 2, 1, 4, 5, 6, 5, 7, 5, 4, 3, 1, 0, 1, 0)
    return placed([(0.25 * i, tone(scale[step], 0.3)) for i, step in enumerate(steps)], 4.0)


def just_intonation() -> np.ndarray:
    """Chords in pure ratios, whose thirds lie 14 to 16 cents beside the tempered ones."""
    pure = ((0, 386, 702), (498, 884, 1200), (702, 1088, 1404), (0, 386, 702))
    return placed([(i, sum(tone(c, 1.0) for c in chord)) for i, chord in enumerate(pure)], 4.0)


def rubato() -> np.ndarray:
    """Notes in the player's own time, though the name of the file tells a tempo."""
    steps = np.array([0.0, 0.62, 1.1, 1.48, 1.8, 2.31, 3.0, 3.33, 3.57, 4.2, 5.05, 5.5, 5.83, 6.6, 7.37])
    cents = (0, 300, 700, 500, 1200, 1000, 700, 300, 500, 0, 300, 700, 500, 300, 0)
    return placed([(at, tone(c, 0.7)) for at, c in zip(steps, cents, strict=True)], 8.14)


def flams() -> np.ndarray:
    """Every second stroke with a grace note 28 ms before it, and a late snare: a human drummer."""
    rng = np.random.default_rng(2)
    n = RATE // 5
    stroke = rng.standard_normal(n) * np.exp(-np.arange(n) / (0.03 * RATE))
    strokes = [(0.25 * i + (0.012 if i % 4 == 2 else 0.0), stroke * (1.0 if i % 2 else 0.7)) for i in range(16)]
    graces = [(0.25 * i - 0.028, 0.4 * stroke) for i in range(2, 16, 4)]
    return placed(strokes + graces, 4.0)


def toms() -> np.ndarray:
    """A kick and three toms, each at a pitch of its own."""
    t = np.arange(RATE // 2) / RATE
    tuned = [
        np.sin(2 * np.pi * (hz * t + hz / 90 * (1 - np.exp(-t * 40)))) * np.exp(-t * 7) for hz in (53, 98, 131, 171)
    ]
    pattern = [0, 3, 2, 1, 0, 3, 3, 2, 0, 1, 2, 3, 0, 2, 1, 1]
    return placed([(0.25 * i, tuned[drum]) for i, drum in enumerate(pattern)], 4.0)


def wobble() -> np.ndarray:
    """Two held notes through a filter that an LFO moves 3.3 times a second, whatever the tempo."""
    t = np.arange(2 * RATE) / RATE
    open_share = 0.5 + 0.5 * np.sin(2 * np.pi * 3.3 * t)
    edges = np.minimum(1, np.minimum(t, t[::-1]) / 0.004)
    notes_of_it = []
    for hz in (55.0, 65.4):
        saw = dsp.sawtooth(2 * np.pi * hz * t)
        dark, bright = (dsp.sosfilt(dsp.butter(2, cutoff, fs=RATE, output="sos"), saw) for cutoff in (250, 2500))
        notes_of_it.append(edges * ((1 - open_share) * dark + open_share * bright))
    return (0.4 * np.concatenate(notes_of_it)).astype(np.float32)


def chorus_pedal() -> np.ndarray:
    """Chords doubled by a copy that sways in pitch."""
    chords = ((0, 400, 700), (-300, 100, 400), (500, 900, 1200), (-500, -100, 200))
    x = placed([(i, sum(tone(c, 1.0, decay_s=1.5) for c in chord)) for i, chord in enumerate(chords)], 4.0)
    delay = (0.006 + 0.002 * np.sin(2 * np.pi * 0.8 * np.arange(len(x)) / RATE)) * RATE
    swayed = np.interp(np.arange(len(x)) - delay, np.arange(len(x)), x, period=len(x))
    return (0.6 * (x + swayed)).astype(np.float32)


MUSIC: dict[str, Callable[[], np.ndarray]] = {
    "notes": notes,
    "distorted chords": distorted_chords,
    "drums": drums,
    "saw bass": saw_bass,
    "vinyl": vinyl,
    "gated": gated,
}
STYLES: dict[str, Callable[[], np.ndarray]] = MUSIC | {
    "glitch": glitch,
    "riser": riser,
    "ambient pads": ambient_pads,
    "pumping pad": pumping_pad,
    "held saw": held_saw,
    "tape stop": tape_stop,
    "whammy": whammy,
    "string bends": string_bends,
    "vibrato": vibrato,
    "microtonal": microtonal,
    "quarter tones": quarter_tones,
    "just intonation": just_intonation,
    "rubato": rubato,
    "flams": flams,
    "toms": toms,
    "wobble": wobble,
    "chorus pedal": chorus_pedal,
}
