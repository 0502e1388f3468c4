"""The checks in child processes, which stand back behind whatever else runs: see `children.pool`."""

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

from loopscope.children.pool import asking_apart
from loopscope.faults.file_report import FileReport
from loopscope.faults.limits import LIMITS
from loopscope.progress import StopCheck
from loopscope.user_files import UserFile

CheckFile = Callable[[UserFile, float, float | None, Collection[str] | None], FileReport]


@contextmanager
def checking_apart(stage: str, n_children: int, should_stop: StopCheck) -> Iterator[CheckFile]:
    """Gives `check(file, duration_s, tempo_bpm, kinds)`, as `report_of` but by the limits in force here.

    It raises as `ask` does.
    """
    limits = {kind: {"suspect": LIMITS[kind].suspect, "fault": LIMITS[kind].fault} for kind in LIMITS}
    with asking_apart("loopscope.faults.child", stage, n_children, should_stop) as ask:

        def check(
            file: UserFile, duration_s: float, tempo_bpm: float | None, kinds: Collection[str] | None
        ) -> FileReport:
            asked: dict[str, Any] = {"path": os.fspath(file), "root": file.root, "tempo_bpm": tempo_bpm}
            asked["kinds"] = None if kinds is None else sorted(kinds)
            report: FileReport = ask(asked | {"stage": stage, "limits": limits}, duration_s)
            return report

        yield check
