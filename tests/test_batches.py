"""What is remembered is not computed again, what is computed is remembered, and nobody pays for another's fault."""

import threading
from collections.abc import Mapping

import pytest

from loopscope.batches import Memory, measure_loops
from loopscope.errors import AudioError, Cancelled
from loopscope.progress import Progress

LOOPS = tuple(f"loop {number}" for number in range(10))


class Kept(dict[str, int]):
    """A memory that counts the writes."""

    writes = 0

    def remember(self, results: Mapping[str, int]) -> None:
        self.writes += 1
        self.update(results)

    def memory(self) -> Memory[int]:
        return Memory(
            lambda loop_ids: {loop_id: self[loop_id] for loop_id in loop_ids if loop_id in self}, self.remember
        )


def number_of(loop_id: str) -> int:
    return int(loop_id.split()[1])


def test_only_what_is_missing_is_computed_and_all_is_kept() -> None:
    kept = Kept({"loop 3": 33, "another": 1})
    asked: list[str] = []

    def compute(loop_id: str) -> int:
        asked.append(loop_id)
        return number_of(loop_id)

    measured = measure_loops([*LOOPS, *LOOPS], compute, "Counting", kept.memory(), batch_size=4)
    assert sorted(asked) == sorted(set(LOOPS) - {"loop 3"})
    assert measured.results == {loop_id: 33 if loop_id == "loop 3" else number_of(loop_id) for loop_id in LOOPS}
    assert measured.n_computed == 9
    assert kept == measured.results | {"another": 1}
    assert kept.writes == 3
    assert measure_loops(LOOPS, compute, "Counting", kept.memory()).n_computed == 0


def test_without_a_memory_everything_is_computed() -> None:
    assert measure_loops(LOOPS, number_of, "Counting").results == {loop_id: number_of(loop_id) for loop_id in LOOPS}
    assert measure_loops((), number_of, "Counting").results == {}


def test_a_loop_that_cannot_be_read_costs_no_other_and_is_tried_again() -> None:
    kept = Kept()

    def compute(loop_id: str) -> int:
        if loop_id in {"loop 0", "loop 5"}:
            raise AudioError(f"{loop_id} is no audio.")
        return number_of(loop_id)

    for _ in range(2):
        measured = measure_loops(LOOPS, compute, "Counting", kept.memory(), batch_size=3)
        assert measured.unreadable == {"loop 0": "loop 0 is no audio.", "loop 5": "loop 5 is no audio."}
        assert kept.keys() == measured.results.keys() == set(LOOPS) - {"loop 0", "loop 5"}
    assert measured.n_computed == 2


def test_results_belong_to_their_loop_whoever_is_ready_first() -> None:
    later = threading.Event()

    def compute(loop_id: str) -> int:
        if loop_id == "loop 0":
            later.wait(5)
        else:
            later.set()
        return number_of(loop_id)

    assert measure_loops(LOOPS[:2], compute, "Counting").results == {"loop 0": 0, "loop 1": 1}


def test_what_is_reported_is_remembered() -> None:
    kept = Kept({"loop 9": 9})
    reports: list[Progress] = []

    def on_progress(report: Progress) -> None:
        reports.append(report)
        assert len(kept) == report.done

    measure_loops(LOOPS, number_of, "Counting", kept.memory(), on_progress, batch_size=4)
    assert [(report.stage, report.done, report.total) for report in reports] == [
        ("Counting", done, 10) for done in (1, 5, 9, 10)
    ]


def test_a_stop_within_a_batch_keeps_what_was_finished() -> None:
    kept = Kept()
    done: list[str] = []

    def compute(loop_id: str) -> int:
        done.append(loop_id)
        return number_of(loop_id)

    with pytest.raises(Cancelled, match=r"^Counting was stopped; what was finished is kept\.$"):
        measure_loops(LOOPS, compute, "Counting", kept.memory(), should_stop=lambda: len(done) >= 5)
    assert {"loop 0", "loop 1"} <= kept.keys() < set(LOOPS)
    assert kept.keys() <= set(done)
