"""What a model's card keeps of the marks on its loops, and what of anybody's card is believed."""

import numpy as np
import pytest

from loopscope.analysis.feedback import Feedback
from loopscope.analysis.marked import FIRST, Marked, newly_first
from loopscope.store.records import Mark
from tests.test_feedback import FAR, alike, table_of

KEPT = Marked(keep=2, quarantine=1, love=0, last="2026-11-22T10:00:00+00:00", newly_first=3)


def test_marks_are_counted_by_kind_and_dated_by_the_last() -> None:
    marks = [Mark("keep", "", 0.0), Mark("keep", "", 60.0), Mark("quarantine", "", 30.0), Mark(None, "a note", 99.0)]
    found = Marked.of(marks, 0)
    assert found is not None
    assert (found.keep, found.quarantine, found.love, found.last) == (2, 1, 0, "1970-01-01T00:01:00+00:00")
    assert Marked.of([Mark(None, "a note", 99.0)], 0) is None
    assert Marked.read({"marks": found.written()}) == found
    assert KEPT.sentence == (
        "Saved with 3 marks on its loops (2 kept, 1 quarantined), the last of 2026-11-22. They put 3 other loops among "
        "the first 20."
    )


@pytest.mark.parametrize(
    "said",
    [None, [], "3 marks", {}, {"keep": 1}, *({**KEPT.written(), **wrong} for wrong in (
        {"keep": -1}, {"keep": "1"}, {"last": "yesterday"}, {"last": 5}, {"more": 1}, {"newly_first": 10**9}
    ))],
)  # fmt: skip
def test_a_card_that_says_something_else_says_nothing_of_marks(said: object) -> None:
    assert Marked.read({"marks": said}) is None
    assert Marked.read(said) is None


def test_what_marks_put_first_are_loops_that_were_not() -> None:
    n = 3 * FIRST
    table = table_of(list(np.linspace(90, 10, n)))
    resemblance = alike(*(FAR * i for i in range(n - 1)), FAR * 30.1)
    taught = Feedback(table, resemblance).taught({f"loop{30}": "quarantine", **{f"loop{i}": "keep" for i in range(12)}})
    before = table["triage_rank"].to_numpy()
    now, then = ({i for i in range(n) if ranks[i] <= FIRST} for ranks in (taught.ranks, before))
    assert 30 in now - then, "it is marked, so nobody is told that marks on others put it there"
    assert newly_first(taught, table) == len(now - then - {30}) > 0
    assert newly_first(Feedback(table, resemblance).taught({}), table) == 0
