"""What happens to embeddings before a detector looks at them: z-scores, whitening, one row of each kind.

Conventions: X is (n, n_features) float32 as the encoder gave it, Z the same as z-scores clipped to ±10.
"""

import numpy as np

from loopscope.arrays import Float, Int

CLIP = 10.0  # z-scores beyond this say no more than this
CONSTANT = 1e-6  # a feature whose deviation is below this share of its size does not vary


def standardisation(X: Float) -> tuple[Float, Float]:
    """Mean and scale of each feature, (n_features,) float32 each; features that do not vary get scale 1."""
    mean, deviation = X.mean(axis=0, dtype=np.float64), X.std(axis=0, dtype=np.float64)
    varies = deviation > CONSTANT * np.maximum(np.abs(mean), 1e-12)
    return mean.astype(np.float32), np.where(varies, deviation, 1.0).astype(np.float32)


def standardise(X: Float, mean: Float, scale: Float) -> Float:
    """z-scores clipped to ±10."""
    return np.clip((X - mean) / scale, -CLIP, CLIP)


def whitening_matrix(Z: Float, power: float = 0.5) -> Float:
    """The symmetric W = C^-power, (n_features, n_features) float32, scaled so that Z @ W has unit mean square.

    C is the Ledoit-Wolf covariance of Z, (n, n_features). With power 1/2 the features of Z @ W are uncorrelated. Rows
    of zeros alone are left as they are.
    """
    S = Z.T @ Z / np.float32(len(Z))
    if not S.any():
        return np.eye(len(S), dtype=np.float32)
    shrinkage, average = _shrinkage(Z, S), np.trace(S) / len(S)
    variances, vectors = np.linalg.eigh(S)
    values = (1 - shrinkage) * variances + shrinkage * average
    root = np.maximum(values, 1e-6 * values.max()) ** -power
    root /= np.sqrt(np.mean(np.square(root) * np.maximum(variances, 0))) or 1.0
    W: Float = ((vectors * root.astype(np.float32)) @ vectors.T).astype(np.float32)
    return W


def _shrinkage(Z: Float, S: Float) -> float:
    """How far the covariance S of rows Z goes towards a multiple of the identity, 0 to 1 (Ledoit and Wolf 2004).

    As scikit-learn's `ledoit_wolf_shrinkage` of centred rows, of which it makes two more products as large as S: the
    sum over all pairs of features of their squares' products is that of the rows' squared lengths, squared.
    """
    n, f = Z.shape
    lengths = np.einsum("nf,nf->n", Z, Z, dtype=np.float64)
    squared = float(np.sum(np.square(S), dtype=np.float64))
    apart = (squared - float(np.trace(S, dtype=np.float64)) ** 2 / f) / f  # from that multiple
    noise = (float(np.mean(np.square(lengths))) - squared) / (n * f)
    return min(noise / apart, 1.0) if noise > 0 and apart > 0 else float(noise > 0)


def first_of_each(groups: Int) -> Int:
    """Row number of the first of every group of equal rows, ascending by row; `groups` is (n,)."""
    return np.sort(np.unique(groups, return_index=True)[1])
