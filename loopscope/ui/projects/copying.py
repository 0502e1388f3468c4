"""Copying, moving and taking back as tasks of a project; afterwards its list says where the files lie now.

The folder is scanned again, in which nothing is read that was only moved: what the store knows of a file at its old
place holds at the new one.
"""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from loopscope.exports import CopyPlan, UndoReport, execute, undo
from loopscope.exports.journal import read_journal
from loopscope.faults.check import tempi_of
from loopscope.files import display_name, is_file
from loopscope.library import scan_folder
from loopscope.library.tables import reasons_frame
from loopscope.metadata.collect import known_metadata
from loopscope.store import FileKey, Store
from loopscope.ui.projects.project import Project
from loopscope.ui.projects.tasks import Task
from loopscope.ui.projects.walking import start_walk
from loopscope.wording import counted

COPY = "copy"
UNDO_FILES_KEPT = 20


def start_copy(project: Project, store: Store, plan: CopyPlan) -> Task:
    """Does what the plan says in a worker; the undo file is remembered before the first file is touched.

    The task's result is a table of the files that were left (columns path, reason): of a renaming those that resisted.
    """
    left: list[tuple[str, str]] = []

    def leave(path: Path, reason: str) -> None:
        left.append((str(path), reason))

    def work(task: Task) -> pd.DataFrame:
        with_cues = ""
        project.remember(moving=True)
        try:
            undo_file = execute(
                plan,
                task.on_progress,
                task.should_stop,
                lambda file: _remember(project, file),
                on_left=leave if plan.is_renaming else None,
            )
            if plan.cues is not None:
                with_cues = f", {sum(bool(entry.added) for entry in read_journal(undo_file).entries):,} with cue points"
        finally:
            project.remember(moving=False)
            _know_again(store, ((item.source, item.target) for item in plan.items))
            if plan.move or _is_inside(plan.destination, project):
                look_again(project, store)
        verb = "moved" if plan.move else "copied"
        done = "renamed" if plan.is_renaming else f"{verb} to {display_name(plan.destination)}{with_cues}"
        but = f", {len(left):,} left as they were" if left else ""
        project.say(f"{counted(len(plan.items) - len(left), 'file')} {done}{but}")
        return reasons_frame(left)

    title = "Renaming files" if plan.is_renaming else "Moving files" if plan.move else "Copying files"
    return project.tasks.start(COPY, title, work)


def start_undo(project: Project, store: Store, file: Path) -> Task:
    """Takes the copy or move of this undo file back in a worker. The task's result is the UndoReport."""

    def work(task: Task) -> UndoReport:
        project.remember(moving=True)
        try:
            report = undo(file, task.on_progress, task.should_stop, project.folder)
        finally:
            project.remember(moving=False)
            look_again(project, store)
        if report.left.empty:
            project.remember(undo_files=tuple(known for known in project.memory.undo_files if known != str(file)))
        project.say(f"{counted(report.undone, 'file')} taken back")
        return report

    return project.tasks.start(COPY, "Taking files back", work)


def left_by(task: Task) -> pd.DataFrame:
    """Which files a copy, move, renaming or undoing left as they were (columns path, reason), once it is done."""
    left: pd.DataFrame = task.result.left if isinstance(task.result, UndoReport) else task.result
    return left


def look_again(project: Project, store: Store) -> None:
    """Scans the project's folder after files were moved by us; where sounds came or went, scores follow by a walk.

    So do the findings that rest on a tempo, where names say another one now.
    """
    before = project.contents.library
    if before is None:
        return
    library = scan_folder(before.root, store)
    project.update(library=library, metadata=known_metadata(library.loops, store))
    if project.id:
        files = dict(zip(library.loops["path"], library.loops["loop_id"], strict=True))
        store.put_project_files(project.id, files)
        project.remember(n_loops=len(library.unique))
    if set(library.unique["loop_id"]) != set(before.unique["loop_id"]):
        _let_go_of_stale(project)
        start_walk(project, store, compute=project.memory.standing == "done")
    elif tempi_of(library) != tempi_of(before):
        start_walk(project, store, compute=project.memory.standing == "done")


def _let_go_of_stale(project: Project) -> None:
    """Models that the walk reads from disk again, for the loops of now; the one in view stays until it has."""
    saved, models = project.memory.models, project.contents.models
    stale = {label for label in models if label in saved and (label != project.active or models[label].subset)}
    project.update(models={label: scored for label, scored in models.items() if label not in stale})


def undo_files(project: Project) -> list[Path]:
    """What takes copies and moves back, the last first, where it is still there."""
    return [Path(file) for file in reversed(project.memory.undo_files) if is_file(file)]


def _remember(project: Project, file: Path) -> None:
    project.remember(undo_files=(*project.memory.undo_files, str(file))[-UNDO_FILES_KEPT:])


def _is_inside(destination: Path, project: Project) -> bool:
    library = project.contents.library
    return library is not None and destination.resolve().is_relative_to(library.root)


def _know_again(store: Store, places: Iterable[tuple[Path, Path]]) -> None:
    """Of files that were copied or moved, by (old, new) place: what is known of the content is known there too."""
    found: dict[FileKey, str] = {}
    for source, target in places:
        try:
            status = target.stat()
        except OSError:  # not reached, or gone again
            continue
        found[FileKey(str(source), status.st_size, status.st_mtime_ns)] = str(target)
    known = store.get_files(found)
    store.put_files({key._replace(path=found[key]): row for key, row in known.items()})
