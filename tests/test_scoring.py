"""A fitted model applied to a library: what it was fitted on keeps its scores, and only what was added is new."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from loopscope.analysis.pipeline import score_table
from loopscope.analysis.scoring import ScoredLoops, fit_detector, score_library
from loopscope.detection.base import BaseDetector
from loopscope.detection.saved import load_model, save_model
from loopscope.embeddings import EmbeddingSet
from loopscope.errors import ModelError
from tests.test_detectors import fast, loops, with_outlier

X = with_outlier()
IDS = tuple(f"loop{i:02d}" for i in range(len(X)))
LIBRARY = EmbeddingSet(IDS, X, "some-encoder")
ADDED = EmbeddingSet(tuple(f"added{i}" for i in range(8)), loops(8, seed=6), "some-encoder")
GROWN = EmbeddingSet(
    (*ADDED.loop_ids[:3], *IDS, *ADDED.loop_ids[3:]), np.vstack([ADDED.X[:3], X, ADDED.X[3:]]), "some-encoder"
)


@pytest.fixture(scope="module", params=[("AEwRES", "robust"), ("AE", "paper"), ("knn", "robust")], ids=str)
def detector(request: pytest.FixtureRequest) -> BaseDetector:
    return fast(*request.param).fit(X, loop_ids=IDS, encoder_id="some-encoder")


def test_its_own_folder_keeps_the_scores_of_its_training(detector: BaseDetector) -> None:
    order = np.random.default_rng(0).permutation(len(X))
    saved = load_model(save_model(detector, "own", {}))
    found = score_library(LIBRARY.select([IDS[i] for i in order]), saved)
    assert found.scores["loop_id"].tolist() == [IDS[i] for i in order]
    np.testing.assert_array_equal(found.scores["score"], detector.scores_[order])
    np.testing.assert_array_equal(found.scores["split"], detector.split_[order])
    np.testing.assert_array_equal(found.latents, detector.latents_[order])
    assert not found.is_new.any()
    assert not np.array_equal(detector.anomaly_scores(X), detector.scores_) or detector.preset == "paper"


def test_a_folder_that_grew_has_the_old_scores_bit_for_bit_and_new_ones_for_what_was_added(
    detector: BaseDetector,
) -> None:
    found = score_library(GROWN, detector)
    old, new = found.scores[~found.is_new], found.scores[found.is_new]
    assert found.scores["loop_id"].tolist() == list(GROWN.loop_ids)
    assert set(new["split"]) == {"new"}
    assert new["loop_id"].tolist() == list(ADDED.loop_ids)
    np.testing.assert_array_equal(old["score"], detector.scores_)
    np.testing.assert_array_equal(old["split"], detector.split_)
    np.testing.assert_array_equal(new["score"], detector.anomaly_scores(ADDED.X))
    np.testing.assert_array_equal(found.latents[found.is_new], detector.latents(ADDED.X))
    np.testing.assert_array_equal(found.latents[~found.is_new], detector.latents_)


def test_a_folder_that_grew_keeps_its_map(detector: BaseDetector) -> None:
    before, after = (score_library(library, detector) for library in (LIBRARY, GROWN))
    np.testing.assert_array_equal(after.projection.coordinates[~after.is_new], before.projection.coordinates)


def test_a_single_new_loop_has_a_place_on_the_map(detector: BaseDetector) -> None:
    found = score_library(ADDED.select(ADDED.loop_ids[:1]), detector)
    assert np.isfinite(found.projection.coordinates).all()
    assert len(score_library(ADDED, detector).projection.coordinates) == 8


def test_a_model_without_loop_ids_finds_everything_new() -> None:
    found = score_library(LIBRARY, fast("knn", "robust").fit(X))
    assert found.is_new.all()


@pytest.mark.parametrize("library", [LIBRARY, GROWN, ADDED], ids=["own", "grown", "other"])
def test_another_encoder_is_refused_also_where_nothing_is_new(library: EmbeddingSet, detector: BaseDetector) -> None:
    with pytest.raises(ModelError, match="embeddings of some-encoder, these are of another"):
        score_library(replace(library, encoder_id="another"), detector)
    with pytest.raises(ModelError, match="48 features but these embeddings have 7"):
        score_library(replace(library, X=library.X[:, :7]), detector)


def files_of(embeddings: EmbeddingSet) -> pd.DataFrame:
    """A row a file, in the order of a scan, with paths that are no text."""
    paths = [os.fsdecode(f"/music/{i:03d}".encode() + b"\xff\xe9.wav") for i in range(len(embeddings.loop_ids))]
    return pd.DataFrame({"loop_id": list(embeddings.loop_ids), "path": pd.Series(paths, dtype="object")})


def test_names_that_are_no_text_are_ranked_in_the_order_of_the_scan() -> None:
    scored = fit_detector(LIBRARY, "knn")
    tied = ScoredLoops(scored.detector, scored.scores.assign(score=1.0), scored.latents, scored.components)
    files = files_of(LIBRARY)
    copies = pd.concat([files, files.assign(path=files["path"] + "copy")], ignore_index=True)
    assert score_table(copies, tied)["path"].tolist() == copies["path"].tolist()
    ranked = score_table(files, scored)
    assert ranked["rank"].is_monotonic_increasing
    assert ranked["loop_id"].iloc[0] == IDS[7]
    assert all(Path(path).name for path in ranked["path"])


@pytest.mark.parametrize(
    ("library", "elsewhere"),
    [
        (LIBRARY, False),
        (GROWN, False),
        (LIBRARY.select(IDS[:5]), False),
        (ADDED, True),
        (GROWN.select((*ADDED.loop_ids, IDS[0])), True),
    ],
    ids=["own", "grown", "shrunk", "other", "other with a copy of one"],
)
def test_a_model_knows_whether_this_is_its_library(
    library: EmbeddingSet, elsewhere: bool, detector: BaseDetector
) -> None:
    assert score_library(library, detector).is_of_another_library is elsewhere
