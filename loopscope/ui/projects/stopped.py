"""A training that was stopped: its unfinished model is scored when the user keeps it, and not before."""

from loopscope.ui.projects.models import keep_model
from loopscope.ui.projects.project import Project
from loopscope.ui.projects.tasks import Task

KEEP = "keep"


def keep_stopped(project: Project) -> Task | None:
    """Scores in a worker what a training that was stopped has learnt, and adds it as an unfinished model.

    It stays on offer where that is cancelled. None where nothing was stopped.
    """
    if project.contents.stopped is None:
        return None
    label, stopped = project.contents.stopped

    def work(task: Task) -> None:
        scored = stopped.score(task.on_progress, task.should_stop)
        _ = scored.projection
        keep_model(project, f"{label} (unfinished)", scored)

    return project.tasks.start(KEEP, f"Scoring {stopped.detector.name}", work)
