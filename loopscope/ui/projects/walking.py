"""The work of a project: its walk, and the training of further models, each in a worker of its own."""

from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

import streamlit as st

from loopscope.analysis.scoring import StoppedTraining, label_of, score_library, train_detector
from loopscope.analysis.walk import Plan, walk
from loopscope.detection.registry import LOCAL
from loopscope.detection.saved import load_model
from loopscope.embeddings import EmbeddingSet, embed_library
from loopscope.encoders.base import Encoder, hearing_inside, load_encoder
from loopscope.errors import Cancelled, DataError, EncoderError
from loopscope.faults.check import STAGE as CHECKING
from loopscope.files import display_name, is_address, is_file
from loopscope.metadata.listening import STAGE as LISTENING
from loopscope.progress import ProgressCallback
from loopscope.store import Store
from loopscope.ui.projects.filling import Filling
from loopscope.ui.projects.left_aside import put_back_left_aside
from loopscope.ui.projects.models import offer_stopped, take_model
from loopscope.ui.projects.project import Project, SavedModel
from loopscope.ui.projects.tasks import Task
from loopscope.ui.server.memory import collect_and_freeze
from loopscope.wording import counted

WALK, TRAIN = "walk", "train"
MANIFEST = "manifest.json"  # of an archive; others call files so too


@st.cache_resource(show_spinner=False, max_entries=2)
def loaded_encoder(name: str, weights_file: str | None, _on_progress: ProgressCallback) -> Encoder:
    """Frozen encoders hold no user's state, so all projects share them."""
    encoder = load_encoder(name, weights_file=weights_file, on_progress=_on_progress)
    collect_and_freeze()  # PyTorch is here to stay
    return encoder


def start_walk(
    project: Project,
    store: Store,
    folder_of: Callable[[Task], Path] | None = None,
    *,
    retrain: bool = False,
    compute: bool = True,
) -> Task:
    """Takes the project's folder through all stages in a worker; `folder_of` makes the folder first where need be.

    A model that the project has from an earlier walk is used, unless it is to `retrain`; else one is trained.
    `compute` false: what is in the store is shown and nothing else is done.
    """

    def work(task: Task) -> None:
        if compute and project.is_asked.is_set():
            project.remember(standing="running")  # again where another walk has just ended
        folder = project.folder if folder_of is None else folder_of(task)
        if is_address(project.address) or is_archive_folder(folder):
            _rank(project, store, task, retrain)
            return
        put_back_left_aside(project)
        if take(task, folder).is_outdated:
            take(task, folder)

    def take(task: Task, folder: Path) -> Filling:
        events = Filling(project, store, task.should_stop)
        standing = "stopped"
        try:
            walk(
                folder,
                project.memory.plan,
                store,
                events,
                fitted=None if retrain else events.restore(),
                compute=compute,
                train=retrain or not events.has_model,
                load=loaded_encoder,
                on_progress=task.on_progress,
                on_epoch=task.history.append,
                should_stop=task.should_stop,
            )
            standing = "stopped" if task.should_stop() else "done"
        finally:
            if compute and not project.is_interrupted:
                project.remember(standing="done" if events.is_ranked else standing)
        return events

    listening = _walk_at(project, LISTENING)
    present = project.tasks.get(WALK)
    if present is not None and present.running and present is not listening:
        return present
    if compute and project.is_asked.is_set():
        project.remember(standing="running")
    return project.tasks.start(WALK, f"Analysing {display_name(project.name)}", work, instead_of=listening)


def is_archive_folder(folder: Path) -> bool:
    """Whether an archive of `loopscope index` lies there."""
    if not is_file(folder / MANIFEST):
        return False
    from loopscope.archive.manifest import is_archive  # late: it reads Parquet, which few folders are
    from loopscope.archive.place import Place

    return is_archive(Place.of(folder))


def _rank(project: Project, store: Store, task: Task, retrain: bool) -> None:
    """An archive: its loops are ranked by the project's model, or by one that learns from a sample."""
    from loopscope.ui.projects.archived import rank_archive

    standing = "stopped"
    try:
        filling = Filling(project, store, task.should_stop)
        known = None if retrain else filling.restore()
        rank_archive(project, store, task, known, filling.label)
        standing = "done"
    finally:
        if not project.is_interrupted:
            project.remember(standing=standing)


