"""Marks move what sounds like the marked loops, as much as they should and nothing else."""

import numpy as np
import pandas as pd
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel

from loopscope.analysis.feedback import NOISE, Feedback, Taught, learn, moved_in_words
from loopscope.analysis.resemblance import RadialKernel, Resemblance, embedding_kernel, resemblance_of, scaled
from loopscope.analysis.triage import triage_loops
from loopscope.embeddings import EmbeddingSet
from loopscope.faults import faults_frame

FAR = 8.0  # where a kernel of weight .1 is below 2e-15


def table_of(percentiles: list[float], faults: dict[str, float] | None = None) -> pd.DataFrame:
    ids = [f"loop{i}" for i in range(len(percentiles))]
    said = dict(verdict="fault", kind="click", sentence="A click.", brief="a click", times=(0.1,))
    found = [dict(loop_id=loop_id, strength=strength, **said) for loop_id, strength in (faults or {}).items()]
    return triage_loops(pd.DataFrame({"loop_id": ids, "percentile": percentiles}), faults_frame(found))


def alike(*places: float) -> Resemblance:
    """Loops on a line: those within 1 sound alike, those `FAR` apart do not."""
    return Resemblance(
        tuple(f"loop{i}" for i in range(len(places))), (RadialKernel(np.array(places, np.float32)[:, None]),)
    )


