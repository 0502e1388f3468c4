"""Long work in worker threads that never call Streamlit; pages poll a `Task` from `run_every` fragments.

Times are seconds of `time.monotonic`. A task belongs to a project, whatever tabs look on: it ends when it is done,
cancelled, or the server stops.
"""

import datetime
import itertools
import logging
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from loopscope.errors import Cancelled, LoopscopeError
from loopscope.progress import EpochReport, Progress, training_progress
from loopscope.ui.server.memory import collect_and_freeze

log = logging.getLogger(__name__)
RATE_WINDOW_S = 20.0
FAILURES_KEPT = 20
WAIT_S = 0.02  # between two looks whether the task before has ended
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Failure:
    """What went wrong in a task: `when` as ISO time, `error` the sentence, with the traceback of unforeseen errors."""

    when: str
    title: str
    error: str


@dataclass
class Task:
    """One piece of work, seen from outside: `state` is "running", "done", "cancelled" or "failed"."""

    title: str
    state: str = "running"
    result: Any = None
    error: str = ""
    progress: Progress | None = None
    history: list[EpochReport] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)
    ended: float | None = None
    number: int = field(default_factory=lambda: next(_numbers))  # tells it from every other
    _stop: threading.Event = field(default_factory=threading.Event, repr=False)
    _samples: list[tuple[float, int]] = field(default_factory=list, repr=False)

    def on_progress(self, report: Progress) -> None:
        """Keeps the latest report and a short window of counts for the rate."""
        now = time.monotonic()
        if self.progress is None or self.progress.stage != report.stage:
            self._samples = []
        recent = [sample for sample in self._samples if now - sample[0] < RATE_WINDOW_S]
        self._samples = [*recent, (now, report.done)]
        self.progress = report

    def on_epoch(self, report: EpochReport) -> None:
        """Appends one epoch to the live curves and moves the bar."""
        self.history.append(report)
        self.on_progress(training_progress(report))

    def should_stop(self) -> bool:
        """Whether the user asked for an end."""
        return self._stop.is_set()

    def cancel(self) -> None:
        """Asks the worker to end at its next safe point."""
        self._stop.set()

    @property
    def running(self) -> bool:
        """Whether the worker is still at it."""
        return self.state == "running"

    @property
    def done(self) -> bool:
        """Whether the worker came to its end and `result` is there."""
        return self.state == "done"

    @property
    def seconds(self) -> float:
        """Time since the start, or the whole time once ended."""
        return (self.ended or time.monotonic()) - self.started

    @property
    def share(self) -> float:
        """How much of it is done, 0 to 1."""
        report = self.progress
        if report is None:
            return 0.0
        if report.share is not None:
            return min(1.0, report.share)
        return min(1.0, report.done / report.total) if report.total else 0.0

    @property
    def rate(self) -> float | None:
        """Items per second over the last seconds, None before two reports."""
        if len(self._samples) < 2:
            return None
        (first, done), (last, now_done) = self._samples[0], self._samples[-1]
        return (now_done - done) / (last - first) if last > first and now_done > done else None

    @property
    def seconds_left(self) -> float | None:
        """What the work says itself, else an estimate from the recent rate, None while it cannot be told."""
        if self.progress is not None and self.progress.seconds_left is not None:
            return self.progress.seconds_left
        if self.progress is None or not self.progress.total or self.rate is None:
            return None
        return max(0, self.progress.total - self.progress.done) / self.rate


class TaskBoard:
    """The tasks of one project, by kind ("walk", "train" …); one of a kind at a time."""

    def __init__(self) -> None:
        self._tasks: dict[str, Task] = {}
        self._failures: deque[Failure] = deque(maxlen=FAILURES_KEPT)
        self._lock = threading.Lock()
        self.n_ended = 0

    def get(self, kind: str) -> Task | None:
        """The latest task of this kind."""
        return self._tasks.get(kind)

    def running(self, kind: str) -> bool:
        """Whether a task of this kind is at work."""
        task = self.get(kind)
        return task is not None and task.running

    def present(self) -> Task | None:
        """The running task that began last."""
        running = [task for task in list(self._tasks.values()) if task.running]
        return max(running, key=lambda task: task.number, default=None)

    def any_running(self, besides: Task | None = None) -> bool:
        """Whether anything is at work, or anything `besides` this task."""
        return any(task.running for task in list(self._tasks.values()) if task is not besides)

    def start(self, kind: str, title: str, work: Callable[[Task], Any], instead_of: Task | None = None) -> Task:
        """Runs `work(task)` in a thread, or returns the one of this kind that still runs.

        That one is cancelled where it is the one that this comes `instead_of`, and its end is waited for in the thread.
        """
        with self._lock:
            present = self._tasks.get(kind)
            if present is not None and present.running:
                if present is not instead_of:
                    return present
                present.cancel()
            task = self._tasks[kind] = Task(title)
        threading.Thread(target=self._run, args=(task, work, present), name=f"loopscope-{kind}", daemon=True).start()
        return task

    def _run(self, task: Task, work: Callable[[Task], Any], earlier: Task | None) -> None:
        while earlier is not None and earlier.running:
            time.sleep(WAIT_S)
        try:
            _run(task, work, self._failures.append)
        finally:
            with self._lock:
                self.n_ended += 1

    def failures(self) -> tuple[Failure, ...]:
        """What failed, oldest first."""
        return tuple(self._failures)

    def cancel_all(self) -> None:
        """The project is forgotten, or the server stops."""
        for task in list(self._tasks.values()):
            task.cancel()


def _run(task: Task, work: Callable[[Task], Any], on_failure: Callable[[Failure], None]) -> None:
    state, details = "failed", ""
    collect_and_freeze()
    try:
        task.result = work(task)
        state = "done"
    except Cancelled as stopped:
        state, task.error = "cancelled", str(stopped)
    except LoopscopeError as error:
        task.error = str(error)
    except MemoryError:
        task.error = (
            f"{task.title} ran out of memory; close other programs or choose a smaller folder, then start again."
        )
    finally:
        # An unforeseen error still ends the task (its traceback goes to the server log through threading's hook).
        if state == "failed" and not task.error:
            task.error = f"{task.title} ended unexpectedly; Diagnostics has the details, please report it."
            details = "".join(traceback.format_exception(sys.exception()))
        if state == "failed":
            now = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
            on_failure(Failure(now, task.title, f"{task.error}\n{details}".strip()))
        task.ended = time.monotonic()
        task.state = state
        level = logging.WARNING if state == "failed" else logging.INFO
        log.log(level, "%s: %s after %.1f s", task.title, state, task.seconds)
        collect_and_freeze()
