"""Copying, moving and taking back as tasks of a project; afterwards its list says where the files lie now.

The folder is scanned again, in which nothing is read that was only moved: what the store knows of a file at its old
place holds at the new one.
"""

from collections.abc import Iterable
from pathlib import Path

from loopscope.exports import CopyPlan, UndoReport, execute, undo
from loopscope.files import display_name
from loopscope.library import scan_folder
from loopscope.metadata.collect import known_metadata
from loopscope.store import FileKey, Store
from loopscope.ui.projects.project import Project
from loopscope.ui.projects.tasks import Task
from loopscope.ui.projects.walking import start_walk
from loopscope.wording import counted

COPY = "copy"


def start_copy(project: Project, store: Store, plan: CopyPlan) -> Task:
    """Does what the plan says in a worker; the undo file is remembered before the first file is touched."""

    def work(task: Task) -> None:
        try:
            execute(plan, task.on_progress, task.should_stop, lambda file: project.remember(undo=str(file)))
        finally:
            _know_again(store, ((item.source, item.target) for item in plan.items))
            if plan.move or _is_inside(plan.destination, project):
                look_again(project, store)
        verb = "moved" if plan.move else "copied"
        project.say(f"{counted(len(plan.items), 'file')} {verb} to {display_name(plan.destination)}")

    return project.tasks.start(COPY, "Moving files" if plan.move else "Copying files", work)


def start_undo(project: Project, store: Store) -> Task:
    """Takes the last copy or move back in a worker. The task's result is the UndoReport."""

    def work(task: Task) -> UndoReport:
        try:
            report = undo(Path(project.memory.undo), task.on_progress, task.should_stop)
        finally:
            look_again(project, store)
        if report.left.empty:
            project.remember(undo="")
        project.say(f"{counted(report.undone, 'file')} taken back")
        return report

    return project.tasks.start(COPY, "Taking files back", work)


def look_again(project: Project, store: Store) -> None:
    """Scans the project's folder after files were moved by us; where sounds came or went, scores follow by a walk."""
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


def _let_go_of_stale(project: Project) -> None:
    """Models that the walk reads from disk again, for the loops of now; the one in view stays until it has."""
    saved, models = project.memory.models, project.contents.models
    stale = {label for label in models if label in saved and (label != project.active or models[label].subset)}
    project.update(models={label: scored for label, scored in models.items() if label not in stale})


def undo_file(project: Project) -> Path | None:
    """What takes the last copy or move back, where it is still there."""
    file = Path(project.memory.undo)
    return file if project.memory.undo and file.is_file() else None


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
