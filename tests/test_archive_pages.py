"""An archive in the app: opened like a folder, the most anomalous shown, the rest counted, learnt anew when told."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from loopscope.analysis.walk import Plan
from loopscope.archive.grow import add_folder
from loopscope.archive.manifest import open_archive
from loopscope.archive.place import Place
from loopscope.archive.score import rank_parts
from loopscope.library import scan_folder
from loopscope.ui.projects.project import Project
from loopscope.ui.projects.registry import project_registry
from loopscope.ui.projects.walking import start_walk
from loopscope.ui.server.media import media_registry, routes
from loopscope.ui.state import SessionState
from loopscope.ui.status import how_many
from tests.golden.clips import plucked
from tests.tiny import Tiny

APP = str(Path(__file__).resolve().parents[1] / "app.py")
RATE = 8000
SHOWN = 12


@pytest.fixture(autouse=True)
def _few_are_shown(loopscope_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("loopscope.ui.projects.archived.FIRST", SHOWN)
    yield
    project_registry().end()


def write_folder(folder: Path, seeds: range, loudness: float = 1.0) -> Path:
    folder.mkdir(parents=True)
    for seed in seeds:
        sf.write(folder / f"Bass_{seed:03d}_120bpm.wav", loudness * plucked(0.3, RATE, seed=seed), RATE)
    return folder


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of two folders with 40 loops, one of which may be opened over a network."""
    monkeypatch.setenv("LOOPSCOPE_ROOTS", str(tmp_path / "open"))
    place = tmp_path / "open" / "archive"
    for folder, seeds in ((tmp_path / "open" / "drums", range(20)), (tmp_path / "elsewhere", range(20, 40))):
        add_folder(Place.of(place), scan_folder(write_folder(folder, seeds)), Tiny())
    return place


def state_of(at: AppTest) -> SessionState:
    state: SessionState = at.session_state["loopscope"]
    return state


def finish(at: AppTest) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        time.sleep(0.1)
        running = state_of(at).project.tasks.any_running()
        at.run()
        assert not at.exception
        if not running:
            return
    raise AssertionError("the task did not end")


def said(at: AppTest) -> str:
    parts = [*at.markdown, *at.caption, *at.info, *at.warning, *at.error, *at.subheader, *at.header]
    return "\n".join(str(element.value) for element in parts).replace("\\", "")


def opened(archive: Path, detector: str = "knn") -> AppTest:
    """By its path on the Library page."""
    at = AppTest.from_file(APP, default_timeout=60)
    at.run()
    at.selectbox(key="detector-name").set_value(detector).run()
    at.text_input(key="path").set_value(str(archive))
    next(button for button in at.button if button.label == "Analyse").click().run()
    finish(at)
    at.switch_page("pages/explore.py").run()
    assert not at.exception
    return at


def test_an_archive_opens_with_its_most_anomalous_loops_and_counts_the_rest(archive: Path) -> None:
    at = opened(archive)
    parts, paths = open_archive(Place.of(archive)).present
    ranking = rank_parts(parts, "knn", paths=paths)
    expected = ranking.table(first=SHOWN)["loop_id"].to_pylist()
    state = state_of(at)
    assert state.library is not None and set(state.library.unique["loop_id"]) == set(expected)
    n_flagged = ranking.n_flagged(95.0)
    assert f"40 loops in 2 folders, {n_flagged} flagged. Here are the 12 most anomalous; 28 are not shown" in said(at)
    at.segmented_control(key="explore-view").set_value("plain").run()
    at.slider(key="plain-threshold").set_value(0.0).run()
    assert not at.exception
    assert f"{ranking.n_flagged(0.0)} flagged. Here are the 12" in said(at), "it follows the threshold"
    assert f"28 are not shown, {ranking.n_flagged(0.0) - SHOWN} of them flagged" in said(at)
    state.select(expected[3])
    at.run()
    assert not at.exception and "Hear it beside others" in said(at)
    assert how_many(state, state.library) == "12 of 40 loops shown"
    assert "Rank 4 of 40 in the archive" in said(at) and "of 12 shown flagged" in said(at)
    at.session_state["takeaway-open"] = state.choices["takeaway-open"] = True
    at.session_state["takeaway-list"] = state.choices["takeaway-list"] = "All"
    at.run()
    table = next(t.value for t in at.dataframe if "bpm_source" in t.value)
    assert len(table) == SHOWN and set(table["bpm"]) == {120.0}
    assert "copy-to" not in [field.key for field in at.text_input], "an archive moves nobody's files"
    assert "Train again with them" not in [button.label for button in at.button], "only a sample was learnt from"
    for page in ("library", "embed", "train", "compare", "diagnostics"):
        at.switch_page(f"pages/{page}.py").run()
        assert not at.exception, page


