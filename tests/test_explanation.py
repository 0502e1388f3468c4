"""Explanations add up to the score they explain, and comparison loops are who they are said to be."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from loopscope.analysis.explanation import MEANING, carriers_of, comparison_loops_of, parts_of, stability_of
from loopscope.analysis.scoring import ScoredLoops, fit_detector, score_library
from loopscope.detection.registry import make_detector
from loopscope.detection.saved import load_model, save_model
from loopscope.embeddings import EmbeddingSet
from loopscope.errors import ModelError
from tests.test_detectors import FAST, fast, with_outlier

ODD = 7
X = with_outlier()
IDS = tuple(f"loop{i:02d}" for i in range(len(X)))
EMBEDDINGS = EmbeddingSet(IDS, X, "some-encoder", pd.DataFrame({"path": [], "reason": []}))


def scored_by(name: str, preset: str) -> ScoredLoops:
    detector = fast(name, preset).fit(X, loop_ids=IDS, encoder_id="some-encoder")
    scores = pd.DataFrame({"loop_id": IDS, "score": detector.scores_, "split": detector.split_})
    return ScoredLoops(detector, scores, detector.latents_, detector.components_)


@pytest.fixture(scope="module")
def robust() -> ScoredLoops:
    return scored_by("AEwRES", "robust")


@pytest.fixture(scope="module")
def paper() -> ScoredLoops:
    return scored_by("AE", "paper")


def test_squared_differences_to_the_centre_add_up_to_the_papers_score(paper: ScoredLoops) -> None:
    for row in (0, ODD, 33):
        carriers = carriers_of(paper, X, row)
        assert np.square(carriers.table["difference"]).sum() == pytest.approx(paper.scores["score"][row], rel=1e-4)
        assert carriers.table["share"].sum() == pytest.approx(1)
        assert carriers.table["share"].is_monotonic_decreasing
        assert sorted(carriers.table["dimension"]) == list(range(1, 33))
        assert carriers.origin == "the centre c"


def test_without_a_centre_the_features_far_from_the_mean_are_named() -> None:
    moved = np.zeros((40, 20), np.float32) + np.random.default_rng(0).normal(size=(40, 20)).astype(np.float32)
    moved[3, 11] -= 30
    embeddings = EmbeddingSet(IDS[:40], moved, "some-encoder", EMBEDDINGS.rejected)
    carriers = carriers_of(fit_detector(embeddings, "pca"), moved, 3)
    assert carriers.table["dimension"][0] == 12, "dimensions count from one"
    assert carriers.table["difference"][0] < 0
    assert carriers.table["share"][0] > 0.5


def test_the_parts_of_an_outlier_are_called_unusual(robust: ScoredLoops) -> None:
    parts = parts_of(robust, ODD)
    assert len(parts) == 4
    assert [part.percentile for part in parts] == sorted((part.percentile for part in parts), reverse=True)
    assert len({part.title for part in parts} & {title for title, _ in MEANING.values()}) == 4, "each has its own title"
    assert parts[0].degree == "very unusual"
    assert any(part.title == "Distance to the centre" for part in parts)
    typical = int(np.argsort(robust.scores["score"])[len(X) // 10])
    assert {part.degree for part in parts_of(robust, typical)} <= {"typical", "a little unusual"}


@pytest.mark.parametrize("name", ["pca", "isolation-forest"])
def test_a_score_of_one_part_has_the_percentile_of_the_score(name: str) -> None:
    (part,) = parts_of(fit_detector(EMBEDDINGS, name), ODD)
    assert part.percentile == 100
    assert part.meaning


def test_repeats_agree_on_an_outlier_and_are_reported_apart(robust: ScoredLoops) -> None:
    repeats = robust.detector.repeat_scores_
    assert repeats.shape == (2, len(X))
    assert not np.array_equal(repeats[0], repeats[1]), "other folds and weights"
    odd = stability_of(robust, X, ODD, 95.0)
    assert odd is not None
    assert (odd.ranks, odd.n_flagged, odd.degree) == ((1, 1), 2, "steady")
    for row in range(len(X)):
        found = stability_of(robust, X, row, 95.0)
        assert found is not None
        assert found.ranks == tuple(int((scores > scores[row]).sum()) + 1 for scores in repeats)


def test_a_single_training_says_nothing_of_stability(paper: ScoredLoops) -> None:
    assert stability_of(paper, X, ODD, 95.0) is None
    assert stability_of(fit_detector(EMBEDDINGS, "knn"), X, ODD, 95.0) is None


def test_a_loop_scored_by_a_saved_model_is_explained_as_a_new_one(robust: ScoredLoops) -> None:
    unknown = replace(EMBEDDINGS, loop_ids=tuple(f"new{i:02d}" for i in range(len(X))))
    new = score_library(unknown, load_model(save_model(robust.detector, "saved", {})))
    parts = parts_of(new, ODD)
    values = new.detector.component_scores(X[ODD : ODD + 1])
    np.testing.assert_allclose(
        sorted(part.value for part in parts), sorted(float(value[0]) for value in values.values()), rtol=1e-4
    )
    found = stability_of(new, X, ODD, 95.0)
    assert found is not None
    assert max(found.ranks) <= 3, "members that learnt the outlier by heart still put it near the top"
    alone = make_detector("AEwRES", "robust", 0, **FAST["robust"], n_repeats=1).fit(X, loop_ids=IDS)
    np.testing.assert_allclose(alone.repeat_scores(X)[0], alone.anomaly_scores(X))


def test_among_new_loops_a_fitted_one_is_explained_by_its_stored_parts(robust: ScoredLoops) -> None:
    order = (3, ODD, 50)
    some = EmbeddingSet(("unknown", *(IDS[i] for i in order)), X[[0, *order]], "some-encoder", EMBEDDINGS.rejected)
    mixed = score_library(some, robust.detector)
    assert mixed.is_new.tolist() == [True, False, False, False]
    for row, place in enumerate(order, start=1):
        assert parts_of(mixed, row) == parts_of(robust, place)
        assert stability_of(mixed, some.X, row, 95.0) == stability_of(robust, X, place, 95.0)
    as_new = robust.detector.component_scores(X[:1])
    np.testing.assert_allclose(
        sorted(part.value for part in parts_of(mixed, 0)), sorted(float(part[0]) for part in as_new.values()), rtol=1e-4
    )


def test_a_model_does_not_score_what_another_encoder_made(paper: ScoredLoops) -> None:
    with pytest.raises(ModelError, match="embeddings of some-encoder, these are of another"):
        score_library(replace(EMBEDDINGS, encoder_id="another"), paper.detector)


def test_comparison_loops_are_normal_other_and_nearest(robust: ScoredLoops) -> None:
    scores = robust.scores["score"].to_numpy()
    is_normal = scores < np.percentile(scores, 80)
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    for row in (ODD, int(scores.argmin()), 12):
        found = comparison_loops_of(robust, X, row, is_normal, n_similar=5)
        others = np.flatnonzero(np.arange(len(X)) != row)
        cosine = unit @ unit[row]
        assert found.nearest_normal == max((i for i in others if is_normal[i]), key=lambda i: cosine[i])
        assert found.most_central == min((i for i in others if is_normal[i]), key=lambda i: scores[i])
        assert list(found.similar) == sorted(others, key=lambda i: -cosine[i])[:5]
        np.testing.assert_allclose(found.similarity, cosine[list(found.similar)], atol=1e-5)


def test_without_a_normal_loop_there_is_none_to_compare_with(robust: ScoredLoops) -> None:
    found = comparison_loops_of(robust, X, ODD, np.arange(len(X)) == ODD)
    assert (found.nearest_normal, found.most_central) == (-1, -1)
