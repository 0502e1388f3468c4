"""PCA coordinates: right axes, stable signs, honest variance shares."""

import numpy as np
import pytest

from loopscope.analysis.projection import project
from loopscope.errors import DataError


def stretched(n: int = 200) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(n, 6)) * [1, 9, 3, 1, 1, 1]


def test_axes_come_in_order_of_variance_with_their_shares():
    Z = stretched()
    projection = project(Z, n_components=6)
    shares = np.sort(np.linalg.eigvalsh(np.cov(Z.T)))[::-1]
    np.testing.assert_allclose(projection.explained_variance, shares / shares.sum(), rtol=1e-6)
    assert abs(np.corrcoef(projection.coordinates[:, 0], Z[:, 1])[0, 1]) > 0.99


def test_distances_survive_when_all_axes_are_kept():
    Z = stretched(30)
    coordinates = project(Z, n_components=6).coordinates
    np.testing.assert_allclose(np.linalg.norm(coordinates, axis=1), np.linalg.norm(Z - Z.mean(0), axis=1), rtol=1e-5)


def test_the_figure_does_not_depend_on_the_order_or_mirror_itself():
    Z = stretched()
    order = np.random.default_rng(1).permutation(len(Z))
    np.testing.assert_allclose(project(Z).coordinates[order], project(Z[order]).coordinates, atol=1e-4)


def test_new_rows_land_where_their_twins_are_on_the_map_of_the_old_ones():
    Z = stretched(60)
    placed = project(Z[7:8], reference=Z)
    np.testing.assert_allclose(placed.coordinates[0], project(Z).coordinates[7], atol=1e-4)
    np.testing.assert_allclose(placed.explained_variance, project(Z).explained_variance)
    with pytest.raises(DataError, match="no place on a map of 6"):
        project(Z[:, :5], reference=Z)


@pytest.mark.parametrize(("shape", "k"), [((3, 10), 3), ((50, 2), 2), ((50, 1), 1), ((2, 2500), 2)])
def test_fewer_axes_where_there_are_fewer(shape, k):
    projection = project(np.random.default_rng(0).normal(size=shape))
    assert projection.coordinates.shape == (shape[0], k)
    assert projection.explained_variance.shape == (k,)


def test_constant_latents_lie_in_one_point():
    projection = project(np.full((5, 4), 3.0))
    assert not projection.coordinates.any()
    assert not projection.explained_variance.any()


@pytest.mark.parametrize("bad", [np.zeros((1, 4)), np.zeros(4), np.full((4, 4), np.nan)])
def test_what_cannot_be_projected_is_said(bad):
    with pytest.raises(DataError, match="cannot be projected"):
        project(bad)
