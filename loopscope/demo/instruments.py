"""The instruments: one function each, from pitch, length and velocity to a mono tone with its natural release."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from loopscope.arrays import Float
from loopscope.demo.synthesis import filtered_saw, fm_tone, harmonic_tone, noise_burst, plucked, shaped


@dataclass(frozen=True)
class Note:
    """One tone to be played: pitch in Hz, length until released in s, velocity 0 to 1."""

    frequency: float
    held_s: float
    velocity: float
    sample_rate: int
    slide_cents: float = 0.0


Instrument = Callable[[Note, np.random.Generator], Float]


@dataclass(frozen=True)
class PluckedString:
    """A plucked string: brightness at full velocity (Hz), pluck position, decay, damping, the pick's own noise."""

    brightness_hz: float
    position: float
    decay_s: float
    damping: float
    pick_noise: float
    noise_band_hz: tuple[float, float] = (1500.0, 6000.0)
    release_s: float = 0.045
    stretch: float = 2e-5
    body: bool = False

    def __call__(self, note: Note, rng: np.random.Generator) -> Float:
        """Harder plucks are brighter, and no two are at quite the same place."""
        brightness = self.brightness_hz * (0.35 + 0.65 * note.velocity**1.5)
        position = self.position * rng.uniform(0.9, 1.1)
        decay_s = self.decay_s * (110.0 / note.frequency) ** 0.35
        n_samples = int((note.held_s + 6 * self.release_s) * note.sample_rate)
        spectrum = plucked(brightness, position, decay_s, self.damping, self.body)
        tone = harmonic_tone(note.frequency, n_samples, note.sample_rate, spectrum, rng, self.stretch, note.slide_cents)
        n_noise = min(n_samples, int(0.03 * note.sample_rate))
        tone[:n_noise] += (
            self.pick_noise * note.velocity * noise_burst(n_noise, note.sample_rate, self.noise_band_hz, 0.005, rng)
        )
        return shaped(tone, note.sample_rate, 0.0015, note.held_s, self.release_s) * np.float32(note.velocity)


def saw(note: Note, rng: np.random.Generator) -> Float:
    """Two detuned sawtooths through a falling low-pass: the synthwave bass."""
    n_samples = int((note.held_s + 0.12) * note.sample_rate)
    spectrum = filtered_saw(380 + 500 * note.velocity, 3.0 * note.velocity, 0.09, 1.2)
    tone = sum(
        harmonic_tone(note.frequency * 2 ** (cents / 1200), n_samples, note.sample_rate, spectrum, rng)
        for cents in (-6.0, 6.0)
    )
    return shaped(np.asarray(tone, np.float32), note.sample_rate, 0.003, note.held_s, 0.02) * np.float32(note.velocity)


def sub(note: Note, rng: np.random.Generator) -> Float:
    """A rounded sine with a little second and third harmonic: the hip-hop bass."""
    n_samples = int((note.held_s + 0.3) * note.sample_rate)
    angle = 2 * np.pi * note.frequency * np.arange(n_samples) / note.sample_rate
    tone = np.tanh(1.6 * np.sin(angle) + 0.25 * np.sin(2 * angle + rng.uniform(0, 0.3)))
    fading = np.exp(-np.arange(n_samples) / (1.4 * note.sample_rate))
    shape = shaped((tone * fading).astype(np.float32), note.sample_rate, 0.006, note.held_s, 0.05)
    return shape * np.float32(note.velocity)


def fm(note: Note, rng: np.random.Generator) -> Float:
    """The hollow, percussive house bass."""
    n_samples = int((note.held_s + 0.2) * note.sample_rate)
    tone = fm_tone(note.frequency, n_samples, note.sample_rate, 2.2 + 2.5 * note.velocity, 0.12 * rng.uniform(0.9, 1.1))
    return shaped(tone, note.sample_rate, 0.002, note.held_s, 0.03) * np.float32(note.velocity)


def bell(note: Note, rng: np.random.Generator) -> Float:
    """An electric-piano bell: what neither a bass nor a guitar folder should hold."""
    n_samples = int((note.held_s + 0.6) * note.sample_rate)
    times = np.arange(n_samples) / note.sample_rate
    angle = 2 * np.pi * 2 * note.frequency * times
    strike = 1.4 * np.exp(-times / 0.25) * np.sin(7.0 * angle + rng.uniform(0, 0.5))
    tone = np.sin(angle + 0.8 * np.exp(-times / 0.5) * np.sin(angle) + 0.3 * strike) * np.exp(-times / 0.9)
    shape = shaped(tone.astype(np.float32), note.sample_rate, 0.002, note.held_s, 0.15)
    return shape * np.float32(note.velocity)


def dead_note(note: Note, rng: np.random.Generator) -> Float:
    """A string stopped by the hand: a thump with hardly a pitch."""
    n_samples = int(0.09 * note.sample_rate)
    thump = np.sin(2 * np.pi * 1.5 * note.frequency * np.arange(n_samples) / note.sample_rate)
    thump *= np.exp(-np.arange(n_samples) / (0.012 * note.sample_rate))
    scratch = noise_burst(n_samples, note.sample_rate, (300.0, 2500.0), 0.014, rng)
    tone = np.asarray(0.5 * thump + 0.7 * scratch, np.float32)
    return shaped(tone, note.sample_rate, 0.001, 0.05, 0.01) * np.float32(0.6 * note.velocity)


INSTRUMENTS: dict[str, Instrument] = {
    "finger": PluckedString(900.0, 0.22, 1.6, 2.5, 0.04, (300.0, 2000.0)),
    "round": PluckedString(420.0, 0.30, 1.1, 4.0, 0.02, (200.0, 1200.0), release_s=0.06),
    "pick": PluckedString(1900.0, 0.12, 1.4, 1.6, 0.16),
    "slap": PluckedString(3200.0, 0.07, 1.2, 1.2, 0.45, (900.0, 7000.0)),
    "saw": saw,
    "sub": sub,
    "fm": fm,
    "bell": bell,
    "steel": PluckedString(4200.0, 0.14, 1.5, 0.7, 0.20, (2500.0, 9000.0), 0.07, 4e-5, body=True),
    "nylon": PluckedString(1700.0, 0.24, 0.9, 1.6, 0.05, (600.0, 3000.0), 0.08, 1e-5, body=True),
    "clean": PluckedString(2600.0, 0.16, 1.1, 0.9, 0.12, (1500.0, 6000.0), 0.03),
    "chorus": PluckedString(3000.0, 0.18, 1.8, 0.6, 0.10, (1500.0, 6000.0), 0.25),
    "drive": PluckedString(2400.0, 0.10, 2.2, 0.5, 0.15, (1000.0, 5000.0), 0.02),
}
