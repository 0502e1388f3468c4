"""How far each moment of a loop is from every moment of other loops: the distance of its patches to a bank.

Conventions: patches are (n, n_values), all loops' together; `owner` (n,) int numbers the sound that each belongs to, so
that copies of a loop have one number. The bank has as many patches of each of its loops, chosen by chance. A patch's
distance is the mean over the nearest other loops of its distance to the nearest patch of each: counted by loops, two
loops with the same fault vouch for each other less than if their patches were counted one by one.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch

from loopscope.arrays import Float, Int
from loopscope.detection.pieces import ask
from loopscope.progress import StopCheck, never_stop

LARGEST_BANK, PER_LOOP, N_NEAREST = 300, 32, 5
ROWS = 512  # patches compared at once: 20 MB of distances
NOBODY = -1  # owner of patches whose sound is not in the bank


@dataclass(frozen=True)
class PatchBank:
    """`patches` (n_loops, PER_LOOP, n_values) float32 and `owner` (n_loops,) int."""

    patches: Float
    owner: Int

    @classmethod
    def of(cls, patches: Float, starts: Int, owner_of_loop: Int, rng: np.random.Generator) -> Self:
        """Of at most LARGEST_BANK loops, of each sound one; those of loop i are rows starts[i] to starts[i + 1]."""
        _, first = np.unique(owner_of_loop, return_index=True)
        loops = np.sort(rng.permutation(first)[:LARGEST_BANK])
        rows = [start + _some(stop - start, rng) for start, stop in zip(starts[loops], starts[loops + 1], strict=True)]
        return cls(patches[np.stack(rows)].astype(np.float32), owner_of_loop[loops])

    def distances(self, patches: Float, owner: Int, should_stop: StopCheck = never_stop) -> Float:
        """(n,) float32; the patches of `owner` itself are passed over. Raises Cancelled."""
        n_loops, per_loop, n_values = self.patches.shape
        bank = torch.from_numpy(self.patches.reshape(-1, n_values))
        half = bank.square().sum(dim=1) / 2
        own = torch.from_numpy(self.owner)
        k = min(N_NEAREST, n_loops - 1)
        found = np.empty(len(patches), np.float32)
        for start in range(0, len(patches), ROWS):
            ask(should_stop)
            piece = torch.from_numpy(patches[start : start + ROWS].astype(np.float32))
            nearest = torch.addmm(half, piece, bank.T, alpha=-1).view(len(piece), n_loops, per_loop).amin(dim=2)
            nearest = 2 * nearest + piece.square().sum(dim=1, keepdim=True)
            nearest[torch.from_numpy(owner[start : start + ROWS])[:, None] == own] = torch.inf
            closest = nearest.topk(k, dim=1, largest=False, sorted=False).values
            found[start : start + ROWS] = closest.clamp(min=0).sqrt().mean(dim=1)
        return found


def _some(n: int, rng: np.random.Generator) -> Int:
    """PER_LOOP of n row numbers; shorter loops have some of theirs twice, which changes no nearest one."""
    return np.resize(rng.permutation(n), PER_LOOP)
