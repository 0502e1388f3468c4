"""Tones from harmonics that change with time, and the noises around them.

`harmonic_tone` is the engine of all that has a pitch: one row of harmonic amplitudes for each period of the tone, an
inverse FFT for all rows at once, neighbouring rows cross-faded. A plucked string is then a table of decays (the
spectrum of Karplus and Strong 1983, with the pick position of Jaffe and Smith 1983), a filtered sawtooth a table of
cutoffs.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from loopscope.arrays import Float
from loopscope.late import late

fft = late("scipy.fft")
signal = late("scipy.signal")

Spectrum = Callable[[Float, Float], Float]  # (harmonic frequencies (h,) in Hz, times (rows, 1) in s) -> (rows, h)

MAX_PHASE_STEP = 0.8  # rad a period; cross-fading rows that differ by more would hollow the tone out
HIGHEST_HARMONIC_HZ = 9000.0


def harmonic_tone(
    frequency: float,
    n_samples: int,
    sample_rate: int,
    spectrum: Spectrum,
    rng: np.random.Generator,
    stretch: float = 0.0,
    bend_cents: float = 0.0,
) -> Float:
    """(n_samples,) tone. `stretch` is the string's inharmonicity B; `bend_cents` a slide into the pitch from below."""
    period = max(8, round(sample_rate / frequency))
    n_rows = int(np.ceil(n_samples * frequency / sample_rate)) + 3
    n_harmonics = max(1, min(period // 2 - 1, int(HIGHEST_HARMONIC_HZ / frequency)))
    numbers = np.arange(1, n_harmonics + 1)
    times = np.arange(n_rows)[:, None] / frequency
    step = np.minimum(2 * np.pi * numbers * (np.sqrt(1 + stretch * numbers**2) - 1), MAX_PHASE_STEP)
    phases = rng.uniform(-0.6, 0.6, n_harmonics) - np.pi / 2 + step * np.arange(n_rows)[:, None]
    rows = np.zeros((n_rows, period // 2 + 1), np.complex64)
    rows[:, 1 : n_harmonics + 1] = spectrum(numbers * frequency, times) * np.exp(1j * phases) * (period / 2)
    table = fft.irfft(rows, n=period, axis=1)
    weight = np.arange(period, dtype=np.float32) / period
    smooth = (table[:-1] + (table[1:] - table[:-1]) * weight).ravel()
    return _read_at(smooth, period * frequency / sample_rate, n_samples, sample_rate, bend_cents)


def _read_at(table: Float, ratio: float, n_samples: int, sample_rate: int, bend_cents: float) -> Float:
    """Read the table at `ratio` samples a sample: whole periods become the exact pitch, a slide a slower start."""
    speed: Float = np.full(n_samples, ratio)
    if bend_cents:
        glide = np.exp(-np.arange(n_samples) / (0.04 * sample_rate))
        speed *= 2.0 ** (-bend_cents / 1200 * glide)
    position = np.cumsum(speed) - speed[0]
    read: Float = np.interp(position, np.arange(len(table)), table).astype(np.float32)
    return read


def plucked(brightness_hz: float, position: float, decay_s: float, damping: float, body: bool = False) -> Spectrum:
    """A string plucked at `position` of its length; high harmonics fade by `damping` faster than `decay_s`."""

    def spectrum(harmonics: Float, times: Float) -> Float:
        numbers = harmonics / harmonics[0]
        start = np.abs(np.sin(np.pi * numbers * position)) / numbers**0.9 / (1 + (harmonics / brightness_hz) ** 2)
        if body:
            start = start * body_response(harmonics)
        rate = 1 / decay_s + damping * (harmonics / 1000) ** 1.3
        return np.asarray(start * np.exp(-times * rate))

    return spectrum


def filtered_saw(cutoff_hz: float, sweep: float, sweep_s: float, resonance: float) -> Spectrum:
    """A sawtooth through a four-pole low-pass whose cutoff falls from `cutoff_hz` · (1 + sweep) to `cutoff_hz`."""

    def spectrum(harmonics: Float, times: Float) -> Float:
        cutoff = cutoff_hz * (1 + sweep * np.exp(-times / sweep_s))
        relative = harmonics / cutoff
        peak = 1 + resonance * np.exp(-(((relative - 1) / 0.25) ** 2))
        return np.asarray(harmonics[0] / harmonics * peak / (1 + relative**4))

    return spectrum


def body_response(harmonics: Float) -> Float:
    """The air and top-plate resonances of an acoustic guitar, roughly, as a gain at each frequency."""
    peaks = ((105.0, 25.0, 1.2), (205.0, 35.0, 1.6), (410.0, 70.0, 0.8), (900.0, 300.0, 0.4), (2600.0, 800.0, 0.5))
    return np.asarray(0.6 + sum(gain * np.exp(-(((harmonics - centre) / width) ** 2)) for centre, width, gain in peaks))


def fm_tone(frequency: float, n_samples: int, sample_rate: int, index: float, decay_s: float) -> Float:
    """Two-operator frequency modulation at ratio 1 with a decaying index (Chowning 1973): the house bass."""
    times = np.arange(n_samples, dtype=np.float32) / sample_rate
    angle = 2 * np.pi * frequency * times
    depth = index * np.exp(-times / decay_s)
    return np.asarray(np.sin(angle + depth * np.sin(angle)) + 0.4 * np.sin(angle), dtype=np.float32)


def noise_burst(
    n_samples: int, sample_rate: int, band_hz: tuple[float, float], decay_s: float, rng: np.random.Generator
) -> Float:
    """Band-passed noise with an exponential decay: picks, slaps, dead notes."""
    noise = rng.standard_normal(n_samples) * np.exp(-np.arange(n_samples) / (decay_s * sample_rate))
    sections = _butterworth(2, band_hz, "bandpass", sample_rate)
    return np.asarray(signal.sosfilt(sections, noise), dtype=np.float32)


def shaped(tone: Float, sample_rate: int, attack_s: float, held_s: float, release_s: float) -> Float:
    """The tone with a linear attack and, from `held_s` on, an exponential release."""
    times = np.arange(len(tone), dtype=np.float32) / sample_rate
    envelope = np.minimum(times / attack_s, 1.0) * np.exp(-np.maximum(times - held_s, 0.0) / release_s)
    return np.asarray(tone * envelope, dtype=np.float32)


def filtered(samples: Float, sample_rate: int, cutoff_hz: float, kind: str = "lowpass", order: int = 2) -> Float:
    """Butterworth filter along the last axis, run over the loop twice so that it starts as it ends."""
    sections = _butterworth(order, cutoff_hz, kind, sample_rate)
    n_samples = samples.shape[-1]
    warm = min(n_samples, sample_rate // 2)
    around = np.concatenate([samples[..., n_samples - warm :], samples], axis=-1)
    return np.asarray(signal.sosfilt(sections, around)[..., warm:], dtype=np.float32)


def room(samples: Float, sample_rate: int, seconds: float, wet: float, rng: np.random.Generator) -> Float:
    """Add a small room to (channels, n) by circular convolution, so that the reverberation runs on across the seam."""
    channels, n_samples = samples.shape
    n_tail = int(4 * seconds * sample_rate / 3)
    times = np.arange(n_tail) / sample_rate
    tail = rng.standard_normal((channels, n_tail)) * 10 ** (-3 * times / seconds)
    tail[:, : int(0.008 * sample_rate)] = 0.0
    tail = signal.sosfilt(_butterworth(1, (200.0, 4500.0), "bandpass", sample_rate), tail)
    tail /= np.sqrt((tail**2).sum(axis=1, keepdims=True))
    size = fft.next_fast_len(n_samples + n_tail, real=True)
    product = fft.rfft(samples, size) * fft.rfft(tail.astype(np.float32), size)
    ringing = fft.irfft(product, size)[:, : n_samples + n_tail]
    reverberation = np.zeros_like(samples)
    for start in range(0, ringing.shape[1], n_samples):
        part = ringing[:, start : start + n_samples]
        reverberation[:, : part.shape[1]] += part
    return np.asarray(samples + np.float32(wet) * reverberation, dtype=np.float32)


@lru_cache(maxsize=64)
def _butterworth(order: int, cutoff_hz: float | tuple[float, float], kind: str, sample_rate: int) -> Float:
    return np.asarray(signal.butter(order, cutoff_hz, kind, fs=sample_rate, output="sos"))
