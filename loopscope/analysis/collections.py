"""Whether a pack as a whole differs from the library of a model, or only some of its loops stand out.

The distance between two collections (`detection.collection`) is too large for few loops, so it is held against
distances that the library has within itself at the pack's size: random parts of it against the rest.
"""

from dataclasses import dataclass

import numpy as np

from loopscope.analysis.scoring import ScoredLoops
from loopscope.arrays import Float
from loopscope.detection.base import MIN_LOOPS
from loopscope.detection.collection import Collection, frechet_distance, summarise
from loopscope.embeddings import EmbeddingSet
from loopscope.errors import DataError

N_WITHIN = 100  # random parts of the library
N_BETWEEN = 20  # the same of pack and library, whose mean is the distance
INTERVAL = (2.5, 97.5)  # per cent
MOST = 0.5  # of a pack, above which it is the pack that differs


@dataclass(frozen=True)
class CollectionDifference:
    """`distance` of a pack to a library, and the interval `low` to `high` of such distances within the library itself,
    of random parts or of its folders.

    Distances are squares, in units of the library's variance along its main axes. `n`: loops compared at a time.
    """

    distance: float
    low: float
    high: float
    n: int

    @property
    def differs(self) -> bool:
        """Whether the pack is farther from the library than its own parts are from each other."""
        return self.distance > self.high

    def sentence(self, n_flagged: int, n_loops: int, library: str) -> str:
        """Says that the pack as a whole differs from the library of this name; "" unless it does and most of its
        loops are flagged.
        """
        if not self.differs or n_flagged <= MOST * n_loops:
            return ""
        return (
            f"{n_flagged:,} of {n_loops:,} loops stand out: the pack as a whole differs from {library} "
            f"(distance {self.distance:.2f}, within the library {self.low:.2f} to {self.high:.2f})."
        )


def collection_difference(library: Collection, pack: Float, seed: int = 0) -> CollectionDifference:
    """How far a pack, (n_loops, n_features), is from a library (`detection.collection.collection_of`).

    Like is compared with like: n loops, those of the pack or half the library, with as many as the library has beside
    n. The result depends on the seed and the sets of rows. Raises DataError for fewer than 8 loops.
    """
    return difference_from(library.coordinates, library.place(pack), seed)


def difference_from(inside: Float, outside: Float, seed: int = 0) -> CollectionDifference:
    """`collection_difference` of loops that are placed already: coordinates (n, k) of the library, (m, k) of a pack."""
    if min(len(inside), len(outside)) < MIN_LOOPS:
        raise DataError(
            f"A pack of {len(outside)} loops cannot be compared as a whole with a library of {len(inside)}; "
            f"at least {MIN_LOOPS} are needed in each."
        )
    n = min(len(outside), len(inside) // 2)
    rng = np.random.default_rng(seed)
    within = []
    for _ in range(N_WITHIN):
        order = rng.permutation(len(inside))
        within.append(frechet_distance(summarise(inside[order[:n]]), summarise(inside[order[n:]])))
    between = []
    for _ in range(N_BETWEEN):
        part, rest = rng.permutation(len(outside))[:n], rng.permutation(len(inside))[n:]
        between.append(frechet_distance(summarise(outside[part]), summarise(inside[rest])))
    low, high = np.percentile(within, INTERVAL)
    return CollectionDifference(float(np.mean(between)), float(low), float(high), n)


def difference_from_library(scored: ScoredLoops, embeddings: EmbeddingSet) -> CollectionDifference | None:
    """How far the new ones of these loops are, as a whole, from the library that the model was fitted on.

    `embeddings` has a row for each of `scored`, in its order. None for models saved before libraries were kept, and
    where fewer than 8 loops are new.
    """
    library = scored.detector.fitted.collection
    pack = embeddings.X[scored.is_new]
    if library is None or min(len(pack), len(library.coordinates)) < MIN_LOOPS:
        return None
    return collection_difference(library, pack)
