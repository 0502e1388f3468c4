"""What a page shows while there is no library: the project as it opens, or the way to choose a folder."""

import os
from pathlib import Path

from loopscope.config import FOLDER_VARIABLE
from loopscope.errors import LoopscopeError
from loopscope.files import is_address
from loopscope.ui.components import ended, next_step, show_failure, show_task
from loopscope.ui.projects.walking import WALK
from loopscope.ui.server.visitors import LOCAL
from loopscope.ui.state import session


def is_opening() -> bool:
    """Whether a walk is about to list the folder; it is then shown, and the page drawn anew once it has.

    Why it could not stays on the page until another begins: what ends with a walk draws the page once more.
    """
    project = session().project
    task = project.tasks.get(WALK)
    if ended(WALK) is None and session().library is None and task is not None and task.state == "failed":
        show_failure(LoopscopeError(task.error))
    if session().library is not None or not project.tasks.running(WALK):
        return False
    show_task(WALK, until=lambda: project.contents.library is not None)
    return True


def no_library(sentence: str) -> None:
    """The folder as it is opened, else the sentence with the way to choose one."""
    if not is_opening():
        next_step("library", sentence)


def named_folder() -> Path | str | None:
    """What the command named (`loopscope app FOLDER`), a folder or an address, for the person at this machine only,
    until `choices` says that this tab has opened it."""
    state = session()
    named = os.environ.get(FOLDER_VARIABLE)
    if not named or state.owner != LOCAL or state.choices.get(FOLDER_VARIABLE):
        return None
    return named if is_address(named) else Path(named)
