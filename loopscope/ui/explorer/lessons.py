"""What marks teach about the loops of one view, for the browser and for the lists that are taken away.

A lesson is made when it is asked for, on the server's threads: no rerun waits for it. Its name is a digest of the marks
that it is made of, so that the browser may keep it. One that was named a moment ago can be had though marks go on: who
asks for it has not heard of the next one yet.
"""

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from loopscope.analysis.feedback import WANTED, Feedback, Taught
from loopscope.analysis.resemblance import resemblance_of
from loopscope.arrays import Float
from loopscope.embeddings import EmbeddingSet

PREFIX = "taught-"
HOLDS = 2  # raise with what a lesson holds: the browser keeps it by its name
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
        said = json.dumps([HOLDS, sorted(marks.items())]).encode()
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


@dataclass(frozen=True)
class Elsewhere:
    """Loops that the model learnt from and the view does not show: those of its library, where it scores a pack.

    `evidence` of the detector by loop_id; `vectors` gives the embeddings that are known of some of them.
    """

    evidence: Mapping[str, float] = field(default_factory=dict)
    vectors: Callable[[Collection[str]], Mapping[str, Float]] = lambda loop_ids: {}


NOWHERE = Elsewhere()


class Lessons:
    """`loops` is the table of an `ExplorerView`; `read` gives the mark of every loop there is, by loop_id."""

    def __init__(
        self,
        loops: pd.DataFrame,
        embeddings: EmbeddingSet,
        read: Callable[[], Mapping[str, str]],
        elsewhere: Elsewhere = NOWHERE,
    ) -> None:
        self._loops, self._embeddings, self._read, self._elsewhere = loops, embeddings, read, elsewhere
        self._made: tuple[str, Taught] | None = None
        self._built: tuple[frozenset[str], Feedback] | None = None
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
                self._made = name, self._feedback(frozenset(marks) & self._elsewhere.evidence.keys()).taught(marks)
            return self._made[1]

    def taught_by(self, loop_ids: Collection[str]) -> Taught:
        """What the present marks on these loops teach, without all others."""
        wanted = frozenset(loop_ids)
        return self.taught(named().name({i: mark for i, mark in self._marks().items() if i in wanted}))

    def known(self) -> Taught | None:
        """The same where the browser had the loops prepared, so that it is to be had at once; else None."""
        return self.taught() if self._built is not None else None

    def arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """A lesson by name: `listen` (n,) ranks, `shift` (n,) of the evidence, `because` (n,) row of the marked loop
        that moved it most, -2 for one that the view does not show, -1 where none did, `unsure` (n,) how much marks
        leave open. Raises KeyError for an unknown name.
        """
        taught = self.taught(name)
        rows = pd.Index(self._loops["loop_id"]).get_indexer(pd.Index(taught.marked))
        rows = np.append(np.where(rows < 0, -2, rows), -1)  # the last is that of -1
        return {
            "listen": taught.ranks.astype(np.int32),
            "shift": taught.shift.astype(np.float32),
            "because": rows[taught.because].astype(np.int32),
            "unsure": taught.unsure.astype(np.float32),
        }

    def _marks(self) -> dict[str, str]:
        """Of the loops of the view and of the model's library."""
        known = self._elsewhere.evidence
        return {i: mark for i, mark in self._read().items() if mark in WANTED and (i in self._ids or i in known)}

    @cached_property
    def _ids(self) -> frozenset[str]:
        return frozenset(self._loops["loop_id"])

    def _feedback(self, elsewhere: frozenset[str]) -> Feedback:
        """With what is marked elsewhere, as far as its embeddings are known."""
        if self._built is None or self._built[0] != elsewhere:
            vectors = self._elsewhere.vectors(elsewhere) if elsewhere else {}
            here = self._embeddings
            X = np.vstack([here.X, *(vectors[i][None] for i in sorted(vectors))])
            everything = EmbeddingSet((*here.loop_ids, *sorted(vectors)), X, here.encoder_id)
            evidence = {i: self._elsewhere.evidence[i] for i in vectors}
            self._built = elsewhere, Feedback(self._loops, resemblance_of(everything), evidence)
        return self._built[1]
