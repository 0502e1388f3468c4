"""More like this: nearest neighbours of loops in the embedding.

Conventions: `X` is (n_loops, n_features) float32, rows in any scale; distances are cosine distances, 0 (same
direction) to 2 (opposite), 1 for a row of zeros. Everything is exact: one query over 50,000 loops is one matrix-vector
product, and near duplicates are searched in blocks of rows, so that memory grows with n and not with n².
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from loopscope.arrays import Bool, Float, Int
from loopscope.errors import Cancelled, DataError
from loopscope.progress import Progress, ProgressCallback, StopCheck, ignore_progress, never_stop

BLOCK_ROWS = 256  # of all against all: 50 MB of similarities at 50,000 loops
MANY_PAIRS = 2**14  # compared one by one in a block: 2 × 64 MB of rows of 1,024
MOST_PAIRS = 2_000_000  # 50 MB; whoever looks at groups has asked for too little likeness
N_AXES = 48  # of the projection that rules most pairs out
SAMPLE_ROWS = 4096  # enough to find those axes
SLACK = 1e-4  # above the rounding of float32 products


class TooManyPairsError(DataError):
    """More pairs agree than anybody can look at."""


@dataclass(frozen=True)
class NearDuplicates:
    """For each of n loops the one that sounds most like it, where it sounds the same.

    `partner` (n,) row of that loop or -1; `cosine` (n,) their similarity or NaN.
    """

    partner: Int
    cosine: Float


def nearest_to(queries: Float, X: Float, k: int, allowed: Bool | None = None) -> tuple[Int, Float]:
    """The k rows of X nearest to each query (m, f): rows (m, k) and distances (m, k), nearest first.

    `allowed` (n,) leaves rows of X out; k is cut to what remains. A query that is itself in X finds itself.
    """
    if k < 1:
        raise DataError(f"The number of neighbours must be at least 1, not {k}.")
    array, length = _lengths(X)
    k = min(k, len(array) if allowed is None else int(np.count_nonzero(allowed)))
    similarity = (unit_rows(np.atleast_2d(queries)) @ array.T) / length
    if k == 0:
        return np.empty((len(similarity), 0), np.int64), np.empty((len(similarity), 0), np.float32)
    if allowed is not None:
        similarity[:, ~np.asarray(allowed, dtype=np.bool_)] = -np.inf
    rows, top = _top(similarity, k)
    return rows, 1.0 - top


def near_duplicates(
    X: Float,
    cosine: float,
    on_progress: ProgressCallback = ignore_progress,
    should_stop: StopCheck = never_stop,
) -> NearDuplicates:
    """Which loops have another whose embedding agrees with theirs to at least `cosine` (-1 … 1). Raises Cancelled.

    Exact, though few pairs are compared in full: an orthogonal projection brings no two rows further apart, so rows
    that are too far apart along the first principal axes of the unit rows are so in all dimensions.
    """
    found = NearDuplicates(np.full(len(X), -1, np.int64), np.full(len(X), np.nan, np.float32))
    for rows, others, similarity in _similar(X, cosine, on_progress, should_stop):
        best = similarity.argmax(axis=1)
        top = similarity[np.arange(len(rows)), best]
        same = top >= cosine
        found.partner[rows[same]], found.cosine[rows[same]] = others[best[same]], top[same]
    return found


def pairs_above(
    X: Float,
    cosine: float,
    on_progress: ProgressCallback = ignore_progress,
    should_stop: StopCheck = never_stop,
) -> tuple[Int, Int, Float]:
    """Every pair of rows that agree to at least `cosine`, each once: rows (m,), rows (m,) and their cosine (m,).

    Raises Cancelled, and TooManyPairsError for more than MOST_PAIRS.
    """
    found: list[tuple[Int, Int, Float]] = []
    n_found = 0
    for rows, others, similarity in _similar(X, cosine, on_progress, should_stop):
        i, j = np.nonzero((similarity >= cosine) & (rows[:, None] < others))
        found.append((rows[i], others[j], similarity[i, j]))
        n_found += len(i)
        if n_found > MOST_PAIRS:
            raise TooManyPairsError(
                f"More than {MOST_PAIRS:,} pairs agree to {cosine:g}; ask for more likeness than that."
            )
    first, second, likeness = zip(*found, strict=True) if found else ((), (), ())
    ints = np.empty(0, np.int64)
    return np.concatenate([ints, *first]), np.concatenate([ints, *second]), np.concatenate([np.empty(0), *likeness])


def _similar(
    X: Float, cosine: float, on_progress: ProgressCallback, should_stop: StopCheck
) -> Iterator[tuple[Int, Int, Float]]:
    """Rows (m,) block by block, those that may agree with one of them to `cosine` (n,), and how far they do (m, n)."""
    unit = unit_rows(X)
    axes = unit @ _principal_axes(unit)
    order = np.argsort(axes[:, 0], kind="stable")
    first = axes[order, 0]
    reach = np.sqrt(max(2 - 2 * cosine, 0)) + SLACK
    for start in range(0, len(unit), BLOCK_ROWS):
        if should_stop():
            raise Cancelled("The search for near duplicates was stopped.")
        stop = min(start + BLOCK_ROWS, len(unit))
        low, high = np.searchsorted(first, [first[start] - reach, first[stop - 1] + reach])
        rows, others = order[start:stop], order[low:high]
        yield rows, others, _likeness(unit, axes, rows, others, cosine)
        on_progress(Progress("Finding near duplicates", stop, len(unit), unit="loops"))


def _likeness(unit: Float, axes: Float, rows: Int, others: Int, cosine: float) -> Float:
    """The cosine of each of `rows` with each of `others`, minus infinity with itself and where it is below `cosine`."""
    similarity = _minus_half_squared_distance(axes[rows], axes[others])
    i, j = np.nonzero(similarity >= cosine - 1 - SLACK)
    if len(i) > MANY_PAIRS:  # thousands of copies of one sound: the plain product is the shorter way
        similarity = unit[rows] @ unit[others].T
    else:
        similarity.fill(-np.inf)
        similarity[i, j] = np.einsum("pf,pf->p", unit[rows[i]], unit[others[j]])
    similarity[others == rows[:, None]] = -np.inf
    return similarity


def _minus_half_squared_distance(A: Float, B: Float) -> Float:
    """-|a - b|² / 2 for all rows (m, d) and (n, d), as one matrix product; for unit rows that is their cosine - 1."""
    half_a, half_b = (0.5 * np.einsum("nd,nd->n", rows, rows)[:, None] for rows in (A, B))
    left = np.hstack([A, -half_a, np.ones_like(half_a)])
    right = np.hstack([B, np.ones_like(half_b), -half_b])
    return np.asarray(left @ right.T, dtype=np.float32)


def _principal_axes(unit: Float) -> Float:
    """(f, d) orthonormal columns that hold most of the length of a sample of the rows, the first most of all."""
    sample = unit[:: max(len(unit) // SAMPLE_ROWS, 1)].astype(np.float64)  # single precision: 7 times slower in all
    _, axes = np.linalg.eigh(sample.T @ sample)
    return np.asarray(axes[:, ::-1][:, :N_AXES], dtype=np.float32)


def unit_rows(X: npt.ArrayLike) -> Float:
    """X (n, f) with its rows scaled to length 1, zero rows left as they are."""
    array, length = _lengths(X)
    return np.asarray(array / length[:, None], dtype=np.float32)


def _lengths(X: npt.ArrayLike) -> tuple[Float, Float]:
    """X (n, f) as float32 and the lengths (n,) of its rows, 1 for rows of zeros. Raises DataError for anything else."""
    array = np.asarray(X, dtype=np.float32)
    if array.ndim != 2:
        raise DataError(f"Embeddings must be (n_loops, n_features), not of shape {array.shape}.")
    length = np.sqrt(np.einsum("nf,nf->n", array, array))
    if not np.isfinite(length).all():
        raise DataError("The embeddings contain NaN or infinity: embed the library again.")
    return array, np.where(length > 0, length, np.float32(1.0))


def _top(similarity: Float, k: int) -> tuple[Int, Float]:
    """(m, n) -> columns (m, k) of the largest values and the values, largest first; ties by column."""
    if k == 1:
        best = similarity.argmax(axis=1)[:, None]
        return best, np.take_along_axis(similarity, best, axis=1)
    part = np.sort(np.argpartition(-similarity, k - 1, axis=1)[:, :k], axis=1)
    values = np.take_along_axis(similarity, part, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    return np.take_along_axis(part, order, axis=1), np.take_along_axis(values, order, axis=1)
