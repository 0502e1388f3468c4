"""Neighbours are exact, sorted, never the loop itself, and bounded in memory."""

import numpy as np
import pytest

from loopscope.embeddings import neighbours
from loopscope.embeddings.neighbours import near_duplicates, nearest_to
from loopscope.errors import Cancelled, DataError


def embeddings(n: int = 300, f: int = 16, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, f)).astype(np.float32)


def cosine_distances(X: np.ndarray) -> np.ndarray:
    unit = X.astype(np.float64) / np.linalg.norm(X.astype(np.float64), axis=1, keepdims=True)
    return 1 - unit @ unit.T


def test_the_nearest_agree_with_sorting_all_distances() -> None:
    X = embeddings()
    all_distances = cosine_distances(X)
    rows, distances = nearest_to(X, X, 7)
    np.testing.assert_array_equal(rows, np.argsort(all_distances, axis=1)[:, :7])
    np.testing.assert_array_equal(rows[:, 0], np.arange(len(X)))  # itself
    np.testing.assert_allclose(distances, np.sort(all_distances, axis=1)[:, :7], atol=1e-5)


def test_scale_does_not_matter() -> None:
    X = embeddings()
    scaled = X * np.random.default_rng(1).uniform(0.1, 50, (len(X), 1)).astype(np.float32)
    np.testing.assert_array_equal(nearest_to(X, X, 4)[0], nearest_to(X, scaled, 4)[0])


@pytest.mark.parametrize(("n", "k", "width"), [(1, 5, 1), (2, 5, 2), (4, 3, 3)])
def test_k_is_cut_to_what_there_is(n: int, k: int, width: int) -> None:
    assert nearest_to(embeddings(n), embeddings(n), k)[0].shape == (n, width)


def test_a_row_of_zeros_is_equally_far_from_everything() -> None:
    X = embeddings(6)
    X[2] = 0
    _, distances = nearest_to(X, X, 6)
    np.testing.assert_allclose(distances[2], 1, atol=1e-6)
    assert np.isfinite(distances).all()


def test_a_query_keeps_to_the_allowed() -> None:
    X = embeddings()
    allowed = np.zeros(len(X), dtype=bool)
    allowed[[3, 50, 200]] = True
    rows, distances = nearest_to(X[10], X, 9, allowed)
    assert sorted(rows[0]) == [3, 50, 200]
    assert (np.diff(distances[0]) >= 0).all()


def test_the_nearest_of_the_allowed_is_found() -> None:
    X = embeddings()
    allowed = np.random.default_rng(2).random(len(X)) < 0.3
    found, _ = nearest_to(X[~allowed], X, 1, allowed)
    distances = cosine_distances(X)
    distances[:, ~allowed] = np.inf
    np.testing.assert_array_equal(found[:, 0], distances[~allowed].argmin(axis=1))


@pytest.mark.parametrize("cosine", [0.9, 0.995])
@pytest.mark.parametrize("many_pairs", [0, 2**14])
@pytest.mark.parametrize(("n", "f"), [(700, 200), (600, 3), (2, 5)])
def test_near_duplicates_are_those_of_all_pairs(
    monkeypatch: pytest.MonkeyPatch, cosine: float, many_pairs: int, n: int, f: int
) -> None:
    monkeypatch.setattr(neighbours, "MANY_PAIRS", many_pairs)
    X = embeddings(n, f)
    copies, originals = np.array_split(np.random.default_rng(3).permutation(n), 2)
    X[copies] = 2 * X[originals] + 0.1 * embeddings(n // 2, f, seed=4)
    similarity = 1 - cosine_distances(X)
    np.fill_diagonal(similarity, -np.inf)
    best = similarity.max(axis=1)
    found = near_duplicates(X, cosine)
    assert np.array_equal(found.partner >= 0, best >= cosine)
    same = found.partner >= 0
    assert n < 10 or 0.2 * n < same.sum()
    np.testing.assert_allclose(similarity[same, found.partner[same]], best[same], atol=1e-6)
    np.testing.assert_allclose(found.cosine[same], best[same], atol=1e-6)
    assert np.isnan(found.cosine[~same]).all()


def test_many_copies_of_one_sound_pair_up_with_another_copy() -> None:
    X = np.repeat(embeddings(1), 900, axis=0)
    X[17] = -X[17]
    partner = near_duplicates(X, 0.995).partner
    assert partner[17] == -1
    assert (np.delete(partner, 17) >= 0).all() and not (partner == np.arange(900)).any() and not (partner == 17).any()


def test_one_loop_alone_has_no_near_duplicate() -> None:
    assert near_duplicates(embeddings(1), 0.999).partner.tolist() == [-1]
    assert near_duplicates(np.zeros((3, 4), np.float32), 0.999).partner.tolist() == [-1, -1, -1]


def test_bad_input_is_refused_and_a_stop_is_obeyed() -> None:
    with pytest.raises(DataError, match="shape"):
        near_duplicates(np.zeros(4, np.float32), 0.9)
    with pytest.raises(DataError, match="at least 1"):
        nearest_to(embeddings(4), embeddings(4), 0)
    with pytest.raises(DataError, match="NaN"):
        near_duplicates(np.full((3, 2), np.nan, np.float32), 0.9)
    with pytest.raises(Cancelled):
        near_duplicates(embeddings(), 0.9, should_stop=lambda: True)
