"""What runs in a child process, so that a file that brings a decoder down takes nothing else with it.

Started by `children.child` as `python -m loopscope.children.run MODULE NICENESS`. A first line on standard output says
that the process is up; then one line comes in on standard input (JSON: seconds, question) and one goes out (JSON: what
the module's `answer_to` says). A timer ends the process when one answer takes longer than that, even if the parent is
gone; the end of standard input ends it too.
"""

import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, TextIO

READY = "ready\n"  # tells a decoder that crashed from a process that never came up
MEMORY_BYTES = 4 << 30  # address space; ordinary files need a tenth of it


def main(module: str, niceness: int) -> None:
    """Stand back, load the module, answer."""
    if niceness and hasattr(os, "nice"):  # not on Windows
        os.nice(niceness)  # before the imports, which are half of a short life
    serve(import_module(module).answer_to)


def serve(answer_to: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> None:
    """Answer until standard input ends."""
    answers = _private_output()
    _limit_memory()
    answers.write(READY)
    answers.flush()
    for line in sys.stdin:
        seconds, question = json.loads(line)
        _set_timer(seconds)
        answer = answer_to(question)
        _set_timer(0.0)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _private_output() -> TextIO:
    """Keep the answers apart from what C libraries print."""
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    return answers


def _limit_memory() -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):  # not on Windows; macOS may refuse
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def _set_timer(seconds: float) -> None:
    if hasattr(signal, "setitimer"):  # not on Windows
        signal.setitimer(signal.ITIMER_REAL, seconds)  # unhandled SIGALRM ends the process, in C code too


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
