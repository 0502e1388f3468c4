"""What a stored project needs before it is shown: none of the libraries that take seconds to import."""

import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

from loopscope.analysis.scoring import score_library
from loopscope.analysis.walk import Plan
from loopscope.config import paths
from loopscope.detection.registry import make_detector
from loopscope.store import Store
from loopscope.ui.projects import walking
from loopscope.ui.projects.models import keep_model
from loopscope.ui.projects.registry import ProjectRegistry
from loopscope.ui.projects.walking import start_walk
from loopscope.ui.server.visitors import LOCAL
from tests.golden.clips import plucked

ROOT = Path(__file__).resolve().parents[1]
RATE, N_LOOPS = 8000, 24
SLOW = ("torch", "sklearn", "scipy", "numba", "librosa.core", "huggingface_hub")
SHOWN = """
import json, sys, time
from streamlit.testing.v1 import AppTest
project, loop, app, *slow = sys.argv[1:]
at = AppTest.from_file(app, default_timeout=60)
at.query_params["project"], at.query_params["loop"] = project, loop
at.switch_page("pages/explore.py").run()
drawn_once = bool(at.session_state["loopscope"].models)
deadline = time.monotonic() + 60
while len(at.session_state["loopscope"].project.contents.models) < 2 and time.monotonic() < deadline:
    time.sleep(0.02)
at.run()
state = at.session_state["loopscope"]
print(json.dumps({
    "drawn once": drawn_once,
    "page": state.page,
    "selected": state.selected,
    "models": list(state.models),
    "shown": [element.key for element in at.get("bidi_component")],
    "said": [str(element.value) for element in [*at.caption, *at.exception, *at.error]],
    "slow": [name for name in slow if name in sys.modules],
}))
"""


class Tiny:
    """An encoder of a few samples of the sound."""

    encoder_id, sample_rate, n_features, description, notice, batch_size = "tiny-1", RATE, 16, "Tiny", "", 4

    def embed(self, waveforms: Sequence[np.ndarray]) -> np.ndarray:
        return np.stack([waveform[20:36] for waveform in waveforms]).astype(np.float32)


def test_a_stored_project_is_shown_without_any_library_that_takes_long_to_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Explore as a server that has just started draws it, with its loop selected and "Why?" beside it."""
    folder = tmp_path / "loops"
    folder.mkdir()
    for number in range(N_LOOPS):
        soundfile.write(folder / f"{number:03d}.wav", plucked(0.1, RATE, seed=number), RATE)
    monkeypatch.setattr(walking, "loaded_encoder", lambda *named: Tiny())
    with Store(paths().database) as store:
        project = ProjectRegistry(store).create(LOCAL, folder, Plan(detector="knn"))
        start_walk(project, store)
        for thread in threading.enumerate():
            if thread.name == "loopscope-walk":
                thread.join(120)
        embeddings = project.contents.embeddings
        assert embeddings is not None
        network = make_detector("AE", n_repeats=1, n_folds=2, min_steps=2, min_passes=1)
        network.fit(embeddings.X, embeddings.loop_ids, embeddings.encoder_id)
        keep_model(project, "AE · quick", score_library(embeddings, network))
    command = [sys.executable, "-c", SHOWN, project.id, embeddings.loop_ids[3], str(ROOT / "app.py"), *SLOW]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["drawn once"], "the first page waits a moment for what is stored"
    assert found["page"] == "explore" and found["selected"] == embeddings.loop_ids[3]
    assert set(found["models"]) == {"AE · quick", "knn · robust · seed 0"}
    assert {"explorer", "explain-sound"} <= {str(key) for key in found["shown"]}, found
    assert found["slow"] == []
