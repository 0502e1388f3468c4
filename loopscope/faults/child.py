"""What a child process of `apart` answers: the report of one file by the limits it is given."""

from collections.abc import Mapping
from typing import Any

from loopscope.children.report import answer_by
from loopscope.faults.file_report import report_of
from loopscope.faults.limits import changed_limits
from loopscope.user_files import UserFile


def answer_to(question: Mapping[str, Any]) -> dict[str, Any]:
    """As `children.report` has it."""
    file = UserFile(question["path"], question["root"])
    with changed_limits(question["limits"]):
        return answer_by(question["stage"], lambda: report_of(file, question["tempo_bpm"], question["kinds"]))
