"""The quality checks tell sound models from broken ones."""

import numpy as np
import pytest

from loopscope.detection.quality import (
    Outcome,
    effective_rank,
    exceedance_by_chance,
    is_collapsed,
    mean_agreement,
    outcomes_in_words,
    quality_checks,
    rank_agreement,
    warnings_for,
)
from loopscope.detection.registry import make_detector

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("rank", [1, 2, 5])
def test_effective_rank_counts_the_directions_in_use(rank):
    latents = RNG.normal(size=(4000, rank)) @ np.linalg.qr(RNG.normal(size=(32, 32)))[0][:rank]
    assert effective_rank(latents) == pytest.approx(rank, rel=0.05)


def test_effective_rank_of_a_constant_is_zero():
    assert effective_rank(np.full((10, 32), 7.0)) == 0


def test_rank_agreement_sees_order_only():
    scores = RNG.normal(size=50)
    assert rank_agreement(scores, np.exp(scores)) == pytest.approx(1)
    assert rank_agreement(scores, -scores) == pytest.approx(-1)
    assert rank_agreement(scores, np.ones(50)) == 0
    assert mean_agreement([scores, scores, -scores]) == pytest.approx(-1 / 3)
    assert np.isnan(mean_agreement([scores])), "one training agrees with nobody"


def test_collapse_is_a_fallen_spread():
    assert is_collapsed(1.0, 1e-4)
    assert is_collapsed(1.0, float("nan"))
    assert is_collapsed(0.0, 0.0)
    assert not is_collapsed(1.0, 0.9)


GOOD = {
    "spread_before": 1.0,
    "spread_after": 0.9,
    "effective_rank": 20.0,
    "latent_size": 32.0,
    "variance_lost": 0.3,
    "variance_lost_without_skips": 0.5,
    "agreement_with_pretrained": 0.8,
    "agreement_over_seeds": 0.9,
    "held_out_exceedance": 0.05,
}


def test_a_sound_model_has_no_warnings_and_absent_measures_are_not_judged():
    assert warnings_for(GOOD) == ()
    assert warnings_for({}) == ()


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"spread_after": 1e-4}, "sphere has collapsed"),
        ({"effective_rank": 1.2}, "1.2 independent ways of 32"),
        ({"variance_lost": 0.03, "variance_lost_without_skips": 1.03}, "passes the bottleneck by"),
        ({"agreement_with_pretrained": 0.1}, "reordered the loops"),
        ({"agreement_over_seeds": 0.2}, "another seed"),
        ({"held_out_exceedance": 0.4}, "40% of the held-out loops"),
    ],
)
def test_every_check_has_its_sentence(broken, words):
    (sentence,) = warnings_for({**GOOD, **broken})
    assert words in sentence
    assert sentence.endswith(".")


def test_every_check_is_shown_with_its_limit_passed_or_not():
    judged = quality_checks(GOOD)
    assert [check.title for check in judged] == [
        "Spread after ÷ before",
        "Effective dimensions",
        "Variance lost with / without skips",
        "Agreement with the pretrained model",
        "Agreement over seeds",
        "Held-out loops above the 95th percentile",
    ]
    assert all(check.passed and check.sentence.endswith(".") and check.limit for check in judged)
    broken = quality_checks({**GOOD, "spread_after": 1e-4})
    assert [check.title for check in broken if not check.passed] == ["Spread after ÷ before"]
    assert quality_checks({}) == ()


@pytest.mark.parametrize(
    ("absent", "title", "why"),
    [
        (("spread_after",), "Spread after ÷ before", "training ended before fine-tuning"),
        (("effective_rank",), "Effective dimensions", "no numbers"),
        (("variance_lost",), "Variance lost with / without skips", "no numbers"),
        (("agreement_with_pretrained",), "Agreement with the pretrained model", "training ended before fine-tuning"),
        (("agreement_over_seeds",), "Agreement over seeds", "the model was trained once"),
    ],
)
def test_a_check_that_could_not_be_made_is_missing_and_not_passed(absent, title, why):
    measures = {name: value for name, value in GOOD.items() if name not in absent}
    judged = quality_checks(measures)
    (missing,) = [check for check in judged if check.outcome is not Outcome.PASSED]
    assert (missing.title, missing.outcome, missing.passed) == (title, Outcome.MISSING, False)
    assert why in missing.sentence and missing.sentence.endswith(".")
    assert warnings_for(measures) == ()
    assert outcomes_in_words(judged) == "5 passed, 1 not measured"


