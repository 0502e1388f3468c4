"""The ranking before there is a model: near to that of nearest neighbours, whatever the order, and there early."""

import numpy as np
import pytest

from loopscope.analysis.explanation import comparison_loops_of, parts_of, stability_of
from loopscope.analysis.provisional import provisional_ranking
from loopscope.analysis.scoring import score_library
from loopscope.arrays import Float
from loopscope.detection.base import content_order
from loopscope.detection.quality import rank_agreement
from loopscope.detection.quick_neighbours import N_SAMPLE
from loopscope.detection.registry import make_detector
from loopscope.embeddings import EmbeddingSet
from loopscope.errors import DataError
from tests.test_detectors import loops, with_outlier


def embedded(X: Float, encoder_id: str = "some-encoder") -> EmbeddingSet:
    X = np.ascontiguousarray(X, dtype=np.float32)
    return EmbeddingSet(tuple(f"loop{i:05d}" for i in range(len(X))), X, encoder_id)


def scores_of(X: Float) -> Float:
    ranking = provisional_ranking(embedded(X))
    assert ranking is not None
    return ranking.scores["score"].to_numpy()


def uneven(n: int) -> Float:
    """Loops of which some are far more unusual than others."""
    return loops(n) * np.random.default_rng(1).gamma(2.0, size=(n, 1)).astype(np.float32)


def test_an_odd_loop_comes_first() -> None:
    assert scores_of(with_outlier()).argmax() == 7


@pytest.mark.parametrize("n", [100, N_SAMPLE + 500])
def test_it_ranks_as_nearest_neighbours_do(n: int) -> None:
    X = uneven(n)
    whole = make_detector("knn").fit(X).scores_
    assert rank_agreement(scores_of(X), whole) > 0.9


@pytest.mark.parametrize("n", [40, N_SAMPLE + 500])
def test_it_does_not_depend_on_the_order_of_the_rows(n: int) -> None:
    X, order = uneven(n), np.random.default_rng(3).permutation(n)
    np.testing.assert_array_equal(scores_of(X)[order], scores_of(X[order]))


def test_a_score_is_the_mean_distance_to_the_nearest_other_loop_of_each_part() -> None:
    X = loops(25)
    ranking = provisional_ranking(embedded(X))
    assert ranking is not None
    order, _ = content_order(X)
    places = ranking.latents[order].astype(np.float64)
    distance = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(distance, np.inf)  # nobody is its own neighbour
    expected = np.mean([distance[:, part : part + 5].min(axis=1) for part in range(0, 25, 5)], axis=0)
    np.testing.assert_allclose(ranking.scores["score"].to_numpy()[order], expected, rtol=1e-4)


def test_a_copy_does_not_vouch_for_its_twin() -> None:
    X = with_outlier()
    doubled = np.vstack([X, X[7:8]])
    scores = scores_of(doubled)
    assert scores[7] == scores[60] == scores.max()
    assert scores[7] == pytest.approx(scores_of(X)[7], rel=1e-5)


def test_below_eight_different_loops_there_is_none() -> None:
    X = loops(8)
    assert provisional_ranking(embedded(X)) is not None
    assert provisional_ranking(embedded(X[:7])) is None
    assert provisional_ranking(embedded(np.repeat(X[:7], 5, axis=0))) is None
    assert provisional_ranking(embedded(X[:0])) is None


@pytest.mark.parametrize("n", range(8, 24))
def test_few_loops_have_finite_scores(n: int) -> None:
    assert np.isfinite(scores_of(loops(n))).all()
    assert (scores_of(loops(n)) > 0).all()


def test_embeddings_out_of_range_are_one_sentence() -> None:
    with pytest.raises(DataError, match="1 of 20 embeddings are not finite or reach"):
        provisional_ranking(embedded(np.where(np.arange(20)[:, None] == 3, 1e7, loops(20))))


def test_its_loops_are_shown_and_explained_like_those_of_any_model() -> None:
    X = with_outlier()
    ranking = provisional_ranking(embedded(X))
    assert ranking is not None
    assert not ranking.is_new.any()
    assert ranking.projection.coordinates.shape == (60, 8)
    assert ranking.latents.shape == (60, 32)
    assert len(ranking.reference_scores) == 60
    (part,) = parts_of(ranking, 7)
    assert part.percentile == 100
    assert stability_of(ranking, X, 7, 95.0) is None
    assert comparison_loops_of(ranking, X, 7, np.ones(60, dtype=bool)).nearest_normal >= 0
    grown = score_library(embedded(np.vstack([X, loops(3, seed=4)])), ranking.detector)
    assert grown.is_new.sum() == 3
    assert (grown.scores["score"][grown.is_new] < ranking.scores["score"].max()).all()
