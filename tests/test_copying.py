"""After files were copied, moved or taken back, a project's list says where they lie now."""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pandas as pd
import pytest
import soundfile

from loopscope.analysis.walk import Plan
from loopscope.exports import CopyPlan, UndoReport, asides, plan_copy
from loopscope.exports.new_files import ASIDE_PREFIX
from loopscope.files import PART_PREFIX
from loopscope.library import scan, scan_folder
from loopscope.metadata.collect import known_metadata
from loopscope.store import Store
from loopscope.ui import metadata_task
from loopscope.ui.projects import copying, walking
from loopscope.ui.projects.filling import Filling
from loopscope.ui.projects.project import Project, Remembered
from loopscope.ui.projects.tasks import Task
from loopscope.ui.views.takeaway import with_metadata

NAMES = ("one/a.wav", "one/b.wav", "two/c.wav", "two/a copy.wav")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store.sqlite3") as opened:
        yield opened


@pytest.fixture
def project(tmp_path: Path, store: Store) -> Project:
    """Four files of three sounds, scanned."""
    folder = tmp_path / "pack"
    for i, name in enumerate(NAMES):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pitch = 100 * (1 + (0 if name == "two/a copy.wav" else i))
        soundfile.write(folder / name, 0.3 * np.sin(np.arange(4000) * pitch / 4000), 8000)
    project = Project.new("local", folder, Plan(), store)
    library = scan_folder(folder, store)
    project.update(library=library, metadata=known_metadata(library.loops, store))
    project.remember(standing="done")
    return project


