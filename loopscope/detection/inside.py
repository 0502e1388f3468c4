"""From loops to their patches and back: which loop's they are, where they are oddest, how odd that makes the loop.

Conventions: a curve is (n_patches,) float64, positive, higher = more anomalous, of all loops' patches one after the
other; those of loop i are rows starts[i] to starts[i + 1], as in `PatchSet`.
"""

import hashlib
from itertools import pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from loopscope.arrays import Float, Int
from loopscope.embeddings.patch_set import PatchSet
from loopscope.encoders.base import Patches

Value = TypeVar("Value", bound=np.generic)
TOP = 0.3  # share of a loop's patches that speak for more than a moment
N_WORST = 3


def numbers_of(heard: PatchSet) -> Int:
    """A number for the sound of each loop, (n_loops,) int64: copies have the same, whatever they are called."""
    return np.array([number_of(heard.values[a:b]) for a, b in pairwise(heard.starts)], np.int64)


def number_of(patches: Patches) -> int:
    """That of one loop, whose patches (n, n_values) these are."""
    return int.from_bytes(hashlib.blake2b(patches.tobytes(), digest_size=8).digest(), "little", signed=True)


def of_patches(of_loops: NDArray[Value], starts: Int) -> NDArray[Value]:
    """What is said of loops, (n_loops,), said of each of their patches."""
    return np.repeat(of_loops, np.diff(starts))


def summits(curve: Float, starts: Int) -> Float:
    """The highest value of each loop and the mean of its highest 30 %, (2, n_loops)."""
    return np.array([_summit(curve[a:b]) for a, b in pairwise(starts)]).T


def _summit(curve: Float) -> tuple[float, float]:
    highest = np.sort(curve)[-max(1, int(np.ceil(TOP * len(curve)))) :]
    return float(highest[-1]), float(highest.mean())


def worst_patches(heard: PatchSet, curve: Float) -> Float:
    """What each loop sounds like where it is oddest: the mean of its 3 oddest patches, (n_loops, n_values) float32."""
    oddest = [a + np.argsort(-curve[a:b], kind="stable")[:N_WORST] for a, b in pairwise(heard.starts)]
    return np.stack([heard.values[rows].astype(np.float32).mean(axis=0) for rows in oddest])
