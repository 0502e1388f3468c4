"""Work in a process of its own, which has all that this one has imported and takes nothing else with it."""

import contextlib
import os
import signal
import time
from collections.abc import Callable

FAILED = 99  # the status of work that raised
POLL_S = 0.01


def in_a_fork(work: Callable[[], int], limit_s: float) -> int | None:
    """The status that `work` returns in a fork, negative where a signal ended that, None where it took too long.

    Whatever the work started itself ends with it.
    """
    child = begin(work)
    until = time.monotonic() + limit_s
    try:
        while time.monotonic() < until:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                return os.waitstatus_to_exitcode(status)
            time.sleep(POLL_S)
        return None
    finally:
        end(child)


def begin(work: Callable[[], int]) -> int:
    """The process that works, the first of a group of its own."""
    child = os.fork()
    if child == 0:
        os.setsid()
        status = FAILED
        try:
            status = work()
        finally:
            os._exit(status)
    return child


def end(child: int) -> None:
    """End it, if it has not ended, and what it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(child, 0)
