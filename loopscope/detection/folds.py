"""Who learns from which rows: folds and validation splits. A group of equal rows stays together."""

import numpy as np

from loopscope.arrays import Bool, Int


def fold_numbers(groups: Int, n_folds: int, rng: np.random.Generator) -> Int:
    """A fold (0 to n_folds - 1) for each row, (n,) int; equal rows share one. Folds differ by at most one group."""
    n_groups = int(groups.max()) + 1
    fold_of_group = np.arange(n_groups) % min(n_folds, n_groups)
    return rng.permutation(fold_of_group)[groups]


def validation_mask(groups: Int, fraction: float, rng: np.random.Generator) -> Bool:
    """True for about `fraction` of the rows, (n,) bool; at least one group lies on each side."""
    n_groups = int(groups.max()) + 1
    n_validation = min(max(round(n_groups * fraction), 1), n_groups - 1)
    chosen = np.zeros(n_groups, dtype=bool)
    chosen[rng.permutation(n_groups)[:n_validation]] = True
    return chosen[groups]
