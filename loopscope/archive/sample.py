"""Which loops of a very large library to learn from: as many of each folder as its share."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loopscope.arrays import Bool, Int

LARGEST = 50_000  # loops that a detector learns from
_NAME = "[^/]*$"


def folders_of(paths: pa.ChunkedArray) -> tuple[Int, list[str]]:
    """The folder that each file lies in: codes (n,) and the folders' names, in alphabetical order."""
    found = pc.dictionary_encode(pc.replace_substring_regex(paths, _NAME, "")).combine_chunks()
    names = found.dictionary.to_pylist()
    order = sorted(range(len(names)), key=names.__getitem__)
    rank = np.empty(len(names), np.int64)
    rank[order] = np.arange(len(names))
    return rank[found.indices.to_numpy(zero_copy_only=False)], [names[i] for i in order]


def stratified_sample(loop_ids: pa.ChunkedArray, strata: Int, size: int = LARGEST, seed: int = 0) -> Bool:
    """Which of n loops to learn from, (n,) bool: all, or `size` of them, of each stratum its share (± 1).

    `strata` (n,) numbers the folders. Depends on the set of loops and the seed, not on the order of the rows. Of a
    folder with less than one n-th of `size` there may be none.
    """
    n = len(loop_ids)
    if n <= size:
        return np.ones(n, np.bool_)
    rng = np.random.default_rng(seed)
    chance = np.empty(n)
    chance[pc.sort_indices(loop_ids).to_numpy()] = rng.random(n)
    order = np.lexsort((chance, strata))  # folder after folder, each shuffled: equal steps take equal shares
    chosen = np.zeros(n, np.bool_)
    chosen[order[((np.arange(size) + rng.random()) * (n / size)).astype(np.int64)]] = True
    return chosen
