"""The Explore page alone, on a small pack made of tones with hostile names, clicks in one loop and made-up embeddings.

Nothing is trained but a baseline and nothing is mocked: scan, checks, store, media routes and page are the app's own.
"""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile
import streamlit as st
from starlette.middleware import Middleware
from streamlit.runtime.scriptrunner import get_script_run_ctx

from loopscope.analysis.scoring import ScoredLoops, fit_detector
from loopscope.detection.base import BaseDetector
from loopscope.detection.curves import CurveMaker
from loopscope.detection.inside import number_of
from loopscope.detection.patch_bank import PatchBank
from loopscope.embeddings import EmbeddingSet
from loopscope.faults import check_library, faults_frame
from loopscope.faults.base import Fault
from loopscope.faults.limits import OTHER_TEMPO
from loopscope.faults.music.tempo import BRIEF
from loopscope.library import Library, scan_folder
from loopscope.ui.components import store
from loopscope.ui.server.headers import SecurityHeaders
from loopscope.ui.server.hosts import AllowedHosts
from loopscope.ui.server.media import routes
from loopscope.ui.state import session
from loopscope.ui.views.explore import explore_step

ROOT = Path(__file__).parents[2]
RATE = 22_050
N_LOOPS = 24
OUTLIER = "Bass_120_Em_odd.wav"
MARKUP = "<img src=x onerror=alert(1)>.wav"
FORMULA = "=cmd|' !A0.wav"
CLICKS_S = (0.83, 2.41)
PATCH_S, PATCH_ID = 0.1, "made-up-patches-1"
LABEL = "pca · robust · seed 0"


def write_pack(folder: Path) -> None:
    """Four bars of eighths at 120 BPM each, every loop at a pitch of its own; the odd one has two clicks."""
    names = [OUTLIER, MARKUP, FORMULA, *(f"Bass_120_Em_{i:02d}.wav" for i in range(N_LOOPS - 3))]
    time = np.arange(8 * RATE) / RATE
    for i, name in enumerate(names):
        pitch = 110 * 2 ** (i / 12) * np.where(time % 2 < 1, 1.0, 1.5)
        beat = time % 0.25
        envelope = np.exp(-14 * beat) * np.minimum(beat / 0.01, 1) * np.minimum((0.25 - beat) / 0.01, 1)
        samples = 0.4 * np.sin(2 * np.pi * pitch * time) * envelope
        if name == OUTLIER:
            for second in CLICKS_S:
                at = int(second * RATE)
                samples[at : at + 3] += 0.5
                samples[at + 3 : at + 6] -= 0.5
        soundfile.write(folder / name, samples, RATE)


def embeddings_of(library: Library) -> EmbeddingSet:
    """One cluster in 16 dimensions, the odd loop far from it."""
    loops = library.unique.sort_values("name", ignore_index=True)
    X = 3 + np.random.default_rng(0).normal(size=(len(loops), 16)).astype(np.float32)
    X[loops["name"] == OUTLIER, :4] += 12
    return EmbeddingSet(tuple(loops["loop_id"]), X, "made-up", pd.DataFrame({"path": [], "reason": []}))


@st.cache_resource(show_spinner=False)
def prepared() -> tuple[Library, EmbeddingSet, pd.DataFrame, ScoredLoops]:
    folder = Path(os.environ["PANEL_PACK"])
    write_pack(folder)
    library = scan_folder(folder)
    embeddings = embeddings_of(library)
    scored = fit_detector(embeddings, "pca")
    return (
        library,
        embeddings,
        with_another_tempo(check_library(library), library),
        replace(scored, detector=hearing_inside(scored, library)),
    )


def with_another_tempo(faults: pd.DataFrame, library: Library) -> pd.DataFrame:
    """As if the outlier's name said another tempo than is heard."""
    said = Fault(OTHER_TEMPO, 0.4, (), "suspect", "Its name says 120 BPM; it fits 118 BPM.", BRIEF.format(118, 120))
    loop_id = library.unique.loc[library.unique["name"] == OUTLIER, "loop_id"].item()
    return pd.concat([faults, faults_frame([{"loop_id": loop_id, **said.row}])], ignore_index=True)


class Hearing:
    """A detector that says where loops are odd, too."""

    def __init__(self, detector: BaseDetector, curves: CurveMaker) -> None:
        self._detector, self.curves = detector, curves

    def __getattr__(self, name: str) -> Any:
        return getattr(self._detector, name)


def hearing_inside(scored: ScoredLoops, library: Library) -> Any:
    """As if it had been fitted on patches: levels of eight bands in each PATCH_S, which lie in the store."""
    ids = scored.detector.loop_ids_
    patches = [bands_of(library.path_of(loop_id)) for loop_id in ids]
    store().put_embeddings(ids, "made-up", np.zeros((len(ids), 16), np.float32), PATCH_ID, patches)
    starts = np.cumsum([0, *map(len, patches)])
    values = np.concatenate(patches)
    numbers = np.array([number_of(own) for own in patches])
    bank = PatchBank.of(values, starts, numbers, np.random.default_rng(0))
    typical = float(np.median(bank.distances(values, np.repeat(numbers, np.diff(starts)))))
    return Hearing(scored.detector, CurveMaker(bank, typical, PATCH_ID, PATCH_S))


def bands_of(path: Path) -> np.ndarray:
    samples, _ = soundfile.read(path)
    length = int(PATCH_S * RATE)
    spectra = np.abs(np.fft.rfft(samples[: len(samples) // length * length].reshape(-1, length), axis=1))
    return np.log1p(np.stack([band.mean(axis=1) for band in np.array_split(spectra, 8, axis=1)], axis=1)).astype("f2")


def page() -> None:
    st.set_page_config(layout="wide")
    st.html(ROOT / "assets" / "page.css")
    state = session()
    if state.library is None:
        library, embeddings, faults, scored = prepared()
        state.project.update(library=library, embeddings=embeddings, faults=faults)
        state.project.add_model(LABEL, scored)
        state.look()
    assert state.library is not None
    explore_step(state.library)


if get_script_run_ctx(suppress_warning=True) is None:
    app = st.App(__file__, routes=routes(), middleware=[Middleware(SecurityHeaders), Middleware(AllowedHosts)])
else:
    page()
