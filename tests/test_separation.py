"""The threshold that marks speak for, and how sure they are of it."""

import numpy as np
import pytest

from loopscope.analysis.separation import N_RESAMPLES, separation


def marked(kept: list[float], quarantined: list[float]) -> tuple[dict[str, float], dict[str, str]]:
    places = {f"k{i}": x for i, x in enumerate(kept)} | {f"q{i}": x for i, x in enumerate(quarantined)}
    return places, {loop_id: "keep" if loop_id[0] == "k" else "quarantine" for loop_id in places}


def test_marks_that_part_cleanly_put_it_half_way_between() -> None:
    found = separation(*marked([10, 60, 90], [96, 98, 99]))
    assert found is not None
    assert (found.percentile, found.right, found.n_marks) == (93.0, 1.0, 6)
    assert found.low <= 93 <= found.high


def test_it_is_the_best_of_all_percentiles() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        kept, out = list(rng.uniform(0, 95, 12)), list(rng.uniform(70, 100, 9))
        found = separation(*marked(kept, out))
        assert found is not None
        right = [
            (np.mean(np.greater(out, limit)) + np.mean(np.less_equal(kept, limit))) / 2
            for limit in np.linspace(0, 100, 5001)
        ]
        assert found.right == pytest.approx(max(right))
        own = (np.mean(np.greater(out, found.percentile)) + np.mean(np.less_equal(kept, found.percentile))) / 2
        assert own == pytest.approx(found.right)
        assert found.low <= found.percentile <= found.high


def test_more_marks_make_it_surer() -> None:
    rng = np.random.default_rng(1)
    widths = []
    for n in (6, 60, 600):
        found = separation(*marked(list(rng.normal(80, 8, n)), list(rng.normal(95, 2, n))))
        assert found is not None
        widths.append(found.high - found.low)
    assert widths[0] > 1.5 * widths[1] > 1.5 * widths[2]


def test_the_order_of_marks_changes_nothing_and_neither_does_the_day() -> None:
    places, marks = marked([50, 97, 80, 91], [95, 99, 90, 96])
    turned = dict(reversed(marks.items()))
    assert separation(places, marks) == separation(places, turned) == separation(places, marks)


def test_loved_loops_are_to_stand_out_and_what_has_no_score_says_nothing() -> None:
    places, marks = marked([10, 60, 90], [96, 98, 99])
    assert separation(places, marks | {"q0": "love", "q1": "love"}) == separation(places, marks)
    assert separation(places | {"u": np.nan}, marks | {"u": "keep", "elsewhere": "keep"}) == separation(places, marks)


@pytest.mark.parametrize(("kept", "quarantined"), [([], []), ([1, 2], [97, 98, 99]), ([1, 2, 3], [97, 98])])
def test_too_few_marks_speak_for_none(kept: list[float], quarantined: list[float]) -> None:
    assert separation(*marked(kept, quarantined)) is None


def test_marks_that_contradict_each_other_say_so() -> None:
    found = separation(*marked([91.0] * 5, [91.0] * 5))
    assert found is not None and found.right == 0.5 and N_RESAMPLES > 100