@pytest.fixture
def walks(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Every walk that was begun, by whether it computes; none really begins."""
    begun: list[bool] = []
    monkeypatch.setattr(copying, "start_walk", lambda project, store, *, compute: begun.append(compute))
    return begun


def files_of(project: Project) -> set[str]:
    library, metadata = project.contents.library, project.contents.metadata
    assert library is not None and metadata is not None
    assert list(library.loops["path"]) == list(metadata.table["path"])
    assert all(Path(path).is_file() for path in library.loops["path"]), "a dead path is in the list"
    return {str(Path(path).relative_to(library.root)) for path in library.loops["path"]}


def finished(task: Task) -> Task:
    deadline = time.monotonic() + 20
    while task.running and time.monotonic() < deadline:
        time.sleep(0.01)
    assert task.state == "done", task.error
    return task


def take_back(project: Project, store: Store) -> Task:
    return copying.start_undo(project, store, copying.undo_files(project)[0])


def take(project: Project, store: Store, names: tuple[str, ...], destination: Path, move: bool = True) -> None:
    library = project.contents.library
    assert library is not None
    rows = library.loops[library.loops["path"].isin([str(library.root / name) for name in names])]
    assert len(rows) == len(names)
    finished(copying.start_copy(project, store, plan_copy(rows, destination, move=move, root=library.root)))


def test_what_was_moved_within_the_folder_is_listed_at_its_new_place_and_not_read_again(
    project: Project, store: Store, walks: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "_inspect", lambda keys, *_: None if not keys else pytest.fail(f"{keys} were read again"))
    serial = project.contents.serial
    take(project, store, ("one/a.wav",), project.folder / "odd")
    assert files_of(project) == {"odd/one/a.wav", "one/b.wav", "two/c.wav", "two/a copy.wav"}
    assert project.contents.serial > serial, "whoever shows the list has to draw it anew"
    finished(take_back(project, store))
    assert files_of(project) == set(NAMES)
    assert copying.undo_files(project) == []
    assert walks == [], "every sound is still there"


def test_what_was_moved_out_of_the_folder_is_gone_from_the_list_until_it_is_taken_back(
    project: Project, store: Store, walks: list[bool], tmp_path: Path
) -> None:
    take(project, store, ("one/b.wav", "one/a.wav"), tmp_path / "elsewhere")
    assert files_of(project) == {"two/c.wav", "two/a copy.wav"}
    assert walks == [True], "b is gone, and the scores with it"
    finished(take_back(project, store))
    assert files_of(project) == set(NAMES)
    assert walks == [True, True]


def test_where_the_walk_was_stopped_a_move_does_not_begin_it_again(
    project: Project, store: Store, walks: list[bool], tmp_path: Path
) -> None:
    project.remember(standing="stopped")
    take(project, store, ("one/b.wav",), tmp_path / "elsewhere")
    assert walks == [False]


def test_copies_inside_the_folder_are_listed_and_copies_outside_change_nothing(
    project: Project, store: Store, walks: list[bool], tmp_path: Path
) -> None:
    before = project.contents
    take(project, store, ("one/a.wav",), tmp_path / "elsewhere", move=False)
    assert project.contents is before
    take(project, store, ("one/a.wav",), project.folder / "odd", move=False)
    assert files_of(project) == {*NAMES, "odd/one/a.wav"}
    assert walks == []


def test_a_move_that_breaks_off_is_listed_as_far_as_it_came_and_can_be_taken_back(
    project: Project, store: Store, walks: list[bool], tmp_path: Path
) -> None:
    library = project.contents.library
    assert library is not None
    plan = plan_copy(library.loops, tmp_path / "elsewhere", move=True, root=library.root)
    missing = replace(plan.items[2], source=tmp_path / "not there.wav")
    broken = replace(plan, items=(*plan.items[:2], missing, *plan.items[3:]))
    task = copying.start_copy(project, store, broken)
    while task.running:
        time.sleep(0.01)
    assert task.state == "failed"
    moved = {str(item.source.relative_to(library.root)) for item in plan.items[:2]}
    assert files_of(project) == set(NAMES) - moved
    report = finished(take_back(project, store)).result
    assert isinstance(report, UndoReport) and report.undone == 2
    assert files_of(project) == set(NAMES)


def test_what_takes_copies_and_moves_back_is_remembered_by_the_project(
    project: Project, store: Store, walks: list[bool], tmp_path: Path
) -> None:
    take(project, store, ("one/b.wav",), tmp_path / "first")
    take(project, store, ("one/a.wav",), tmp_path / "second", move=False)
    (row,) = store.get_projects("local")
    again = Project(row, store)
    last, first = copying.undo_files(again)
    assert (last.parent.name, first.parent.name) == ("second", "first")
    last.unlink()
    assert copying.undo_files(again) == [first], "nothing is offered that cannot be done"
    finished(take_back(project, store))
    assert copying.undo_files(project) == []
    (row,) = store.get_projects("local")
    assert Project(row, store).memory.undo_files == (str(last),), "its drive may only be away"
    assert files_of(project) == set(NAMES)


def test_the_undo_file_that_an_older_version_remembered_is_offered(tmp_path: Path) -> None:
    file = tmp_path / "loopscope-undo.jsonl"
    file.touch()
    assert Remembered.from_row({"undo": str(file)}).undo_files == (str(file),)
    for row in ({}, {"undo": ""}, {"undo_files": 3}, {"undo_files": [3, ""]}, {"undo_files": None}):
        assert Remembered.from_row(row).undo_files == ()


@pytest.mark.parametrize("move", [False, True], ids=["copied", "moved"])
def test_a_copy_that_a_crash_broke_off_is_offered_and_taken_back_after_a_restart(
    project: Project, store: Store, walks: list[bool], tmp_path: Path, move: bool
) -> None:
    library = project.contents.library
    assert library is not None
    plan = plan_copy(library.loops, tmp_path / "elsewhere", move=move, root=library.root)
    child = os.fork()
    if not child:
        copy_and_crash(tmp_path / "store.sqlite3", plan)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert len(list((tmp_path / "elsewhere").rglob("*.wav"))) == 2, "one was done, one was begun"
    (row,) = store.get_projects("local")
    again = Project(row, store)
    assert again.memory.moving
    again.update(library=library, metadata=project.contents.metadata)
    (file,) = copying.undo_files(again)
    for part in (tmp_path / "elsewhere").rglob(f"{PART_PREFIX}*"):
        os.utime(part, (0, 0))  # it was long ago
    report = finished(copying.start_undo(again, store, file)).result
    assert isinstance(report, UndoReport) and report.left.empty
    assert files_of(again) == set(NAMES) and not list((tmp_path / "elsewhere").iterdir())
    assert copying.undo_files(again) == []


def copy_and_crash(database: Path, plan: CopyPlan) -> NoReturn:
    """Another process does it with another view of the database, and is gone as the second file has its new name."""
    try:
        store, link, n_links = Store(database), os.link, count(1)

        def link_and_crash(source: Path, target: Path) -> None:
            link(source, target)
            if next(n_links) == 2:
                os.kill(os.getpid(), signal.SIGKILL)

        os.link = link_and_crash  # type: ignore[assignment]
        task = copying.start_copy(Project(*store.get_projects("local"), store), store, plan)
        while task.running:
            time.sleep(0.01)
    finally:
        os._exit(1)


def test_what_a_kill_left_aside_is_in_the_list_again_when_its_folder_is_opened(
    project: Project, store: Store, walks: list[bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after the files had their new names and before they lost the old ones."""

    def scan_only(folder: Path, plan: Plan, store: Store, events: Filling, **options: object) -> None:
        library = scan_folder(folder, store)
        events.on_library(library, known_metadata(library.loops, store))

    monkeypatch.setattr(walking, "walk", scan_only)
    monkeypatch.setattr(asides, "MOMENT_S", 0.0)
    take(project, store, ("one/a.wav", "one/b.wav"), tmp_path / "elsewhere")
    folder = tmp_path / "pack" / "one"
    for number, name in enumerate(("a.wav", "b.wav")):
        aside = folder / f"{ASIDE_PREFIX}{number}"
        aside.mkdir()
        os.link(tmp_path / "elsewhere" / "one" / name, aside / name)
    (folder / "b.wav").write_bytes((tmp_path / "pack/two/c.wav").read_bytes())
    assert not project.memory.moving, "it came to its end, so nobody would look"
    project.remember(moving=True)  # as a kill leaves it
    finished(walking.start_walk(project, store))
    assert files_of(project) == set(NAMES)
    assert project.notice is not None and project.notice.text == (
        f"{folder / f'{ASIDE_PREFIX}1' / 'b.wav'} is left from a move that was cut off. "
        f"It was being moved as {folder / 'b.wav'}, which is another file by now; give it another name."
    )


def test_listening_that_ends_after_a_move_knows_the_places_of_now(
    project: Project, store: Store, walks: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = project.contents.library
    assert before is not None

    def listen(loops: pd.DataFrame, *arguments: Any) -> None:
        (Path(loops["path"].iloc[0]).parent / "later.wav").hardlink_to(loops["path"].iloc[0])
        Path(loops["path"].iloc[0]).unlink()
        copying.look_again(project, store)
        arguments[-1](loops["loop_id"])

    monkeypatch.setattr(metadata_task, "measure_missing", listen)
    monkeypatch.setattr(metadata_task, "store", lambda: store)
    finished(metadata_task.start_listening(project, before))
    assert "one/later.wav" in files_of(project)


def test_a_list_of_files_of_which_nothing_is_known_yet_is_whole() -> None:
    table = pd.DataFrame({"path": ["a", "new"], "rank": [1, 2]})
    metadata = pd.DataFrame({"loop_id": ["1"], "path": ["a"], "bpm": [120.0]})
    known = with_metadata(table, metadata)
    assert known["rank"].tolist() == [1, 2] and known["bpm"].isna().tolist() == [False, True]
