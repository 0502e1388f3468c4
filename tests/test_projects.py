"""Projects: a walk goes on where it was stopped or killed, nothing that was kept is lost, nobody sees another's."""

import multiprocessing
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from multiprocessing.synchronize import Event as ProcessEvent
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
import streamlit as st

from loopscope.analysis import walk as walk_module
from loopscope.analysis.pipeline import listing_table
from loopscope.analysis.scoring import ScoredLoops, StoppedTraining, train_detector
from loopscope.analysis.walk import Plan, walk
from loopscope.analysis.walk_events import WalkEvents
from loopscope.config import DEFAULT_PERCENTILE, paths
from loopscope.errors import Cancelled
from loopscope.metadata import collect
from loopscope.metadata.collect import measure_missing
from loopscope.metadata.listening import STAGE as LISTENING
from loopscope.progress import EpochReport, Progress
from loopscope.store import ProjectRow, Store
from loopscope.ui.projects import walking
from loopscope.ui.projects.models import keep_model, models_folder, project_folder
from loopscope.ui.projects.project import LOCAL, Project
from loopscope.ui.projects.registry import ProjectRegistry
from loopscope.ui.projects.stopped import keep_stopped
from loopscope.ui.projects.tasks import Task
from loopscope.ui.projects.walking import WALK, is_busy, only_checks_run, start_training, start_walk
from loopscope.ui.server import visitors
from tests.golden.clips import plucked

RATE, N_LOOPS = 8000, 40
LIMIT_S = 180.0
PLAN = Plan(detector="knn")
NETS = Plan(detector="AE", preset="robust")
LABEL = f"{PLAN.detector} · {PLAN.preset} · seed {PLAN.seed}"
STAGES = ("scan", "embed", "train")
BROWSER = "browser:" + "k" * 40


class Tiny:
    """An encoder of a few samples of the sound that counts what it was asked for. `meanwhile` is called per batch."""

    encoder_id, sample_rate, n_features, description, notice = "tiny-1", RATE, 16, "Tiny, a few samples", ""
    batch_size = 4

    def __init__(self) -> None:
        self.n_embedded, self.n_loaded = 0, 0
        self.meanwhile: Callable[[], None] = lambda: None
        self.on_load: Callable[[], None] = lambda: None
        self._lock = threading.Lock()

    def embed(self, waveforms: Sequence[np.ndarray]) -> np.ndarray:
        self.meanwhile()
        with self._lock:
            self.n_embedded += len(waveforms)
        return np.stack([waveform[20:36] for waveform in waveforms]).astype(np.float32)

    def load(self, name: str, weights_file: str | None, on_progress: object) -> "Tiny":
        self.n_loaded += 1
        self.on_load()
        return self


class Fits:
    """Stands before `train_detector`: counts, and has something happen at a training's first epoch or its start."""

    def __init__(self) -> None:
        self.n = 0
        self.first: Callable[[], None] = lambda: None

    def __call__(
        self, *arguments: Any, on_epoch: Callable[[EpochReport], None], **more: Any
    ) -> ScoredLoops | StoppedTraining:
        self.n += 1
        seen: list[int] = []

        def note(report: EpochReport) -> None:
            on_epoch(report)
            if not seen:
                self.first()
            seen.append(1)

        return train_detector(*arguments, on_epoch=note, **more)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> Tiny:
    encoder = Tiny()
    monkeypatch.setattr(walking, "loaded_encoder", encoder.load)
    return encoder


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> Fits:
    counted = Fits()
    monkeypatch.setattr(walk_module, "train_detector", counted)
    monkeypatch.setattr(walking, "train_detector", counted)
    return counted


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "loops", range(N_LOOPS))


def write(folder: Path, numbers: Sequence[int]) -> Path:
    """Short plucked notes, a different one for every number."""
    folder.mkdir(exist_ok=True)
    for number in numbers:
        soundfile.write(folder / f"{number:03d}.wav", plucked(0.1, RATE, seed=number), RATE)
    return folder


def registry() -> ProjectRegistry:
    """As a server that has just started makes it, over the database of this test."""
    return ProjectRegistry(Store(paths().database))


def finish(task: Task | None) -> Task:
    """Wait for a task and its thread."""
    assert task is not None
    until(lambda: not task.running, "the task ends")
    for thread in threading.enumerate():
        if thread.name.startswith("loopscope-") and not thread.name.startswith("loopscope-worker"):
            thread.join(5)
    return task


def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.005)


def analysed(folder: Path, plan: Plan = PLAN, owner: str = LOCAL, at: ProjectRegistry | None = None) -> Project:
    """The project of a folder after its walk."""
    known = at or registry()
    project = known.create(owner, folder, plan)
    task = finish(start_walk(project, known.store))
    assert task.state == "done", task.error
    return project


