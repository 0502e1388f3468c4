"""What marks teach about the loops of one view, for the browser and for the lists that are taken away.

A lesson is made when it is asked for, on the server's threads: no rerun waits for it. Its name is a digest of the marks
that it is made of, so that the browser may keep it; only that of the present marks can be had.
"""

import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from loopscope.analysis.feedback import WANTED, Feedback, Taught
from loopscope.analysis.resemblance import resemblance_of
from loopscope.embeddings import EmbeddingSet

PREFIX = "taught-"


class Lessons:
    """`loops` is the table of an `ExplorerView`; `read` gives the mark of every loop there is, by loop_id."""

    def __init__(self, loops: pd.DataFrame, embeddings: EmbeddingSet, read: Callable[[], Mapping[str, str]]) -> None:
        self._loops, self._embeddings, self._read = loops, embeddings, read
        self._made: tuple[str, Taught] | None = None
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """Names what the present marks teach; "" where no loop of the view is marked."""
        return _name_of(self._marks())

    def taught(self) -> Taught:
        """What the present marks teach; the first time takes a second at 50,000 loops."""
        marks = self._marks()
        name = _name_of(marks)
        with self._lock:
            if self._made is None or self._made[0] != name:
                self._made = name, self._feedback.taught(marks)
            return self._made[1]

    def known(self) -> Taught | None:
        """The same where it was made already, which is to be had at once; else None."""
        made = self._made
        return made[1] if made is not None and made[0] == self.name else None

    def arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """A lesson by name: `listen` (n,) ranks, `shift` (n,) of the evidence, `because` (n,) row of the marked loop
        that moved it most, -1 where none did. Raises KeyError unless it is that of the present marks.
        """
        if not name or name != self.name:
            raise KeyError(name)
        taught = self.taught()
        row_of = pd.Index(self._loops["loop_id"])
        rows = np.append(row_of.get_indexer(pd.Index(taught.marked)), -1)  # the last is that of -1
        return {
            "listen": taught.ranks.astype(np.int32),
            "shift": taught.shift.astype(np.float32),
            "because": rows[taught.because].astype(np.int32),
        }

    def _marks(self) -> dict[str, str]:
        """Of the loops of the view."""
        return {loop_id: mark for loop_id, mark in self._read().items() if loop_id in self._ids and mark in WANTED}

    @cached_property
    def _ids(self) -> frozenset[str]:
        return frozenset(self._loops["loop_id"])

    @cached_property
    def _feedback(self) -> Feedback:
        return Feedback(self._loops, resemblance_of(self._embeddings))


def _name_of(marks: Mapping[str, str]) -> str:
    said = json.dumps(sorted(marks.items())).encode()
    return PREFIX + hashlib.blake2b(said, digest_size=8).hexdigest() if marks else ""
