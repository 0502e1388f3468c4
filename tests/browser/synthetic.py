"""Loops made of numbers, for tests and benchmarks of the explorer: two clusters, a tail of outliers, tones as sound."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from loopscope.analysis.triage import triage_loops
from loopscope.detection.thresholds import percentile_of
from loopscope.faults import faults_frame
from loopscope.faults.base import Fault, Verdict
from loopscope.ui.explorer.view import ExplorerView

N_FILES = 40
N_DIMENSIONS = 32
SAMPLE_RATE = 44_100
LONG_FILE_S = 70.0  # streamed by the browser instead of decoded
FOLDERS = ("session one", "session two/alternates", "")
INSTRUMENTS = ("bass", "guitar")


def loop_id(i: int) -> str:
    return hashlib.sha256(f"loop {i}".encode()).hexdigest()[:24]


def duration_s(i: int) -> float:
    """The last of the tones is long, the others have 0.5 to 3 s."""
    return LONG_FILE_S if i % N_FILES == N_FILES - 1 else 0.5 + 0.25 * (i % N_FILES % 11)


def amplitude(i: int) -> float:
    return 0.05 * (1 + i % N_FILES % 5)


def write_tones(folder: Path) -> list[Path]:
    """One stereo file per pitch; loop i sounds as file i % N_FILES."""
    paths = []
    for i in range(N_FILES):
        time = np.arange(int(duration_s(i) * SAMPLE_RATE)) / SAMPLE_RATE
        envelope = 0.3 + 0.7 * np.exp(-3 * (time % 0.5))
        samples = amplitude(i) * envelope * np.sin(2 * np.pi * (110 * 2 ** (i / 12)) * time)
        paths.append(folder / f"tone{i:03d}.wav")
        soundfile.write(paths[-1], np.column_stack([samples, 0.8 * samples]), SAMPLE_RATE)
    return paths


def synthetic_view(n: int) -> ExplorerView:
    """Scores grow with the distance from the clusters; about 6 % lie far out."""
    rng = np.random.default_rng(0)
    outlying = rng.random(n) < 0.06
    centres = np.where(rng.random((n, 1)) < 0.5, 1.0, -1.0) * rng.normal(size=(1, N_DIMENSIONS))
    scale = np.where(outlying, 2.5, 0.6)[:, None]
    latents = (centres + scale * rng.normal(size=(n, N_DIMENSIONS))).astype(np.float32)
    scores = ((latents - centres) ** 2).mean(axis=1).astype(np.float64)
    left, singular, _ = np.linalg.svd(latents - latents.mean(axis=0), full_matrices=False)
    index = np.arange(n)
    loops = pd.DataFrame(
        {
            "loop_id": [loop_id(i) for i in index],
            "name": [f"{INSTRUMENTS[i % 2]}_take_{i:05d}.wav" for i in index],
            "folder": [FOLDERS[i % 3] for i in index],
            "duration_s": [duration_s(i) for i in index],
            "score": scores,
            "split": np.where(rng.random(n) < 0.2, "validation", "train"),
            "instrument": [INSTRUMENTS[i % 2] for i in index],
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


def without_some_tempos(view: ExplorerView) -> ExplorerView:
    """The same loops, of every tenth of which the tempo is not known."""
    return replace(view, loops=view.loops.assign(bpm=view.loops["bpm"].mask(np.arange(len(view.loops)) % 10 == 0)))


def with_findings(view: ExplorerView) -> ExplorerView:
    """The same loops after the checks: every ninth is clipped, every seventh perhaps hums, one has a copy, and each was
    changed a day after the one before."""
    loops = view.loops.assign(
        percentile=percentile_of(view.reference_scores, view.loops["score"]),
        modified=1.7e9 + 86_400.0 * np.arange(len(view.loops)),
    )
    ids = loops["loop_id"]
    clipped = [_finding(loop_id, "clipping", 0.8, "fault", "clipped 13 %") for loop_id in ids[::9]]
    humming = [_finding(loop_id, "hum", 0.4, "suspect", "hum at 50 Hz") for loop_id in ids[::7]]
    copies = [_finding(loop_id, "duplicate", 0.3, "suspect", "2 identical files") for loop_id in ids[1:2]]
    return replace(view, loops=triage_loops(loops, faults_frame([*clipped, *humming, *copies])))


def _finding(loop_id: str, kind: str, strength: float, verdict: Verdict, brief: str) -> dict[str, object]:
    return {"loop_id": loop_id, **Fault(kind, strength, (), verdict, f"{brief.capitalize()}.", brief).row}


def staged_view(n: int, stage: int, stages: int) -> ExplorerView:
    """The same loops while their ranking fills in: at stage 0 none is scored, at `stages` all are.

    Every stage has scores and a map of its own; from the second on another key is known.
    """
    whole = synthetic_view(n)
    rng = np.random.default_rng(stage)
    scored = np.random.default_rng(1).permutation(n) < n * stage / stages
    scores = np.where(scored, whole.loops["score"] * rng.uniform(0.7, 1.4, n), np.nan)
    keys = whole.loops["key"].mask(whole.loops["key"].eq("G") & (stage < 2))
    moved = whole.coordinates * (1 + 0.02 * stage)
    return replace(
        whole,
        version=f"synthetic-{stage}",
        title=f"stage {stage}",
        loops=whole.loops.assign(score=scores, key=keys),
        coordinates=np.where(scored[:, None], moved, np.nan).astype(np.float32),
        latents=np.where(scored[:, None], whole.latents, np.nan).astype(np.float32),
        reference_scores=np.sort(scores[scored]),
    )
