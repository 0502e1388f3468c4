"""What a walk finds goes into its project as it comes, whatever page is open."""

import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from loopscope.analysis.provisional import provisional_ranking
from loopscope.analysis.scoring import ScoredLoops, StoppedTraining, label_of, scorable, score_library
from loopscope.analysis.subsets import in_subset, loops_of
from loopscope.analysis.walk_events import WalkEvents
from loopscope.detection.base import BaseDetector
from loopscope.detection.saved import load_model
from loopscope.embeddings import EmbeddingSet
from loopscope.encoders.base import Encoder, Samples
from loopscope.errors import ModelError
from loopscope.faults.check import faults_frame, rows_of
from loopscope.faults.file_report import Report
from loopscope.library import Library, scan_folder
from loopscope.library.changes import changes_between
from loopscope.metadata.collect import MetadataTable
from loopscope.progress import StopCheck, never_stop
from loopscope.store import Store
from loopscope.ui.projects.contents import EncoderNote
from loopscope.ui.projects.heard import HeardLoops
from loopscope.ui.projects.models import offer_stopped, take_model
from loopscope.ui.projects.project import Project

FILL_S = 2.0  # between two states of the provisional ranking
FAULTS_S = 5.0  # between two states of the findings beside a ranking that is complete
PAGE_S = 3.0  # for a page to show what was restored, before the rest of the walk takes the processor from it
LOOK_S = 0.1
ASKED_S = 1.0
FETCHED_S = 0.5  # for the browser to fetch the loops of that page
PATIENCE = 10.0  # as many times as long as it took to make the last one