def many(seed: int, n: int = 300, n_features: int = 24) -> tuple[pd.DataFrame, Resemblance, np.random.Generator]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, n_features)).astype(np.float32)
    faults = {f"loop{i}": float(rng.uniform(0.1, 1)) for i in rng.choice(n, n // 6, replace=False)}
    percentiles = list(rng.uniform(0, 100, n))
    return table_of(percentiles, faults), resemblance_of(EmbeddingSet(tuple(f"loop{i}" for i in range(n)), X, "x")), rng


def some_marks(rng: np.random.Generator, n: int, m: int) -> dict[str, str]:
    return {f"loop{i}": str(rng.choice(["keep", "quarantine", "love"])) for i in rng.choice(n, m, replace=False)}


def assert_same(a: Taught, b: Taught) -> None:
    for name in ("ranks", "score", "evidence", "shift", "because", "unsure"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


@pytest.mark.parametrize("seed", range(3))
def test_without_marks_everything_is_bit_for_bit_as_before(seed: int) -> None:
    table, resemblance, rng = many(seed)
    feedback = Feedback(table, resemblance)
    for marks in ({}, {"another folder's": "keep"}, {"loop3": "a mark of a newer version"}):
        taught = feedback.taught(marks)
        np.testing.assert_array_equal(taught.ranks, table["triage_rank"])
        assert taught.score.tobytes() == table["triage_score"].to_numpy().tobytes()
        assert taught.evidence.tobytes() == table["detector_evidence"].to_numpy().tobytes()
        assert not taught.shift.any() and (taught.because == -1).all() and not taught.marked
        assert (taught.unsure == 1).all()
    feedback.taught(some_marks(rng, 300, 20))  # and nothing of it stays
    np.testing.assert_array_equal(feedback.taught({}).ranks, table["triage_rank"])


def test_the_order_of_marks_does_not_matter() -> None:
    table, resemblance, rng = many(0)
    marks = some_marks(rng, 300, 40)
    feedback = Feedback(table, resemblance)
    expected = feedback.taught(marks)
    for _ in range(3):
        assert_same(expected, feedback.taught(dict(rng.permutation(list(marks.items())).tolist())))


def test_what_sounds_like_a_marked_loop_moves_the_way_of_the_mark() -> None:
    table = table_of([60.0, 70.0, 65.0, 75.0, 80.0])
    resemblance = alike(0, 0.5, FAR, FAR + 0.5, 2 * FAR)
    quarantined = Feedback(table, resemblance).taught({"loop0": "quarantine"})
    assert quarantined.shift[0] > quarantined.shift[1] > 0.005
    assert table["triage_rank"].tolist() == [5, 3, 4, 2, 1] and quarantined.ranks.tolist() == [4, 2, 5, 3, 1]
    kept = Feedback(table, resemblance).taught({"loop4": "keep", "loop3": "keep"})
    assert kept.shift[3] < kept.shift[2] < 0 == round(kept.shift[1], 9)
    assert Feedback(table, resemblance).taught({"loop0": "love"}).shift[1] == quarantined.shift[1]


def test_the_more_marks_the_more_each_of_them_weighs() -> None:
    """The same two loops: marks elsewhere are trust in the one beside them."""
    table = table_of([50.0] * 100)
    resemblance = alike(0, 0, *(FAR * i for i in range(1, 99)))
    marks = {f"loop{i}": "quarantine" for i in range(1, 100)}
    moved = [Feedback(table, resemblance).taught(dict(list(marks.items())[:m])).shift[0] for m in (1, 5, 20, 60, 99)]
    assert moved == sorted(moved) and moved[0] < 0.03 * moved[3] * 2 and 0.2 < moved[3] < moved[4] < 0.4


def test_far_from_all_marks_nothing_changes() -> None:
    """Loops at a distance of r from all marks move by at most m · weight · exp(-r²/2) / noise of the evidence."""
    rng = np.random.default_rng(0)
    places = np.concatenate([rng.normal(0, 1, 50), rng.normal(FAR + 4, 0.5, 50)])
    percentiles = list(rng.uniform(0, 100, 100))
    table, resemblance = table_of(percentiles), alike(*places)
    marks = {f"loop{i}": ["keep", "quarantine"][i % 2] for i in range(20)}
    taught = Feedback(table, resemblance).taught(marks)
    nearest = np.abs(places[50:, None] - places[:20]).min(axis=1)
    assert (np.abs(taught.shift[50:]) <= 20 * 0.1 * np.exp(-(nearest**2) / 2) / NOISE).all()
    assert (np.abs(taught.shift[50:]) < 1e-5).all() and (np.abs(taught.shift[:50]) > 1e-5).any()
    assert (taught.because[50:] == -1).all()
    far_before, far_after = table["triage_rank"].to_numpy()[50:], taught.ranks[50:]
    np.testing.assert_array_equal(np.argsort(far_before), np.argsort(far_after))


def test_a_first_mark_moves_no_loop_by_more_than_a_hundredth_part_of_what_it_asks_for() -> None:
    table, resemblance, _ = many(1)
    for loop_id, mark in (("loop5", "keep"), ("loop6", "quarantine"), ("loop7", "love")):
        taught = Feedback(table, resemblance).taught({loop_id: mark})
        row = int(loop_id[4:])
        asked = abs((0 if mark == "keep" else 1) - table["detector_evidence"][row])
        assert np.abs(taught.shift).max() <= 0.011 * asked
        assert np.abs(taught.shift).argmax() == row


def test_contradictory_marks_on_equal_loops_meet_in_the_middle() -> None:
    table = table_of([90.0, 90.0, 90.0, 20.0])
    resemblance = alike(0, 0, 0, FAR)
    shift = {
        name: Feedback(table, resemblance).taught(marks).shift[2]
        for name, marks in {
            "both": {"loop0": "keep", "loop1": "quarantine"},
            "keep": {"loop0": "keep"},
            "quarantine": {"loop0": "quarantine"},
        }.items()
    }
    evidence, K = table["detector_evidence"][0], 0.1 * 2 / 62
    assert shift["keep"] < 0 < shift["quarantine"]
    assert evidence + shift["both"] == pytest.approx((K + NOISE * evidence) / (2 * K + NOISE), abs=1e-6)


def test_many_equal_loops_with_any_marks_stay_finite() -> None:
    table = table_of([50.0] * 200)
    marks = {f"loop{i}": ["keep", "quarantine", "love"][i % 3] for i in range(150)}
    taught = Feedback(table, alike(*[0.0] * 200)).taught(marks)
    assert np.isfinite(taught.shift).all() and np.ptp(taught.shift) < 1e-5
    assert sorted(taught.ranks) == list(range(1, 201))


def test_a_fault_explains_a_quarantine_away_and_teaches_nothing_of_the_sound() -> None:
    broken = Feedback(table_of([50.0, 50.0], {"loop0": 1.0}), alike(0, 0)).taught({"loop0": "quarantine"})
    odd = Feedback(table_of([50.0, 50.0]), alike(0, 0)).taught({"loop0": "quarantine"})
    assert abs(broken.shift[1]) < 1e-9
    assert odd.shift[1] > 0.005


@pytest.mark.parametrize("mark", ["keep", "love"])
def test_a_kept_loop_is_no_fault_but_faults_of_others_are(mark: str) -> None:
    table = table_of([95.0, 95.0, 50.0], {"loop0": 0.9, "loop1": 0.9})
    taught = Feedback(table, alike(0, 0, FAR)).taught({"loop0": mark})
    assert taught.score[0] == taught.evidence[0]
    assert taught.score[1] >= 0.9 > taught.score[0]
    quarantined = Feedback(table, alike(0, 0, FAR)).taught({"loop0": "quarantine"})
    assert quarantined.score[0] >= 0.9


def test_a_loop_without_a_score_or_embedding_neither_learns_nor_teaches() -> None:
    table = table_of([np.nan, 50.0, 60.0, 70.0])
    resemblance = Resemblance(("loop0", "loop1", "loop2"), alike(0, 0, 0).kernels)
    for marks in ({"loop0": "quarantine"}, {"loop3": "quarantine"}):
        taught = Feedback(table, resemblance).taught(marks)
        np.testing.assert_array_equal(taught.ranks, table["triage_rank"])
        assert not taught.shift.any() and not taught.marked
    taught = Feedback(table, resemblance).taught({"loop1": "quarantine"})
    assert taught.shift[0] == taught.shift[3] == 0 < taught.shift[2]


def test_marks_on_loops_elsewhere_teach_where_the_model_knows_them() -> None:
    table = table_of([50.0, 60.0])
    resemblance = Resemblance(("loop0", "loop1", "there"), alike(0, FAR, 0.2).kernels)
    marks = {"there": "quarantine"}
    taught = Feedback(table, resemblance, {"there": 0.1}).taught(marks)
    assert taught.marked == ("there",) and taught.because.tolist() == [0, -1]
    assert taught.shift[0] > 0.005 > taught.shift[1]
    assert Feedback(table, resemblance).taught(marks).marked == ()


def test_the_reason_is_the_nearest_mark_of_the_same_direction() -> None:
    table = table_of([50.0, 50.0, 90.0, 50.0, 90.0, 50.0])
    resemblance = alike(0, 0.3, 0.6, FAR, FAR + 0.4, 2 * FAR)
    taught = Feedback(table, resemblance).taught({"loop0": "quarantine", "loop2": "keep", "loop4": "keep"})
    named = [taught.marked[i] if i >= 0 else "" for i in taught.because]
    assert taught.shift[1] > 0 and named[1] == "loop0"
    assert taught.shift[3] < 0 and named[3] == "loop4"
    assert named[5] == ""


def test_the_closed_form_is_the_gaussian_process_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    coordinates = rng.normal(size=(5000, 4)).astype(np.float32)  # more than one block
    rows, residuals = rng.choice(5000, 30, replace=False), rng.uniform(-1, 1, 30)
    kernel = ConstantKernel(0.1, "fixed") * RBF(1.0, "fixed")
    reference = GaussianProcessRegressor(kernel, alpha=NOISE, optimizer=None).fit(coordinates[rows], residuals)
    found = learn([RadialKernel(coordinates)], 5000, rows, residuals, trust=1.0)
    expected, deviation = reference.predict(coordinates, return_std=True)
    np.testing.assert_allclose(found.shift, expected, atol=1e-5)
    np.testing.assert_allclose(found.unsure, deviation**2 / 0.1, atol=1e-4)
    half = learn([RadialKernel(coordinates)], 5000, rows, residuals, trust=0.5)
    np.testing.assert_array_equal(half.unsure, found.unsure)  # what was heard was heard, however much it counts


def test_kernels_add_up_and_say_nothing_of_what_they_do_not_know() -> None:
    rng = np.random.default_rng(0)
    sound, moment = rng.normal(size=(2, 40, 3)).astype(np.float32)
    moment[10] = np.nan
    rows, residuals = np.array([0, 1, 2]), np.array([1.0, -1.0, 1.0])
    both = learn([RadialKernel(sound), RadialKernel(moment, 0.05)], 40, rows, residuals).shift
    K = RadialKernel(sound).between(slice(None), np.arange(40)) + RadialKernel(moment, 0.05).between(
        slice(None), np.arange(40)
    )
    expected = K[:, rows] @ np.linalg.solve(K[np.ix_(rows, rows)] + NOISE * np.eye(3), residuals)
    np.testing.assert_allclose(both, expected, atol=1e-6)
    assert not RadialKernel(moment).between(np.array([10]), np.arange(40)).any()


def test_how_sure_marks_make_one_is_said_of_what_is_known_of_the_loop_itself() -> None:
    """Two loops that sound like the marked one, of which one has no moments: that is as surely told by its sound."""
    sound, moment = np.zeros((2, 3, 1), np.float32)
    sound[2] = moment[1:] = np.nan
    found = learn([RadialKernel(sound), RadialKernel(moment)], 3, np.array([0]), np.array([1.0]))
    K = 0.1
    expected = [1 - 2 * K / (2 * K + NOISE), 1 - K / (2 * K + NOISE), 1]
    np.testing.assert_allclose(found.unsure, expected, atol=1e-6)


def test_marks_are_heard_beyond_the_first_64() -> None:
    table = table_of([50.0] * 100)
    taught = Feedback(table, alike(*(FAR * i for i in range(100)))).taught({f"loop{i}": "keep" for i in range(99)})
    assert (taught.unsure[:99] < 0.9).all() and taught.unsure[99] > 0.99


def test_the_kernel_of_embeddings_knows_no_unit_and_no_order_of_loops() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 30)).astype(np.float32)
    everything, order = np.arange(60), rng.permutation(60)
    K = embedding_kernel(X).between(everything, everything)
    np.testing.assert_allclose(np.diag(K), 0.1, rtol=1e-4)
    assert 0 < np.median(K) < 0.02
    np.testing.assert_allclose(embedding_kernel(1000 * X + 5).between(everything, everything), K, atol=1e-4)
    np.testing.assert_allclose(
        embedding_kernel(X[order]).between(everything, everything), K[np.ix_(order, order)], atol=1e-5
    )


@pytest.mark.parametrize("X", [np.ones((5, 8)), np.zeros((1, 8)), np.eye(2, 8)], ids=["equal", "one", "two"])
def test_few_or_equal_loops_have_a_kernel_too(X: np.ndarray) -> None:
    values = embedding_kernel(X.astype(np.float32)).between(slice(None), np.arange(len(X)))
    assert np.isfinite(values).all() and np.allclose(np.diag(values), 0.1)


def test_coordinates_are_in_median_distances_and_unknown_loops_stay_unknown() -> None:
    placed = np.array([[0.0], [10.0], [np.nan], [20.0]], np.float32)
    np.testing.assert_allclose(scaled(placed, reach=0.5), [[0], [2], [np.nan], [4]])


def test_a_move_is_said_with_its_places_and_its_reason_where_the_marks_made_it() -> None:
    none, ranks = np.array([-1, -1]), np.array([2, 9])
    taught = Taught(ranks, np.zeros(2), np.zeros(2), np.array([0.3, -0.3]), ("there",), none, np.ones(2))
    assert moved_in_words(taught, 0, 1200, "kick.wav", "quarantine") == (
        "Your marks moved it up from place 1,200 to 2: it sounds like kick.wav, which you quarantined."
    )
    assert moved_in_words(taught, 1, 4, "", "keep") == (
        "Your marks moved it down from place 4 to 9: it sounds like a loop of the model's library, which you kept."
    )
    assert moved_in_words(taught, 0, 2, "kick.wav", "quarantine") == "", "it stands where it stood"
    assert moved_in_words(taught, 0, 1, "kick.wav", "quarantine") == "", "others rose more"
    assert moved_in_words(taught, 0, 9, "kick.wav", None) == "", "the mark has just been taken back"


def test_evidence_and_score_stay_on_their_scale_however_many_marks_agree() -> None:
    table = table_of([100.0] * 150 + [0.0] * 150)
    marks = {f"loop{i}": "quarantine" for i in range(100)} | {f"loop{i}": "keep" for i in range(150, 250)}
    marks |= {"loop299": "quarantine"}  # one among the kept ones
    taught = Feedback(table, alike(*[0.0] * 140, *[0.5] * 10, *[FAR] * 150)).taught(marks)
    for values in (taught.evidence, taught.score):
        assert values.min() >= 0 and values.max() <= 1
    pulled = Feedback(table_of([50.0, 1.0, 100.0]), alike(0, 0, 0)).taught({"loop0": "keep", "loop2": "keep"})
    assert table_of([50.0, 1.0, 100.0])["detector_evidence"][1] + pulled.shift[1] < 0 == pulled.evidence[1]


def test_no_reason_is_given_for_a_small_shift_or_by_a_loop_that_hardly_sounds_alike() -> None:
    table = table_of([10.0] * 80)
    resemblance = alike(0, 1.0, 1.4, *(FAR * i for i in range(1, 78)))
    many_marks = {f"loop{i}": "quarantine" for i in range(3, 80)}
    taught = Feedback(table, resemblance).taught(many_marks | {"loop0": "quarantine"})
    assert taught.shift[2] > 0.05, "it moves, and yet nobody would hear why"
    assert taught.because[1] == taught.marked.index("loop0") and taught.because[2] == -1
    kept = Feedback(table, resemblance).taught({"loop0": "keep"})
    assert 0 < abs(kept.shift[1]) < 0.004 and kept.because[1] == -1


def test_a_mark_elsewhere_without_an_embedding_teaches_nothing() -> None:
    taught = Feedback(table_of([50.0, 60.0]), alike(0, FAR), {"there": 0.1}).taught({"there": "quarantine"})
    assert taught.marked == () and not taught.shift.any()
