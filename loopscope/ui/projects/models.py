"""The models of a project: taken, saved beside it, and the oldest let go."""

import shutil
import time
from contextlib import suppress
from pathlib import Path

from loopscope.analysis.scoring import ScoredLoops, StoppedTraining
from loopscope.config import paths
from loopscope.detection.saved import delete_model, save_model
from loopscope.errors import ModelError
from loopscope.files import display_name
from loopscope.ui.projects.project import Project, SavedModel
from loopscope.wording import stand_out

MODELS_KEPT = 5


def offer_stopped(project: Project, label: str, stopped: StoppedTraining) -> None:
    """Set a training that was stopped aside until the user keeps or discards it."""
    project.update(stopped=(_with_subset(label, stopped.subset), stopped))


def take_model(project: Project, label: str, scored: ScoredLoops, remark: str = "") -> None:
    """Keep, save and show a model that was just fitted.

    Its label gets the subset's name; `remark` is said with the news.
    """
    keep_model(project, _with_subset(label, scored.subset), scored)
    name, n_flagged = scored.detector.name, project.n_flagged(project.active)
    project.say(". ".join(filter(None, [f"{name} is ready: {stand_out(n_flagged or 0)}", remark])))


def _with_subset(label: str, subset: str) -> str:
    return " · ".join(filter(None, [label, subset]))


def keep_model(project: Project, label: str, scored: ScoredLoops) -> None:
    """Add a model, show it, save it, and let go of the oldest beyond MODELS_KEPT."""
    label = project.add_model(label, scored)
    project.update(stopped=None)
    save_in_project(project, label, scored)


def save_in_project(project: Project, label: str, scored: ScoredLoops) -> None:
    """Write a model beside its project, and let go of the oldest beyond MODELS_KEPT."""
    if not project.id:
        return
    name = f"{display_name(project.name)} · {label} · {time.strftime('%d %b %H:%M')}"
    summary = {"folder": display_name(project.name), "subset": scored.subset, "label": label}
    place = save_model(scored.detector, name, summary, models_folder(project.id))
    models = project.memory.models | {label: SavedModel(str(place), scored.subset)}
    own = [known for known, model in models.items() if Path(model.path).parent == place.parent and known != label]
    dropped = set(own[: max(0, len(own) + 1 - MODELS_KEPT)])
    project.remember(models={known: model for known, model in models.items() if known not in dropped})
    project.drop_models(dropped)
    for known in dropped:
        with suppress(ModelError):  # its folder is gone already
            delete_model(models[known].path)


def project_folder(project_id: str) -> Path:
    """Where a project's own files lie."""
    return paths().data / "projects" / project_id


def models_folder(project_id: str) -> Path:
    """The models that were trained in a project."""
    return project_folder(project_id) / "models"


def forget_files(project_id: str) -> None:
    """Delete a project's own models; sounds, marks and embeddings stay."""
    shutil.rmtree(project_folder(project_id), ignore_errors=True)
