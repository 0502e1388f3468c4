"""An encoder that costs nothing, for tests that are about something else."""

import time
from collections.abc import Sequence

import numpy as np


class Tiny:
    """An embedding of a few samples of the sound."""

    encoder_id, sample_rate, n_features, description, notice, batch_size = "tiny-1", 8000, 16, "Tiny", "", 4

    def embed(self, waveforms: Sequence[np.ndarray]) -> np.ndarray:
        return np.stack([waveform[20:36] for waveform in waveforms]).astype(np.float32)


class Slow(Tiny):
    """Takes its time, so that something can happen meanwhile."""

    def embed(self, waveforms: Sequence[np.ndarray]) -> np.ndarray:
        time.sleep(0.2)
        return super().embed(waveforms)
