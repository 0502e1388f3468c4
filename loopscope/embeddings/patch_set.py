"""`PatchSet`: the patches of a set of loops in one array."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from loopscope.encoders.base import Patches
from loopscope.errors import DataError


@dataclass(frozen=True, eq=False)
class PatchSet:
    """The patches of `loop_ids[i]` are rows `starts[i]` to `starts[i + 1]` of `values` (n, n_values), one at least.

    They were made by the maker that `patch_id` names, one every `patch_seconds`. Raises `DataError` when the parts do
    not fit together.
    """

    loop_ids: tuple[str, ...]
    values: Patches
    starts: NDArray[np.int64]
    patch_id: str
    patch_seconds: float

    def __post_init__(self) -> None:
        ends = (self.starts[0], self.starts[-1]) if len(self.starts) else (-1, -1)
        fit = len(self.starts) == len(self.loop_ids) + 1 and ends == (0, len(self.values))
        if not fit or (np.diff(self.starts) < 1).any():
            raise DataError(f"{len(self.values)} patches do not fit {len(self.loop_ids)} loops; give each one or more.")

    @classmethod
    def gathered(
        cls, of_loop: Mapping[str, Patches], loop_ids: Sequence[str], patch_id: str, patch_seconds: float
    ) -> Self:
        """Those of these loops, in this order. Raises `DataError` for a loop without patches."""
        unheard = next((loop_id for loop_id in loop_ids if loop_id not in of_loop), None)
        if unheard is not None:
            raise DataError(f"The loop {unheard} has no patches; embed it again with patches.")
        arrays = [of_loop[loop_id] for loop_id in loop_ids]
        values = np.concatenate(arrays) if arrays else np.empty((0, 0), np.float16)
        starts = np.cumsum([0, *map(len, arrays)], dtype=np.int64)
        return cls(tuple(loop_ids), values, starts, patch_id, patch_seconds)

    def of(self, loop_id: str) -> Patches:
        """The patches of one loop, (n_patches, n_values). Raises `DataError` if it has none."""
        if loop_id not in self._rows:
            raise DataError(f"The loop {loop_id} is not among the {len(self.loop_ids)} with patches; embed it again.")
        row = self._rows[loop_id]
        return self.values[self.starts[row] : self.starts[row + 1]]

    def select(self, loop_ids: Sequence[str]) -> "PatchSet":
        """The patches of these loops, in this order. Raises `DataError` if one is unknown."""
        return PatchSet.gathered(
            {loop_id: self.of(loop_id) for loop_id in loop_ids}, loop_ids, self.patch_id, self.patch_seconds
        )

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {loop_id: row for row, loop_id in enumerate(self.loop_ids)}
