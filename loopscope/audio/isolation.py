"""Inspect many files in child processes: parallel, bounded in time and memory, and safe from crashing decoders.

The files of a scan are suspects: nobody has opened them yet. Each is hashed and decoded once in a worker process; a
worker that dies or takes too long becomes that file's reason and is replaced. Files that passed are then decoded in the
server itself.
"""

import os
import queue
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import Self, TypeVar

from loopscope.audio.inspection import Inspection
from loopscope.audio.readers import AudioInfo, TransientAudioError
from loopscope.children.child import Child, Death
from loopscope.errors import AudioError
from loopscope.progress import StopCheck, never_stop
from loopscope.user_files import FilePath, UserFile

SECONDS_A_FILE = 60.0
QUEUED_A_WORKER = 8
STOP_CHECK_S = 0.25  # how late a stop is noticed while a slow file is decoded

Result = Inspection | AudioError
Asked = TypeVar("Asked", bound=FilePath)


class InspectionWorker:
    """One child process, started at the first file and again after each death."""

    def __init__(self, seconds: float = SECONDS_A_FILE) -> None:
        self._seconds = seconds
        self._child = Child("loopscope.audio.isolation_worker")

    def inspect(self, path: FilePath) -> Result:
        """The inspection, or the AudioError that says why the file is left out. Raises LibraryError if none starts."""
        root = path.root if isinstance(path, UserFile) else None
        answer = self._child.ask({"path": os.fspath(path), "root": root}, self._seconds)
        if isinstance(answer, Death):
            return self._cause(answer)
        if "reason" in answer:
            return (TransientAudioError if answer["transient"] else AudioError)(answer["reason"])
        return Inspection(answer["loop_id"], AudioInfo(**answer["info"]))

    def close(self) -> None:
        """End the process at once, also while another thread waits for its answer; none is started again."""
        self._child.close()

    def _cause(self, death: Death) -> AudioError:
        if death.was_closed:
            return TransientAudioError("The scan was stopped before this file.")
        if death.took_too_long:
            return AudioError(f"Decoding took longer than {self._seconds:.0f} s and was given up.")
        if death.was_killed:
            return TransientAudioError("Decoding was killed; scan the folder again.")
        return AudioError(f"The decoder crashed on this file (status {death.status}).")


class InspectionPool:
    """Several workers behind one iterator. Use as a context manager: leaving it ends the processes at once."""

    def __init__(self, n_workers: int, seconds: float = SECONDS_A_FILE) -> None:
        self._workers = [InspectionWorker(seconds) for _ in range(n_workers)]
        self._idle: queue.SimpleQueue[InspectionWorker] = queue.SimpleQueue()
        for worker in self._workers:
            self._idle.put(worker)
        self._threads = ThreadPoolExecutor(n_workers, thread_name_prefix="inspect")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        for worker in self._workers:
            worker.close()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def inspect_all(
        self, paths: Iterable[Asked], should_stop: StopCheck = never_stop
    ) -> Iterator[tuple[Asked, Result]]:
        """Yield (path, result) for every path, in the order in which they are finished; end early if told to stop."""
        waiting = iter(paths)
        pending: dict[Future[Result], Asked] = {}
        while not should_stop():
            for path in islice(waiting, QUEUED_A_WORKER * len(self._workers) - len(pending)):
                pending[self._threads.submit(self._inspect, path)] = path
            if not pending:
                return
            for future in wait(pending, timeout=STOP_CHECK_S, return_when=FIRST_COMPLETED).done:
                yield pending.pop(future), future.result()

    def _inspect(self, path: FilePath) -> Result:
        worker = self._idle.get()
        try:
            return worker.inspect(path)
        finally:
            self._idle.put(worker)
