"""Coordinates to draw the latent space by, from PCA, with the share of variance each axis shows.

Conventions: latents are (n, d); coordinates are in latent units, centred; axes come in descending order of variance,
each signed so that its largest loading is positive, so that a figure does not flip between runs.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from loopscope.arrays import Float
from loopscope.errors import DataError
from loopscope.late import late

decomposition = late("sklearn.decomposition")

LARGEST_EXACT = 2_000  # features


@dataclass(frozen=True)
class Projection:
    """`coordinates` (n, k) float32; `explained_variance` (k,) shares of the total variance, descending."""

    coordinates: Float
    explained_variance: Float


def project(latents: ArrayLike, n_components: int = 8, seed: int = 0, reference: ArrayLike | None = None) -> Projection:
    """PCA coordinates of latents (n, d). k is `n_components`, or fewer where n or d are smaller.

    With `reference` (m, d) the axes, their origin and their variance are those of its rows, so that new loops land on
    the map of old ones. `seed` matters above `LARGEST_EXACT` features only, where the decomposition is randomised.
    Raises DataError for values that are not finite or fewer than two rows.
    """
    if n_components < 1:
        raise DataError(f"{n_components} components were asked for; ask for at least 1.")
    Z = _rows(latents, at_least=2 if reference is None else 1)
    R = Z if reference is None else _rows(reference, at_least=2)
    if Z.shape[1] != R.shape[1]:
        raise DataError(f"Latents of {Z.shape[1]} dimensions have no place on a map of {R.shape[1]}; pass equal ones.")
    k = min(n_components, *R.shape)
    origin = R.mean(axis=0)
    Z, R = Z - origin, R - origin
    if not R.any():  # PCA divides by the variance
        return Projection(np.zeros((len(Z), k), dtype=np.float32), np.zeros(k))
    axes, shares = _principal_axes(R, k) if R.shape[1] <= LARGEST_EXACT else _randomised_axes(R, k, seed)
    largest = np.abs(axes).argmax(axis=1)
    coordinates = (Z @ axes.T) * np.sign(axes[np.arange(k), largest])
    return Projection(coordinates.astype(np.float32), np.maximum(shares, 0.0))


def _principal_axes(R: Float, k: int) -> tuple[Float, Float]:
    """Of centred rows: axes (k, d), and their shares of the variance (k,). NumPy's own, so that a map needs no wait."""
    variances, vectors = np.linalg.eigh(R.T @ R)
    return vectors.T[::-1][:k], variances[::-1][:k] / variances.sum()


def _randomised_axes(R: Float, k: int, seed: int) -> tuple[Float, Float]:
    """The same where an exact decomposition would take minutes."""
    model = decomposition.PCA(n_components=k, svd_solver="randomized", random_state=seed).fit(R)
    return model.components_, model.explained_variance_ratio_


def _rows(latents: ArrayLike, at_least: int) -> Float:
    Z = np.asarray(latents, dtype=np.float64)
    if Z.ndim != 2 or len(Z) < at_least or not np.isfinite(Z).all():
        raise DataError(
            f"Latents of shape {Z.shape} cannot be projected; pass at least {at_least} row(s) of finite numbers."
        )
    return Z
