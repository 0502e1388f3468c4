"""Inspect many files in child processes: parallel, bounded in time and memory, and safe from crashing decoders.

The files of a scan are suspects: nobody has opened them yet. Each is hashed and decoded once in a worker process; a
worker that dies or takes too long becomes that file's reason and is replaced. Files that passed are then decoded in the
server itself.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, Self, TypeVar

import loopscope
from loopscope.audio.inspection import Inspection
from loopscope.audio.isolation_worker import READY
from loopscope.audio.readers import AudioInfo, TransientAudioError
from loopscope.errors import AudioError, LibraryError
from loopscope.progress import StopCheck, never_stop
from loopscope.user_files import FilePath, UserFile

SECONDS_A_FILE = 60.0
QUEUED_A_WORKER = 8
# Signals that say nothing of the file: a system short of memory, Ctrl-C or a service manager that ends all it started.
KILLED = {int(getattr(signal, name)) for name in ("SIGKILL", "SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)}
STOP_CHECK_S = 0.25  # how late a stop is noticed while a slow file is decoded

Result = Inspection | AudioError
Asked = TypeVar("Asked", bound=FilePath)


class InspectionWorker:
    """One child process, started at the first file and again after each death."""

    def __init__(self, seconds: float = SECONDS_A_FILE) -> None:
        self._seconds = seconds
        self._process: subprocess.Popen[str] | None = None
        self._starting = threading.Lock()
        self._closed = False

    def inspect(self, path: FilePath) -> Result:
        """The inspection, or the AudioError that says why the file is left out. Raises LibraryError if none starts."""
        with self._starting:
            if self._closed:
                return TransientAudioError("The scan was stopped before this file.")
            if self._process is None:
                self._process = _start(self._seconds)
            process = self._process
        answer = _ask(process, path)
        if answer is None:
            return self._cause_of_death(process)
        if "reason" in answer:
            return (TransientAudioError if answer["transient"] else AudioError)(answer["reason"])
        return Inspection(answer["loop_id"], AudioInfo(**answer["info"]))

    def close(self) -> None:
        """End the process at once, also while another thread waits for its answer; none is started again."""
        with self._starting:
            self._closed = True
            if self._process is not None:
                self._process.kill()
                _reap(self._process)

    def _cause_of_death(self, process: subprocess.Popen[str]) -> AudioError:
        code = process.wait()
        with self._starting:
            _reap(process)
            self._process = None
        if code == -getattr(signal, "SIGALRM", 0):
            return AudioError(f"Decoding took longer than {self._seconds:.0f} s and was given up.")
        if -code in KILLED:
            return TransientAudioError("Decoding was killed; scan the folder again.")
        return AudioError(f"The decoder crashed on this file (status {code}).")


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


def _start(seconds: float) -> subprocess.Popen[str]:
    package_home = str(Path(loopscope.__file__).resolve().parents[1])
    search = os.pathsep.join(filter(None, (package_home, os.environ.get("PYTHONPATH"))))
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "loopscope.audio.isolation_worker", str(seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="ascii",
            process_group=0,  # Ctrl-C is for us alone: we end the process once what it found is kept
            env={**os.environ, "PYTHONPATH": search, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
    except OSError as error:
        raise LibraryError(f"The process that checks files cannot be started: {error.strerror}.") from error
    if process.stdout is None or process.stdout.readline() != READY:
        process.kill()
        _reap(process)
        raise LibraryError(f"The process that checks files ended while starting (status {process.returncode}).")
    return process


def _ask(process: subprocess.Popen[str], path: FilePath) -> dict[str, Any] | None:
    """None where the process died."""
    if process.stdin is None or process.stdout is None:
        return None
    root = (path.root if isinstance(path, UserFile) else None) or ""
    try:
        process.stdin.write(f"{os.fsencode(path).hex()} {os.fsencode(root).hex()}\n")
        process.stdin.flush()
        line = process.stdout.readline()
        answer: dict[str, Any] | None = json.loads(line) if line.endswith("\n") else None
    except (OSError, ValueError):  # a broken pipe, or a stream that `close` closed
        return None
    return answer


def _reap(process: subprocess.Popen[str]) -> None:
    """Collect a process that has been told to end, and close our side of its pipes."""
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with suppress(OSError):  # what was still to be written went to a dead process
                stream.close()