@pytest.mark.parametrize("name", ["effective_rank", "agreement_with_pretrained", "agreement_over_seeds"])
def test_a_figure_that_is_no_number_is_missing(name):
    (missing,) = [check for check in quality_checks({**GOOD, name: float("nan")}) if not check.passed]
    assert missing.outcome is Outcome.MISSING
    assert "ended before fine-tuning" not in missing.sentence


def test_outcomes_in_words():
    assert outcomes_in_words(quality_checks(GOOD)) == "all 6 passed"
    some = {**GOOD, "spread_after": 1e-4}
    assert outcomes_in_words(quality_checks(some)) == "1 not passed, 5 passed"
    del some["agreement_over_seeds"]
    assert outcomes_in_words(quality_checks(some)) == "1 not passed, 4 passed, 1 not measured"
    (undefined,) = quality_checks({"held_out_exceedance": float("nan")})
    assert (undefined.outcome, undefined.sentence) == (
        Outcome.MISSING,
        "Not measured: no loop was held out from training.",
    )


def test_checks_that_do_not_apply_are_not_called_missing():
    X = np.random.default_rng(0).normal(size=(40, 20)).astype(np.float32)
    assert [check.title for check in quality_checks(make_detector("pca").fit(X).report_.measures)] == [
        "Held-out loops above the 95th percentile"
    ]
    judged = quality_checks(make_detector("AE", "paper", max_epochs=3).fit(X).report_.measures)
    assert "Variance lost with / without skips" not in {check.title for check in judged}
    assert [check.title for check in judged if check.outcome is Outcome.MISSING] == ["Agreement over seeds"]
    once = quality_checks(make_detector("AEwRES", min_steps=5, min_passes=1, n_repeats=1).fit(X).report_.measures)
    assert [check.title for check in once if check.outcome is Outcome.MISSING] == ["Agreement over seeds"]


def test_few_held_out_loops_above_the_threshold_may_be_chance():
    few = {**GOOD, "held_out_exceedance": 5 / 24, "held_out_loops": 24.0, "training_loops": 94.0}
    assert warnings_for(few) == ()
    assert any("may be chance" in check.sentence for check in quality_checks(few))
    assert warnings_for({**few, "held_out_loops": 240.0, "training_loops": 940.0})
    assert warnings_for({**few, "held_out_exceedance": 0.5})


def test_the_chance_of_an_exceedance_is_what_drawing_gives():
    rng = np.random.default_rng(0)
    draws = rng.permuted(np.tile(np.arange(50.0), (4000, 1)), axis=1)
    held_out, training = draws[:, :10], np.sort(draws[:, 10:], axis=1)
    above = (held_out > training[:, -2, None]).sum(axis=1)  # 2 of 40 lie in the top 5 %
    for n_above in (1, 2, 4):
        expected = (above >= n_above).mean()
        assert exceedance_by_chance(n_above / 10, 10, 40) == pytest.approx(expected, abs=0.03)


def test_the_paper_recipe_collapses_and_says_so():
    X = np.random.default_rng(0).normal(size=(120, 40)).astype(np.float32)
    report = make_detector("AE", "paper", max_epochs=60).fit(X).report_
    assert report.collapsed
    assert any("collapsed" in warning for warning in report.warnings)
    assert report.measures["spread_after"] < 0.05 * report.measures["spread_before"]


def test_the_robust_recipe_keeps_its_sphere():
    X = np.random.default_rng(0).normal(size=(120, 40)).astype(np.float32)
    report = make_detector("AEwRES", min_steps=60).fit(X).report_
    assert not report.collapsed
    assert report.measures["spread_after"] > 0.2 * report.measures["spread_before"]
