"""What marks teach about the loops of one view, for the browser and for the lists that are taken away.

A lesson is made when it is asked for, on the server's threads: no rerun waits for it. Its name is a digest of the marks
that it is made of, so that the browser may keep it. One that was named a moment ago can be had though marks go on: who
asks for it has not heard of the next one yet.
"""

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from loopscope.analysis.feedback import WANTED, Feedback, Taught
from loopscope.analysis.resemblance import resemblance_of
from loopscope.embeddings import EmbeddingSet

PREFIX = "taught-"
MOST_NAMED = 64


class Named:
    """The marks behind the last names, for all tabs and views."""

    def __init__(self) -> None:
        self._marks: OrderedDict[str, Mapping[str, str]] = OrderedDict()
        self._lock = threading.Lock()

    def name(self, marks: Mapping[str, str]) -> str:
        """A digest of the marks, "" for none."""
        if not marks:
            return ""
        said = json.dumps(sorted(marks.items())).encode()
        name = PREFIX + hashlib.blake2b(said, digest_size=8).hexdigest()
        with self._lock:
            self._marks[name] = marks
            self._marks.move_to_end(name)
            while len(self._marks) > MOST_NAMED:
                self._marks.popitem(last=False)
        return name

    def marks(self, name: str) -> Mapping[str, str]:
        """What a name stands for. Raises KeyError for one that was not given, or long ago."""
        with self._lock:
            return self._marks[name]


@st.cache_resource(show_spinner=False)
def named() -> Named:
    """Those of this process."""
    return Named()


class Lessons:
    """`loops` is the table of an `ExplorerView`; `read` gives the mark of every loop there is, by loop_id."""

    def __init__(self, loops: pd.DataFrame, embeddings: EmbeddingSet, read: Callable[[], Mapping[str, str]]) -> None:
        self._loops, self._embeddings, self._read = loops, embeddings, read
        self._made: tuple[str, Taught] | None = None
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """Names what the present marks teach; "" where no loop of the view is marked."""
        return named().name(self._marks())

    def taught(self, name: str | None = None) -> Taught:
        """What marks teach, the present ones or those that the name stands for; the first time takes a second at 50,000
        loops. Raises KeyError for an unknown name.
        """
        name = self.name if name is None else name
        marks = named().marks(name) if name else {}
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
        that moved it most, -1 where none did. Raises KeyError for an unknown name.
        """
        taught = self.taught(name)
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
