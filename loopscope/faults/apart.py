"""The checks in child processes, which stand back behind whatever else runs.

Checks are Python between short pieces of NumPy. In threads of the server they would hold the interpreter's lock half of
the time, and everybody who waits for a page, a figure or the first sound would wait for them. In processes of their own
that stand back they use what embedding and training leave of the cores: training has one thread.
"""

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from queue import SimpleQueue

from loopscope.children.child import Answer, Child, Death
from loopscope.errors import AudioError, Cancelled, DataError
from loopscope.faults.file_report import StoredReport
from loopscope.faults.limits import LIMITS
from loopscope.progress import StopCheck
from loopscope.user_files import UserFile

NICENESS = 10  # a tenth of a core's time while another program wants all of it
SECONDS_A_FILE = 60.0
SECONDS_A_SECOND = 2.0  # of sound, beside those; the slowest file seen took .1
STOP_CHECK_S = 0.25

CheckFile = Callable[[UserFile, float | None, float], StoredReport]
log = logging.getLogger(__name__)


@contextmanager
def checking_apart(stage: str, n_children: int, should_stop: StopCheck) -> Iterator[CheckFile]:
    """Gives `check(file, tempo_bpm, duration_s)`, to be called by at most `n_children` threads at once.

    The children judge by the limits in force here, and start when they are first asked. `check` raises AudioError for a
    file that cannot be read, DataError for one that the checks fail on or that brings its process down, and Cancelled
    soon after `should_stop` says so.
    """
    limits = {kind: {"suspect": LIMITS[kind].suspect, "fault": LIMITS[kind].fault} for kind in LIMITS}
    children = [Child("loopscope.faults.child", NICENESS) for _ in range(n_children)]
    idle: SimpleQueue[Child] = SimpleQueue()
    for child in children:
        idle.put(child)

    def check(file: UserFile, tempo_bpm: float | None, duration_s: float) -> StoredReport:
        question = {
            "path": os.fspath(file),
            "root": file.root,
            "tempo_bpm": tempo_bpm,
            "stage": stage,
            "limits": limits,
        }
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

    watching = threading.Thread(target=watch, name="checks-stop", daemon=True)
    watching.start()
    try:
        yield check
    finally:
        over.set()
        watching.join()
        close()  # whatever ended the watch


def _report_in(answer: Answer | Death, stage: str) -> StoredReport:
    if isinstance(answer, Death):
        raise _why(answer, stage)
    for line in answer["warnings"]:
        _warn_once(line)
    if "unreadable" in answer:
        raise AudioError(answer["unreadable"])
    if "failed" in answer:
        raise DataError(answer["failed"])
    report: StoredReport = answer["report"]
    return report


def _why(death: Death, stage: str) -> DataError | Cancelled:
    if death.was_closed:
        return Cancelled(f"{stage} was stopped; what was finished is kept.")
    if death.took_too_long:
        return DataError("the checks took too long and were given up")
    return DataError(f"the process that checked it ended (status {death.status})")


@lru_cache(maxsize=1024)
def _warn_once(line: str) -> None:
    log.warning("%s", line)
