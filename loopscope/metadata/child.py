"""What a child process of `collect` answers: what is heard of one file."""

from collections.abc import Mapping
from typing import Any

from loopscope.children.report import answer_by
from loopscope.metadata.listening import STAGE, listen_to
from loopscope.user_files import UserFile


def answer_to(question: Mapping[str, Any]) -> dict[str, Any]:
    """As `children.report` has it."""
    file = UserFile(question["path"], question["root"])
    return answer_by(STAGE, lambda: listen_to(file, **question["said"]))
