"""What a page shows while there is no library: the project as it opens, or the way to choose a folder."""

from loopscope.ui.components import ended, next_step, show_task
from loopscope.ui.projects.walking import WALK
from loopscope.ui.state import session


def is_opening() -> bool:
    """Whether a walk is about to list the folder; it is then shown, and the page drawn anew once it has."""
    project = session().project
    ended(WALK)
    if session().library is not None or not project.tasks.running(WALK):
        return False
    show_task(WALK, until=lambda: project.contents.library is not None)
    return True


def no_library(sentence: str) -> None:
    """The folder as it is opened, else the sentence with the way to choose one."""
    if not is_opening():
        next_step("library", sentence)
