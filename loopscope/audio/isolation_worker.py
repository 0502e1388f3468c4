"""The child process that inspects files, so that a decoder brought down by a hostile file takes nothing else with it.

Started by `isolation` as `python -m loopscope.audio.isolation_worker SECONDS`. A first line on standard output says
that the process is up; then one file a line comes in on standard input (its path, a blank and its root or nothing, both
hex of the file system's bytes) and one JSON object a line goes out. A timer ends the process when one file takes longer
than SECONDS, even if the parent is gone; the end of standard input ends it too.
"""

import contextlib
import json
import os
import signal
import sys
from dataclasses import asdict
from typing import Any, TextIO

from loopscope.audio.inspection import inspect_file
from loopscope.audio.readers import TransientAudioError
from loopscope.errors import AudioError
from loopscope.user_files import UserFile

READY = "ready\n"  # tells a decoder that crashed from a process that never came up
MEMORY_BYTES = 4 << 30  # address space; ordinary files need a tenth of it


def main(seconds: float) -> None:
    """Answer until standard input ends."""
    answers = _private_output()
    _limit_memory()
    answers.write(READY)
    answers.flush()
    for line in sys.stdin:
        _set_timer(seconds)
        path, root = (os.fsdecode(bytes.fromhex(part)) for part in line.rstrip("\n").split(" "))
        answer = answer_to(UserFile(path, root or None))
        _set_timer(0.0)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def answer_to(file: UserFile) -> dict[str, Any]:
    """The inspection of one file, or the reason it is left out and whether that reason may pass by itself."""
    try:
        found = inspect_file(file)
    except AudioError as error:
        return {"reason": str(error), "transient": isinstance(error, TransientAudioError)}
    except MemoryError:
        return {"reason": f"Decoding needs more than {MEMORY_BYTES >> 30} GiB of memory.", "transient": False}
    return {"loop_id": found.loop_id, "info": asdict(found.info)}


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
    main(float(sys.argv[1]))
