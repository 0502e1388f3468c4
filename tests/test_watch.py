"""A folder that is open is watched: what comes, changes or goes is told once it is quiet, and a scan takes it in."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from loopscope.library import scan_folder
from loopscope.library.changes import changes_since
from loopscope.ui.projects import folder_watch
from loopscope.ui.projects.folder_watch import FolderWatch
from loopscope.ui.projects.registry import ProjectRegistry
from loopscope.ui.projects.walking import start_walk
from tests.test_projects import BROWSER, N_LOOPS, PLAN, Tiny, analysed, finish, registry, scores_of, until, write
from tests.test_projects import folder as folder  # noqa: PLC0414 (a fixture)
from tests.test_projects import tiny as tiny  # noqa: PLC0414 (a fixture)

Watched = Callable[[Path], "Seen"]


class Seen:
    """What a watch tells, call by call."""

    def __init__(self) -> None:
        self.calls: list[frozenset[str]] = []

    def __call__(self, touched: frozenset[str]) -> bool:
        self.calls.append(touched)
        return True


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_watch, "QUIET_S", 0.3)


@pytest.fixture
def watched() -> Iterator[Watched]:
    watches = []

    def begin(root: Path) -> Seen:
        seen = Seen()
        watches.append(FolderWatch(root, seen))
        assert watches[-1].is_ready.wait(10)
        return seen

    yield begin
    for each in watches:
        each.end()


@pytest.fixture
def at() -> Iterator[ProjectRegistry]:
    known = registry()
    yield known
    known.end()


def names(paths: tuple[str, ...]) -> list[str]:
    return [Path(path).name for path in paths]


def test_what_came_changed_and_went_is_told_once_when_it_is_quiet(folder: Path, watched: Watched) -> None:
    library, began = scan_folder(folder), time.time_ns()
    seen = watched(folder)
    write(folder, [N_LOOPS, N_LOOPS + 1])
    write(folder / "deeper", [900])
    shutil.copyfile(folder / "001.wav", folder / "000.wav")
    (folder / "002.wav").unlink()
    (folder / "notes.txt").write_text("no sound")
    shutil.copyfile(folder / "001.wav", folder / "._040.wav")  # as archivers leave behind
    until(lambda: seen.calls, "it is told")
    found = changes_since(library, seen.calls[-1], began)
    assert names(found.new) == ["040.wav", "041.wav", "900.wav"]
    assert names(found.changed) == ["000.wav"] and names(found.gone) == ["002.wav"]
    (folder / "003.wav").read_bytes()
    time.sleep(1.0)
    assert len(seen.calls) == 1, "reading is no news"


def test_folders_that_come_and_go_take_their_files_along(folder: Path, tmp_path: Path, watched: Watched) -> None:
    write(folder / "old", [100, 101])
    pack = write(tmp_path / "pack", [200, 201])
    library, began = scan_folder(folder), time.time_ns()
    seen = watched(folder)
    (folder / "old").rename(tmp_path / "elsewhere")
    pack.rename(folder / "pack")
    until(lambda: seen.calls, "it is told")
    found = changes_since(library, seen.calls[-1], began)
    assert names(found.new) == ["200.wav", "201.wav"] and names(found.gone) == ["100.wav", "101.wav"]
    (tmp_path / "elsewhere").rename(folder / "old")
    until(lambda: len(seen.calls) > 1, "it is told again")
    assert changes_since(library, seen.calls[-1], began).gone == (), "they are back"


def test_a_file_that_was_half_copied_when_it_was_scanned_is_told_once_it_is_whole(
    folder: Path, watched: Watched
) -> None:
    whole = (folder / "000.wav").read_bytes()
    (folder / "half.wav").write_bytes(whole[:30])
    library, began = scan_folder(folder), time.time_ns()
    assert names(tuple(library.rejected["path"])) == ["half.wav"]
    seen = watched(folder)
    time.sleep(0.05)
    (folder / "half.wav").write_bytes(whole)
    until(lambda: seen.calls, "it is told")
    assert names(changes_since(library, seen.calls[-1], began).changed) == ["half.wav"]
    assert not changes_since(library, seen.calls[-1], time.time_ns()), "that scan has seen it"


def test_a_name_that_is_no_utf_8_is_told_as_it_is(folder: Path, watched: Watched) -> None:
    library, odd = scan_folder(folder), os.fsdecode(b"caf\xe9 \xff.wav")
    seen = watched(folder)
    shutil.copyfile(folder / "000.wav", folder / odd)
    until(lambda: seen.calls, "it is told")
    assert changes_since(library, seen.calls[-1], 0).new == (str(folder / odd),)


def test_a_folder_that_is_not_there_is_not_watched_and_harms_nobody(tmp_path: Path) -> None:
    nowhere = FolderWatch(tmp_path / "nowhere", lambda touched: True)
    assert not nowhere.is_ready.wait(0.5)
    nowhere.end()


def test_an_open_project_says_what_came_and_a_look_takes_it_in(folder: Path, tiny: Tiny, at: ProjectRegistry) -> None:
    project = analysed(folder, at=at)
    at.enter("tab", project)
    until(at._watching._watches[project.id].is_ready.is_set, "it is watched")
    tiny.n_embedded, before = 0, project.contents
    write(folder, [N_LOOPS, N_LOOPS + 1])
    until(lambda: project.contents.unseen, "it is said")
    now = project.contents
    assert project.notice is not None and project.notice.text == "Since loops was read: 2 new."
    assert (now.generation, now.serial) == (before.generation + 1, before.serial), "only the page is drawn anew"
    finish(start_walk(project, at.store))
    assert project.contents.unseen is None and project.contents.changes is not None
    assert len(project.contents.changes.new) == 2 and tiny.n_embedded == 2
    assert len(scores_of(project)) == N_LOOPS + 2


def test_files_that_are_back_are_news_no_longer(folder: Path, tiny: Tiny, at: ProjectRegistry) -> None:
    project = analysed(folder, at=at)
    at.enter("tab", project)
    until(at._watching._watches[project.id].is_ready.is_set, "it is watched")
    (folder / "000.wav").rename(folder.parent / "000.wav")
    until(lambda: project.contents.unseen, "it is said")
    (folder.parent / "000.wav").rename(folder / "000.wav")
    until(lambda: project.contents.unseen is None, "it is as it was")


def test_what_its_own_walk_finds_is_no_news(
    folder: Path, tiny: Tiny, at: ProjectRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = analysed(folder, at=at)
    at.enter("tab", project)
    until(at._watching._watches[project.id].is_ready.is_set, "it is watched")
    said: list[str] = []
    monkeypatch.setattr(project, "say", said.append)
    tiny.meanwhile = lambda: time.sleep(1.0)  # longer than it has to be quiet for
    write(folder, [N_LOOPS])
    finish(start_walk(project, at.store))
    time.sleep(1.0)
    assert project.contents.unseen is None and not [text for text in said if "was read" in text]


def test_only_what_a_tab_of_this_machine_shows_is_watched(
    folder: Path, tmp_path: Path, tiny: Tiny, at: ProjectRegistry
) -> None:
    mine = analysed(folder, at=at)
    other = analysed(write(tmp_path / "other", range(N_LOOPS)), owner=BROWSER, at=at)
    at.enter("visitor", other)
    assert not at._watching._watches
    at.enter("tab", mine)
    assert list(at._watching._watches) == [mine.id]
    at.create(mine.owner, "s3://bucket/archive", PLAN)
    held = at._watching._watches[mine.id]
    at.leave("tab")
    assert not at._watching._watches and held._ended.is_set()
