"""Synthesised clips that golden values and tests share: the same on every machine to the last bit that matters."""

import numpy as np
from numpy.typing import NDArray


def plucked(duration_s: float, sample_rate: int, seed: int = 0) -> NDArray[np.float32]:
    """(n,) float32: decaying notes over a soft noise floor, peak about 0.7; a stand-in for a bass loop."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(duration_s * sample_rate)) / sample_rate
    sound = 0.003 * rng.standard_normal(len(time))
    for start in np.arange(0, duration_s, 0.3125):
        since = np.clip(time - start, 0, None)
        frequency = 41.2 * 2 ** (rng.integers(0, 25) / 12)
        envelope = np.exp(-4 * since) * (time >= start) * np.clip(since / 0.004, 0, 1)
        for harmonic in range(1, 9):
            sound += 0.3 / harmonic**1.2 * envelope * np.sin(2 * np.pi * frequency * harmonic * since)
    return (0.7 * sound / np.abs(sound).max()).astype(np.float32)
