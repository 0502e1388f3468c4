"""What happens to embeddings before a detector looks at them: z-scores, whitening, one row of each kind.

Conventions: X is (n, n_features) float32 as the encoder gave it, Z the same as z-scores clipped to ±10.
"""

import numpy as np

from loopscope.arrays import Float, Int
from loopscope.late import late

covariance = late("sklearn.covariance")

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

    C is the Ledoit-Wolf covariance of Z, (n, n_features). With power 1/2 the features of Z @ W are uncorrelated.
    """
    values, vectors = np.linalg.eigh(covariance.LedoitWolf(assume_centered=True).fit(Z).covariance_)
    root = np.maximum(values, 1e-6 * values.max()) ** -power
    W: Float = ((vectors * root) @ vectors.T).astype(np.float32)
    W /= np.float32(np.sqrt(np.mean(np.square(Z @ W))) or 1.0)
    return W


def first_of_each(groups: Int) -> Int:
    """Row number of the first of every group of equal rows, ascending by row; `groups` is (n,)."""
    return np.sort(np.unique(groups, return_index=True)[1])
