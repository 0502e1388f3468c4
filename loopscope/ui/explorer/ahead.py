"""What the person at this machine will most likely ask for is read while their browser still starts."""

import logging
import os
import time

from loopscope.config import FOLDER_VARIABLE, paths
from loopscope.errors import LoopscopeError
from loopscope.ui.explorer.view import explorer_view
from loopscope.ui.projects.registry import home_claim, project_registry

log = logging.getLogger(__name__)

LOOK_S = 0.05


def read_ahead() -> None:
    """The project that was opened last, or of the folder that the command named, with what Explore shows of it.

    Nothing while another server works in this home, who may still change it, and in a home that nobody worked in yet:
    a server that only starts leaves nothing behind.
    """
    if not paths().database.exists():
        return
    try:
        if not home_claim(str(paths().database)).other_server():
            _read(os.environ.get(FOLDER_VARIABLE, ""))
    except LoopscopeError as error:  # whoever opens a page is told
        log.warning("nothing was read ahead: %s", error)


def _read(folder: str) -> None:
    project = project_registry().open_ahead(folder)
    if project is None:
        return
    while not project.contents.models:
        if not project.tasks.any_running():
            return  # whoever opens it will be told why
        time.sleep(LOOK_S)
    contents = project.contents
    explorer_view(project, contents, project.label_in(contents))
