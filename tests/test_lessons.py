"""What the browser is told of marks: by name, in the rows of the view, and of the present marks alone."""

import gzip
import json
from collections.abc import Collection

import numpy as np
import pandas as pd
import pytest

from loopscope.analysis.triage import triage_loops
from loopscope.embeddings import EmbeddingSet
from loopscope.faults import faults_frame
from loopscope.ui.explorer.lessons import MOST_NAMED, NOWHERE, Elsewhere, Lessons, Named
from loopscope.ui.explorer.packing import PackedView, pack_view
from loopscope.ui.explorer.view import ExplorerView

N = 40


def view_of(marks: dict[str, str], elsewhere: Elsewhere = NOWHERE) -> ExplorerView:
    """Loops in clusters of ten; `marks` may change later."""
    rng = np.random.default_rng(0)
    X = (np.repeat(rng.normal(size=(4, 8)), 10, axis=0) + 0.1 * rng.normal(size=(N, 8))).astype(np.float32)
    ids, scores = tuple(f"loop{i}" for i in range(N)), rng.permutation(N).astype(float)
    known = {"loop_id": ids, "name": ids, "folder": "", "duration_s": 1.0, "score": scores, "split": "train"}
    loops = triage_loops(pd.DataFrame(known).assign(percentile=scores / N * 100), faults_frame([]))
    lessons = Lessons(loops, EmbeddingSet(ids, X, "made up"), lambda: marks, elsewhere)
    return ExplorerView("v-1", "made up", loops, X, np.ones(8), X, np.sort(scores), lessons=lessons)


def arrays_in(blob: bytes) -> dict[str, np.ndarray]:
    data = gzip.decompress(blob)
    start = 4 + int.from_bytes(data[:4], "little")
    kinds = {"i4": np.int32, "f4": np.float32}
    return {
        name: np.frombuffer(data, kinds[it["dtype"]], it["shape"][0], start + it["offset"])
        for name, it in json.loads(data[4:start]).items()
    }


def named(packed: PackedView) -> list[str]:
    ids: list[str] = json.loads(gzip.decompress(packed["table"]))["ids"]
    return ids


def test_the_lesson_that_travels_is_that_of_the_view_in_its_own_rows() -> None:
    marks = {"loop3": "quarantine", "loop25": "keep", "another folder's": "keep"}
    view = view_of(marks)
    assert view.lessons is not None
    packed, taught = pack_view(view), view.lessons.taught()
    told, ids = arrays_in(packed[view.lessons.name]), named(packed)
    row_of = {loop_id: row for row, loop_id in enumerate(view.loops["loop_id"])}
    for row, loop_id in enumerate(ids):
        place = row_of[loop_id]
        assert told["listen"][row] == taught.ranks[place]
        assert told["shift"][row] == np.float32(taught.shift[place])
        assert told["unsure"][row] == taught.unsure[place]
        expected = taught.marked[taught.because[place]] if taught.because[place] >= 0 else None
        assert (ids[told["because"][row]] if told["because"][row] >= 0 else None) == expected
    like = [ids[row] for row in np.flatnonzero(told["because"] == ids.index("loop3"))]
    assert set(like) == {f"loop{i}" for i in range(10)}


def test_a_lesson_is_named_by_the_marks_on_the_loops_of_the_view() -> None:
    marks: dict[str, str] = {}
    view = view_of(marks)
    assert view.lessons is not None
    assert view.lessons.name == ""
    marks["another folder's"] = "keep"
    assert view.lessons.name == ""
    marks["loop1"] = "keep"
    first = view.lessons.name
    assert first.startswith("taught-")
    marks["loop2"] = "quarantine"
    second = view.lessons.name
    marks["loop2"] = "keep"
    assert len({"", first, second, view.lessons.name}) == 4
    del marks["loop2"]
    assert view.lessons.name == first


def test_a_lesson_that_was_named_can_be_had_though_marks_go_on() -> None:
    """The browser asks for it a moment later; refused, it would write an error on its console."""
    marks = {"loop1": "keep"}
    view = view_of(marks)
    assert view.lessons is not None
    packed, name = pack_view(view), view.lessons.name
    first = packed[name]
    assert view.lessons.known() is not None
    marks["loop2"] = "keep"
    known = view.lessons.known()
    assert known is not None and known.marked == ("loop1", "loop2"), "a page that is drawn now says what holds now"
    assert packed[view.lessons.name] != first == packed[name]
    assert pack_view(view_of(marks))[name] == first, "nor does another version of the view refuse it"
    for unknown in ("taught-", "taught-0", "", "near-0"):
        with pytest.raises(KeyError):
            packed[unknown]
    assert name not in list(packed)


def test_only_the_last_names_are_remembered() -> None:
    known = Named()
    names = [known.name({"loop": str(i)}) for i in range(MOST_NAMED + 1)]
    assert known.marks(names[-1]) == {"loop": str(MOST_NAMED)}
    with pytest.raises(KeyError):
        known.marks(names[0])
    assert known.name({}) == ""


def test_a_lesson_is_made_once_and_anew_after_every_mark() -> None:
    marks = {"loop1": "keep"}
    lessons = view_of(marks).lessons
    assert lessons is not None and lessons.known() is None
    taught = lessons.taught()
    assert lessons.taught() is taught is lessons.known()
    marks["loop1"] = "love"
    assert lessons.taught() is not taught


def test_what_some_marks_teach_is_asked_without_the_others() -> None:
    marks = {"loop3": "quarantine", "loop25": "keep"}
    view, alone = view_of(marks), view_of({"loop3": "quarantine"})
    assert view.lessons is not None and alone.lessons is not None
    found = view.lessons.taught_by([f"loop{i}" for i in range(10)])
    assert found.marked == ("loop3",)
    np.testing.assert_array_equal(found.shift, alone.lessons.taught().shift)
    assert view.lessons.taught().marked == ("loop25", "loop3"), "and the list goes on learning from all"


def test_marks_on_the_library_of_the_model_carry_over_where_their_embeddings_are_known() -> None:
    marks = {"there": "quarantine", "there too": "keep", "nobody's": "keep"}
    asked: list[set[str]] = []

    def vectors(loop_ids: Collection[str]) -> dict[str, np.ndarray]:
        asked.append(set(loop_ids))
        plain = view_of({})
        return {"there": plain.latents[list(plain.loops["loop_id"]).index("loop12")]}

    view = view_of(marks, Elsewhere({"there": 0.1, "there too": 0.2, "unmarked": 0.9}, vectors))
    assert view.lessons is not None
    told, ids = arrays_in(pack_view(view)[view.lessons.name]), named(pack_view(view))
    assert view.lessons.taught().marked == ("there",)
    assert {ids[row] for row in np.flatnonzero(told["because"] == -2)} == {f"loop{i}" for i in range(10, 20)}
    assert set(told["because"]) == {-2, -1} and (told["shift"][told["because"] == -2] > 0).all()
    marks["loop3"] = "keep"
    view.lessons.taught()
    assert asked == [{"there", "there too"}], "built once for the same marks elsewhere"
