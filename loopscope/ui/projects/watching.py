"""The folders of the projects that tabs show are watched, so that a page can say what came, changed or went since."""

import time
from collections.abc import Iterable

from loopscope.files import is_address
from loopscope.library import Library
from loopscope.library.changes import changes_since
from loopscope.ui.projects.folder_watch import FolderWatch
from loopscope.ui.projects.project import Project
from loopscope.ui.projects.walking import is_busy
from loopscope.ui.server.visitors import LOCAL


class Watching:
    """Watches for the person at this machine only: others may have opened any number of folders."""

    def __init__(self) -> None:
        self._watches: dict[str, FolderWatch] = {}

    def keep_to(self, shown: Iterable[Project]) -> None:
        """Watch the folders of these projects from now on, and no others."""
        wanted = {
            project.id: project for project in shown if project.owner == LOCAL and not is_address(project.address)
        }
        for project_id in self._watches.keys() - wanted.keys():
            self._watches.pop(project_id).end()
        for project_id in wanted.keys() - self._watches.keys():
            project = wanted[project_id]
            self._watches[project_id] = FolderWatch(project.folder, Telling(project).tell)


class Telling:
    """Puts into a project what became of its folder since its last scan."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._library: Library | None = None
        self._scanned_ns = time.time_ns()

    def tell(self, touched: Iterable[str]) -> bool:
        """False while the project is busy: a scan may be under way, and files are moved by its own hand."""
        project, now = self._project, self._project.contents
        if is_busy(project) or now.library is None:
            return False
        if now.archived is not None:
            return True
        if now.library is not self._library:
            self._library, self._scanned_ns = now.library, time.time_ns() if self._library else self._scanned_ns
        found = changes_since(now.library, touched, self._scanned_ns)
        if found != (now.unseen or type(found)()):
            project.update(refill=False, unseen=found or None)
            if found:
                project.say(f"Since {project.name} was read: {found.sentence}.")
        return True
