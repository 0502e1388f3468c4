"""The parent's side of a child process: it is asked, it answers, and if it dies the next question starts another.

A question and its answer are a line of JSON each. Which module of ours answers is the caller's choice; what runs it is
`children.run`.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import loopscope
from loopscope.children.run import READY
from loopscope.errors import LibraryError

Answer = dict[str, Any]
# Signals that say nothing of the file: a system short of memory, Ctrl-C or a service manager that ends all it started.
KILLED = {int(getattr(signal, name)) for name in ("SIGKILL", "SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)}


@dataclass(frozen=True)
class Death:
    """How a child ended instead of answering: its exit status, None where it was closed before it was asked."""

    status: int | None

    @property
    def was_closed(self) -> bool:
        """Nobody wanted the answer any more."""
        return self.status is None

    @property
    def took_too_long(self) -> bool:
        """It was ended by its own timer."""
        return self.status == -getattr(signal, "SIGALRM", 0)

    @property
    def was_killed(self) -> bool:
        """By a system short of memory, or by somebody."""
        return self.status is not None and -self.status in KILLED


class Child:
    """One child process, started at the first question and again after each death."""

    def __init__(self, module: str, niceness: int = 0) -> None:
        """`module` has `answer_to(question) -> answer`; `niceness` is how far it stands back behind other work."""
        self._module, self._niceness = module, niceness
        self._process: subprocess.Popen[str] | None = None
        self._starting = threading.Lock()
        self._closed = False

    def ask(self, question: Mapping[str, Any], seconds: float) -> Answer | Death:
        """The answer, if it comes within `seconds`. Raises LibraryError if no process starts."""
        with self._starting:
            if self._closed:
                return Death(None)
            is_new = self._process is None
            process = self._process = self._process or _started(self._module, self._niceness)
        if is_new and not _is_up(process):  # asked without the lock: whoever closes does not wait for its imports
            death = self._buried(process)
            if death.was_closed:
                return death
            raise LibraryError(f"The process that reads files ended while starting (status {death.status}).")
        answer = _ask(process, [seconds, question])
        return self._buried(process) if answer is None else answer

    def close(self) -> None:
        """End the process at once, also while another thread waits for its answer; none is started again."""
        with self._starting:
            self._closed = True
            if self._process is not None:
                self._process.kill()
                _reap(self._process)

    def _buried(self, process: subprocess.Popen[str]) -> Death:
        status = process.wait()
        with self._starting:
            _reap(process)
            self._process = None
            return Death(None if self._closed else status)


def _started(module: str, niceness: int) -> subprocess.Popen[str]:
    package_home = str(Path(loopscope.__file__).resolve().parents[1])
    search = os.pathsep.join(filter(None, (package_home, os.environ.get("PYTHONPATH"))))
    try:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "loopscope.children.run", module, str(niceness)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="ascii",
            process_group=0,  # Ctrl-C is for us alone: we end the process once what it found is kept
            env={**os.environ, "PYTHONPATH": search, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
    except OSError as error:
        raise LibraryError(f"The process that reads files cannot be started: {error.strerror}.") from error


def _is_up(process: subprocess.Popen[str]) -> bool:
    """Waits until the child says so; otherwise it is ended."""
    try:
        if process.stdout is not None and process.stdout.readline() == READY:
            return True
    except (OSError, ValueError):  # a stream that `close` closed
        pass
    process.kill()
    return False


def _ask(process: subprocess.Popen[str], asked: Any) -> Answer | None:
    """None where the process died."""
    if process.stdin is None or process.stdout is None:
        return None
    try:
        process.stdin.write(json.dumps(asked) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        answer: Answer | None = json.loads(line) if line.endswith("\n") else None
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
