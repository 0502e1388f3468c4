"""Two servers on one home: what both write is there, and who comes second says so until the first has gone."""

import multiprocessing
import subprocess
import sys
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np
import pytest

from loopscope.config import paths
from loopscope.store import ProjectRow, Store
from loopscope.ui.server.home import HomeClaim
from tests.hostile.walked import Bands, walk_as_the_app, write_loops
from tests.test_pages import start, texts

ROOT = Path(__file__).resolve().parents[1]
N_ROUNDS = 40
OTHER = """
import sys
from loopscope.store import Store
from loopscope.ui.server.home import HomeClaim
with Store(sys.argv[1]) as store:
    claim = HomeClaim(store, "http://localhost:8501")
    sys.stdout.write(claim.other_server() + "\\n")
    sys.stdout.flush()
    sys.stdin.read()
"""


def work(name: str, folder: Path, home: Path, together: Barrier) -> None:
    """A server's day: a walk, marks, notes, a project of its own and one that both have open."""
    with Store(home / "store.sqlite3") as store:
        together.wait(60)
        for number in range(N_ROUNDS):
            store.set_mark(f"{name} {number}", "keep")
            store.set_note("both", f"{name} {number}")
            store.put_project(ProjectRow(name, "local", f"/{name}", name, float(number), {"n_loops": number}))
            store.put_project(ProjectRow("shared", "local", "/shared", name, float(number), {"n_loops": number}))
            store.put_project_files("shared", {f"{row}.wav": name for row in range(50)})
            if number == N_ROUNDS // 2:
                walk_as_the_app(folder, home)
        assert not store.notice


def test_what_two_processes_write_at_once_is_there(tmp_path: Path) -> None:
    folder, home, alone = (tmp_path / name for name in ("loops", "home", "alone"))
    write_loops(folder, 8)
    alone.mkdir()
    home.mkdir()
    before = walk_as_the_app(folder, alone)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    together = context.Barrier(2)
    servers = [context.Process(target=work, args=(name, folder, home, together)) for name in ("one", "two")]
    for server in servers:
        server.start()
    for server in servers:
        server.join(120)
        assert server.exitcode == 0
    with Store(home / "store.sqlite3") as store:
        assert not store.notice
        marks = store.get_marks()
        assert {f"{name} {number}" for name in ("one", "two") for number in range(N_ROUNDS)} <= set(marks)
        assert marks["both"].note in {f"{name} {N_ROUNDS - 1}" for name in ("one", "two")}
        rows = {row.project_id: row for row in store.get_projects("local")}
        assert all(rows[name].state == {"n_loops": N_ROUNDS - 1} for name in ("one", "two", "shared"))
        files = store.get_project_files("shared")
        assert len(files) == 50 and len(set(files.values())) == 1, "of one of them, not a mixture"
        assert before.embeddings is not None
        ids = before.embeddings.loop_ids
        found = store.get_embeddings(ids, Bands.encoder_id)
        assert np.array_equal([found[loop_id] for loop_id in ids], before.embeddings.X)


@pytest.fixture
def other() -> "subprocess.Popen[str]":
    """A process that holds the home; it has said whether another one does."""
    process = subprocess.Popen(
        [sys.executable, "-c", OTHER, str(paths().database)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "\n"
    return process


def test_the_second_server_says_so_on_its_pages_until_the_first_is_gone(other: "subprocess.Popen[str]") -> None:
    at = start()
    assert not at.exception
    assert texts(at).count("Another loopscope") == 1
    assert "localhost" in texts(at) and "8501" in texts(at)
    at.switch_page("pages/diagnostics.py").run()
    assert "Another loopscope" in texts(at)
    other.kill()
    other.wait()
    at.run()
    assert "Another loopscope" not in texts(at)
    with Store(paths().database) as store:
        assert "Another loopscope, at http" in HomeClaim(store, "http://localhost:8502").other_server(), (
            "it is ours now"
        )
