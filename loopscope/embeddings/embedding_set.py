"""`EmbeddingSet`: the embeddings of a set of loops, and what could not be embedded."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from loopscope.embeddings.patch_set import PatchSet
from loopscope.errors import DataError
from loopscope.library.tables import reasons_frame


@dataclass(frozen=True, eq=False)
class EmbeddingSet:
    """Row i of X (n_loops, n_features), float32 and finite, belongs to `loop_ids[i]`; loop_ids are unique.

    `encoder_id` names the encoder that made X; `rejected` lists the files that could not be embedded (path, reason);
    `patches` are those of the same loops in the same order, where they were wanted. Raises `DataError` when the parts
    do not fit together.
    """

    loop_ids: tuple[str, ...]
    X: NDArray[np.float32]
    encoder_id: str
    rejected: pd.DataFrame = field(default_factory=reasons_frame)
    patches: PatchSet | None = None

    def __post_init__(self) -> None:
        if self.X.ndim != 2 or len(self.X) != len(self.loop_ids):
            raise DataError(f"X has the shape {self.X.shape} for {len(self.loop_ids)} loops; give one row a loop.")
        if len(set(self.loop_ids)) != len(self.loop_ids):
            raise DataError(
                f"{len(self.loop_ids) - len(set(self.loop_ids))} loop_ids occur twice; give each loop once."
            )
        if self.patches is not None and self.patches.loop_ids != self.loop_ids:
            raise DataError(f"Patches of {len(self.patches.loop_ids)} loops came with other embeddings; embed again.")
        if not np.isfinite(self.X).all():
            n_bad = int((~np.isfinite(self.X).all(axis=1)).sum())
            raise DataError(f"{n_bad} embeddings hold NaN or infinity; leave those loops out.")

    def select(self, loop_ids: Sequence[str]) -> "EmbeddingSet":
        """The embeddings of these loops, in this order. Raises `DataError` if one is unknown."""
        rows = [self.row_of(loop_id) for loop_id in loop_ids]
        patches = None if self.patches is None else self.patches.select(loop_ids)
        return EmbeddingSet(tuple(loop_ids), self.X[rows], self.encoder_id, self.rejected, patches)

    def row_of(self, loop_id: str) -> int:
        """The row of X that belongs to a loop. Raises `DataError` if it was not embedded."""
        if loop_id not in self._rows:
            raise DataError(f"The loop {loop_id} is not among the {len(self.loop_ids)} embedded ones; embed it first.")
        return self._rows[loop_id]

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {loop_id: row for row, loop_id in enumerate(self.loop_ids)}
