"""What a child process of `apart` answers: the report of one file, or why there is none, and what it would log."""

import logging
from collections.abc import Mapping
from typing import Any

from loopscope.children.run import MEMORY_BYTES
from loopscope.defects import Defect, attempt
from loopscope.errors import AudioError, DataError
from loopscope.faults.file_report import report_of
from loopscope.faults.limits import changed_limits
from loopscope.user_files import UserFile


class _Heard(logging.Handler):
    """Collects lines, which the parent says again: nobody reads what a child writes."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line."""
        self.lines.append(record.getMessage())

    def taken(self) -> list[str]:
        """The lines since the last time."""
        taken, self.lines = self.lines, []
        return taken


_heard = _Heard()
logging.getLogger("loopscope").addHandler(_heard)


def answer_to(question: Mapping[str, Any]) -> dict[str, Any]:
    """`report`, or `unreadable` or `failed` with the reason; `warnings` of the log beside it."""
    file = UserFile(question["path"], question["root"])
    answer: dict[str, Any]
    try:
        with changed_limits(question["limits"]):
            report = attempt(question["stage"], lambda: report_of(file, question["tempo_bpm"]))
        answer = {"failed": report.reason} if isinstance(report, Defect) else {"report": report}
    except AudioError as error:
        answer = {"unreadable": str(error)}
    except DataError as error:
        answer = {"failed": str(error)}
    except MemoryError:
        answer = {"failed": f"The checks need more than {MEMORY_BYTES >> 30} GiB of memory."}
    return answer | {"warnings": _heard.taken()}
