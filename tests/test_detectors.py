"""What every detector promises, whatever its name and preset: ranking, invariances, edge cases, callbacks."""

import functools

import numpy as np
import pytest

from loopscope.detection.quality import Outcome, quality_checks
from loopscope.detection.registry import DETECTORS, LOCAL, detector_info, detector_names, make_detector
from loopscope.embeddings.patch_set import PatchSet
from loopscope.errors import Cancelled, DataError, ModelError
from loopscope.progress import EpochReport

N_FEATURES = 48
FAST = {
    "robust": {"min_steps": 20, "min_passes": 1},
    "paper": {"max_epochs": 15, "patience": 5},
    "local": {"steps": 40, "steps_shown": 4, "layer_sizes": (32, 16)},
}
ALL = [(info.name, preset) for info in DETECTORS for preset in info.presets]
DEEP = [(name, preset) for name, preset in ALL if detector_info(name).is_deep]


def fast(name: str, preset: str, seed: int = 0):
    detector = make_detector(name, preset, seed, **(FAST[preset] if detector_info(name).is_deep else {}))
    return WithMoments(detector) if preset == LOCAL else detector


class WithMoments:
    """A detector that hears inside the loops, given moments that follow from each row alone."""

    def __init__(self, detector):
        self.detector = detector

    def __getattr__(self, name):
        return getattr(self.detector, name)

    def fit(self, X, **options):
        self.detector.fit(X, **options, patches=moments(X))
        return self

    def anomaly_scores(self, X, encoder_id=None):
        return self.detector.anomaly_scores(X, encoder_id, moments(X))

    def latents(self, X, encoder_id=None):
        return self.detector.latents(X, encoder_id, moments(X))

    def component_scores(self, X, encoder_id=None):
        return self.detector.component_scores(X, encoder_id, moments(X))


def moments(X, n: int = 6):
    """The row itself, more and less of it; None of what no encoder gives."""
    X = np.asarray(X)
    if X.ndim != 2 or not np.issubdtype(X.dtype, np.number):
        return None
    values = (X[:, None] * np.linspace(0.7, 1.3, n)[:, None]).astype(np.float16)
    starts = np.arange(len(X) + 1) * n
    return PatchSet(tuple(map(str, range(len(X)))), values.reshape(-1, X.shape[1]), starts, "maker-1", 0.1)


def loops(n: int = 60, seed: int = 0) -> np.ndarray:
    """Embeddings on a curved three-dimensional sheet with some noise, as pretrained encoders give them."""
    rng = np.random.default_rng(seed)
    causes = rng.normal(size=(n, 3))
    mixing = np.random.default_rng(99).normal(size=(6, N_FEATURES))
    return (np.hstack([causes, np.tanh(causes)]) @ mixing + 0.3 * rng.normal(size=(n, N_FEATURES))).astype(np.float32)


@functools.cache
def fitted(name: str, preset: str):
    """Fitted on `loops()` of an encoder named clap, by whichever test asks first; none of them changes it."""
    return fast(name, preset).fit(loops(), encoder_id="clap")


@functools.cache
def fitted_with_outlier(name: str, preset: str):
    """Fitted on `with_outlier()`."""
    return fast(name, preset).fit(with_outlier())


def with_outlier(n: int = 60) -> np.ndarray:
    X = loops(n)
    X[7] = 6 * np.random.default_rng(5).normal(size=N_FEATURES)
    return X


@pytest.mark.parametrize(
    ("name", "preset"),
    # The other detectors of preset "paper" score in sample: what they learnt by heart they cannot rank.
    [(n, "robust") for n in detector_names()] + [("isolation-forest", "paper")],
)
def test_a_planted_outlier_in_the_training_data_ranks_first(name, preset):
    assert fitted_with_outlier(name, preset).scores_.argmax() == 7


