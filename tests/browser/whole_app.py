"""The app's own Explore and Compare pages with everything before them done: for tests that begin where those pages do.

The loops are the files in `APP_FOLDER`, or `APP_LOOPS` synthetic rows that share a few tones. Their embeddings are made
of their loop_ids, so a file that was renamed keeps its own. Two baselines are fitted at the first visit of a session,
whose project is `APP_PROJECT`.
"""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from starlette.middleware import Middleware
from streamlit.runtime.scriptrunner import get_script_run_ctx

from loopscope.analysis.scoring import ScoredLoops, fit_detector
from loopscope.config import paths
from loopscope.embeddings import EmbeddingSet
from loopscope.library import LOOP_COLUMNS, Library, scan_folder
from loopscope.ui.components import store
from loopscope.ui.server.headers import SecurityHeaders
from loopscope.ui.server.hosts import AllowedHosts
from loopscope.ui.server.lifespan import lifespan
from loopscope.ui.server.media import media_registry, routes, session_token
from loopscope.ui.state import session
from loopscope.ui.widgets.status import status_panel
from tests.browser import synthetic

ROOT = Path(__file__).resolve().parents[2]
N_LOOPS = int(os.environ.get("APP_LOOPS", "0"))
N_FEATURES = int(os.environ.get("APP_FEATURES", "24"))
MODELS = ("pca", "mahalanobis")


def synthetic_library(n: int) -> Library:
    """n loops that no scan could tell from real ones, but for their few different sounds."""
    folder = Path(tempfile.mkdtemp(prefix="whole-app-tones-"))
    files = synthetic.write_tones(folder)
    for i in range(n):
        (folder / f"loop{i:05d}.wav").hardlink_to(files[i % len(files)])
    loops = synthetic.synthetic_view(n).loops[["loop_id", "name", "folder", "duration_s"]]
    loops = loops.assign(
        path=[str(folder / f"loop{i:05d}.wav") for i in range(n)],
        sample_rate=synthetic.SAMPLE_RATE,
        channels=2,
        format="WAV",
        subtype="PCM_16",
        size_bytes=1,
        mtime_ns=0,
    )
    return Library(folder, loops[list(LOOP_COLUMNS)], pd.DataFrame({"path": [], "reason": []}))


def embedding_of(loop_id: str) -> np.ndarray:
    """(N_FEATURES,) drawn from the loop_id; about one loop in fifteen lies far out."""
    rng = np.random.default_rng(int(loop_id[:12], 16))
    return rng.normal(size=N_FEATURES) * (3.0 if rng.random() < 0.07 else 1.0)


def embedded(library: Library) -> EmbeddingSet:
    """One row a loop."""
    loop_ids = tuple(library.unique["loop_id"])
    X = np.stack([embedding_of(loop_id) for loop_id in loop_ids])
    return EmbeddingSet(loop_ids, X.astype(np.float32), "synthetic")


@st.cache_resource(show_spinner=False)
def analysed() -> tuple[Library, EmbeddingSet, dict[str, ScoredLoops]]:
    library = synthetic_library(N_LOOPS) if N_LOOPS else scan_folder(Path(os.environ["APP_FOLDER"]), store())
    embeddings = embedded(library)
    return library, embeddings, {f"{name} · robust · seed 0": fit_detector(embeddings, name) for name in MODELS}


def control() -> dict[str, Any]:
    """What a test has the pulse say, in a file beside the store."""
    file = paths().database.with_name("pulse.json")
    return dict(json.loads(file.read_text())) if file.exists() else {"generation": 1}


def pulse() -> dict[str, Any]:
    return {"task": None, "explorer": None, "notice": None, **control()}


def page() -> None:
    st.set_page_config(layout="wide")
    state = session()
    if state.library is None:
        library, embeddings, models = analysed()
        state.project.id = os.environ.get("APP_PROJECT", "")
        state.project.update(library=library, embeddings=embeddings)
        for label, scored in models.items():
            state.project.add_model(label, scored)
        state.look()
    media_registry().publish_pulse(session_token(), pulse)
    with st.sidebar:
        said = status_panel(generation=control().get("generation"))
        st.caption(f"cancel {said.cancel!r} refresh {said.refresh}")
    pages = [st.Page(ROOT / "pages" / f"{name}.py", title=name.title()) for name in ("explore", "compare", "library")]
    st.navigation(pages).run()


if get_script_run_ctx(suppress_warning=True) is None:
    middleware = [Middleware(SecurityHeaders), Middleware(AllowedHosts)]
    app = st.App(__file__, routes=routes(), middleware=middleware, lifespan=lifespan)  # stops when it is told to
else:
    page()
