"""The whole walk as one piece of work that can be watched: scan → embed → train, with the checks beside the last two,
and when the ranking and the findings are whole, listening for tempo and key.

Conventions: everything is called from the walk's own thread, or for checks from one beside it. What was computed before
is taken from the store, so a walk that was stopped or killed goes on where it was, and one over a known folder computes
only what is new. `Progress` says where the walk stands as a whole (`step`, `share`, `seconds_left`).
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Event

import numpy as np
import pandas as pd

from loopscope.analysis.forecast import Forecast, keep_costs, known_costs
from loopscope.analysis.near_duplicates import known_findings, with_near_duplicates
from loopscope.analysis.scoring import StoppedTraining, scorable, score_library, train_detector
from loopscope.analysis.subsets import in_subset, loops_of
from loopscope.analysis.walk_events import WalkEvents
from loopscope.cluster.spread import embed_anywhere
from loopscope.detection.base import BaseDetector, is_enough
from loopscope.detection.registry import LOCAL, ROBUST, recommended_preset
from loopscope.embeddings import EmbeddingSet
from loopscope.encoders.base import Encoder, hearing_inside, load_encoder
from loopscope.encoders.catalogue import AUTO, known_encoders
from loopscope.errors import EncoderError, WeightsError
from loopscope.faults import check_library
from loopscope.library import Library, scan_folder
from loopscope.metadata.collect import known_metadata, measure_missing
from loopscope.progress import (
    EpochCallback,
    EpochReport,
    Progress,
    ProgressCallback,
    StopCheck,
    ignore_epoch,
    ignore_progress,
    never_stop,
    stoppable,
    training_progress,
)
from loopscope.store import Store
from loopscope.wording import counted

LoadEncoder = Callable[[str, str | None, ProgressCallback], Encoder]
STAGES = ("scan", "embed", "train", "check", "listen")


@dataclass(frozen=True)
class Plan:
    """What a walk does. `encoder_id` names the encoder of an earlier walk here, whose embeddings are shown at once.

    `subset`: the part of the folder to learn from, as `analysis.subsets` names it; empty for all of it. Without a
    `preset` it is the one recommended for the detector. Raises DataError for a detector that there is not.
    """

    encoder: str = AUTO
    weights_file: str | None = None
    detector: str = "AEwRES"
    preset: str = ""
    seed: int = 0
    encoder_id: str = ""
    subset: str = ""

    def __post_init__(self) -> None:
        if not self.preset:
            object.__setattr__(self, "preset", recommended_preset(self.detector))

    @property
    def encoder_name(self) -> str:
        """The encoder to load: what "auto" came to the last time, so that a folder that grew stays comparable."""
        if self.encoder != AUTO or not self.encoder_id:
            return self.encoder
        earlier = (info.name for info in known_encoders() if self.encoder_id.startswith(f"{info.name}-"))
        return max(earlier, key=len, default=AUTO)  # one name may begin another


def walk(
    folder: str | Path,
    plan: Plan,
    store: Store,
    events: WalkEvents,
    *,
    fitted: BaseDetector | None = None,
    compute: bool = True,
    train: bool = True,
    load: LoadEncoder = load_encoder,
    on_progress: ProgressCallback = ignore_progress,
    on_epoch: EpochCallback = ignore_epoch,
    should_stop: StopCheck = never_stop,
) -> None:
    """Takes a folder from files to scores and tells `events` of every step.

    With `fitted`, a model of this folder, nothing is trained: the loops it knows keep their scores, new ones are scored
    by it. With too few loops to learn from, or `train` false, the walk ends with the embeddings. `compute` false: the
    folder is scanned and shown with what is in the store, nothing else is done. Raises `LoopscopeError`, `Cancelled`
    among them.
    """
    _Walk(plan, store, events, load, on_progress, on_epoch, should_stop).run(folder, fitted, compute, train)


class _Walk:
    def __init__(
        self,
        plan: Plan,
        store: Store,
        events: WalkEvents,
        load: LoadEncoder,
        on_progress: ProgressCallback,
        on_epoch: EpochCallback,
        should_stop: StopCheck,
    ) -> None:
        self.plan, self.store, self.events, self.load = plan, store, events, load
        self.on_progress, self.on_epoch, self.should_stop = on_progress, on_epoch, should_stop
        costs_by = ("scan", f"embed {plan.encoder}", f"train {plan.detector} {plan.preset}", "check", "listen")
        self.forecast = Forecast(dict(zip(STAGES, costs_by, strict=True)), known_costs(store))
        self.waits_for_checks = False

    def run(self, folder: str | Path, fitted: BaseDetector | None, compute: bool, train: bool) -> None:
        library = self._scan(folder)
        is_whole = not library.loops.empty and self._rank(library, fitted, compute, train)
        self.events.on_ranked(is_whole)
        if is_whole:
            self._listen(library)

    def _rank(self, library: Library, fitted: BaseDetector | None, compute: bool, train: bool) -> bool:
        """Whether it computed all that it was to."""
        stored, found = self._stored(library), None
        if fitted is not None and fitted.fitted.encoder_id == stored.encoder_id and len(stored.loop_ids):
            stored = scorable(stored, fitted, self.store)
            found = known_findings(library, stored, self.store)
            self.events.on_restored(stored, score_library(stored, fitted, self.store), found)
        if not compute:
            self.events.on_embeddings(stored)
            found = known_findings(library, stored, self.store) if found is None else found
            self.events.on_faults(found, complete=True)
            return False
        self.events.on_work()
        with self._checks_beside(library) as checked:
            inside = self._is_to_hear_inside(stored, library, fitted, train)
            embeddings = self._embed(library, stored, inside, to_train=fitted is None)
            if fitted is not None and fitted.fitted.encoder_id == embeddings.encoder_id:
                if embeddings is not stored:
                    ready = scorable(embeddings, fitted, self.store)
                    self.events.on_model(score_library(ready, fitted, self.store), trained=False)
            elif train and is_enough(embeddings.X) and not self._train(embeddings):
                return False
            self._await_checks(checked, library, embeddings, n_new=len(embeddings.loop_ids) - len(stored.loop_ids))
        return True

    def _scan(self, folder: str | Path) -> Library:
        self.forecast.begin("scan")
        library = scan_folder(folder, self.store, self._stage_progress, self.should_stop)
        self.forecast.count(len(library.unique))
        self.library, self.metadata = library, known_metadata(library.loops, self.store)
        self.events.on_library(library, self.metadata)
        return library

    def _stored(self, library: Library) -> EmbeddingSet:
        """What the encoder of the earlier walk made of these loops."""
        loop_ids, encoder_id = list(library.unique["loop_id"]), self.plan.encoder_id
        found = self.store.get_embeddings(loop_ids, encoder_id) if encoder_id else {}
        kept = tuple(loop_id for loop_id in loop_ids if loop_id in found)
        X = np.stack([found[loop_id] for loop_id in kept]) if kept else np.empty((0, 1), np.float32)
        return EmbeddingSet(kept, X, encoder_id)

    @contextmanager
    def _checks_beside(self, library: Library) -> Iterator[Future[pd.DataFrame]]:
        """The findings to come, from a thread beside the walk's own; whoever leaves before them ends them."""
        over = Event()

        def stopped() -> bool:
            return over.is_set() or self.should_stop()

        with ThreadPoolExecutor(1, thread_name_prefix="checks") as beside:
            try:
                yield beside.submit(self._check, library, stopped)
            finally:
                over.set()

    def _check(self, library: Library, should_stop: StopCheck) -> pd.DataFrame:
        faults = check_library(library, self.store, self._check_progress, should_stop, self.events.on_checked)
        self.events.on_faults(faults, complete=False)
        return faults

    def _is_to_hear_inside(
        self, stored: EmbeddingSet, library: Library, fitted: BaseDetector | None, train: bool
    ) -> bool:
        """Whether patches are needed: by the model that is trained, or of new loops by the one that there is."""
        if fitted is not None:
            return fitted.preset == LOCAL and len(stored.loop_ids) < len(library.unique)
        return train and self.plan.preset == LOCAL

    def _embed(self, library: Library, stored: EmbeddingSet, inside: bool, to_train: bool) -> EmbeddingSet:
        self.forecast.begin("embed")
        embeddings = self._embedded(library, stored, inside, to_train)
        held = embeddings if embeddings.patches is None else replace(embeddings, patches=None)  # the store keeps them
        self.events.on_embeddings(held)
        keep_costs(self.store, self.forecast.learnt(len(embeddings.loop_ids) - len(stored.loop_ids)))
        return embeddings

    def _await_checks(
        self, checked: Future[pd.DataFrame], library: Library, embeddings: EmbeddingSet, n_new: int
    ) -> None:
        """What is left of the checks when nothing else is; `n_new` loops were not known before."""
        self.forecast.begin("check")
        self.waits_for_checks = True
        faults = with_near_duplicates(
            checked.result(), library, embeddings, self.store, self._stage_progress, self.should_stop
        )
        self.events.on_faults(faults, complete=True)
        keep_costs(self.store, self.forecast.learnt(n_new))

    def _listen(self, library: Library) -> None:
        """To what nobody has listened to; `Cancelled` leaves what was heard until then."""
        missing = library.loops[library.loops["loop_id"].isin(self.metadata.missing)]
        if missing.empty:
            return
        self.forecast.begin("listen")
        hear = partial(self.events.on_heard, complete=False)
        try:
            n_heard = measure_missing(missing, self.store, self._stage_progress, self.should_stop, library.root, hear)
        finally:
            self.events.on_heard((), complete=True)
        keep_costs(self.store, self.forecast.learnt(n_heard))

    def _embedded(self, library: Library, stored: EmbeddingSet, inside: bool, to_train: bool) -> EmbeddingSet:
        if len(stored.loop_ids) == len(library.unique) and not inside:
            return stored
        self._say(Progress("Loading the encoder", 0, 0), 0.0)
        loading = stoppable(self._stage_progress, self.should_stop, "Loading the encoder was stopped.")
        encoder = self.load(self.plan.encoder_name, self.plan.weights_file, loading)
        self.events.on_encoder(encoder)
        if inside:
            encoder, inside = self._hearing_inside(encoder, to_train)
        return embed_anywhere(
            *(library, encoder, self.store, self._stage_progress, self.should_stop),
            on_embedded=self.events.on_embedded,
            with_patches=inside,
        )

    def _hearing_inside(self, encoder: Encoder, to_train: bool) -> tuple[Encoder, bool]:
        """The encoder with patches, or where it cannot have any itself; what is trained is then the next best."""
        try:
            return hearing_inside(encoder), True
        except (EncoderError, WeightsError) as error:
            self.plan = replace(self.plan, preset=ROBUST)
            instead = f"Trained with preset {ROBUST} instead, which hears each loop as a whole."
            self.events.on_remark(f"{error} {instead if to_train else 'Loops that are new stay without a score.'}")
            return encoder, False

    def _train(self, embeddings: EmbeddingSet) -> bool:
        """Whether it came to its end."""
        self.forecast.begin("train")
        self._say(Progress("Training", 0, 0, message="preparing"), 0.0)
        plan, (learnt_from, subset) = self.plan, self._learnt_from(embeddings)
        recipe = (plan.detector, plan.preset, plan.seed, subset)
        trained = train_detector(learnt_from, *recipe, on_epoch=self._on_epoch, should_stop=self.should_stop)
        if isinstance(trained, StoppedTraining):
            self.events.on_stopped(trained)
            return False
        _ = trained.projection  # here rather than when a page opens
        self.events.on_model(trained, trained=True)
        keep_costs(self.store, self.forecast.learnt(len(embeddings.loop_ids)))
        return True

    def _learnt_from(self, embeddings: EmbeddingSet) -> tuple[EmbeddingSet, str]:
        """The part that the plan names and its name, or everything where that is too little to learn from."""
        name = self.plan.subset
        if not name:
            return embeddings, ""
        part = embeddings.select(in_subset(loops_of(self.library, self.metadata.table, embeddings.loop_ids), name))
        if not is_enough(part.X):
            n = counted(len(part.loop_ids), "loop")
            self.events.on_remark(f"{n} of {name}: too few to learn from, so it learnt from all loops.")
            return embeddings, ""
        return (part, name) if len(part.loop_ids) < len(embeddings.loop_ids) else (embeddings, "")

    def _stage_progress(self, report: Progress) -> None:
        self._say(report, report.done / report.total if report.total else 0.0)

    def _check_progress(self, report: Progress) -> None:
        """Said by a thread of their own, so only once the walk has nothing else to say."""
        if self.waits_for_checks:
            self._stage_progress(report)

    def _on_epoch(self, report: EpochReport) -> None:
        self.on_epoch(report)
        said = training_progress(report)
        self._say(said, said.done / said.total)

    def _say(self, report: Progress, share_of_stage: float) -> None:
        step, share, left = self.forecast.at(min(share_of_stage, 1.0))
        self.on_progress(replace(report, step=step, share=share, seconds_left=left))