def reopened(project_id: str, owner: str = LOCAL) -> Project:
    """The project as a new server opens it, after whatever it does then."""
    project = registry().open(owner, project_id)
    assert project is not None
    finish(project.tasks.get(WALK))
    return project


def n_stored() -> int:
    """Embeddings in the database."""
    with Store(paths().database) as store:
        return sum(store.embeddings_by_encoder().values())


def scores_of(project: Project, label: str | None = None) -> dict[str, float]:
    table = project.contents.models[label or project.active].scores
    return dict(zip(table["loop_id"], table["score"], strict=True))


def undisturbed(folder: Path, plan: Plan, database: Path) -> dict[str, float]:
    """The scores of the same walk that nobody stops, with a database of its own."""
    found: list[ScoredLoops] = []

    class Keep(WalkEvents):
        def on_model(self, scored: ScoredLoops, *, trained: bool) -> None:
            found.append(scored)

    with Store(database) as store:
        walk(folder, plan, store, Keep(), load=Tiny().load)
    return dict(zip(found[-1].scores["loop_id"], found[-1].scores["score"], strict=True))


# A walk that ended before its end.


def stop_in(stage: str, folder: Path, tiny: Tiny, fits: Fits, plan: Plan, end: Callable[[Project], None]) -> Project:
    """A project whose walk heard `end` in this stage; returns once its task is over."""
    known = registry()
    project = known.create(LOCAL, folder, plan)

    def now() -> None:
        end(project)

    def after_some() -> None:
        if tiny.n_embedded >= 8:
            now()

    if stage == "scan":
        tiny.on_load = now
    elif stage == "embed":
        tiny.meanwhile = after_some
    else:
        fits.first = now
    finish(start_walk(project, known.store))
    tiny.on_load = tiny.meanwhile = fits.first = lambda: None
    return project


@pytest.mark.parametrize("stage", STAGES)
def test_a_walk_that_its_owner_stopped_stays_stopped_and_shows_what_is_there(
    stage: str, folder: Path, tiny: Tiny, fits: Fits
) -> None:
    project = stop_in(stage, folder, tiny, fits, NETS, lambda project: project.tasks.cancel_all())
    assert project.memory.standing == "stopped"
    embedded, loaded, fitted = tiny.n_embedded, tiny.n_loaded, fits.n
    stored = n_stored()
    assert {"scan": stored == 0, "embed": 0 < stored < N_LOOPS, "train": stored == N_LOOPS}[stage], stored

    again = reopened(project.id)
    assert (tiny.n_embedded, tiny.n_loaded, fits.n) == (embedded, loaded, fitted), "nothing is computed"
    assert again.memory.standing == "stopped"
    library, embeddings = again.contents.library, again.contents.embeddings
    assert library is not None and len(library.unique) == N_LOOPS
    assert embeddings is not None and len(embeddings.loop_ids) == stored
    assert not again.contents.models and not again.contents.stopped, "a training that was stopped is not kept"
    assert (again.contents.provisional is not None) == (stored >= 8)


@pytest.mark.parametrize("stage", STAGES)
def test_a_walk_goes_on_when_the_server_that_stopped_is_back(
    stage: str, folder: Path, tiny: Tiny, fits: Fits, tmp_path: Path
) -> None:
    """Nobody pressed Cancel: the end of the server is not the user's decision."""
    plan = NETS
    ended: list[threading.Thread] = []

    def stop_server(project: Project) -> None:
        at.store = project._store  # type: ignore[assignment]
        at._projects[project.id] = project
        if not ended:  # as at a signal: from another thread than the worker's
            ended.append(threading.Thread(target=at.end))
            ended[0].start()
        until(lambda: project.tasks.get(WALK).should_stop(), "it is told")  # type: ignore[union-attr]

    at = registry()
    project = stop_in(stage, folder, tiny, fits, plan, stop_server)
    ended[0].join()
    assert not project.tasks.any_running()
    stored, tiny.n_embedded = n_stored(), 0
    again = reopened(project.id)
    assert tiny.n_embedded == N_LOOPS - stored, "only what is missing is embedded"
    assert again.memory.standing == "done"
    assert scores_of(again) == undisturbed(folder, plan, tmp_path / "other.sqlite3")


def victim(home: Path, folder: Path, stage: str, reached: ProcessEvent) -> None:
    """A server that analyses the folder and hangs in one stage, to be killed there."""
    os.environ["LOOPSCOPE_HOME"] = str(home)
    tiny, fit = Tiny(), walk_module.train_detector
    walking.loaded_encoder = tiny.load  # type: ignore[assignment]

    def hang() -> None:
        reached.set()
        time.sleep(LIMIT_S)

    def hang_after_some() -> None:
        if tiny.n_embedded >= 8:
            until(n_stored, "what was embedded is kept")  # by another thread than this one
            hang()

    def hang_then_fit(*arguments: Any, **more: Any) -> ScoredLoops | StoppedTraining:
        hang()
        return fit(*arguments, **more)

    if stage == "scan":
        tiny.on_load = hang
    elif stage == "embed":
        tiny.meanwhile = hang_after_some
    else:
        walk_module.train_detector = hang_then_fit
    known = registry()
    finish(start_walk(known.create(LOCAL, folder, PLAN), known.store))


