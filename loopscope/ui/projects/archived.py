"""A project whose folder is an archive: its loops are ranked by a model that learnt from a sample, the most anomalous
are shown, and the rest is counted."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from loopscope.analysis.scoring import label_of
from loopscope.archive.drift import drift_of
from loopscope.archive.manifest import Archive, open_archive
from loopscope.archive.place import Place
from loopscope.archive.score import rank_parts
from loopscope.archive.top import FIRST, Top, top_of
from loopscope.detection.base import BaseDetector
from loopscope.detection.registry import LOCAL, ROBUST
from loopscope.encoders.catalogue import known_encoders
from loopscope.errors import Cancelled, DataError, ModelError
from loopscope.files import display_name
from loopscope.store import Store
from loopscope.ui.projects.contents import Archived, EncoderNote
from loopscope.ui.projects.heard import corrected
from loopscope.ui.projects.models import save_in_project
from loopscope.ui.projects.project import Project, free_label
from loopscope.ui.projects.tasks import Task
from loopscope.ui.server.visitors import open_to
from loopscope.wording import stand_out


def rank_archive(
    project: Project, store: Store, task: Task, detector: BaseDetector | None, label: str = "", is_new: bool = False
) -> None:
    """Puts the most anomalous loops of the project's archive into it, ranked by `detector`, or where that is None by
    one that learns from a sample as the project's plan says. Raises LoopscopeError, Cancelled among them.

    `label`: the model's, where it has one; `is_new`: the project does not know it yet.
    """
    archive = open_archive(Place.of(project.folder))
    parts, paths = archive.present
    if not parts.n_loops:
        raise DataError(f"{display_name(archive.place.path)} holds no loops yet; add a folder with loopscope index.")
    if detector is not None and detector.encoder_id != parts.encoder_id and not is_new:
        detector = None  # another encoder made the archive since
    plan = project.memory.plan
    preset = ROBUST if plan.preset == LOCAL else plan.preset  # which needs patches, and parts hold none
    ranking = rank_parts(
        *(parts, plan.detector, preset, plan.seed),
        model=detector,
        paths=paths,
        on_progress=task.on_progress,
        on_epoch=task.on_epoch,
        should_stop=task.should_stop,
    )
    if detector is None and not ranking.detector.report_.complete:
        raise Cancelled("The training was stopped; the archive and its embeddings stay as they are.")
    _show(project, store, top_of(ranking, archive, open_to(project.owner), FIRST), detector is None, label)
    if detector is not None:
        _compare_folders(project, archive, detector, task)


def _show(project: Project, store: Store, top: Top, is_fitted: bool, label: str) -> None:
    """All at once, as one page shows it."""
    detector = top.scored.detector
    known = {name for name, saved in project.memory.models.items() if Path(saved.path).is_dir()}
    label = free_label(label_of(detector), known) if is_fitted or not label else label
    _ = top.scored.projection  # here rather than when the page opens
    archived = Archived(top.counts, top.metadata)
    note = EncoderNote(top.embeddings.encoder_id, _title_of(top.embeddings.encoder_id))
    shown: dict[str, Any] = {"library": top.library, "embeddings": top.embeddings, "faults": top.faults}
    shown |= {
        "encoder": note,
        "metadata": corrected(top.metadata, store),
        "models": {label: top.scored},
        "archived": archived,
    }
    project.update(**shown, provisional=None, stopped=None, changes=None, relations=None)
    project.remember(n_loops=len(top.counts.scores), encoder=note)
    project.show_model(label)
    if is_fitted:
        save_in_project(project, label, top.scored)
        project.say(f"{detector.name} is ready: {stand_out(project.n_flagged(label) or 0)}")


def _compare_folders(project: Project, archive: Archive, detector: BaseDetector, task: Task) -> None:
    """Which folders the model does not stand for; one of an older version cannot say."""
    try:
        drifts = drift_of(archive, detector, task.on_progress, task.should_stop)
    except ModelError:
        return
    now = project.contents.archived
    if now is not None and (far := tuple(one for one in drifts if one.differs)):
        project.update(refill=False, archived=replace(now, drifts=far))


def _title_of(encoder_id: str) -> str:
    """The encoder by its title where it is known here; vectors may come from elsewhere."""
    titles = {info.name: info.title for info in known_encoders() if encoder_id.startswith(f"{info.name}-")}
    return titles[max(titles, key=len)] if titles else encoder_id