def test_marks_and_corrections_stay_with_the_loop_and_the_archive_opens_again_as_it_was(archive: Path) -> None:
    at = opened(archive)
    state = state_of(at)
    scores = dict(zip(state.model.scores["loop_id"], state.model.scores["score"], strict=True))  # type: ignore[union-attr]
    loop_id = next(iter(scores))
    project_registry().store.set_marks({loop_id: "keep"})
    project, label = state.project, state.active
    project_registry().end()
    again = Project(project_registry().known(project.owner)[0], project_registry().store)
    task = start_walk(again, project_registry().store)
    while task.running:
        time.sleep(0.05)
    assert task.done, task.error
    assert list(again.contents.models) == [label], "nothing was learnt anew"
    found = again.contents.models[label].scores
    assert dict(zip(found["loop_id"], found["score"], strict=True)) == scores
    assert project_registry().store.get_marks([loop_id])[loop_id].mark == "keep"
    assert (again.memory.n_loops, again.memory.standing) == (40, "done")


def test_a_stranger_hears_nothing_of_an_archive_that_lies_outside_the_allowed_folders(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The archive itself is open to everybody; one of its two folders is not."""
    monkeypatch.setattr("loopscope.ui.projects.archived.FIRST", 40)
    project = Project.new("browser:stranger", archive, Plan(detector="knn"), project_registry().store)
    task = start_walk(project, project_registry().store)
    while task.running:
        time.sleep(0.05)
    assert task.done, task.error
    library = project.contents.library
    assert library is not None
    files = dict(zip(library.unique["loop_id"], library.unique["path"], strict=True))
    media_registry().publish_library("token", files, library.root, library.roots, library.silent)
    from starlette.applications import Starlette

    client = TestClient(Starlette(routes=routes()))
    answers = {loop_id: client.get(f"/ls/audio/token/{loop_id}") for loop_id in files}
    shut = {loop_id for loop_id, path in files.items() if "/elsewhere/" in path}
    assert len(shut) == 20
    assert {loop_id for loop_id, answer in answers.items() if answer.status_code == 200} == set(files) - shut
    assert {answers[loop_id].status_code for loop_id in shut} == {410}
    assert {"LOOPSCOPE_ROOTS" in answers[loop_id].text for loop_id in shut} == {True}
    media_registry().forget("token")


def test_what_was_added_far_from_what_was_learnt_is_named_and_one_button_learns_anew(
    archive: Path, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    for number in range(6):
        folder = write_folder(tmp_path / "open" / f"pack{number}", range(100 + 10 * number, 110 + 10 * number))
        add_folder(Place.of(archive), scan_folder(folder), Tiny(), everything=False)
    at = opened(archive)
    assert "refit" not in [button.key for button in at.button]
    n_learnt = state_of(at).seen.archived.counts.n_learnt  # type: ignore[union-attr]
    assert n_learnt == 100
    far = tmp_path / "open" / "far"
    far.mkdir()
    for seed in range(30):
        sf.write(far / f"{seed}.wav", np.clip(rng.normal(size=RATE // 4), -1, 1), RATE)
    add_folder(Place.of(archive), scan_folder(far), Tiny(), everything=False)
    start_walk(state_of(at).project, project_registry().store)
    finish(at)
    assert (
        f"1 folder lies farther from what the model learnt from than the folders in that lie from each other: {far}"
        in (said(at))
    )
    before = state_of(at).active
    at.button(key="refit").click().run()
    finish(at)
    seen = state_of(at).seen.archived
    assert seen is not None and seen.counts.n_learnt == 130 and not seen.drifts
    assert state_of(at).active != before and "refit" not in [button.key for button in at.button]
    assert state_of(at).model.detector.name == "knn"  # type: ignore[union-attr]