@pytest.mark.parametrize(("name", "preset"), [(n, "robust") for n in detector_names()])
def test_new_outliers_score_above_new_normals(name, preset):
    detector = fitted(name, preset)
    normal, odd = loops(40, seed=1), 6 * np.random.default_rng(2).normal(size=(10, N_FEATURES))
    assert detector.anomaly_scores(odd).min() > np.percentile(detector.anomaly_scores(normal), 90)


@pytest.mark.parametrize(("name", "preset"), ALL)
def test_scores_do_not_depend_on_the_order_of_the_rows(name, preset):
    X = with_outlier()
    order = np.random.default_rng(3).permutation(len(X))
    first, second = fitted_with_outlier(name, preset), fast(name, preset).fit(X[order])
    np.testing.assert_array_equal(first.scores_[order], second.scores_)
    np.testing.assert_array_equal(first.split_[order], second.split_)
    np.testing.assert_array_equal(first.latents_[order], second.latents_)
    np.testing.assert_allclose(first.anomaly_scores(X)[order], second.anomaly_scores(X[order]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "preset"), ALL)
def test_same_seed_same_scores_other_seed_other_scores(name, preset):
    X = loops()
    first, again, other = fitted(name, preset).scores_, *(fast(name, preset, seed).fit(X).scores_ for seed in (0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(("name", "preset"), ALL)
def test_the_contract_of_shapes(name, preset):
    X = loops(50)
    ids = [f"loop{i}" for i in range(50)]
    detector = fast(name, preset).fit(X, loop_ids=ids, encoder_id="some-encoder")
    assert (detector.name, detector.preset, detector.encoder_id) == (name, preset, "some-encoder")
    assert detector.loop_ids_ == tuple(ids)
    assert detector.scores_.shape == detector.split_.shape == (50,)
    assert np.isfinite(detector.scores_).all()
    assert set(detector.split_) == {"train", "validation"}
    assert (detector.split_ == "validation").sum() == 10
    assert detector.latents_.shape == detector.latents(X).shape
    assert len(detector.reference_scores_) == 40
    assert (np.diff(detector.reference_scores_) >= 0).all()
    assert all(part.shape == (50,) for part in detector.components_.values())
    assert detector.report_.seconds > 0


@pytest.mark.parametrize(("name", "preset"), ALL)
def test_copies_of_a_loop_share_its_side_of_the_split_and_its_score(name, preset):
    X = loops(40)
    doubled = np.concatenate([X, X[:10], X[:10]])
    detector = fast(name, preset).fit(doubled)
    for copies in (slice(40, 50), slice(50, 60)):
        np.testing.assert_array_equal(detector.split_[:10], detector.split_[copies])
        np.testing.assert_allclose(detector.scores_[:10], detector.scores_[copies], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "preset"), ALL)
def test_fewer_loops_than_a_batch_and_a_constant_feature(name, preset):
    X = loops(12)
    X[:, 5] = 0.25
    X[:, 6] = 0
    detector = fast(name, preset).fit(X)
    assert np.isfinite(detector.scores_).all()
    assert np.isfinite(detector.anomaly_scores(loops(3, seed=4))).all()


@pytest.mark.parametrize(("name", "preset"), ALL)
@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.ones((40, 8)), "1 different embeddings among 40 loops"),
        (loops(3), "3 different embeddings among 3 loops"),
        (np.where(np.arange(400).reshape(40, 10) == 123, np.nan, np.arange(400).reshape(40, 10)), "first: row 12"),
        (np.full((40, 8), np.inf), "40 of 40 embeddings are not finite"),
        (np.zeros(40), r"shape \(40,\)"),
        (np.zeros((0, 8)), "0 different embeddings"),
        (np.array([["a"] * 8] * 40), "type <U1"),
    ],
)
def test_what_cannot_be_learnt_from_is_one_sentence(name, preset, X, message):
    with pytest.raises(DataError, match=message) as caught:
        fast(name, preset).fit(X)
    assert str(caught.value).endswith(".")


