"""A page with nothing but the explorer, on synthetic loops: `EXPLORER_LOOPS` says how many (default 400).

Every loop has an id of its own; the sound files are `EXPLORER_FILES` tones of different pitch (default 40), shared in
turn. What Python hears is written to the page as JSON in a code block, where the tests read it.
"""

import hashlib
import json
import os
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from loopscope.ui.explorer import ExplorerView, explorer
from loopscope.ui.media import publish_library, routes, session_token

N_LOOPS = int(os.environ.get("EXPLORER_LOOPS", "400"))
N_FILES = int(os.environ.get("EXPLORER_FILES", "40"))
N_DIMENSIONS = 32
SAMPLE_RATE = 44_100
LONG_FILE_S = 70.0  # streamed instead of decoded


@st.cache_resource(show_spinner=False)
def tones() -> list[Path]:
    """Looping tones of 0.5 to 3 s, and one of 70 s at the end."""
    folder = Path(tempfile.mkdtemp(prefix="explorer-tones-"))
    paths = []
    for i in range(N_FILES):
        seconds = LONG_FILE_S if i == N_FILES - 1 else 0.5 + 2.5 * (i % 11) / 10
        time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
        envelope = 0.3 + 0.7 * np.exp(-3 * (time % 0.5))
        samples = 0.05 * (1 + i % 5) * envelope * np.sin(2 * np.pi * (110 * 2 ** (i / 12)) * time)
        paths.append(folder / f"tone{i:03d}.wav")
        soundfile.write(paths[-1], np.column_stack([samples, 0.8 * samples]), SAMPLE_RATE)
    return paths


def loop_id(i: int) -> str:
    return hashlib.sha256(f"loop {i}".encode()).hexdigest()[:24]


@st.cache_resource(show_spinner=False)
def synthetic_view(n: int) -> ExplorerView:
    """Two clusters and a tail of outliers; scores grow with the distance from the clusters."""
    rng = np.random.default_rng(0)
    outlying = rng.random(n) < 0.06
    centres = np.where(rng.random((n, 1)) < 0.5, 1.0, -1.0) * rng.normal(size=(1, N_DIMENSIONS))
    scale = np.where(outlying, 2.5, 0.6)[:, None]
    latents = (centres + scale * rng.normal(size=(n, N_DIMENSIONS))).astype(np.float32)
    scores = ((latents - centres) ** 2).mean(axis=1).astype(np.float64)
    left, singular, _ = np.linalg.svd(latents - latents.mean(axis=0), full_matrices=False)
    files = tones()
    durations = [soundfile.info(str(path)).duration for path in files]
    index = np.arange(n)
    loops = pd.DataFrame(
        {
            "loop_id": [loop_id(i) for i in index],
            "name": [f"{('bass', 'guitar')[i % 2]}_take_{i:05d}.wav" for i in index],
            "folder": [("session one", "session two/alternates", "")[i % 3] for i in index],
            "duration_s": [durations[i % len(files)] for i in index],
            "score": scores,
            "split": np.where(rng.random(n) < 0.2, "validation", "train"),
            "instrument": [("bass", "guitar")[i % 2] for i in index],
            "bpm": 80.0 + 5 * (index % 12),
            "key": [("Em", "A", "D", "G")[i % 4] for i in index],
        }
    )
    return ExplorerView(
        version=f"synthetic-{n}",
        title="AEwRES · robust · synthetic",
        loops=loops,
        coordinates=(left * singular)[:, :8].astype(np.float32),
        explained_variance=(singular**2 / (singular**2).sum())[:8],
        latents=latents,
        reference_scores=np.sort(scores),
    )


@st.fragment
def explore() -> None:
    state = st.session_state
    event = explorer(
        synthetic_view(N_LOOPS),
        key="explorer",
        percentile=state.get("percentile", 95.0),
        selected=state.get("selected"),
        marks=state.setdefault("marks", {}),
    )
    state["percentile"], state["selected"] = event.percentile, event.selected
    if event.mark is not None:
        state.setdefault("mark log", []).append(event.mark)
        if event.mark[1] is None:
            state["marks"].pop(event.mark[0], None)
        else:
            state["marks"][event.mark[0]] = event.mark[1]
    state["runs"] = state.get("runs", 0) + 1
    heard = {
        "selected": event.selected,
        "percentile": event.percentile,
        "threshold": event.threshold,
        "lasso": list(event.lasso[:50]),
        "lassoed": len(event.lasso),
        "marks": state["marks"],
        "markLog": state.get("mark log", []),
        "runs": state["runs"],
    }
    st.code(json.dumps(heard), language=None)


def page() -> None:
    st.set_page_config(layout="wide")
    files = tones()
    publish_library(session_token(), {loop_id(i): files[i % len(files)] for i in range(N_LOOPS)})
    left, middle, right = st.columns(3)
    left.button("Rerun")
    if middle.button("Threshold 90 from Python"):
        st.session_state["percentile"] = 90.0
    if right.toggle("Show", value=True):
        explore()


if get_script_run_ctx(suppress_warning=True) is None:
    app = st.App(__file__, routes=routes())
else:
    page()
