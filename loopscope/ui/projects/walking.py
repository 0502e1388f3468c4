"""The walk of a project: what it finds goes into the project's contents, whatever page is open, and models to disk."""

import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from loopscope.analysis.pipeline import ScoredLoops, StoppedTraining, score_library, train_detector
from loopscope.analysis.provisional import provisional_ranking
from loopscope.analysis.subsets import in_subset, loops_of
from loopscope.analysis.walk import Plan, WalkEvents, walk
from loopscope.config import paths
from loopscope.detection.base import BaseDetector
from loopscope.detection.saved import delete_model, load_model, save_model
from loopscope.embeddings import EmbeddingSet
from loopscope.encoders.base import Encoder, Samples, load_encoder
from loopscope.errors import Cancelled, ModelError
from loopscope.faults.check import Report, faults_frame, rows_of
from loopscope.files import display_name
from loopscope.library import Library
from loopscope.library.changes import changes_between
from loopscope.metadata.collect import MetadataTable
from loopscope.progress import ProgressCallback
from loopscope.store import Store
from loopscope.ui.projects.contents import EncoderNote
from loopscope.ui.projects.project import Project, SavedModel
from loopscope.ui.projects.tasks import Task
from loopscope.ui.server.memory import collect_and_freeze
from loopscope.wording import stand_out

WALK, TRAIN = "walk", "train"
FILL_S = 2.0  # between two states of the provisional ranking
PATIENCE = 10.0  # as many times as long as it took to make the last one
MODELS_KEPT = 5


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
        folder = project.folder if folder_of is None else folder_of(task)
        events = _Filling(project, store)
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
            events.restore_others()
            standing = "stopped" if task.should_stop() else "done"
        finally:
            if compute and not project.is_interrupted:
                project.remember(standing=standing)

    present = project.tasks.get(WALK)
    if present is not None and present.running:
        return present
    if compute:
        project.remember(standing="running")
    return project.tasks.start(WALK, f"Analysing {display_name(project.name)}", work)


def start_training(project: Project, store: Store, embeddings: EmbeddingSet, plan: Plan, subset: str = "") -> Task:
    """Fits another model in a worker. One that was stopped is set beside the others only if the user says so."""

    def work(task: Task) -> None:
        recipe = (plan.detector, plan.preset, plan.seed, subset)
        trained = train_detector(embeddings, *recipe, on_epoch=task.on_epoch, should_stop=task.should_stop)
        if isinstance(trained, StoppedTraining):
            offer_stopped(project, plan.label, trained)
            raise Cancelled("Training was stopped; its unfinished model is set aside unless you keep it.")
        _ = trained.projection  # here rather than when the Explore page opens
        take_model(project, plan.label, trained)

    return project.tasks.start(TRAIN, f"Training {plan.detector}", work)


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