def start_ranking(project: Project, store: Store, model: str, label: str) -> Task:
    """Ranks the project's archive by a saved model in a worker; `label` is what it is called here."""

    def work(task: Task) -> None:
        from loopscope.ui.projects.archived import rank_archive

        rank_archive(project, store, task, load_model(model), label, is_new=True)
        project.remember(models=project.memory.models | {label: SavedModel(model)})

    return project.tasks.start(WALK, f"Ranking {display_name(project.name)}", work)


def is_busy(project: Project) -> bool:
    """Whether something is at work that others have to wait for; listening gives way, and goes on later."""
    return project.tasks.any_running(besides=_walk_at(project, LISTENING))


def only_checks_run(project: Project) -> bool:
    """Whether the walk has nothing left to do but check and listen: its model is there, and another may be trained."""
    return _walk_at(project, CHECKING, LISTENING) is not None and bool(project.contents.models)


def _walk_at(project: Project, *stages: str) -> Task | None:
    """The walk where it is at one of these stages."""
    task = project.tasks.get(WALK)
    said = task.progress if task is not None and task.running else None
    return task if said is not None and said.stage in stages else None


def start_training(
    project: Project,
    store: Store,
    embeddings: EmbeddingSet,
    plan: Plan,
    subset: str = "",
    left_out: Collection[str] = (),
) -> Task:
    """Fits another model in a worker. One that was stopped is set beside the others only if the user says so.

    It does not learn from the loops `left_out`, and scores them as new ones.
    """
    excluded = set(left_out) & set(embeddings.loop_ids)

    def work(task: Task) -> None:
        recipe = (plan.detector, plan.preset, plan.seed, subset)
        heard = _heard_inside(project, store, embeddings, task) if plan.preset == LOCAL else embeddings
        kept = [loop_id for loop_id in heard.loop_ids if loop_id not in excluded]
        learnt_from = heard.select(kept) if excluded else heard
        trained = train_detector(learnt_from, *recipe, on_epoch=task.on_epoch, should_stop=task.should_stop)
        without = f"without {counted(len(excluded), 'quarantined loop')}" if excluded else ""
        label = " · ".join(filter(None, [label_of(trained.detector), without]))
        if isinstance(trained, StoppedTraining):
            offer_stopped(project, label, trained)
            raise Cancelled("Training was stopped; its unfinished model is set aside unless you keep it.")
        if excluded:
            trained = replace(score_library(heard, trained.detector), subset=subset)
        _ = trained.projection  # here rather than when the Explore page opens
        take_model(project, label, trained, _unheard_in_words(len(embeddings.loop_ids) - len(heard.loop_ids)))

    return project.tasks.start(TRAIN, f"Training {plan.detector}", work)


def _heard_inside(project: Project, store: Store, embeddings: EmbeddingSet, task: Task) -> EmbeddingSet:
    """The embeddings with the loops' patches: those in the store, and those of loops that were never heard so."""
    library, chosen = project.contents.library, project.memory.plan
    if library is None:
        raise DataError("The folder is not open any more; open it again from the Library page.")
    encoder = hearing_inside(loaded_encoder(chosen.encoder_name, chosen.weights_file, task.on_progress))
    if encoder.encoder_id != embeddings.encoder_id:
        raise EncoderError(
            f"The loops were embedded by {embeddings.encoder_id}, but {encoder.encoder_id} is what can be loaded now; "
            "analyse them again on the Embed page."
        )
    with_patches = embed_library(*(library, encoder, store, task.on_progress, task.should_stop), with_patches=True)
    heard = set(with_patches.loop_ids)
    return with_patches.select([loop_id for loop_id in embeddings.loop_ids if loop_id in heard])


def _unheard_in_words(n: int) -> str:
    return f"{counted(n, 'loop')} could not be read again and {'is' if n == 1 else 'are'} not in it" if n else ""
