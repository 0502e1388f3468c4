"""Percentile and value are two faces of one threshold."""

import doctest
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopscope.detection import thresholds
from loopscope.detection.thresholds import is_anomaly, percentile_of, threshold_at
from loopscope.errors import DataError

GOLDEN = json.loads((Path(__file__).parent / "golden" / "thresholds.json").read_text(encoding="utf-8"))


def test_the_examples_in_the_documentation_hold():
    assert doctest.testmod(thresholds).failed == 0


@given(st.sets(st.integers(-10_000, 10_000), min_size=2, max_size=60), st.floats(0, 100))
def test_percentile_of_reverses_threshold_at(reference, percentile):
    value = threshold_at(sorted(reference), percentile)
    assert percentile_of(sorted(reference), [value])[0] == pytest.approx(percentile, abs=1e-6)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.floats(0, 99), st.floats(0, 1))
def test_a_higher_percentile_never_flags_more(scores, percentile, step):
    lower, higher = threshold_at(scores, percentile), threshold_at(scores, percentile + step)
    assert is_anomaly(scores, higher).sum() <= is_anomaly(scores, lower).sum()


def test_the_95th_percentile_of_100_loops_flags_5():
    scores = np.random.default_rng(0).normal(size=100)
    threshold = threshold_at(scores, 95)
    assert is_anomaly(scores, threshold).sum() == 5
    np.testing.assert_array_equal(is_anomaly(scores, threshold), percentile_of(scores, scores) > 95)


def test_scores_beyond_the_reference_are_at_its_ends():
    assert percentile_of([1.0, 2.0], [-5, 9]).tolist() == [0, 100]
    assert percentile_of([1.0], [0.5, 1.0, 2.0]).tolist() == [0, 50, 100]


def test_equal_reference_scores_share_a_percentile():
    assert percentile_of([1.0, 2.0, 2.0, 2.0, 3.0], [2.0]).tolist() == [50]


def test_what_has_no_threshold_is_said():
    with pytest.raises(DataError, match="no training scores"):
        threshold_at([], 95)
    with pytest.raises(DataError, match=r"percentile is 101"):
        threshold_at([1.0], 101)


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["name"])
def test_the_rule_is_the_explorers_to_the_last_bit(case):
    """tests/javascript/thresholds.test.js asks the same of the browser's side."""
    scores = np.array(case["scores"])
    for percentile, value, flagged in zip(GOLDEN["percentiles"], case["thresholds"], case["flagged"], strict=True):
        threshold = threshold_at(case["reference"], percentile)
        assert threshold == value
        assert np.flatnonzero(is_anomaly(scores, threshold)).tolist() == flagged
    if case["percentiles_of_scores"]:
        found = percentile_of(case["reference"], scores)
        np.testing.assert_allclose(found, case["percentiles_of_scores"], rtol=0, atol=1e-9)
