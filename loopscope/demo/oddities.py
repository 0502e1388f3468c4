"""What goes wrong with a take: each oddity changes the samples (channels, n) of a good one and keeps their number.

Three more oddities happen while playing (a take out of tune, on another instrument, off the grid); see `render`.
"""

from collections.abc import Callable

import numpy as np

from loopscope.arrays import Float

Oddity = Callable[[Float, int, np.random.Generator], Float]

DETUNE = "detune"
WRONG_INSTRUMENT = "wrong_instrument"
DETUNE_CENTS = 43.0
OFF_GRID = "off_grid"
OFF_GRID_S = 0.045  # standard deviation of the onsets


def click(samples: Float, sample_rate: int, rng: np.random.Generator) -> Float:
    """A few samples that jump to nearly full scale, as from a bad edit or a lost clock."""
    damaged = samples.copy()
    n_samples = samples.shape[1]
    for position in rng.integers(n_samples // 10, n_samples * 9 // 10, size=6):
        damaged[:, position : position + 2] = rng.choice([-1.0, 1.0]) * 0.98
    return damaged


def dropout(samples: Float, sample_rate: int, rng: np.random.Generator) -> Float:
    """Gaps of 40 to 120 ms where the sound is simply gone."""
    damaged = samples.copy()
    for start in rng.uniform(0.1, 0.8, size=3) * samples.shape[1]:
        length = rng.uniform(0.04, 0.12) * sample_rate
        damaged[:, int(start) : int(start + length)] = 0.0
    return damaged


def clipping(samples: Float, sample_rate: int, rng: np.random.Generator) -> Float:
    """An input 18 dB too hot, cut off flat."""
    limit = np.float32(0.97)
    return np.asarray(np.clip(samples / np.abs(samples).max() * 8.0, -limit, limit), dtype=np.float32)


def hum(samples: Float, sample_rate: int, rng: np.random.Generator) -> Float:
    """Mains hum at 50 Hz and its odd harmonics, 14 dB below the music."""
    times = np.arange(samples.shape[1]) / sample_rate
    mains = sum(
        gain * np.sin(2 * np.pi * 50 * number * times + rng.uniform(0, 6))
        for number, gain in ((1, 1.0), (2, 0.3), (3, 0.7), (5, 0.4), (7, 0.25))
    )
    mains = np.asarray(mains) / np.sqrt(np.mean(np.square(mains)))
    level = np.sqrt(np.mean(np.square(samples))) * 10 ** (-14 / 20)
    return np.asarray(samples + level * mains, dtype=np.float32)


def backwards(samples: Float, sample_rate: int, rng: np.random.Generator) -> Float:
    """The take reversed."""
    return np.ascontiguousarray(samples[:, ::-1])


def stutter(samples: Float, sample_rate: int, rng: np.random.Generator) -> Float:
    """A slice of 60 to 90 ms that sticks and repeats for a third of the loop."""
    damaged = samples.copy()
    n_samples = samples.shape[1]
    length = min(int(rng.uniform(0.06, 0.09) * sample_rate), n_samples // 8)
    start = int(rng.uniform(0.2, 0.5) * n_samples)
    repeats = max(4, n_samples // 3 // length)
    stuck = np.tile(samples[:, start : start + length], repeats)[:, : n_samples - start]
    damaged[:, start : start + stuck.shape[1]] = stuck
    return damaged


EFFECTS: dict[str, Oddity] = {
    "click": click,
    "dropout": dropout,
    "clipping": clipping,
    "hum": hum,
    "reversed": backwards,
    "stutter": stutter,
}
ODDITIES = (*EFFECTS, DETUNE, WRONG_INSTRUMENT, OFF_GRID)
