"""Several children side by side, which stand back behind whatever else runs, until they are done or nobody waits.

Work in Python between short pieces of NumPy, in threads of the server, would hold the interpreter's lock half of the
time, and everybody who waits for a page, a figure or the first sound would wait for it. In processes of their own that
stand back it takes what embedding and training leave of the cores.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from queue import SimpleQueue
from typing import Any

from loopscope.children.child import Answer, Child, Death
from loopscope.errors import AudioError, Cancelled, DataError
from loopscope.progress import StopCheck

NICENESS = 10  # a tenth of a core's time while another program wants all of it
SECONDS_A_FILE = 60.0
SECONDS_A_SECOND = 2.0  # of sound, beside those; the slowest file seen took .1
STOP_CHECK_S = 0.25

Ask = Callable[[Mapping[str, Any], float], Any]
log = logging.getLogger(__name__)


@contextmanager
def asking_apart(module: str, stage: str, n_children: int, should_stop: StopCheck) -> Iterator[Ask]:
    """Gives `ask(question, duration_s)` about a file so long, to be called by at most `n_children` threads at once.

    The children answer by `module`, whose `answer_to` is to return what `children.report` makes, and start when they
    are first asked. `ask` returns the report; it raises AudioError for a file that cannot be read, DataError for one
    that the work fails on or that brings its process down, and Cancelled soon after `should_stop` says so.
    """
    children = [Child(module, NICENESS) for _ in range(n_children)]
    idle: SimpleQueue[Child] = SimpleQueue()
    for child in children:
        idle.put(child)

    def ask(question: Mapping[str, Any], duration_s: float) -> Any:
        child = idle.get()
        try:
            answer = child.ask(question, SECONDS_A_FILE + SECONDS_A_SECOND * duration_s)
        finally:
            idle.put(child)
        return _report_in(answer, stage)

    over = threading.Event()

    def watch() -> None:
        while not over.wait(STOP_CHECK_S):
            if should_stop():
                break
        close()

    def close() -> None:
        for child in children:  # also one that is at work on a long file
            child.close()

    watching = threading.Thread(target=watch, name="children-stop", daemon=True)
    watching.start()
    try:
        yield ask
    finally:
        over.set()
        watching.join()
        close()  # whatever ended the watch


def _report_in(answer: Answer | Death, stage: str) -> Any:
    if isinstance(answer, Death):
        raise _why(answer, stage)
    for line in answer["warnings"]:
        _warn_once(line)
    if "unreadable" in answer:
        raise AudioError(answer["unreadable"])
    if "failed" in answer:
        raise DataError(answer["failed"])
    return answer["report"]


def _why(death: Death, stage: str) -> DataError | Cancelled:
    if death.was_closed:
        return Cancelled(f"{stage} was stopped; what was finished is kept.")
    if death.took_too_long:
        return DataError("it took too long and was given up")
    return DataError(f"the process that read it ended (status {death.status})")


@lru_cache(maxsize=1024)
def _warn_once(line: str) -> None:
    log.warning("%s", line)
