"""Synthesised clips that golden values and tests share: the same on every machine to the last bit that matters."""

import numpy as np
from numpy.typing import NDArray

NOTE_S, STEP_S = 0.8, 0.3125


def plucked(duration_s: float, sample_rate: int, seed: int = 0) -> NDArray[np.float32]:
    """(n,) float32: decaying notes over a soft noise floor, peak 0.7; a stand-in for a bass loop."""
    rng = np.random.default_rng(seed)
    sound = 0.003 * rng.standard_normal(round(duration_s * sample_rate))
    since = np.arange(round(NOTE_S * sample_rate)) / sample_rate
    envelope = np.exp(-5 * since) * np.clip(since / 0.004, 0, 1)
    for start in np.arange(0, len(sound), round(STEP_S * sample_rate)):
        frequency = 41.2 * 2 ** (rng.integers(0, 25) / 12)
        note = sum(np.sin(2 * np.pi * frequency * h * since) / h**1.2 for h in range(1, 9)) * envelope
        sound[start : start + len(note)] += 0.3 * note[: len(sound) - start]
    return (0.7 * sound / np.abs(sound).max()).astype(np.float32)