def test_loop_ids_must_be_one_per_row_and_different():
    with pytest.raises(DataError, match="39 loop ids were given for 40 embeddings"):
        fast("knn", "robust").fit(loops(40), loop_ids=["a"] * 39)
    with pytest.raises(DataError, match="1 of 40 loop ids are repeated"):
        fast("knn", "robust").fit(loops(40), loop_ids=[*map(str, range(39)), "0"])


@pytest.mark.parametrize(("name", "preset"), ALL)
def test_embeddings_of_another_encoder_are_refused(name, preset):
    detector = fitted(name, preset)
    for score in (detector.anomaly_scores, detector.latents):
        with pytest.raises(ModelError, match="fitted on embeddings of clap, these are of aisfx"):
            score(loops(5), encoder_id="aisfx")
        with pytest.raises(ModelError, match="fitted on 48 features but these embeddings have 7"):
            score(np.ones((5, 7)))


def test_scoring_before_fitting_says_so():
    with pytest.raises(ModelError, match="has not been fitted"):
        make_detector("AE").anomaly_scores(loops(5))


def test_unknown_names_presets_and_options_are_refused():
    with pytest.raises(DataError, match="no detector named 'svm'"):
        make_detector("svm")
    with pytest.raises(DataError, match="no preset named 'fast'"):
        make_detector("AE", "fast")
    for name in ("AE", "knn"):
        with pytest.raises(DataError, match="does not take these options"):
            make_detector(name, depth=3)


@pytest.mark.parametrize(("name", "preset"), DEEP)
def test_every_epoch_is_reported_as_it_ends(name, preset):
    seen: list[EpochReport] = []
    detector = fast(name, preset).fit(loops(), on_epoch=seen.append)
    assert tuple(seen) == detector.report_.history
    assert detector.report_.epochs == len(seen)
    assert [report.phase for report in seen] == sorted((report.phase for report in seen), reverse=True)
    assert {report.phase for report in seen} == {"pretrain", "finetune"}
    assert all(np.isfinite([report.train_loss, report.validation_loss, report.spread]).all() for report in seen)


def stopped_after(n_epochs: int, name: str, preset: str):
    """Fitted on `loops()` until the stop after so many epochs."""
    seen: list[EpochReport] = []
    return fast(name, preset).fit(loops(), on_epoch=seen.append, should_stop=lambda: len(seen) >= n_epochs)


def asked(name: str, preset: str, last: int | None = None):
    """A detector that was told to stop at the `last` time it asked before its first epoch, and how often it asked."""
    detector, epochs, n = fast(name, preset), [], 0

    def should_stop() -> bool:
        nonlocal n
        n += not epochs
        return last is not None and n >= last

    try:
        detector.fit(loops(), on_epoch=epochs.append, should_stop=should_stop)
    except Cancelled:
        assert last is not None and not epochs
    return detector, n


