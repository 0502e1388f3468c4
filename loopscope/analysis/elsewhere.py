"""What a folder has in common with the owner's other ones: the same files, near copies, the same riffs.

This folder's loops are asked against all others, which are read from the store a block at a time and compared with
nobody else. Whatever was embedded by the same encoder can be reached; exact copies and riffs need no encoder.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import numpy as np

from loopscope.analysis.families import LEAST_ALIKE, Relations
from loopscope.analysis.riffs import Riffs
from loopscope.arrays import Float, Int
from loopscope.embeddings import EmbeddingSet
from loopscope.embeddings.between import Between, compare, mean_direction
from loopscope.embeddings.neighbours import TooManyPairsError, unit_rows
from loopscope.errors import Cancelled
from loopscope.faults.limits import SAME_SOUND_COSINE
from loopscope.metadata.riffs import known_riffs
from loopscope.progress import Progress, ProgressCallback, StopCheck
from loopscope.store import Store

BLOCK = 4096  # loops read from the store at once: 16 MB of 1,024 features
ENOUGH = 30  # loops, from which on a folder has a mean of its own
NEAREST = 12  # of each loop
MOST_RIFF_PAIRS = 50_000_000  # about two minutes
COMPARING, ASKING = "Comparing with the other folders", "Asking the other folders for the same riff"


@dataclass(frozen=True, eq=False)
class Alike:
    """`here`: the loops that were asked about, `others` those of other folders whose embedding is known.

    `relations`: between the two, never within either. `nearest` (m, k): the rows of `others` that sound most like each
    loop here, nearest first, -1 where there are fewer, and `similarity` (m, k) their cosine.
    """

    here: tuple[str, ...]
    others: tuple[str, ...]
    relations: Relations
    nearest: Int
    similarity: Float

    def nearest_to(self, loop_id: str) -> list[tuple[str, float]]:
        """The others that sound most like a loop here and their cosine, nearest first; nobody for an unknown loop."""
        row = self._row_of.get(loop_id)
        if row is None:
            return []
        pairs = zip(self.nearest[row], self.similarity[row], strict=True)
        return [(self.others[other], float(cosine)) for other, cosine in pairs if other >= 0]

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {loop_id: row for row, loop_id in enumerate(self.here)}


def find_alike(
    embeddings: EmbeddingSet, others: Sequence[str], store: Store, on_progress: ProgressCallback, should_stop: StopCheck
) -> Alike:
    """Compares loops with `others`, none of which is among them, as far as those are known. Raises Cancelled."""
    blocks = _Blocks(others, embeddings, store, on_progress)
    found, least = _between(embeddings, blocks, should_stop)
    riffs, n_pairs = _riffs_between(embeddings.loop_ids, others, store, on_progress, should_stop)
    first, second, cosine = found.pairs
    near = first, second + len(embeddings.loop_ids), cosine
    known = tuple(blocks.loop_ids)
    relations = Relations((*embeddings.loop_ids, *known), near, riffs, n_pairs, least, MOST_RIFF_PAIRS)
    return Alike(embeddings.loop_ids, known, relations, found.nearest, found.similarity)


def nearest_to(
    embeddings: EmbeddingSet,
    others: Sequence[str],
    count: int,
    store: Store,
    on_progress: ProgressCallback,
    should_stop: StopCheck,
) -> list[tuple[str, float]]:
    """The `others` whose direction is nearest to that of a single loop, and their cosine, nearest first, as far as they
    are known. Raises Cancelled."""
    blocks = _Blocks(others, embeddings, store, on_progress)
    mean = np.zeros(embeddings.X.shape[1], np.float32)
    found = compare(embeddings.X[:1], blocks, np.inf, mean, count, should_stop)
    pairs = zip(found.nearest[0], found.similarity[0], strict=True)
    return [(blocks.loop_ids[row], float(cosine)) for row, cosine in pairs if row >= 0]


class _Blocks:
    """The known embeddings of many loops, a block of rows at a time; `loop_ids` in the order of the rows, once read."""

    def __init__(
        self, others: Sequence[str], embeddings: EmbeddingSet, store: Store, on_progress: ProgressCallback
    ) -> None:
        self.loop_ids: list[str] = []
        self._others, self._store, self._on_progress = others, store, on_progress
        self._encoder_id, self._n_features = embeddings.encoder_id, embeddings.X.shape[1]

    def __iter__(self) -> Iterator[Float]:
        self.loop_ids = []
        waiting = iter(self._others)
        done = 0
        while chunk := list(islice(waiting, BLOCK)):
            found = self._store.get_embeddings(chunk, self._encoder_id)
            vectors = {loop_id: x for loop_id, x in found.items() if len(x) == self._n_features}
            if vectors:
                self.loop_ids += vectors
                yield np.stack(list(vectors.values()))
            done += len(chunk)
            self._on_progress(Progress(COMPARING, done, len(self._others), unit="loops"))


def _between(embeddings: EmbeddingSet, blocks: _Blocks, should_stop: StopCheck) -> tuple[Between, float | None]:
    """Down to the lowest cosine at which the pairs can be listed, and that; no pairs and None where there is none.

    Taken from this folder's own mean, as within it: a mean of more kinds of sound would make those of one kind more
    alike. A folder of a few loops has none, and takes that of all.
    """
    X = embeddings.X
    mean = unit_rows(X).mean(axis=0) if len(X) >= ENOUGH else mean_direction(_and(X, blocks))
    for least in (LEAST_ALIKE, SAME_SOUND_COSINE):
        try:
            return compare(X, blocks, least, mean, NEAREST, should_stop), least
        except TooManyPairsError:
            continue
    return compare(X, blocks, np.inf, mean, NEAREST, should_stop), None


def _and(X: Float, blocks: _Blocks) -> Iterator[Float]:
    yield X
    yield from blocks


def _riffs_between(
    here: Sequence[str], others: Sequence[str], store: Store, on_progress: ProgressCallback, should_stop: StopCheck
) -> tuple[tuple[tuple[str, str, int], ...], int]:
    """Loops here and others that play their riff, with how many semitones higher; and how many pairs there were."""
    own: dict[str, Int] = known_riffs(here, store)
    theirs = Riffs(known_riffs(others, store) if own else {})
    n_pairs = len(own) * len(theirs)
    if not n_pairs or n_pairs > MOST_RIFF_PAIRS:
        return (), n_pairs
    found: list[tuple[str, str, int]] = []
    for done, (loop_id, kin) in enumerate(zip(own, theirs.kin_of_each(list(own.values())), strict=True), 1):
        if should_stop():
            raise Cancelled("The search for the same riff was stopped.")
        found += [(loop_id, other.loop_id, other.semitones) for other in kin]
        on_progress(Progress(ASKING, done, len(own), unit="loops"))
    return tuple(found), n_pairs
