"""How far each moment of a loop is from every moment of other loops: the distance of its patches to a bank.

Conventions: patches are (n, n_values), all loops' together; `owner` (n,) int numbers the sound that each belongs to, so
that copies of a loop have one number. The bank has as many patches of each of its loops, chosen by chance. A patch's
distance is the mean over the nearest other loops of its distance to the nearest patch of each: counted by loops, two
loops with the same fault vouch for each other less than if their patches were counted one by one.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from loopscope.arrays import Float, Int
from loopscope.detection.pieces import ask
from loopscope.progress import StopCheck, never_stop

LARGEST_BANK, PER_LOOP, N_NEAREST = 300, 32, 5
ROWS = 256  # patches compared at once: 10 MB of distances
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
        """(n,) float32; the patches of `owner` itself are passed over. Raises Cancelled.

        2 ms a loop, and without PyTorch, for whose import a page would wait seconds.
        """
        across, half = self._laid_out
        k = min(N_NEAREST, len(self.owner) - 1)
        found = np.empty(len(patches), np.float32)
        for start in range(0, len(patches), ROWS):
            ask(should_stop)
            piece = patches[start : start + ROWS].astype(np.float32)
            product = piece @ across
            halves = np.subtract(half, product, out=product).reshape(len(piece), PER_LOOP, -1).min(axis=1)
            nearest = 2 * halves + np.einsum("nd,nd->n", piece, piece)[:, None]
            nearest[owner[start : start + ROWS, None] == self.owner] = np.inf
            closest = np.partition(nearest, k - 1, axis=1)[:, :k]
            found[start : start + ROWS] = np.sqrt(np.maximum(closest, 0)).mean(axis=1)
        return found

    @cached_property
    def _laid_out(self) -> tuple[Float, Float]:
        """The patches as columns, (n_values, PER_LOOP * n_loops), every loop's first, then every second …, so that the
        least of each loop is found along long rows; and half of their squared lengths."""
        rows = self.patches.transpose(1, 0, 2).reshape(-1, self.patches.shape[2])
        return np.ascontiguousarray(rows.T), np.einsum("nd,nd->n", rows, rows) / 2


def _some(n: int, rng: np.random.Generator) -> Int:
    """PER_LOOP of n row numbers; shorter loops have some of theirs twice, which changes no nearest one."""
    return np.resize(rng.permutation(n), PER_LOOP)
