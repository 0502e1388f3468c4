"""Neighbours are exact, sorted, never the loop itself, and bounded in memory."""

import numpy as np
import pytest

from loopscope import neighbours
from loopscope.errors import Cancelled, DataError
from loopscope.neighbours import most_central, near_duplicates, nearest, nearest_normal, nearest_to


def embeddings(n: int = 300, f: int = 16, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, f)).astype(np.float32)


def cosine_distances(X: np.ndarray) -> np.ndarray:
    unit = X.astype(np.float64) / np.linalg.norm(X.astype(np.float64), axis=1, keepdims=True)
    return 1 - unit @ unit.T


@pytest.mark.parametrize("block_values", [1, 5000, 2**25])
def test_nearest_agrees_with_sorting_all_distances(monkeypatch: pytest.MonkeyPatch, block_values: int) -> None:
    monkeypatch.setattr(neighbours, "BLOCK_VALUES", block_values)
    X = embeddings()
    all_distances = cosine_distances(X)
    np.fill_diagonal(all_distances, np.inf)
    rows, distances = nearest(X, 7)
    np.testing.assert_array_equal(rows, np.argsort(all_distances, axis=1)[:, :7])
    np.testing.assert_allclose(distances, np.sort(all_distances, axis=1)[:, :7], atol=1e-5)


def test_a_loop_is_never_its_own_neighbour_even_with_copies() -> None:
    X = np.repeat(embeddings(5), 3, axis=0)
    rows, distances = nearest(X, 2)
    assert not (rows == np.arange(15)[:, None]).any()
    np.testing.assert_allclose(distances, 0, atol=1e-6)


def test_scale_does_not_matter() -> None:
    X = embeddings()
    scaled = X * np.random.default_rng(1).uniform(0.1, 50, (len(X), 1)).astype(np.float32)
    np.testing.assert_array_equal(nearest(X, 4)[0], nearest(scaled, 4)[0])


@pytest.mark.parametrize(("n", "k", "width"), [(1, 5, 0), (2, 5, 1), (4, 3, 3)])
def test_k_is_cut_to_what_there_is(n: int, k: int, width: int) -> None:
    assert nearest(embeddings(n), k)[0].shape == (n, width)


def test_a_row_of_zeros_is_equally_far_from_everything() -> None:
    X = embeddings(6)
    X[2] = 0
    _, distances = nearest(X, 5)
    np.testing.assert_allclose(distances[2], 1, atol=1e-6)
    assert np.isfinite(distances).all()


def test_a_query_finds_the_same_as_the_full_search_and_keeps_to_the_allowed() -> None:
    X = embeddings()
    rows, distances = nearest_to(X[10], X, 4)
    assert rows[0, 0] == 10
    np.testing.assert_array_equal(rows[0, 1:], nearest(X, 3)[0][10])
    allowed = np.zeros(len(X), dtype=bool)
    allowed[[3, 50, 200]] = True
    rows, distances = nearest_to(X[10], X, 9, allowed)
    assert sorted(rows[0]) == [3, 50, 200]
    assert (np.diff(distances[0]) >= 0).all()


def test_the_nearest_normal_loop_is_normal_and_another_one() -> None:
    X = embeddings()
    is_normal = np.random.default_rng(2).random(len(X)) < 0.3
    found = nearest_normal(X, is_normal, np.arange(len(X)))
    distances = cosine_distances(X)
    np.fill_diagonal(distances, np.inf)
    distances[:, ~is_normal] = np.inf
    np.testing.assert_array_equal(found, distances.argmin(axis=1))


def test_without_normal_loops_there_is_no_nearest_normal() -> None:
    X = embeddings(5)
    only_one = np.array([False, True, False, False, False])
    assert nearest_normal(X, np.zeros(5, dtype=bool), [0, 3]).tolist() == [-1, -1]
    assert nearest_normal(X, only_one, [1, 3]).tolist() == [-1, 1]


def test_the_most_central_loop_has_the_highest_mean_similarity() -> None:
    X = embeddings() + 0.5
    assert most_central(X) == int(cosine_distances(X).mean(axis=1).argmin())
    assert most_central(X, np.zeros(len(X), dtype=bool)) == -1


def test_near_duplicates_pair_up_and_others_do_not() -> None:
    X = embeddings(50)
    X[40] = 3 * X[7] + 1e-3
    found = near_duplicates(X, 0.999)
    assert (found.partner[7], found.partner[40]) == (40, 7)
    assert (np.delete(found.partner, [7, 40]) == -1).all()
    assert near_duplicates(X[:1], 0.999).partner.tolist() == [-1]


def test_bad_input_is_refused_and_a_stop_is_obeyed() -> None:
    with pytest.raises(DataError, match="shape"):
        nearest(np.zeros(4, np.float32), 1)
    with pytest.raises(DataError, match="at least 1"):
        nearest(embeddings(4), 0)
    with pytest.raises(DataError, match="NaN"):
        nearest(np.full((3, 2), np.nan, np.float32), 1)
    with pytest.raises(Cancelled):
        nearest(embeddings(), 2, should_stop=lambda: True)
