"""A project that is read before anybody asks for it: all that was kept is there, and nothing is done until somebody
comes."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from loopscope.config import FOLDER_VARIABLE, paths
from loopscope.store import Store
from loopscope.ui.explorer import ahead
from loopscope.ui.projects import filling
from loopscope.ui.projects.project import LOCAL, Project
from loopscope.ui.projects.registry import ProjectRegistry, home_claim
from loopscope.ui.projects.walking import WALK
from tests.test_projects import BROWSER, N_LOOPS, PLAN, Tiny, analysed, finish, registry, scores_of, until, write
from tests.test_projects import folder as folder  # noqa: PLC0414 (a fixture)
from tests.test_projects import tiny as tiny  # noqa: PLC0414 (a fixture)

Servers = Callable[[], ProjectRegistry]


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Servers]:
    """Makes registries as servers that have just started do, and ends them with the test; no page is waited for."""
    monkeypatch.setattr(filling, "PAGE_S", 0.0)
    monkeypatch.setattr(filling, "FETCHED_S", 0.0)
    made: list[ProjectRegistry] = []

    def start() -> ProjectRegistry:
        made.append(registry())
        return made[-1]

    yield start
    for each in made:
        each.end()


def read_ahead(known: ProjectRegistry, asked_for: str = "") -> Project:
    """The project that was read ahead, once nothing more happens for it."""
    project = known.open_ahead(asked_for)
    assert project is not None
    until(lambda: project.contents.models, "it is read")
    until(lambda: project.contents.faults is not None, "with its findings")
    time.sleep(0.3)  # what it must not do it would do now
    return project


def standing(project: Project) -> str:
    """How the walk stands by the database."""
    with Store(paths().database) as store:
        return next(row.state["standing"] for row in store.get_projects(project.owner) if row.folder == project.address)


def test_all_is_read_and_nothing_is_done_until_somebody_asks(folder: Path, tiny: Tiny, servers: Servers) -> None:
    before = analysed(folder)
    tiny.n_embedded, tiny.n_loaded = 0, 0
    write(folder, [N_LOOPS])  # what came while no server ran
    at = servers()
    project = read_ahead(at)
    assert scores_of(project) == scores_of(before)
    assert (tiny.n_loaded, tiny.n_embedded) == (0, 0), "nobody asked for it"
    assert standing(project) == "done", "the start page does not call it unfinished"
    assert at.open(LOCAL, project.id) is project, "whoever comes gets what was read"
    at.enter("tab", project)
    project.is_out.set()  # its page is drawn
    assert finish(project.tasks.get(WALK)).state == "done"
    assert tiny.n_embedded == 1 and len(scores_of(project)) == N_LOOPS + 1


def test_what_came_while_it_waited_is_found_when_somebody_asks(folder: Path, tiny: Tiny, servers: Servers) -> None:
    analysed(folder)
    at = servers()
    project = read_ahead(at)
    tiny.n_embedded = 0
    write(folder, [N_LOOPS, N_LOOPS + 1])
    (folder / "000.wav").unlink()
    assert at.open(LOCAL, project.id) is project
    project.is_out.set()
    assert finish(project.tasks.get(WALK)).state == "done"
    library, changes = project.contents.library, project.contents.changes
    assert library is not None and len(library.loops) == N_LOOPS + 1
    assert tiny.n_embedded == 2 and len(scores_of(project)) == N_LOOPS + 1
    assert changes is not None and (len(changes.new), len(changes.gone)) == (2, 1)
    assert standing(project) == "done"


def test_it_is_let_go_when_another_project_is_shown(folder: Path, tmp_path: Path, tiny: Tiny, servers: Servers) -> None:
    other = analysed(write(tmp_path / "other", range(100, 100 + N_LOOPS)))
    first = analysed(folder)
    tiny.n_loaded = 0
    at = servers()
    project = read_ahead(at)
    assert project.id == first.id, "the one that was opened last"
    shown = at.open(LOCAL, other.id)
    assert shown is not None
    at.enter("tab", shown)
    until(lambda: not project.tasks.any_running(), "its walk ends")
    assert standing(project) == "done" and tiny.n_loaded == 0
    again = at.open(LOCAL, project.id)
    assert again is not None and again is not project, "it is read anew when it is asked for"
    finish(again.tasks.get(WALK))
    assert len(scores_of(again)) == N_LOOPS


def test_a_stopped_walk_stays_stopped(folder: Path, tiny: Tiny, servers: Servers) -> None:
    analysed(folder).remember(standing="stopped")
    tiny.n_loaded = 0
    write(folder, [N_LOOPS])
    at = servers()
    project = read_ahead(at)
    assert at.open(LOCAL, project.id) is project
    assert finish(project.tasks.get(WALK)).state == "done"
    assert standing(project) == "stopped" and tiny.n_loaded == 0


def test_only_what_has_a_model_and_is_of_this_machine_is_read(
    folder: Path, tmp_path: Path, tiny: Tiny, servers: Servers
) -> None:
    at = servers()
    assert at.open_ahead() is None, "there is none"
    analysed(folder, owner=BROWSER)
    assert servers().open_ahead() is None, "it is another's"
    at.create(LOCAL, tmp_path / "never walked", PLAN)
    assert servers().open_ahead() is None, "nothing to show"
    at.create(LOCAL, "s3://bucket/archive", PLAN)
    assert servers().open_ahead() is None, "addresses are asked only where somebody wants it"


def test_the_folder_of_the_command_goes_before_the_last_one(
    folder: Path, tmp_path: Path, tiny: Tiny, servers: Servers
) -> None:
    wanted = analysed(write(tmp_path / "other", range(100, 100 + N_LOOPS)))
    analysed(folder)
    assert read_ahead(servers(), wanted.address).id == wanted.id
    assert servers().open_ahead(str(tmp_path / "unknown")) is None, "nobody named another"


def test_nothing_is_read_that_somebody_has_opened_already(folder: Path, tiny: Tiny, servers: Servers) -> None:
    project = analysed(folder)
    at = servers()
    opened = at.open(LOCAL, project.id)
    assert opened is not None and at.open_ahead() is None
    finish(opened.tasks.get(WALK))


def test_the_server_reads_what_explore_shows(
    folder: Path, tiny: Tiny, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    analysed(folder)
    at = servers()
    monkeypatch.setattr(ahead, "project_registry", lambda: at)
    ahead.read_ahead()
    (project,) = at._projects.values()
    (view,) = project.kept_views()
    assert len(view.loops) == N_LOOPS and view.loops["score"].notna().all()


def test_nothing_is_read_beside_another_server(
    folder: Path, tiny: Tiny, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    analysed(folder)
    at = servers()
    monkeypatch.setattr(ahead, "project_registry", lambda: at)
    monkeypatch.setattr(type(home_claim(str(paths().database))), "other_server", lambda claim: "Another is here.")
    ahead.read_ahead()
    assert not at._projects


def test_a_home_that_nobody_worked_in_stays_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "nobody's"
    monkeypatch.setenv("LOOPSCOPE_HOME", str(home))
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    ahead.read_ahead()
    assert not home.exists()
