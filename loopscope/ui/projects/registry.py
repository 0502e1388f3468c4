"""The projects of this server: those in memory, those remembered, and who may open which.

A project is in memory while a tab shows it or work goes on for it, and the last few beside those. On this machine's own
address projects belong to whoever sits there; on a network each browser has its own, under an unguessable key.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import streamlit as st

from loopscope.analysis.walk import Plan
from loopscope.config import paths
from loopscope.files import is_address
from loopscope.store import ProjectRow, Store
from loopscope.ui.projects.models import forget_files
from loopscope.ui.projects.project import Project
from loopscope.ui.projects.walking import is_archive_folder, start_walk
from loopscope.ui.projects.watching import Watching
from loopscope.ui.server.home import HomeClaim, own_address
from loopscope.ui.server.lifespan import call_at_end
from loopscope.ui.server.visitors import LOCAL

IDLE_KEPT = 2  # projects that no tab shows, for the tab that is loaded anew
PATIENCE_S = 2.5  # with tasks that were told to end


class ProjectRegistry:
    """Shared by all sessions of this process."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._lock = threading.RLock()
        self._projects: dict[str, Project] = {}
        self._visitors: dict[str, set[str]] = {}
        self._watching = Watching()

    def known(self, owner: str) -> list[ProjectRow]:
        """The projects of an owner, the one opened last first."""
        return self.store.get_projects(owner)

    def create(self, owner: str, folder: Path | str, plan: Plan) -> Project:
        """The owner's project of this folder or address, or a new one. No work is started."""
        with self._lock:
            row = next((row for row in self.known(owner) if row.folder == str(folder)), None)
            if row is None:
                project = Project.new(owner, folder, plan, self.store)
                self._projects[project.id] = project
                return project
            project = self._loaded(row)
            project.is_asked.set()
            return project

    def open(
        self, owner: str, project_id: str, may_open: Callable[[str], bool] = lambda folder: True
    ) -> Project | None:
        """A project as it was left, None where this owner has no such one. Its folder is read in a worker.

        A walk that was killed goes on; one that was stopped waits for its owner. `may_open` is asked for the folder.
        """
        with self._lock:
            row = self._row(owner, project_id)
            if row is None or not may_open(row.folder):
                return None
            project = self._loaded(row)
            project.is_asked.set()
            if project.contents.library is None and not project.tasks.any_running():
                start_walk(project, self.store, compute=project.memory.standing != "stopped")
            return project

    def open_ahead(self, folder: str = "") -> Project | None:
        """What the person at this machine opened last, or has of `folder`, is read before anybody asks for it.

        No more is done until somebody does. None where there is nothing to read, or somebody was faster; archives are
        left alone, as they may lie anywhere.
        """
        with self._lock:
            row = next((row for row in self.known(LOCAL) if folder in ("", row.folder)), None)
            if row is None or self._projects or is_address(row.folder) or is_archive_folder(Path(row.folder)):
                return None
            project = Project(row, self.store)
            if not project.memory.models:
                return None
            project.is_asked.clear()
            project.is_out.clear()
            self._projects[project.id] = project
            start_walk(project, self.store, compute=project.memory.standing != "stopped")
            return project

    def rename(self, owner: str, project_id: str, name: str) -> None:
        """Call a project something else than its folder."""
        row = self._row(owner, project_id)
        if row is None:
            return
        with self._lock:
            project = self._projects.get(project_id)
            if project is not None:
                project.name = name
        self.store.put_project(replace(row, name=name))

    def forget(self, owner: str, project_id: str) -> None:
        """Forget a project with its own models; sounds, marks and embeddings stay."""
        if self._row(owner, project_id) is None:
            return
        with self._lock:
            project = self._projects.pop(project_id, None)
            self._watch()
        if project is not None:
            project.close()
        self.store.delete_project(project_id)
        forget_files(project_id)

    def enter(self, visitor: str, project: Project) -> None:
        """A tab shows this project from now on, and no other."""
        with self._lock:
            if project.id:
                self._projects.setdefault(project.id, project)
                project.opened_at = time.time()
                self._let_go_of_what_nobody_asked_for()
            self._leave(visitor, project.id)
        project.keep()

    def leave(self, visitor: str) -> None:
        """A tab is gone. What runs for its project goes on; projects that nobody needs leave the memory."""
        with self._lock:
            self._leave(visitor)

    def end(self) -> None:
        """The server stops: every task is told to, and has a moment to put away what it holds."""
        projects = list(self._projects.values())
        self._watching.keep_to(())
        for project in projects:
            project.interrupt()
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline and any(project.tasks.any_running() for project in projects):
            time.sleep(0.02)

    def _leave(self, visitor: str, for_project: str = "") -> None:
        for project_id, visitors in self._visitors.items():
            if visitor in visitors:
                visitors.remove(visitor)
                if project_id in self._projects:
                    self._projects[project_id] = self._projects.pop(project_id)  # the last to be let go
        if for_project:
            self._visitors.setdefault(for_project, set()).add(visitor)
        idle = [key for key, project in self._projects.items() if not self._is_needed(key, project)]
        for key in idle[: max(0, len(idle) - IDLE_KEPT)]:
            del self._projects[key]
        self._watch()

    def _watch(self) -> None:
        self._watching.keep_to([project for key, project in self._projects.items() if self._visitors.get(key)])

    def _let_go_of_what_nobody_asked_for(self) -> None:
        for key, project in list(self._projects.items()):
            if not project.is_asked.is_set():
                project.interrupt()
                del self._projects[key]

    def _is_needed(self, project_id: str, project: Project) -> bool:
        return bool(self._visitors.get(project_id)) or project.tasks.any_running()

    def _loaded(self, row: ProjectRow) -> Project:
        return self._projects.setdefault(row.project_id, Project(row, self.store))

    def _row(self, owner: str, project_id: str) -> ProjectRow | None:
        return next((row for row in self.known(owner) if row.project_id == project_id), None)


@st.cache_resource(show_spinner=False, on_release=Store.close)
def open_store(database: str) -> Store:
    """The one writer of the database, shared by all sessions; it holds no session's state."""
    store = Store(Path(database))
    call_at_end(store.close)
    return store


@st.cache_resource(show_spinner=False, on_release=HomeClaim.release)
def home_claim(database: str) -> HomeClaim:
    """This server's claim to the folder of its database."""
    claim = HomeClaim(open_store(database), own_address())
    call_at_end(claim.release)
    return claim


@st.cache_resource(show_spinner=False)
def _registry_of(database: str) -> ProjectRegistry:
    registry = ProjectRegistry(open_store(database))
    call_at_end(registry.end)
    return registry


def project_registry() -> ProjectRegistry:
    """The registry of the database in force."""
    return _registry_of(str(paths().database))
