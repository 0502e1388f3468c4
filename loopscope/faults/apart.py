"""The checks in child processes, which stand back behind whatever else runs: see `children.pool`."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from loopscope.children.pool import asking_apart
from loopscope.faults.file_report import StoredReport
from loopscope.faults.limits import LIMITS
from loopscope.progress import StopCheck
from loopscope.user_files import UserFile

CheckFile = Callable[[UserFile, float | None, float], StoredReport]


@contextmanager
def checking_apart(stage: str, n_children: int, should_stop: StopCheck) -> Iterator[CheckFile]:
    """Gives `check(file, tempo_bpm, duration_s)`, which judges by the limits in force here and raises as `ask` does."""
    limits = {kind: {"suspect": LIMITS[kind].suspect, "fault": LIMITS[kind].fault} for kind in LIMITS}
    with asking_apart("loopscope.faults.child", stage, n_children, should_stop) as ask:

        def check(file: UserFile, tempo_bpm: float | None, duration_s: float) -> StoredReport:
            asked = {"path": os.fspath(file), "root": file.root, "tempo_bpm": tempo_bpm}
            report: StoredReport = ask(asked | {"stage": stage, "limits": limits}, duration_s)
            return report

        yield check
