"""What embeddings go through before a detector sees them."""

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf

from loopscope.detection.preprocessing import whitening_matrix


@pytest.mark.parametrize("power", [0.5, 0.25])
@pytest.mark.parametrize(("n", "n_features"), [(40, 120), (500, 60), (300, 1), (200, 30)])
def test_whitening_shrinks_as_ledoit_and_wolf_do(n: int, n_features: int, power: float) -> None:
    rng = np.random.default_rng(n)
    Z = (rng.normal(size=(n, n_features)) @ rng.normal(size=(n_features, n_features))).astype(np.float32)
    Z /= Z.std()
    values, vectors = np.linalg.eigh(LedoitWolf(assume_centered=True).fit(Z.astype(np.float64)).covariance_)
    expected = (vectors * values**-power) @ vectors.T
    expected /= np.sqrt(np.mean(np.square(Z @ expected)))
    found = whitening_matrix(Z, power)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())
    assert np.mean(np.square(Z @ found)) == pytest.approx(1, rel=1e-4)


def test_rows_of_zeros_alone_are_left_as_they_are() -> None:
    np.testing.assert_array_equal(whitening_matrix(np.zeros((20, 4), np.float32)), np.eye(4))
