"""A project whose folder is an archive: its loops are ranked by a model that learnt from a sample, the most anomalous
are shown, and the rest is counted."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from loopscope.analysis.scoring import label_of
from loopscope.archive.drift import drift_of
from loopscope.archive.kept import KeptRankings
from loopscope.archive.manifest import Archive, open_archive
from loopscope.archive.place import Place
from loopscope.archive.score import rank_parts
from loopscope.archive.shown import FIRST, Shown, shown_of
from loopscope.archive.sounds import fetch_sound
from loopscope.archive.top import Top, top_of
from loopscope.detection.base import BaseDetector
from loopscope.detection.registry import LOCAL, ROBUST
from loopscope.encoders.catalogue import known_encoders
from loopscope.errors import Cancelled, DataError, ModelError
from loopscope.store import Store
from loopscope.ui.projects.contents import Archived, EncoderNote
from loopscope.ui.projects.heard import corrected
from loopscope.ui.projects.models import save_in_project
from loopscope.ui.projects.project import Project, free_label
from loopscope.ui.projects.tasks import Task
from loopscope.ui.server.visitors import LOCAL as AT_THIS_MACHINE
from loopscope.ui.server.visitors import open_to
from loopscope.wording import counted, stand_out

log = logging.getLogger(__name__)


def rank_archive(
    project: Project, store: Store, task: Task, detector: BaseDetector | None, label: str = "", is_new: bool = False
) -> None:
    """Puts the most anomalous loops of the project's archive into it, ranked by `detector`, or where that is None by
    one that learns from a sample as the project's plan says. Raises LoopscopeError, Cancelled among them.

    `label`: the model's, where it has one; `is_new`: the project does not know it yet.
    """
    archive = open_archive(Place.of(project.address))
    kept = KeptRankings(archive, FIRST)
    if detector is not None and detector.encoder_id != archive.encoder_id and not is_new:
        detector = None  # another encoder made the archive since
    is_fitted, recipe = detector is None, _recipe(project)
    detector = kept.model(recipe) if detector is None else detector
    shown, n_new = None if detector is None else kept.ranking(detector), 0
    if shown is None:
        shown, n_new = _ranked(archive, kept, detector, recipe, task)
        shown = replace(shown, drifts=() if is_fitted else None)  # what was learnt from it stands for its folders
        kept.keep(shown)
    _show(project, store, _top(project, archive, shown), is_fitted, label)
    if n_new:
        project.say(f"{counted(n_new, 'loop is', 'loops are')} new and scored now; all others keep their scores")
    _compare_folders(project, archive, kept, shown, task)


def _top(project: Project, archive: Archive, shown: Shown) -> Top:
    """Sounds at an address come with this machine's keys: to the person at it alone."""
    fetch = fetch_sound if project.owner == AT_THIS_MACHINE else None
    return top_of(shown, archive.place, open_to(project.owner), fetch)


def _recipe(project: Project) -> tuple[str, str, int]:
    """Detector, preset and seed; parts hold no patches, which the preset local needs."""
    plan = project.memory.plan
    return plan.detector, ROBUST if plan.preset == LOCAL else plan.preset, plan.seed


def _ranked(
    archive: Archive, kept: KeptRankings, detector: BaseDetector | None, recipe: tuple[str, str, int], task: Task
) -> tuple[Shown, int]:
    """By the detector, or one that learns here, which is kept for others; and how many loops alone were scored, 0 where
    all were. Raises DataError, Cancelled."""
    parts, paths = archive.present
    if not parts.n_loops:
        raise DataError(f"{archive.place.shown} holds no loops yet; add a folder with loopscope index.")
    known = None if detector is None else kept.scores(detector)
    n_new = 0 if known is None else int(np.isnan(known).sum())
    if known is not None:
        log.info("archive: %d of %d loops keep their scores", parts.n_loops - n_new, parts.n_loops)
    ranking = rank_parts(
        *(parts, *recipe),
        model=detector,
        paths=paths,
        known=known,
        on_progress=task.on_progress,
        on_epoch=task.on_epoch,
        should_stop=task.should_stop,
    )
    if detector is None and not ranking.detector.report_.complete:
        raise Cancelled("The training was stopped; the archive and its embeddings stay as they are.")
    if detector is None:
        kept.keep_model(recipe, ranking.detector)
    return shown_of(ranking, archive, FIRST), n_new


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
    project.update(**shown, provisional=None, stopped=None, changes=None, relations=None, elsewhere=None)
    project.remember(n_loops=len(top.counts.scores), encoder=note)
    project.show_model(label)
    if is_fitted:
        save_in_project(project, label, top.scored)
        project.say(f"{detector.name} is ready: {stand_out(project.n_flagged(label) or 0)}")


def _compare_folders(project: Project, archive: Archive, kept: KeptRankings, shown: Shown, task: Task) -> None:
    """Which folders the model does not stand for; one of an older version cannot say."""
    drifts = shown.drifts
    if drifts is None:
        try:
            found = drift_of(archive, shown.scored.detector, task.on_progress, task.should_stop)
        except ModelError:
            return
        drifts = tuple(one for one in found if one.differs)
        kept.keep(replace(shown, drifts=drifts))
    now = project.contents.archived
    if now is not None and drifts:
        project.update(refill=False, archived=replace(now, drifts=drifts))


def _title_of(encoder_id: str) -> str:
    """The encoder by its title where it is known here; vectors may come from elsewhere."""
    titles = {info.name: info.title for info in known_encoders() if encoder_id.startswith(f"{info.name}-")}
    return titles[max(titles, key=len)] if titles else encoder_id
