"""Worker tasks: results, one-sentence errors, cancelling, rates, one of a kind at a time."""

import threading
import time
from dataclasses import replace

import pytest

from loopscope.errors import AudioError, Cancelled
from loopscope.progress import EpochReport, Progress
from loopscope.ui.components import task_line
from loopscope.ui.projects.tasks import Task, TaskBoard


def wait(task: Task) -> None:
    deadline = time.monotonic() + 10
    while task.running and time.monotonic() < deadline:
        time.sleep(0.005)
    assert not task.running
    for thread in threading.enumerate():  # an exception surfaces after the task's end, and belongs to this test
        if thread.name.startswith("loopscope-"):
            thread.join(5)


def test_a_result_arrives_and_the_clock_stops() -> None:
    task = TaskBoard().start("scan", "Scanning", lambda task: 42)
    wait(task)
    assert (task.state, task.result, task.error) == ("done", 42, "")
    assert task.seconds == task.seconds


def test_an_error_of_ours_is_its_sentence() -> None:
    def work(task: Task) -> None:
        raise AudioError("x.wav is empty; record it again.")

    task = TaskBoard().start("scan", "Scanning", work)
    wait(task)
    assert (task.state, task.error) == ("failed", "x.wav is empty; record it again.")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_unforeseen_error_ends_the_task_and_hides_its_text() -> None:
    def work(task: Task) -> None:
        raise RuntimeError("secret detail")

    task = TaskBoard().start("scan", "Scanning", work)
    wait(task)
    assert task.state == "failed"
    assert "secret" not in task.error


def test_cancelling_reaches_the_worker() -> None:
    def work(task: Task) -> None:
        while not task.should_stop():
            time.sleep(0.001)
        raise Cancelled("stopped")

    board = TaskBoard()
    task = board.start("embed", "Embedding", work)
    board.cancel_all()
    wait(task)
    assert task.state == "cancelled"


def test_one_of_a_kind_at_a_time() -> None:
    gate = threading.Event()
    board = TaskBoard()
    first = board.start("train", "Training", lambda task: gate.wait(10))
    assert board.start("train", "Training", lambda task: None) is first
    gate.set()
    wait(first)
    assert board.start("train", "Training", lambda task: None) is not first


def test_rate_and_time_left_follow_the_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    task = Task("Embedding")
    for done in (0, 10, 20):
        task.on_progress(Progress("embed", done, 100))
        now[0] += 2.0
    assert task.rate == pytest.approx(5.0)
    assert task.seconds_left == pytest.approx(16.0)
    task.on_progress(Progress("another stage", 0, 50))
    assert task.rate is None


def test_training_moves_the_bar_through_both_phases() -> None:
    task = Task("Training")
    shares = []
    for phase in ("pretrain", "finetune"):
        for epoch in (1, 2):
            task.on_epoch(EpochReport(phase, epoch, 2, 1.0, 1.0))
            assert task.progress is not None
            shares.append(task.progress.done / task.progress.total)
    assert shares == [0.25, 0.5, 0.75, 1.0]
    assert task.progress.stage == "Training, phase 2 of 2"
    assert "at most" in task_line(replace(task, _samples=[(0.0, 2), (1.0, 3)], progress=replace(task.progress, done=3)))
