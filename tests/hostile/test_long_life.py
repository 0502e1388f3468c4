"""Tabs come and go: of those that have gone nothing large stays, and nothing that the system counts.

Megabytes over hundreds of sessions are measured by the benchmark (`make bench BENCH_ARGS=long_life`).
"""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.bench_long_life import Held, come_and_go, environment, prepare
from loopscope.ui.projects.registry import IDLE_KEPT
from tests.browser.driving import ROOT, bytes_at, serve, wait_until
from tests.visiting import Visit

N_PROJECTS, N_LOOPS = IDLE_KEPT + 1, 60
WARMING, N_SESSIONS = 4, 12
SESSION = "streamlit.runtime.app_session.AppSession"
DESCRIPTORS_OF_ONE = 3  # Streamlit keeps an event loop for every session that may come back within two minutes
LARGE = (
    "loopscope.library.tables.Library",
    "loopscope.embeddings.embedding_set.EmbeddingSet",
    "loopscope.analysis.pipeline.ScoredLoops",
    "loopscope.ui.explorer.view.ExplorerView",
    "loopscope.ui.server.published._Published",
)


def rested(url: str) -> Counter[str]:
    """Objects by type, once every tab that has gone has let go of its project."""
    found: Counter[str] = Counter()

    def has_rested() -> bool:
        found.clear()
        found.update(json.loads(bytes_at(f"{url}/held"))["kinds"])
        return all(found[kind] <= IDLE_KEPT for kind in LARGE)

    try:
        wait_until(has_rested, "", limit_s=20)
    except AssertionError:
        held = {kind: found[kind] for kind in LARGE}
        raise AssertionError(f"of at most {IDLE_KEPT} projects, with {found[SESSION]} sessions: {held}") from None
    return found


def come_back(url: str, home: Path) -> None:
    """A tab whose connection was lost for so long that its project has left the memory shows it again."""
    with Visit(url, "project=p0") as visit:
        visit.show()
        visit.until_idle()
    come_and_go(url, home, N_PROJECTS)  # the last of them push the first out
    rested(url)
    with Visit(url, session=visit.session) as again:
        again.show("explore")
        assert again.session == visit.session
        again.until_idle()
        again.explore()
        assert again.pulse()["explorer"]["project"] == "p0"
        assert not again.errors


@pytest.mark.slow
def test_of_sessions_that_have_gone_nothing_large_stays(tmp_path: Path) -> None:
    home = tmp_path / "home"
    prepare(home, N_PROJECTS, N_LOOPS)
    app = ROOT / "benchmarks" / "held_app.py"
    with serve(app, home, **environment(home), REST_S="0.3") as url:
        come_back(url, home)
        come_and_go(url, home, WARMING, N_PROJECTS)
        before, first = rested(url), Held.by(url, home / "tmp")
        come_and_go(url, home, N_SESSIONS, N_PROJECTS)
        after, last = rested(url), Held.by(url, home / "tmp")
    waiting = after[SESSION] - before[SESSION]
    assert after["pandas.DataFrame"] - before["pandas.DataFrame"] < N_SESSIONS / 2
    assert last.threads - first.threads < N_SESSIONS / 2
    assert last.descriptors - first.descriptors - DESCRIPTORS_OF_ONE * waiting < N_SESSIONS / 2
    same = {"memory": 0.0, "threads": 0, "descriptors": 0}
    assert replace(last, **same) == replace(first, **same), "no child process or temporary file more"
    assert "Traceback" not in (home / "server.log").read_text(encoding="utf-8")
