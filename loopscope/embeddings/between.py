"""The loops of one folder beside those of others: who agrees with whom, and who is nearest, without all pairs of all.

Conventions: `queries` is (m, f) float32, the others come in blocks of rows (b, f), in any scale, so that memory grows
with a block and with what is found and never with m × n. Similarities are cosines, -1 to 1; those of pairs are taken
from a mean, as `faults.duplicates` does, those of the nearest as they are. Exact.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from loopscope.arrays import Float, Int
from loopscope.embeddings.neighbours import MOST_PAIRS, TooManyPairsError, unit_rows
from loopscope.errors import Cancelled
from loopscope.progress import StopCheck, never_stop

QUERY_ROWS = 1024  # at once beside a block: 16 MB of similarities for blocks of 4,096


@dataclass(frozen=True)
class Between:
    """`pairs`: rows of the queries (p,), rows of the others (p,) and their cosine from the mean (p,).

    `nearest` (m, k): the rows of the others nearest to each query, nearest first, -1 where there are fewer, and
    `similarity` (m, k) their cosine. Rows of the others count on from block to block.
    """

    pairs: tuple[Int, Int, Float]
    nearest: Int
    similarity: Float


def mean_direction(blocks: Iterable[Float]) -> Float:
    """(f,) mean of all rows at length 1."""
    total, n = np.zeros(1), 0
    for X in blocks:
        total, n = total + unit_rows(X).sum(axis=0, dtype=np.float64), n + len(X)
    return np.asarray(total / max(n, 1), dtype=np.float32)


def compare(
    queries: Float,
    blocks: Iterable[Float],
    cosine: float,
    mean: Float,
    k: int,
    should_stop: StopCheck = never_stop,
) -> Between:
    """All pairs of a query and another that agree to at least `cosine` once `mean` (f,) is taken from their directions,
    and the k nearest others of each query. Raises Cancelled, and TooManyPairsError for more than MOST_PAIRS.
    """
    unit = unit_rows(queries)
    centred = unit_rows(unit - mean)
    nearest, similarity = np.full((len(unit), k), -1, np.int64), np.full((len(unit), k), -np.inf, np.float32)
    found: list[tuple[Int, Int, Float]] = []
    first = n_found = 0
    for X in blocks:
        others = unit_rows(X)
        others_centred = unit_rows(others - mean)
        for rows in _slices(len(unit), should_stop):
            alike = centred[rows] @ others_centred.T
            i, j = np.nonzero(alike >= cosine)
            found.append((i + rows.start, j + first, alike[i, j]))
            n_found += len(i)
            if n_found > MOST_PAIRS:
                raise TooManyPairsError(
                    f"More than {MOST_PAIRS:,} pairs agree to {cosine:g}; ask for more likeness than that."
                )
            _keep_nearest(nearest[rows], similarity[rows], unit[rows] @ others.T, first)
        first += len(others)
    return Between(_joined(found), nearest, similarity)


def _slices(n: int, should_stop: StopCheck) -> Iterator[slice]:
    for start in range(0, n, QUERY_ROWS):
        if should_stop():
            raise Cancelled("The search in the other folders was stopped.")
        yield slice(start, min(start + QUERY_ROWS, n))


def _keep_nearest(nearest: Int, similarity: Float, fresh: Float, first: int) -> None:
    """The best of those so far and of `fresh` (m, b), whose columns are the others from `first` on; in place."""
    k = nearest.shape[1]
    if fresh.shape[1] > k:
        columns = np.argpartition(-fresh, k - 1, axis=1)[:, :k] if k else np.empty((len(fresh), 0), np.int64)
    else:
        columns = np.broadcast_to(np.arange(fresh.shape[1]), fresh.shape)
    values = np.hstack([similarity, np.take_along_axis(fresh, columns, axis=1)])
    rows = np.hstack([nearest, columns + first])
    order = np.argsort(-values, axis=1, kind="stable")[:, :k]
    nearest[:] = np.take_along_axis(rows, order, axis=1)
    similarity[:] = np.take_along_axis(values, order, axis=1)


def _joined(found: list[tuple[Int, Int, Float]]) -> tuple[Int, Int, Float]:
    nobody = np.empty(0, np.int64)
    rows, others, alike = zip(*found, strict=True) if found else ((), (), ())
    return np.concatenate([nobody, *rows]), np.concatenate([nobody, *others]), np.concatenate([np.empty(0), *alike])
