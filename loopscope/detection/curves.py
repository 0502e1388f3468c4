"""How odd each moment of one loop is, as a model that hears inside loops says it: without its networks, so that a
restored model answers in milliseconds and PyTorch is not loaded for it.

Conventions: a curve is (n_patches,) float32, positive, higher = more anomalous, 1 is a typical moment; patch i begins
at i * `patch_seconds`.
"""

from dataclasses import dataclass
from typing import Protocol, Self, runtime_checkable

import numpy as np

from loopscope.arrays import Float
from loopscope.detection.fitted import Arrays
from loopscope.detection.inside import number_of
from loopscope.detection.patch_bank import LARGEST_BANK, PER_LOOP, PatchBank
from loopscope.encoders.base import Patches


@runtime_checkable
class HearsMoments(Protocol):
    """A detector that may hear inside loops."""

    @property
    def curves(self) -> "CurveMaker | None":
        """What says how odd each moment of a loop is; None where it hears none. Raises ModelError for a damaged one."""
        ...


@dataclass(frozen=True)
class CurveMaker:
    """What moments are compared with, how far from it a typical one is, and which patches it takes."""

    bank: PatchBank
    typical: float
    patch_id: str
    patch_seconds: float

    @classmethod
    def restored(cls, state: Arrays, patch_id: str, patch_seconds: float) -> Self:
        """From the state of a saved model, which may be anybody's. Raises ValueError or KeyError."""
        patches, numbers, typical = state["bank"], state["bank_numbers"], state["typical"]
        n_loops = len(patches)
        if patches.shape != (n_loops, PER_LOOP, patches.shape[-1]) or numbers.shape != (n_loops,):
            raise ValueError(f"patches of shape {patches.shape} cannot be compared with")
        if not 2 <= n_loops <= LARGEST_BANK or typical.shape != (1,) or not typical[0] > 0:
            raise ValueError(f"there are {n_loops} loops to compare with")
        bank = PatchBank(patches.astype(np.float32), numbers.astype(np.int64))
        return cls(bank, float(typical[0]), patch_id, patch_seconds)

    def takes(self, patches: Patches) -> bool:
        """Whether patches (n, n_values) have as many values as those of the bank."""
        return patches.ndim == 2 and patches.shape[1] == self.bank.patches.shape[2]

    def curve(self, patches: Patches) -> Float:
        """Of one loop, whose patches (n, n_values) these are; where the bank holds it, it is passed over."""
        return self.bank.distances(patches, np.full(len(patches), number_of(patches))) / np.float32(self.typical)