def test_kill_9_in_each_stage_and_reopening_goes_on(
    folder: Path, tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    expected = undisturbed(folder, PLAN, tmp_path / "other.sqlite3")
    for stage in STAGES:
        home = tmp_path / stage
        monkeypatch.setenv("LOOPSCOPE_HOME", str(home))
        reached = context.Event()
        process = context.Process(target=victim, args=(home, folder, stage, reached))
        process.start()
        assert reached.wait(LIMIT_S), f"it never came to {stage}"
        process.kill()
        process.join()
        (row,) = registry().known(LOCAL)
        kept = n_stored()
        assert {"scan": kept == 0, "embed": 0 < kept < N_LOOPS, "train": kept == N_LOOPS}[stage], (stage, kept)
        tiny.n_embedded = 0
        project = reopened(row.project_id)
        assert tiny.n_embedded == N_LOOPS - kept, "what was embedded stays"
        assert project.memory.standing == "done"
        assert scores_of(project) == expected, stage


def test_findings_are_there_before_training_ends_and_stay_while_it_is_done_again(
    folder: Path, tiny: Tiny, fits: Fits
) -> None:
    (folder / "copy.wav").write_bytes((folder / "000.wav").read_bytes())
    known = registry()
    project = known.create(LOCAL, folder, NETS)
    seen: list[set[str]] = []

    def look() -> None:
        until(lambda: "duplicate" in kinds(), "the checks end beside the training")
        seen.append(kinds())

    def kinds() -> set[str]:
        faults = project.contents.faults
        return set() if faults is None else set(faults["kind"])

    fits.first = look
    finish(start_walk(project, known.store))
    fits.first = lambda: seen.append(kinds())
    finish(start_walk(project, known.store, retrain=True))
    assert len(seen) == 2 and seen[0] <= seen[1] == kinds()


def test_what_was_listened_to_comes_after_ranking_and_findings_and_only_once(
    folder: Path, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = registry()
    project = known.create(LOCAL, folder, PLAN)
    seen: list[int] = []

    def listen(*arguments: Any) -> int:
        now = project.contents
        assert now.models and now.faults is not None and now.metadata is not None
        assert len(now.metadata.missing) == N_LOOPS
        arguments[2](Progress("Listening", 0, N_LOOPS))
        assert only_checks_run(project), "another model may be trained"
        seen.append(project.contents.serial)
        n_heard = measure_missing(*arguments)
        seen.append(project.contents.generation)
        return n_heard

    monkeypatch.setattr(walk_module, "measure_missing", listen)
    task = finish(start_walk(project, known.store))
    assert task.state == "done", task.error
    serial, generation = seen
    now = project.contents
    assert now.metadata is not None and not now.metadata.missing
    assert now.serial > serial and now.generation == generation, "the explorer goes over to it, no page is drawn anew"
    again = reopened(project.id)
    assert again.contents.metadata is not None and not again.contents.metadata.missing
    assert len(seen) == 2, "nobody listens again"


def test_a_walk_that_is_stopped_while_it_listens_keeps_all_that_it_has(
    folder: Path, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = registry()
    project = known.create(LOCAL, folder, PLAN)
    monkeypatch.setattr(collect, "BATCH", 4)

    def listen(loops: Any, store: Store, on_progress: Any, should_stop: Any, root: Any, on_heard: Any) -> int:
        def hear(fresh: Sequence[str]) -> None:
            on_heard(fresh)
            project.tasks.cancel_all()

        return measure_missing(loops, store, on_progress, should_stop, root, hear)

    monkeypatch.setattr(walk_module, "measure_missing", listen)
    assert finish(start_walk(project, known.store)).state == "cancelled"
    now = project.contents
    assert now.models and now.faults is not None and now.metadata is not None
    assert len(now.metadata.missing) == N_LOOPS - 4
    assert project.memory.standing == "done", "what is new is analysed the next time"


def test_listening_gives_way_to_another_walk_and_to_nothing_else(
    folder: Path, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = registry()
    project = known.create(LOCAL, folder, PLAN)
    first = threading.Event()

    def listen(loops: Any, store: Store, on_progress: Any, should_stop: Any, root: Any, on_heard: Any) -> int:
        if not first.is_set():
            on_progress(Progress(LISTENING, 0, len(loops)))
            first.set()
            until(should_stop, "it is asked to give way")
            raise Cancelled("Listening was stopped.")
        return measure_missing(loops, store, on_progress, should_stop, root, on_heard)

    monkeypatch.setattr(walk_module, "measure_missing", listen)
    earlier = start_walk(project, known.store)
    assert start_walk(project, known.store) is earlier, "it is not at listening yet"
    until(first.is_set, "it listens")
    assert project.memory.standing == "done" and not is_busy(project) and project.tasks.any_running()
    write(folder, [N_LOOPS])
    later = start_walk(project, known.store)
    assert later is not earlier and is_busy(project)
    assert finish(later).state == "done" and earlier.state == "cancelled"
    assert len(scores_of(project)) == N_LOOPS + 1 and project.memory.standing == "done"
    assert project.contents.metadata is not None and not project.contents.metadata.missing


# Models.


def test_a_second_training_that_is_stopped_changes_nothing_and_is_kept_only_on_request(
    folder: Path, tiny: Tiny, fits: Fits
) -> None:
    known = registry()
    project = analysed(folder, at=known)
    label, before = project.active, scores_of(project)
    embeddings = project.contents.embeddings
    assert embeddings is not None

    def stop_second() -> Task:
        task = start_training(project, known.store, embeddings, NETS)
        return finish(task)

    fits.first = project.tasks.cancel_all
    task = stop_second()
    assert task.state == "cancelled" and "stopped" in task.error
    assert project.active == label and list(project.contents.models) == [label]
    assert scores_of(project) == before
    assert scores_of(reopened(project.id)) == before
    assert project.contents.stopped is not None
    name, stopped = project.contents.stopped
    assert "Training was stopped after 1 of" in stopped.sentence, "nothing is scored before it is kept"
    assert list(project.memory.models) == [label], "it is offered, not kept"

    project.update(stopped=None)  # discarded
    assert list(reopened(project.id).contents.models) == [label]

    stop_second()
    assert project.contents.stopped is not None
    scoring = project.contents.stopped[1].detector
    task = keep_stopped(project)
    assert task is not None
    task.cancel()  # before its first step, or it is done already
    if finish(task).state == "cancelled":
        assert "can still be kept" in task.error and project.contents.stopped is not None and scoring.unfinished
        finish(keep_stopped(project))
    assert project.contents.stopped is None
    assert project.active == f"{name} (unfinished)"
    assert scores_of(project, label) == before
    again = reopened(project.id)
    report = again.contents.models[f"{name} (unfinished)"].detector.report_
    assert again.active == f"{name} (unfinished)"
    assert not report.complete and any("stopped" in sentence for sentence in report.warnings)
    assert scores_of(again, label) == before


def test_the_last_five_models_are_kept_and_never_loses_the_one_in_view(folder: Path, tiny: Tiny) -> None:
    known = registry()
    project = analysed(folder, at=known)
    labels = [project.active]
    for seed in range(1, 8):
        task = start_training(project, known.store, embeddings_of(project), replace(PLAN, seed=seed))
        assert finish(task).state == "done", task.error
        labels.append(project.active)
        assert Path(project.memory.models[project.active].path).is_dir()
    assert len(set(labels)) == 8
    assert list(project.memory.models) == labels[-5:] == list(project.contents.models)
    kept = {Path(model.path) for model in project.memory.models.values()}
    assert set(models_folder(project.id).iterdir()) == kept
    again = reopened(project.id)
    assert set(again.contents.models) == set(labels[-5:]) and again.active == labels[-1]


def test_models_of_one_label_are_told_apart_also_within_a_second_and_after_a_restart(
    folder: Path, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "strftime", lambda form: "12:00:00")
    project = analysed(folder)
    label, scored = project.active, project.contents.models[project.active]
    for _ in range(2):
        keep_model(project, label, scored)
    assert (
        list(project.contents.models)
        == list(project.memory.models)
        == [label, f"{label} · 12:00:00", f"{label} · 12:00:00 (2)"]
    )
    later = registry().create(LOCAL, folder, PLAN)  # as the first page does, before anything is restored
    keep_model(later, label, scored)
    assert len(later.memory.models) == len({model.path for model in later.memory.models.values()}) == 4
    again = reopened(project.id)
    assert list(again.memory.models) == list(later.memory.models) and len(again.contents.models) == 4


def embeddings_of(project: Project) -> Any:
    assert project.contents.embeddings is not None
    return project.contents.embeddings


def test_a_model_of_a_part_in_view_comes_back_and_nothing_is_trained_for_it(
    folder: Path, tiny: Tiny, fits: Fits
) -> None:
    known = registry()
    project = analysed(folder, at=known)
    whole = project.active
    part = embeddings_of(project).select(list(embeddings_of(project).loop_ids[:20]))
    finish(start_training(project, known.store, part, PLAN, "first half"))
    label, before, fitted = project.active, scores_of(project), fits.n
    assert label != whole and len(before) == 20
    again = reopened(project.id)
    assert fits.n == fitted, "nothing is trained again"
    assert again.active == label
    assert set(again.contents.models) == {whole, label}
    assert scores_of(again) == before


# Owners.


def test_nobody_opens_lists_renames_or_forgets_what_belongs_to_another(folder: Path, tiny: Tiny) -> None:
    known = registry()
    mine = analysed(folder, at=known)
    for stranger in (BROWSER, f"{BROWSER}x", ""):
        assert known.known(stranger) == []
        assert known.open(stranger, mine.id) is None
        known.rename(stranger, mine.id, "theirs")
        known.forget(stranger, mine.id)
        assert known.create(stranger, folder, PLAN).id != mine.id, "of one folder each has a project of its own"
    (row,) = registry().known(LOCAL)
    assert (row.project_id, row.name) == (mine.id, folder.name)
    assert models_folder(mine.id).is_dir()
    assert known.open(LOCAL, mine.id, may_open=lambda folder: False) is None
    assert known.open(LOCAL, mine.id) is mine


class Context:
    """What Streamlit knows of the request behind a session."""

    def __init__(self, host: str, client: str | None, key: str = "", **headers: str) -> None:
        self.headers = {"Host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
        self.ip_address, self.cookies = client, {visitors.COOKIE: key} if key else {}


KEY = "A" * 40
NETWORK = {"Host": "studio.local:8501"}


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        (Context("127.0.0.1:8501", "127.0.0.1", KEY), LOCAL),
        (Context("localhost:8501", None, KEY), LOCAL),
        (Context("[::1]:8501", "::1", KEY), LOCAL),
        (Context("localhost", "127.0.0.1"), LOCAL),
        (Context("127.0.0.1:8501", "192.168.1.7", KEY), f"browser:{KEY}"),
        (Context("studio.local:8501", "127.0.0.1", KEY), f"browser:{KEY}"),
        (Context("studio.local:8501", None, KEY), f"browser:{KEY}"),
        (Context("127.0.0.1:8501", "127.0.0.1", KEY, X_Forwarded_For="10.0.0.1"), f"browser:{KEY}"),
        (Context("127.0.0.1:8501", "127.0.0.1", KEY, Forwarded="for=10.0.0.1"), f"browser:{KEY}"),
        (Context("127.0.0.1:8501", "127.0.0.1", KEY, X_Real_IP="10.0.0.1"), f"browser:{KEY}"),
        (Context("127.0.0.1.evil.example:8501", "127.0.0.1", KEY), f"browser:{KEY}"),
    ],
)
def test_local_is_who_sits_at_this_machine_and_nobody_else(
    context: Context, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(st, "context", context)
    assert visitors.owner() == expected


@pytest.mark.parametrize("garbage", ["", "short", "A" * 31, "A" * 65, "A" * 40 + "\n", "../" * 14, "ä" * 40, "'" * 40])
def test_a_cookie_that_this_server_never_gave_names_nobody(garbage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(st, "context", Context("studio.local:8501", "192.168.1.7", garbage))
    first, second = visitors.owner(), visitors.owner()
    assert first.startswith("browser:") and len(first) >= len("browser:") + 32
    assert first != second, "a new key that nobody can guess"
    assert not garbage or garbage not in first


# Folders that changed.


def test_a_folder_that_grew_is_scored_by_the_present_model_and_nothing_known_is_done_again(
    folder: Path, tiny: Tiny, fits: Fits, tmp_path: Path
) -> None:
    first = registry()
    project = analysed(folder, at=first)
    library, before = project.contents.library, scores_of(project)
    assert library is not None and project.contents.changes is None
    id_of = dict(zip(library.loops["name"], library.loops["loop_id"], strict=True))
    project.remember(selected=id_of["005.wav"])
    first.store.set_marks({id_of["003.wav"]: "keep", id_of["005.wav"]: "love"})
    first.store.set_note(id_of["003.wav"], "the good take")
    marks = first.store.get_marks()

    write(folder, range(100, 108))
    for number in (7, 8):  # other content at a known path
        soundfile.write(folder / f"{number:03d}.wav", plucked(0.1, RATE, seed=500 + number), RATE)
    (folder / "000.wav").unlink()
    tiny.n_embedded, fitted = 0, fits.n
    grown = reopened(project.id)

    assert tiny.n_embedded == 10, "8 new and 2 changed, nothing else"
    assert fits.n == fitted, "nothing is trained"
    changes = grown.contents.changes
    assert changes is not None and changes.sentence == "8 new, 2 changed, 1 gone"
    table = grown.contents.models[grown.active].scores.set_index("loop_id")
    assert len(table) == N_LOOPS + 8 - 1
    new = set(table.index[table["split"] == "new"])
    assert new == set(changes.new_ids) and len(new) == 10
    assert np.isfinite(table["score"]).all()
    stayed = set(before) - {id_of[f"{number:03d}.wav"] for number in (0, 7, 8)}
    assert set(table.index) - new == stayed
    assert {loop_id: table.loc[loop_id, "score"] for loop_id in stayed} == {i: before[i] for i in stayed}
    assert registry().store.get_marks() == marks
    assert grown.memory.selected == id_of["005.wav"]

    finish(start_walk(grown, registry().store, retrain=True))
    retrained = grown.contents.models[grown.active]
    assert len(grown.contents.models) == 2 and not retrained.is_new.any()
    assert set(new) <= set(retrained.detector.loop_ids_)
    assert scores_of(grown) == undisturbed(folder, PLAN, tmp_path / "other.sqlite3")


@pytest.mark.parametrize("standing", ["done", "stopped"])
def test_a_folder_opened_again_is_shown_whole_and_once(
    standing: Any, folder: Path, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "copy.wav").write_bytes((folder / "000.wav").read_bytes())
    soundfile.write(folder / "near.wav", soundfile.read(folder / "001.wav")[0], RATE, subtype="FLOAT")
    project = analysed(folder)
    before, update = project.contents.faults, Project.update
    assert before is not None and {"duplicate", "near_duplicate"} <= set(before["kind"])
    project.remember(standing=standing)
    shown: list[tuple[int, pd.DataFrame | None]] = []

    def noting(self: Project, **changes: Any) -> Any:
        now = update(self, **changes)
        if now.models:
            shown.append((now.serial, now.faults))
        return now

    monkeypatch.setattr(Project, "update", noting)
    assert reopened(project.id).contents.models
    serial, findings = shown[0]
    assert findings is not None and findings.equals(before), "the page was drawn without what is known"
    assert {later for later, _ in shown} == {serial}, "the browser was made to fetch the same loops again"


@pytest.mark.parametrize("n_loops", [0, 1, 7])
def test_too_few_loops_have_checks_and_sound_but_no_model(n_loops: int, tmp_path: Path, tiny: Tiny, fits: Fits) -> None:
    folder = write(tmp_path / "few", range(n_loops))
    (folder / "broken.wav").write_bytes(b"no sound")
    for project in (made := analysed(folder), reopened(made.id)):
        library, faults = project.contents.library, project.contents.faults
        assert library is not None and len(library.unique) == n_loops
        assert [Path(path).name for path in library.rejected["path"]] == ["broken.wav"]
        assert not project.contents.models and project.contents.provisional is None
        assert (tiny.n_embedded, fits.n) == (n_loops, 0)
        table = listing_table(library, faults)
        assert sorted(table["rank"]) == list(range(1, n_loops + 1))
        assert table["score"].isna().all() and not table["is_anomaly"].any()
        assert (faults is not None) == (n_loops > 0)
        assert project.memory.n_flagged is None and project.memory.n_loops == n_loops


# A part of the folder.


def write_two_parts(folder: Path) -> Path:
    """Twenty notes named as bass in a folder Low, twelve without an instrument in High, three in Odd."""
    folder.mkdir()
    for name, numbers in (("Low", range(20)), ("High", range(40, 52)), ("Odd", range(60, 63))):
        write(folder / name, numbers)
    for file in (folder / "Low").iterdir():
        file.rename(file.with_name(f"Bass_{file.name}"))
    return folder


@pytest.mark.parametrize(("subset", "n"), [("instrument bass", 20), ("folder high", 12)])
def test_a_plan_for_a_part_learns_from_it_also_after_a_restart_and_with_what_came_since(
    subset: str, n: int, tmp_path: Path, tiny: Tiny, fits: Fits
) -> None:
    folder = write_two_parts(tmp_path / "parts")
    project = analysed(folder, replace(PLAN, subset=subset))
    assert project.active == f"{LABEL} · {subset}"
    model = project.contents.models[project.active]
    assert (len(model.scores), model.subset) == (n, subset)
    before, fitted = scores_of(project), fits.n

    again = reopened(project.id)
    assert again.memory.plan.subset == subset and scores_of(again) == before and fits.n == fitted

    for seed, name in ((70, "Low/Bass_new"), (71, "High/new")):
        soundfile.write(folder / f"{name}.wav", plucked(0.1, RATE, seed=seed), RATE)
    grown = reopened(project.id)
    model = grown.contents.models[grown.active]
    assert (len(model.scores), int(model.is_new.sum()), fits.n) == (n + 1, 1, fitted), "the one that belongs to it"
    assert {loop_id: score for loop_id, score in scores_of(grown).items() if loop_id in before} == before
    finish(start_walk(grown, registry().store, retrain=True))
    assert len(scores_of(grown)) == n + 1 and grown.contents.models[grown.active].subset == subset


@pytest.mark.parametrize(
    ("subset", "said"), [("folder Odd", "3 loops of folder Odd"), ("instrument kazoo", "0 loops of")]
)
def test_a_part_of_too_few_loops_is_said_and_everything_is_learnt_from(
    subset: str, said: str, tmp_path: Path, tiny: Tiny
) -> None:
    project = analysed(write_two_parts(tmp_path / "parts"), replace(PLAN, subset=subset))
    assert project.active == LABEL and len(scores_of(project)) == 35
    assert project.notice is not None and said in project.notice.text and "too few" in project.notice.text


# Tabs, memory, what is remembered.


def test_a_page_that_has_not_heard_of_a_saved_view_overwrites_none() -> None:
    project = Project()
    named = {"at": 2000, "views": [{"name": "Long ones"}]}
    project.remember_view({"at": 2000, "text": "", "named": named})
    project.remember_view({"at": 3000, "text": "bass", "named": {"at": 0, "views": []}})
    assert project.memory.view == {"at": 3000, "text": "bass", "named": named}
    project.remember_view({"at": 4000, "named": {"at": 4000, "views": []}})  # deleted, and known to be
    assert project.memory.view == {"at": 4000, "named": {"at": 4000, "views": []}}
    for broken in ({"named": 3}, {"named": {"at": "now"}}):
        project.remember_view(broken)  # said by another version of the page


def test_tabs_share_the_project_and_the_task_that_runs(folder: Path, tiny: Tiny) -> None:
    going = threading.Event()
    tiny.meanwhile = lambda: going.wait(LIMIT_S) and None
    (folder.parent / "server").mkdir()
    made = registry().create(LOCAL, folder, PLAN)
    known, together, opened = registry(), threading.Barrier(8), []

    def open_tab(number: int) -> None:
        together.wait()
        project = known.open(LOCAL, made.id)
        assert project is not None
        known.enter(f"tab {number}", project)
        opened.append((project, project.tasks.get(WALK)))

    tabs = [threading.Thread(target=open_tab, args=(number,)) for number in range(8)]
    for tab in tabs:
        tab.start()
    for tab in tabs:
        tab.join()
    (project,) = {id(project): project for project, _ in opened}.values()
    (task,) = {id(task): task for _, task in opened}.values()
    assert len(opened) == 8 and task is not None and task.running
    assert start_walk(project, known.store) is task, "no second walk beside the one that runs"
    assert known.create(LOCAL, folder, PLAN) is project
    going.set()
    finish(task)
    assert tiny.n_embedded == N_LOOPS


def test_a_project_leaves_memory_after_its_last_tab_unless_work_goes_on(
    folder: Path, tiny: Tiny, tmp_path: Path
) -> None:
    known = registry()
    project = analysed(folder, at=known)
    others = [analysed(write(tmp_path / f"other {i}", range(300 + 9 * i, 309 + 9 * i)), at=known) for i in range(3)]
    known.enter("one", project)  # it was opened longest ago
    known.enter("two", project)
    known.leave("one")
    assert known.open(LOCAL, project.id) is project, "a tab still shows it"

    def others_are_opened() -> None:
        for other in others:
            shown = known.open(LOCAL, other.id)
            assert shown is not None
            finish(shown.tasks.get(WALK))
            known.enter("three", shown)
        known.leave("three")

    others_are_opened()
    assert known.open(LOCAL, project.id) is project
    known.leave("two")
    assert known.open(LOCAL, project.id) is project, "a tab that is loaded anew finds it"
    others_are_opened()
    later = known.open(LOCAL, project.id)
    assert later is not None and later is not project
    finish(later.tasks.get(WALK))

    going = threading.Event()
    known.enter("one", later)
    task = later.tasks.start("other", "Other work", lambda task: going.wait(LIMIT_S))
    known.leave("one")
    others_are_opened()
    assert known.open(LOCAL, project.id) is later, "its work goes on without a tab"
    assert task.running
    going.set()
    finish(task)
    others_are_opened()
    assert known.open(LOCAL, project.id) is not later


def test_everything_that_was_set_is_there_after_a_restart(folder: Path, tiny: Tiny) -> None:
    known = registry()
    project = analysed(folder, at=known)
    first = project.active
    finish(start_training(project, known.store, embeddings_of(project), replace(PLAN, detector="pca")))
    second = project.active
    project.set_percentile(first, 80.0)
    project.show_model(first)
    loop_id = embeddings_of(project).loop_ids[3]
    view = {"filters": {"text": "bass <ä>"}, "zoom": [[0.5, 1.5], None], "sort": "name"}
    project.remember(selected=loop_id, view=view, page="compare")
    known.rename(LOCAL, project.id, "Bässe 2026")
    project.remember(page="train")  # later writes of the open project keep its new name
    flagged = project.n_flagged(first)
    assert flagged is not None and flagged > 2

    (row,) = registry().known(LOCAL)
    assert (row.name, row.state["n_loops"], row.state["n_flagged"]) == ("Bässe 2026", N_LOOPS, flagged)
    again = reopened(project.id)
    assert (again.name, again.active, again.memory.page) == ("Bässe 2026", first, "train")
    assert (again.percentile_of(first), again.percentile_of(second)) == (80.0, DEFAULT_PERCENTILE)
    assert (again.memory.selected, again.memory.view) == (loop_id, view)
    assert set(again.contents.models) == {first, second}
    for label in (first, second):
        assert scores_of(again, label) == scores_of(project, label)
    assert again.n_flagged(first) == flagged


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"from_a_later_version": 1, "plan": {"detector": "knn", "later": [1]}},
        {"plan": None, "models": None, "percentiles": None, "encoder": None, "view": None},
        {"plan": 3, "models": 7, "percentiles": "high", "encoder": "tiny", "active": 5, "n_loops": "x"},
        {"models": {"a": {"path": "/nowhere", "later": 1}, "b": None, "c": {"subset": "x"}}, "active": "a"},
        {"models": {"a": {"path": "/nowhere"}}, "active": "a", "percentiles": {"a": "high"}, "standing": "dancing"},
        {"encoder": {"encoder_id": "tiny-1"}, "selected": 4, "view": [1, 2], "page": None},
    ],
)
def test_what_another_version_or_an_accident_wrote_is_as_new_and_never_a_crash(
    state: dict[str, Any], folder: Path, tiny: Tiny
) -> None:
    known = registry()
    known.store.put_project(ProjectRow("abc", LOCAL, str(folder), "loops", 1.0, {"plan": {"detector": "knn"}} | state))
    project = reopened("abc")
    assert project.tasks.get(WALK).state == "done", project.tasks.get(WALK).error  # type: ignore[union-attr]
    assert project.active in project.contents.models and len(scores_of(project)) == N_LOOPS
    assert project.percentile_of(project.active) == DEFAULT_PERCENTILE
    assert project.n_flagged(project.active) is not None
    assert project.memory.selected is None or isinstance(project.memory.selected, str)
    assert project.memory.view is None or isinstance(project.memory.view, dict)
    project.set_percentile(project.active, 90.0)
    assert reopened("abc").percentile_of(project.active) == 90.0


def test_a_damaged_state_hides_no_other_project(folder: Path, tiny: Tiny) -> None:
    project = analysed(folder)
    for number, state in enumerate(("{", "[1]", "null")):
        with closing(sqlite3.connect(paths().database)) as raw, raw:
            row = (f"damaged {number}", LOCAL, b"/nowhere", "n", 0.0, state)
            raw.execute("INSERT INTO projects VALUES (?, ?, ?, ?, ?, ?)", row)
    known = registry()
    assert len(known.known(LOCAL)) == 4
    assert finish(known.open(LOCAL, "damaged 0").tasks.get(WALK)).state == "failed"  # type: ignore[union-attr]
    assert scores_of(reopened(project.id)) == scores_of(project)


def test_forgetting_deletes_the_project_and_its_models_and_nothing_else(
    folder: Path, tiny: Tiny, fits: Fits, tmp_path: Path
) -> None:
    known = registry()
    project = analysed(folder, at=known)
    other = analysed(write(tmp_path / "others", range(200, 212)), at=known)
    loop_id = embeddings_of(project).loop_ids[0]
    known.store.set_mark(loop_id, "love")
    sounds = {path: path.read_bytes() for path in folder.iterdir()}
    embedded = known.store.embeddings_by_encoder()
    known.forget(LOCAL, project.id)
    assert [row.project_id for row in registry().known(LOCAL)] == [other.id]
    assert known.open(LOCAL, project.id) is None
    assert not project_folder(project.id).exists() and models_folder(other.id).is_dir()
    assert {path: path.read_bytes() for path in folder.iterdir()} == sounds
    assert known.store.embeddings_by_encoder() == embedded
    assert known.store.get_marks()[loop_id].mark == "love"
    assert known.store.get_project_files(project.id) == {} and known.store.get_project_files(other.id)
    tiny.n_embedded = 0
    assert analysed(folder).id != project.id
    assert tiny.n_embedded == 0


def test_work_that_runs_while_its_project_is_forgotten_leaves_nothing_behind(
    folder: Path, tiny: Tiny, fits: Fits
) -> None:
    known = registry()
    project = known.create(LOCAL, folder, NETS)
    fits.first = lambda: known.forget(LOCAL, project.id)
    finish(start_walk(project, known.store))
    assert registry().known(LOCAL) == []
    assert not project_folder(project.id).exists()
    assert known.store.get_project_files(project.id) == {}
