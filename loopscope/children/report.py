"""What a child of `pool` answers: the report of one file, or why there is none, and what it would log beside it."""

import logging
from collections.abc import Callable
from typing import Any

from loopscope.defects import Defect, attempt
from loopscope.errors import AudioError, DataError


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


def answer_by(stage: str, work: Callable[[], Any]) -> dict[str, Any]:
    """`report` of `work`, or `unreadable` or `failed` with the reason; `warnings` of the log beside it."""
    logging.getLogger("loopscope").addHandler(_heard)  # which is there once, however often it is added
    answer: dict[str, Any]
    try:
        report = attempt(stage, work)
        answer = {"failed": report.reason} if isinstance(report, Defect) else {"report": report}
    except AudioError as error:
        answer = {"unreadable": str(error)}
    except DataError as error:
        answer = {"failed": str(error)}
    return answer | {"warnings": _heard.taken()}
