"""Three sessions at once train different models on different loops: each ends with its own, and nothing piles up."""

import gc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.runtime.state import SafeSessionState
from streamlit.testing.v1 import AppTest, app_test

from loopscope.analysis.scoring import ScoredLoops, fit_detector
from loopscope.embeddings import EmbeddingSet
from loopscope.library import Library, scan_folder
from loopscope.ui.projects.tasks import Task
from tests.golden.clips import plucked
from tests.hostile.sounds import encoded
from tests.test_pages import finish_tasks, start, state_of

N_LOOPS, N_FEATURES = 24, 16
DETECTORS = ("pca", "knn", "mahalanobis")
PAGES = ("library", "train", "compare", "diagnostics")


class OwnSession(app_test.LocalScriptRunner):
    """Streamlit's harness calls every session "test session id"; here each has a name of its own, as in the server."""

    def __init__(self, script_path: str, session_state: SafeSessionState, *args: Any, **options: Any) -> None:
        super().__init__(script_path, session_state, *args, **options)
        self._session_id = f"session {id(session_state)}"


@pytest.fixture(autouse=True)
def own_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_test, "LocalScriptRunner", OwnSession)


def prepared(folder: Path, seed: int) -> tuple[Library, EmbeddingSet]:
    """A folder of loops and made-up embeddings of them, another for each seed."""
    folder.mkdir()
    for number in range(N_LOOPS):
        content = encoded(plucked(0.1, 8000, seed=1000 * seed + number)[:, None], 8000)
        (folder / f"{number}.wav").write_bytes(content)
    library = scan_folder(folder)
    X = np.random.default_rng(seed).standard_normal((N_LOOPS, N_FEATURES)).astype(np.float32)
    return library, EmbeddingSet(tuple(library.unique["loop_id"]), X, f"toy-{seed}")


def opened(library: Library, embeddings: EmbeddingSet) -> AppTest:
    """A session of its own that has got as far as training."""
    at = start()
    state = state_of(at)
    state.project.update(library=library, embeddings=embeddings)
    state.look()
    at.switch_page("pages/train.py").run()
    return at


def test_three_sessions_training_at_once_keep_their_results_apart(tmp_path: Path) -> None:
    work = [prepared(tmp_path / name, seed) for seed, name in enumerate("abc")]
    expected = [fit_detector(embeddings, name) for (_, embeddings), name in zip(work, DETECTORS, strict=True)]
    sessions = [opened(*each) for each in work]
    for at, name in zip(sessions, DETECTORS, strict=True):
        at.selectbox(key="detector-name").set_value(name).run()
        at.button(key="train-start").click().run()
    for at in reversed(sessions):
        finish_tasks(at)
    for at, name, (library, embeddings), alone in zip(sessions, DETECTORS, work, expected, strict=True):
        state = state_of(at)
        assert list(state.models) == [f"{name} · robust · seed 0"]
        scored = state.models[f"{name} · robust · seed 0"]
        assert isinstance(scored, ScoredLoops)
        assert scored.detector.name == name
        assert scored.detector.encoder_id == embeddings.encoder_id
        assert set(scored.scores["loop_id"]) == set(library.unique["loop_id"])
        np.testing.assert_array_equal(scored.scores["score"], alone.scores["score"])
    ids = [set(state_of(at).model.scores["loop_id"]) for at in sessions]  # type: ignore[union-attr]
    assert not ids[0] & ids[1] and not ids[1] & ids[2] and not ids[0] & ids[2]


def test_page_switches_leave_nothing_behind(tmp_path: Path) -> None:
    """Forty switches: no task, library, embedding set or model more; megabytes are measured by the benchmark."""
    at = opened(*prepared(tmp_path / "a", 0))
    at.selectbox(key="detector-name").set_value("pca").run()
    at.button(key="train-start").click().run()
    finish_tasks(at)

    def visit(times: int) -> None:
        for turn in range(times):
            at.switch_page(f"pages/{PAGES[turn % len(PAGES)]}.py").run()
            assert not at.exception

    visit(2 * len(PAGES))
    before = held()
    visit(40)
    assert held() == before


def test_what_was_chosen_is_still_chosen_after_other_pages(tmp_path: Path) -> None:
    at = opened(*prepared(tmp_path / "a", 0))
    at.selectbox(key="detector-name").set_value("knn").run()
    at.selectbox(key="preset-name").set_value("paper").run()
    at.number_input(key="seed").set_value(7).run()
    for page in ("library", "diagnostics", "train"):
        at.switch_page(f"pages/{page}.py").run()
        assert not at.exception
    assert at.selectbox(key="detector-name").value == "knn"
    assert at.selectbox(key="preset-name").value == "paper"
    assert at.number_input(key="seed").value == 7
    assert not at.warning


def held() -> dict[str, int]:
    """How many of the large things are alive."""
    gc.collect()
    kinds = (Library, EmbeddingSet, ScoredLoops, Task)
    alive = [type(thing) for thing in gc.get_objects()]
    return {kind.__name__: alive.count(kind) for kind in kinds}
