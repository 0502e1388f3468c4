"""Distances between collections: the closed form, like compared with like, and what is said of a pack."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from loopscope.analysis.collections import CollectionDifference, collection_difference, difference_from_library
from loopscope.analysis.scoring import fit_detector, score_library
from loopscope.arrays import Float
from loopscope.detection.base import content_order
from loopscope.detection.collection import Collection, Summary, collection_of, frechet_distance, summarise
from loopscope.detection.saved import load_model, save_model
from loopscope.embeddings import EmbeddingSet
from loopscope.errors import DataError
from tests.test_detectors import loops

FILE = "shared/reference/clap_htsat_base_bass392.npz"  # beside the checkout or further up
REFERENCE = next((above / FILE for above in Path(__file__).resolve().parents if (above / FILE).exists()), None)


def learnt(X: Float) -> Collection:
    order, groups = content_order(np.ascontiguousarray(X, dtype=np.float32))
    return collection_of(X[order], groups)


def normal(mean: list[float], covariance: list[list[float]]) -> Summary:
    return Summary(np.array(mean), np.array(covariance), 10)


def embedded(X: Float, name: str = "loop") -> EmbeddingSet:
    return EmbeddingSet(tuple(f"{name}{i:03d}" for i in range(len(X))), X, "some-encoder")


def test_the_distance_of_known_normal_distributions() -> None:
    a = normal([0, 0], [[4, 0], [0, 1]])
    assert frechet_distance(a, normal([3, 4], [[4, 0], [0, 1]])) == pytest.approx(25)
    assert frechet_distance(a, normal([0, 0], [[9, 0], [0, 4]])) == pytest.approx(1 + 1)
    turned = normal([0, 0], [[1, 0], [0, 4]])
    assert frechet_distance(a, turned) == pytest.approx(10 - 8)
    slanted = np.array([[2.0, 1.0], [1.0, 3.0]])
    eigenvalues = np.linalg.eigvals(np.array(a.covariance) @ slanted)  # not symmetric: another way to the same root
    expected = 5 + 5 - 2 * np.sqrt(eigenvalues).sum()
    assert frechet_distance(a, Summary(np.zeros(2), slanted, 10)) == pytest.approx(expected)


def test_the_distance_is_a_distance() -> None:
    X = loops(80)
    library = learnt(X)
    a, b = summarise(library.coordinates), summarise(library.place(loops(80, seed=1)))
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a))
    assert frechet_distance(a, b) > 0
    shifted = [frechet_distance(a, summarise(library.place(X + shift))) for shift in (0.0, 0.3, 0.6, 1.2)]
    assert shifted == sorted(shifted)
    assert shifted[0] == pytest.approx(0, abs=1e-9)


def test_coordinates_hold_the_librarys_variance_and_its_own_loops() -> None:
    X = loops(200)
    library = learnt(X)
    assert library.axes.shape == (48, 8)
    assert library.coordinates.var(axis=0, ddof=1).sum() == pytest.approx(1, rel=1e-3)
    found = {row.tobytes() for row in library.coordinates.round(4)}
    assert {row.tobytes() for row in library.place(X).round(4)} == found


def test_copies_count_once_and_flat_directions_are_left_out() -> None:
    X = loops(60)
    assert len(learnt(np.vstack([X, X[:30]])).coordinates) == 60
    line = np.outer(np.arange(80.0), np.ones(5)).astype(np.float32)
    library = learnt(line)
    assert library.axes.shape == (5, 1)
    assert np.isfinite(library.coordinates).all()
    assert collection_difference(library, line + 200).differs


def test_half_of_a_library_is_not_called_different() -> None:
    inside, unseen = [], []
    for trial in range(20):
        X = loops(240, seed=100 + trial)
        one, other = np.split(np.random.default_rng(trial).permutation(X), 2)
        found = collection_difference(learnt(X), one, seed=trial)
        inside.append(found.low <= found.distance <= found.high)
        unseen.append(not collection_difference(learnt(one), other, seed=trial).differs)
    assert np.mean(inside) >= 0.9
    assert np.mean(unseen) >= 0.9


@pytest.mark.parametrize("n", [10, 100])
def test_small_packs_of_the_same_kind_do_not_look_different_for_being_small(n: int) -> None:
    library = learnt(loops(300))
    packs = [loops(n, seed=50 + trial) for trial in range(10)]
    found = [collection_difference(library, pack) for pack in packs]
    assert np.mean([one.differs for one in found]) <= 0.1
    assert all(one.n == n for one in found)


def test_a_pack_larger_than_half_the_library_is_compared_in_parts() -> None:
    found = collection_difference(learnt(loops(200)), loops(500, seed=3))
    assert found.n == 100
    assert not found.differs


def test_another_kind_of_sound_lies_far_outside() -> None:
    far = collection_difference(learnt(loops(200)), loops(60, seed=1) + 2)
    assert far.distance > 5 * far.high


def test_the_result_depends_on_the_seed_and_the_rows_only() -> None:
    X = loops(100)
    pack = loops(30, seed=2)
    order = np.random.default_rng(1).permutation(100)
    assert collection_difference(learnt(X), pack) == collection_difference(learnt(X[order]), pack)
    assert collection_difference(learnt(X), pack) != collection_difference(learnt(X), pack, seed=1)


def test_too_few_loops_are_refused_in_one_sentence() -> None:
    with pytest.raises(DataError, match="A pack of 7 loops cannot be compared as a whole"):
        collection_difference(learnt(loops(40)), loops(7))
    with pytest.raises(DataError, match="A collection of 1 loops"):
        summarise(np.zeros((1, 3)))


def test_the_sentence_is_for_packs_that_differ_and_are_mostly_flagged() -> None:
    differs = CollectionDifference(0.84, 0.02, 0.05, 150)
    assert differs.sentence(123, 150, "bass110") == (
        "123 of 150 loops stand out: the pack as a whole differs from bass110 "
        "(distance 0.84, within the library 0.02 to 0.05)."
    )
    assert differs.sentence(75, 150, "bass110") == ""
    assert replace(differs, distance=0.05).sentence(123, 150, "bass110") == ""


def test_a_saved_model_knows_its_library_as_a_whole() -> None:
    X = loops(80)
    scored = fit_detector(embedded(X), "knn")
    loaded = load_model(save_model(scored.detector, "whole", {}))
    pack = embedded(loops(20, seed=1) + 2, "pack")
    found = difference_from_library(score_library(pack, loaded), pack)
    assert found == difference_from_library(score_library(pack, scored.detector), pack)
    assert found is not None and found.differs


def test_only_what_is_new_is_compared() -> None:
    X = loops(80)
    detector = fit_detector(embedded(X), "knn").detector
    pack = embedded(loops(20, seed=1) + 2, "pack")
    both = EmbeddingSet((*embedded(X).loop_ids, *pack.loop_ids), np.vstack([X, pack.X]), "some-encoder")
    assert difference_from_library(score_library(both, detector), both) == difference_from_library(
        score_library(pack, detector), pack
    )
    assert difference_from_library(score_library(embedded(X), detector), embedded(X)) is None
    few = pack.select(pack.loop_ids[:7])
    assert difference_from_library(score_library(few, detector), few) is None


def test_a_model_of_an_older_version_says_nothing_of_its_library() -> None:
    detector = fit_detector(embedded(loops(80)), "knn").detector
    detector.restore(replace(detector.fitted, collection=None), detector.state())
    loaded = load_model(save_model(detector, "older", {}))
    assert loaded.fitted.collection is None
    pack = embedded(loops(20, seed=1), "pack")
    assert difference_from_library(score_library(pack, loaded), pack) is None


@pytest.mark.skipif(REFERENCE is None, reason="the reference embeddings are not on this machine")
@pytest.mark.parametrize("kind", ["bass_arpeggios_minor", "bass080A", "bass110Em"])
def test_another_way_of_playing_lies_far_outside_the_reference_library(kind: str) -> None:
    assert REFERENCE is not None
    with np.load(REFERENCE) as reference:
        X, kinds = reference["embeddings"], np.array([path.split("/")[1] for path in reference["paths"]])
    found = collection_difference(learnt(X[kinds != kind]), X[kinds == kind])
    assert found.distance > 3 * found.high