class _Filling(WalkEvents):
    """Puts what a walk finds into the project, the provisional ranking at most every FILL_S."""

    def __init__(self, project: Project, store: Store) -> None:
        self.project, self.store = project, store
        self.label = ""  # of the model that is restored first
        self.remark = ""
        self.vectors: dict[str, Samples] = {}
        self.reports: dict[str, Report] = {}
        self.encoder_id = ""
        self.due = 0.0

    def restore(self) -> BaseDetector | None:
        """A model of the whole folder to go on with: the one in view, else the newest that can be read."""
        known = self.project.memory
        whole = [label for label, saved in known.models.items() if not saved.subset]
        for label in sorted(reversed(whole), key=lambda label: label != known.active):
            try:
                detector = load_model(known.models[label].path, check=False)
            except ModelError as error:
                self.project.say(str(error))
                continue
            self.label = label
            return detector
        return None

    @property
    def has_model(self) -> bool:
        """Whether there is a model to come, if only of a part of the folder."""
        return any(Path(saved.path).is_dir() for saved in self.project.memory.models.values())

    def restore_others(self) -> None:
        """The project's other models, the one in view among them where it is of a part of the folder."""
        embeddings = self.project.contents.embeddings
        for label, saved in self.project.memory.models.items():
            if embeddings is None or label in self.project.contents.models:
                continue
            try:
                detector = load_model(saved.path, check=False)
                chosen = embeddings.select(self._of_subset(detector, saved.subset)) if saved.subset else embeddings
                scored = replace(score_library(chosen, detector), subset=saved.subset)
            except ModelError as error:
                self.project.say(str(error))
                continue
            self.project.add_model(label, scored, in_view=label == self.project.active, restored=True)
        present = list(self.project.contents.models)
        if present and self.project.active not in present:  # it could not be read
            self.project.show_model(self.label or present[-1])

    def _of_subset(self, detector: BaseDetector, subset: str) -> list[str]:
        """The loops it was fitted on that are still there, and those that have come to its subset since."""
        now = self.project.contents
        if now.library is None or now.metadata is None or now.embeddings is None:
            return []
        present = loops_of(now.library, now.metadata.table, now.embeddings.loop_ids)
        known = {*detector.loop_ids_, *in_subset(present, subset)}
        return [loop_id for loop_id in now.embeddings.loop_ids if loop_id in known]

    def on_library(self, library: Library, metadata: MetadataTable) -> None:
        """Lists the loops; says what is new since the last walk."""
        project = self.project
        known = self.store.get_project_files(project.id)
        changes = changes_between(known, library) if known else None
        project.update(library=library, metadata=metadata, changes=changes)
        project.remember(n_loops=len(library.unique))

    def on_encoder(self, encoder: Encoder) -> None:
        """Keeps who makes the numbers."""
        self.encoder_id = encoder.encoder_id
        note, plan = self.project.memory.encoder, self.project.memory.plan
        if note is None or note.encoder_id != encoder.encoder_id:
            note = EncoderNote(encoder.encoder_id, encoder.description, encoder.notice)
            self.project.drop_embeddings()
        self.project.update(encoder=note)
        self.project.remember(encoder=note, plan=replace(plan, encoder_id=note.encoder_id))

    def on_restored(self, embeddings: EmbeddingSet, scored: ScoredLoops) -> None:
        """The folder as it was left."""
        self.project.update(embeddings=embeddings, encoder=self.project.memory.encoder)
        self._show(scored)

    def on_embedded(self, fresh: Mapping[str, Samples]) -> None:
        """Ranks what is there so far."""
        self.vectors |= fresh
        self._fill()

    def on_checked(self, fresh: Mapping[str, Report]) -> None:
        """Takes findings as they come; they are shown with the next ranking."""
        self.reports |= fresh

    def on_embeddings(self, embeddings: EmbeddingSet, faults: pd.DataFrame) -> None:
        """Everything that the detectors and pages need."""
        library = self.project.contents.library
        ranked = None if self.project.contents.models else provisional_ranking(embeddings)
        encoder = self.project.contents.encoder or self.project.memory.encoder
        self.project.update(embeddings=embeddings, faults=faults, provisional=ranked, encoder=encoder)
        if library is not None and self.project.memory.standing != "stopped":  # else what is new waits
            files = dict(zip(library.loops["path"], library.loops["loop_id"], strict=True))
            self.store.put_project_files(self.project.id, files)

    def on_remark(self, sentence: str) -> None:
        """Said with the news of the model."""
        self.remark = sentence

    def on_model(self, scored: ScoredLoops, *, trained: bool) -> None:
        """The ranking to stay."""
        if trained:
            take_model(self.project, self.project.memory.plan.label, scored, self.remark)
        else:
            self._show(scored)

    def on_stopped(self, stopped: StoppedTraining) -> None:
        """Offered, not kept."""
        offer_stopped(self.project, self.project.memory.plan.label, stopped)

    def _show(self, scored: ScoredLoops) -> None:
        models = {**self.project.contents.models, self.label: scored}
        self.project.update(models=models, provisional=None)
        if self.project.active not in self.project.memory.models:
            self.project.show_model(self.label)
        elif self.project.active in models:
            self.project.show_model(self.project.active)

    def _fill(self) -> None:
        library, now = self.project.contents.library, time.monotonic()
        if library is None or now < self.due or self.project.contents.models:
            return
        ids = tuple(loop_id for loop_id in library.unique["loop_id"] if loop_id in self.vectors)
        embeddings = EmbeddingSet(ids, np.stack([self.vectors[loop_id] for loop_id in ids]), self.encoder_id)
        ranked = provisional_ranking(embeddings)
        faults = faults_frame(rows_of(dict(self.reports), library.unique["loop_id"]))
        self.project.update(redraw=False, embeddings=embeddings, faults=faults, provisional=ranked)
        self.due = time.monotonic() + max(FILL_S, PATIENCE * (time.monotonic() - now))
