"""Mains hum: lines that are still there when the music pauses.

Hum is a comb of lines at multiples of exactly 50 or 60 Hz whose strength and frequency do not move while notes come
and go. Notes tuned to A = 440 Hz lie at least 1 % beside almost every line.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from loopscope.arrays import Bool, Float
from loopscope.faults.base import NOTHING, Measurement, Signal, block_view, decibels

MAINS_HZ = (50.0, 60.0)
N_LINES = 9
FRAME_S = 0.4
HOP_S = 0.1
MIN_FRAMES = 7
MIN_PAIRS = 4  # of neighbouring quiet frames, between which phases are compared
QUIETEST = 0.5  # share of the frames
LOW_RATE = 2400  # Hz, enough for 9 · 60 Hz
TOLERANCE = 0.004  # of the line's frequency; mains drifts by 0.2 %, the nearest notes are further off
FREQUENCY_ERROR_HZ = 0.05
MIN_LINE = 6e-4  # full scale, -64 dBFS: nobody hears less under music
SIDE_HZ = 6.5  # where the window of 0.4 s has let go of the line


def measure_hum(signal: Signal) -> Measurement:
    """Score: number of steady lines of the stronger comb, each counted 0 … 1 by how clearly it stands still."""
    low, rate = _decimated(signal.main, signal.sample_rate)
    if len(low) < (FRAME_S + (MIN_FRAMES - 1) * HOP_S) * rate + 1:
        return NOTHING
    combs = [_comb(low, rate, mains) for mains in MAINS_HZ]
    best = int(np.argmax([weight.sum() for weight, _ in combs]))
    weight, amplitude = combs[best]
    score = float(weight.sum())
    level = float(decibels(np.sqrt((weight * amplitude**2).sum() / 2)))
    brief = f"hum at {MAINS_HZ[best]:.0f} Hz"
    return Measurement(score, (), f"Mains {brief} and its harmonics, {level:.0f} dBFS.", brief)


def _decimated(x: Float, sample_rate: int) -> tuple[Float, float]:
    """Mean over runs of samples: a crude but cheap low-pass that is enough below 600 Hz."""
    factor = max(sample_rate // LOW_RATE, 1)
    return block_view(x, factor).mean(axis=1, dtype=np.float32), sample_rate / factor


def _comb(x: Float, rate: float, mains: float) -> tuple[Float, Float]:
    """(N_LINES,) weights 0 … 1 and amplitudes of the lines k · mains, k = 1 … N_LINES."""
    lines = mains * np.arange(1, N_LINES + 1)
    z = _demodulate(x, rate, np.concatenate([lines, lines - SIDE_HZ, lines + SIDE_HZ]))
    line, size = z[:, :N_LINES], np.abs(z)
    quiet = _quietest(size)
    typical = np.median(size[quiet], axis=0)
    amplitude, side = typical[:N_LINES], np.maximum(typical[N_LINES : 2 * N_LINES], typical[2 * N_LINES :])
    steady = np.percentile(size[quiet, :N_LINES], 10, axis=0) / (amplitude + 1e-12)
    pairs = quiet[1:] & quiet[:-1]
    if np.count_nonzero(pairs) < MIN_PAIRS:
        return np.zeros(N_LINES), np.zeros(N_LINES)
    turn = line[1:][pairs] * line[:-1][pairs].conj()
    turn /= np.abs(turn) + 1e-20
    mean_turn = np.median(turn.real, axis=0) + 1j * np.median(turn.imag, axis=0)
    detuned_hz = np.abs(np.angle(mean_turn)) / (2 * np.pi * HOP_S)
    valid = (detuned_hz < TOLERANCE * lines + FREQUENCY_ERROR_HZ) & (amplitude > MIN_LINE)
    contrast = np.clip(np.log(amplitude / (side + 1e-7) + 1e-9) / 2, 0, 1)
    return np.where(valid, np.abs(mean_turn) * steady * contrast, 0.0), amplitude.astype(np.float64)


def _quietest(size: Float) -> Bool:
    """(frames,) which frames hold the least music; `size` (frames, lines and their sides)."""
    energy = np.einsum("fl,fl->f", size, size)
    quiet = np.zeros(len(energy), dtype=np.bool_)
    quiet[np.argsort(energy)[: max(int(QUIETEST * len(energy)), MIN_FRAMES)]] = True
    return quiet


def _demodulate(x: Float, rate: float, hz: Float) -> npt.NDArray[np.complex64]:
    """(frames, len(hz)) complex amplitudes in Hann frames of 0.4 s, phases counted from the start of the block."""
    width, hop = int(FRAME_S * rate), int(HOP_S * rate)
    frames = np.lib.stride_tricks.sliding_window_view(x, width)[::hop]
    start = np.exp(-2j * np.pi * np.outer(np.arange(len(frames)) * hop, hz / rate))
    return np.asarray((frames @ _waves(width, rate, tuple(hz))) * start, dtype=np.complex64)


@lru_cache(maxsize=8)
def _waves(width: int, rate: float, hz: tuple[float, ...]) -> npt.NDArray[np.complex64]:
    """(width, len(hz)) windowed complex exponentials; a real wave of amplitude a correlates to a."""
    window = np.hanning(width + 1)[:width]
    waves = np.exp(-2j * np.pi * np.outer(np.arange(width), np.array(hz) / rate))
    return np.asarray(waves * (2 * window / window.sum())[:, None], dtype=np.complex64)