@pytest.mark.parametrize(("name", "preset"), ALL)
def test_a_stop_is_heard_between_all_steps_and_leaves_no_half_model(name, preset):
    _, n_asked = asked(name, preset)
    steps = 1 if preset == "paper" else 5 + 5 if not detector_info(name).is_deep else 1 + 3 + 2 + 2 * 5
    assert n_asked >= steps, "fitting and scoring of each fold; neighbours, density, whitening of each member"
    for last in sorted({1, 2, n_asked // 2, n_asked}):
        stopped, n = asked(name, preset, last)
        assert n >= last
        with pytest.raises(ModelError, match="has not been fitted"):
            _ = stopped.scores_


def test_what_an_earlier_fit_left_is_not_mixed_with_a_stopped_one():
    detector = fast("knn", "robust").fit(loops())
    with pytest.raises(Cancelled):
        detector.fit(with_outlier(), should_stop=lambda: True)
    with pytest.raises(ModelError, match="has not been fitted"):
        detector.anomaly_scores(loops(3))


@pytest.mark.parametrize(("name", "preset"), DEEP)
def test_a_stop_in_the_middle_of_an_epoch_does_not_count_it(name, preset):
    seen, asks = [], []
    detector = fast(name, preset)
    detector.fit(loops(), on_epoch=seen.append, should_stop=lambda: bool(seen) and (asks.append(1) or len(asks) > 2))
    assert len(detector.report_.history) == len(seen) < 3
    assert not detector.report_.complete


@pytest.mark.parametrize(("name", "preset"), DEEP)
def test_a_stopped_training_is_scored_once_it_is_asked_for_and_that_can_be_stopped_as_well(name, preset, monkeypatch):
    placed = []
    made = fast(name, preset)
    kind, how = (type(made.detector), "_latents_of") if preset == LOCAL else (type(made), "_latents")
    latents = getattr(kind, how)
    monkeypatch.setattr(kind, how, lambda self, *heard: placed.append(len(heard)) or latents(self, *heard))
    detector = stopped_after(2, name, preset)
    assert "Training was stopped after 2 of" in detector.unfinished
    assert not placed, "nothing is scored"
    reports, n_stops = [], 0
    while detector.unfinished:
        left = iter(range(n_stops + 1))  # one step farther each time
        try:
            detector.finish(reports.append, should_stop=lambda left=left: next(left, None) is None)
        except Cancelled as stopped:
            assert "can still be kept" in str(stopped)
            n_stops += 1
    assert n_stops >= (3 if preset == "robust" else 0)
    assert reports and all(0 <= report.done <= report.total for report in reports)
    np.testing.assert_array_equal(detector.scores_, stopped_after(2, name, preset).scores_)


@pytest.mark.parametrize(("name", "preset"), DEEP)
def test_a_stop_before_fine_tuning_leaves_a_usable_model_that_says_so(name, preset):
    detector = stopped_after(2, name, preset)
    report = detector.report_
    assert [epoch.phase for epoch in report.history] == ["pretrain"] * 2
    assert np.isfinite(detector.scores_).all()
    assert not report.complete
    (warning,) = [warning for warning in report.warnings if "Training was stopped" in warning]
    at_most = "at most " if preset == "paper" else ""
    planned = report.history[-1].n_epochs
    assert f"2 of {at_most}{planned} epochs of pretraining and before fine-tuning" in warning
    missing = {check.title for check in quality_checks(report.measures) if check.outcome is Outcome.MISSING}
    assert {"Spread after ÷ before", "Agreement with the pretrained model"} <= missing, "nothing to compare with"
    assert not report.collapsed


@pytest.mark.parametrize(("name", "preset"), DEEP)
def test_a_stop_while_fine_tuning_is_incomplete(name, preset):
    whole = fitted(name, preset).report_.history
    n_before = sum(epoch.phase == "pretrain" for epoch in whole)
    report = stopped_after(n_before + 1, name, preset).report_
    assert report.epochs == n_before + 1
    assert not report.complete
    assert any(
        "Training was stopped after 1 of" in warning and "of fine-tuning" in warning for warning in report.warnings
    )


@pytest.mark.parametrize(("name", "preset"), DEEP)
def test_a_stop_at_the_very_end_leaves_nothing_unfinished(name, preset):
    whole = fitted(name, preset)
    stopped = stopped_after(whole.report_.epochs, name, preset)
    assert stopped.report_.complete
    assert stopped.report_.warnings == whole.report_.warnings
    np.testing.assert_array_equal(stopped.scores_, whole.scores_)


@pytest.mark.parametrize(("name", "preset"), ALL)
def test_a_training_that_was_let_go_on_is_complete(name, preset):
    assert fitted(name, preset).report_.complete
    assert not any("stopped" in warning for warning in fitted(name, preset).report_.warnings)


@pytest.mark.parametrize(("name", "preset"), DEEP)
def test_training_leaves_the_global_random_state_alone(name, preset):
    import torch

    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    fast(name, preset).fit(loops(20))
    torch.testing.assert_close(torch.rand(3), expected)