class Filling(WalkEvents):
    """Puts what a walk finds into the project, the provisional ranking at most every FILL_S."""

    def __init__(self, project: Project, store: Store, should_stop: StopCheck = never_stop) -> None:
        self.project, self.store, self.should_stop = project, store, should_stop
        self.heard = HeardLoops(project, store)
        self.label = ""  # of the model that is restored first
        self.remark = ""
        self.vectors: dict[str, Samples] = {}
        self.reports: dict[str, Report] = {}
        self.encoder_id = ""
        self.is_embedded, self.is_checked, self.is_ranked, self.is_restored = False, False, False, False
        self.is_outdated = False  # read ahead, and the folder changed before somebody asked for it
        self.is_first = project.contents.faults is None and not project.memory.models
        self.lock = threading.Lock()
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
                ready = scorable(chosen, detector, self.store)
                scored = replace(score_library(ready, detector, self.store), subset=saved.subset)
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
        project.update(library=library, metadata=metadata, changes=changes, unseen=None)
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

    def on_restored(self, embeddings: EmbeddingSet, scored: ScoredLoops, faults: pd.DataFrame) -> None:
        """The folder as it was left."""
        self.project.update(embeddings=embeddings, encoder=self.project.memory.encoder, faults=faults)
        self._show(scored)
        self.is_restored = True

    def on_work(self) -> None:
        """A project that was read ahead waits until somebody asks for it; the rest of the walk then for the page."""
        was_ahead = not self.project.is_asked.is_set()
        while not (self.project.is_asked.wait(ASKED_S) or self.should_stop()):
            pass
        if self.is_restored and not self.project.is_out.is_set():
            self._let_the_page_out()
        if was_ahead and not self.should_stop():
            self.project.remember(standing="running")
            self.is_outdated = self._has_changed()

    def _has_changed(self) -> bool:
        """Whether the folder is another by now. Raises LoopscopeError."""
        read = self.project.contents.library
        now = None if read is None else scan_folder(read.root, self.store, should_stop=self.should_stop)
        return read is not None and now is not None and not now.loops.equals(read.loops)

    def _let_the_page_out(self) -> None:
        until = time.monotonic() + PAGE_S
        while not (self.project.is_out.wait(LOOK_S) or self.should_stop() or time.monotonic() > until):
            pass
        if not self.should_stop():
            time.sleep(FETCHED_S)

    def on_embedded(self, fresh: Mapping[str, Samples]) -> None:
        """Ranks what is there so far."""
        self.vectors |= fresh
        self._fill()

    def on_checked(self, fresh: Mapping[str, Report]) -> None:
        """Takes findings as they come; they are shown with the next ranking, or beside the one that is complete."""
        self.reports |= fresh
        if self.is_first and self.is_embedded and time.monotonic() > self.due:
            now = time.monotonic()
            self._update(redraw=False)
            self.due = time.monotonic() + max(FAULTS_S, PATIENCE * (time.monotonic() - now))

    def on_embeddings(self, embeddings: EmbeddingSet) -> None:
        """Everything that the detectors need."""
        library = self.project.contents.library
        ranked = None if self.project.contents.models else provisional_ranking(embeddings)
        encoder = self.project.contents.encoder or self.project.memory.encoder
        self.is_embedded = True
        redraw = ranked is not None  # else nothing looks different until the findings or the new scores come
        if redraw or embeddings is not self.project.contents.embeddings:
            self._update(redraw=redraw, embeddings=embeddings, provisional=ranked, encoder=encoder)
        if library is not None and self.project.memory.standing != "stopped":  # else what is new waits
            files = dict(zip(library.loops["path"], library.loops["loop_id"], strict=True))
            self.store.put_project_files(self.project.id, files)

    def on_faults(self, faults: pd.DataFrame, *, complete: bool) -> None:
        """What the checks and comparisons found; those of an earlier walk stay until all are there."""
        if not (complete or self.is_first):
            return
        with self.lock:
            self.is_checked = True
            shown = self.project.contents.faults
            if shown is None or not faults.equals(shown):
                self.project.update(faults=faults)

    def on_remark(self, sentence: str) -> None:
        """Said with the news of the model, or beside that of new scores."""
        self.remark = sentence

    def on_model(self, scored: ScoredLoops, *, trained: bool) -> None:
        """The ranking to stay."""
        if trained:
            take_model(self.project, label_of(scored.detector), scored, self.remark)
        else:
            self._show(scored)
            if self.remark:
                self.project.say(self.remark)

    def on_stopped(self, stopped: StoppedTraining) -> None:
        """Offered, not kept."""
        offer_stopped(self.project, label_of(stopped.detector), stopped)

    def on_ranked(self, is_whole: bool) -> None:
        """The other models do not wait for what is listened to."""
        self.is_ranked = is_whole
        if is_whole:
            self.project.remember(standing="done")
        self.restore_others()

    def on_heard(self, fresh: Collection[str], *, complete: bool) -> None:
        """Shown in the explorer, now and then."""
        self.heard.take(fresh)
        if complete:
            self.heard.show()

    def _show(self, scored: ScoredLoops) -> None:
        models = {**self.project.contents.models, self.label: scored}
        self.project.update(models=models, provisional=None)
        if self.project.active not in self.project.memory.models:
            self.project.show_model(self.label)
        elif self.project.active in models:
            self.project.show_model(self.project.active)

    def _fill(self) -> None:
        library, now = self.project.contents.library, time.monotonic()
        if library is None or now < self.due or self.project.contents.models or not self.vectors:
            return
        ids = tuple(loop_id for loop_id in library.unique["loop_id"] if loop_id in self.vectors)
        embeddings = EmbeddingSet(ids, np.stack([self.vectors[loop_id] for loop_id in ids]), self.encoder_id)
        ranked = provisional_ranking(embeddings)
        self._update(redraw=False, embeddings=embeddings, provisional=ranked)
        self.due = time.monotonic() + max(FILL_S, PATIENCE * (time.monotonic() - now))

    def _update(self, *, redraw: bool, **changes: Any) -> None:
        """Changes with the findings so far, of a first walk: what an earlier one found and compared stays until the
        new findings are whole."""
        library = self.project.contents.library
        with self.lock:  # checks end in a thread of their own
            if self.is_first and library is not None and not self.is_checked:
                changes["faults"] = faults_frame(rows_of(dict(self.reports), library.unique["loop_id"]))
            self.project.update(redraw=redraw, **changes)
