"""What marks teach, simulated by labels: somebody marks the first unmarked loop of the list again and again.

Who marks quarantines what was planted and keeps the rest. Counted is how much of what was planted is found in the first
marks, with an order that follows them and with one that does not; and whether the order of what is not marked yet gets
better or worse. Then how long one new order takes at 50,000 loops.
"""

import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from benchmarks.bench_listening import Planted, planted_libraries
from benchmarks.made_up import made_up_embeddings
from loopscope.analysis.feedback import Feedback
from loopscope.analysis.pipeline import score_table
from loopscope.analysis.resemblance import Resemblance, embedding_kernel, resemblance_of
from loopscope.analysis.scoring import fit_detector
from loopscope.analysis.triage import triage_loops
from loopscope.faults import check_library, faults_frame

SEEDS = (0, 1, 2)
N_MARKS, LOOKED_AT = 60, (10, 20, 40)
N_LOOPS, N_FEATURES = 50_000, 512
TIMED = (10, 30, 100, 300, 1000)  # marks
HEADER = ("library", "order", "loops", "planted", "seed", "found without", "found with", "gain")


@dataclass(frozen=True)
class Run:
    """What was found in N_MARKS marks, and AUROC of the unmarked with less that without feedback after some of them."""

    found: int
    differences: Mapping[int, float]


def run() -> str:
    """The section of the report."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [row for planted in planted_libraries(Path(folder)) for row in _rows(planted)]
    titles = [*HEADER, *(f"AUROC of the unmarked after {n}: change" for n in LOOKED_AT)]
    text = (
        f"{N_MARKS} marks by labels on the first unmarked loop of the list, one after another (AEwRES, robust, aiSFX). "
        '"Score" is the order by the detector alone, "Listen first" joins it with the checks. Without: the same marks '
        "in an order that does not follow them."
    )
    return f"## What marks teach\n\n{text}\n\n{_markdown(titles, rows)}\n\n{_timing()}\n"


def _rows(planted: Planted) -> list[list[str]]:
    faults = {"score": faults_frame([]), "Listen first": check_library(planted.library)}
    resemblance, rows = resemblance_of(planted.embeddings), []
    for seed in SEEDS:
        scores = score_table(planted.library.unique, fit_detector(planted.embeddings, "AEwRES", seed=seed))
        for order, found in faults.items():
            triaged = triage_loops(scores, found)
            is_odd = (planted.category.loc[triaged["loop_id"]] != "").to_numpy()
            before = int(is_odd[np.argsort(triaged["triage_rank"].to_numpy())[:N_MARKS]].sum())
            after = simulate(triaged, resemblance, is_odd)
            changes = [f"{after.differences[n]:+.3f}" if n in after.differences else "–" for n in LOOKED_AT]
            numbers = [str(n) for n in (len(triaged), is_odd.sum(), seed, before, after.found)]
            rows.append([planted.title, order, *numbers, f"{after.found / before - 1:+.0%}", *changes])
    return sorted(rows)


def simulate(triaged: pd.DataFrame, resemblance: Resemblance, is_odd: np.ndarray) -> Run:
    """Marks what stands first, again and again; `is_odd` (n,) says what is quarantined, row by row of `triaged`."""
    feedback, ids = Feedback(triaged, resemblance), triaged["loop_id"].to_numpy()
    before, marks = triaged["triage_rank"].to_numpy(), dict[str, str]()
    unmarked, found, differences = np.ones(len(ids), bool), 0, {}
    for n in range(min(N_MARKS, len(ids))):
        ranks = feedback.taught(marks).ranks
        if n in LOOKED_AT and 0 < is_odd[unmarked].sum() < unmarked.sum():
            after_n, before_n = (roc_auc_score(is_odd[unmarked], -order[unmarked]) for order in (ranks, before))
            differences[n] = after_n - before_n
        row = np.flatnonzero(unmarked)[ranks[unmarked].argmin()]
        marks[ids[row]] = "quarantine" if is_odd[row] else "keep"
        unmarked[row], found = False, found + int(is_odd[row])
    return Run(found, differences)


def _timing() -> str:
    rng = np.random.default_rng(0)
    X = made_up_embeddings(N_LOOPS, N_FEATURES)
    ids = [f"loop{i}" for i in range(N_LOOPS)]
    triaged = triage_loops(pd.DataFrame({"loop_id": ids, "percentile": rng.uniform(0, 100, N_LOOPS)}), faults_frame([]))
    start = time.perf_counter()
    feedback = Feedback(triaged, Resemblance(tuple(ids), (embedding_kernel(X),)))
    first = time.perf_counter() - start
    rows = []
    for n in TIMED:
        marks = {ids[row]: str(rng.choice(["keep", "quarantine"])) for row in rng.choice(N_LOOPS, n, replace=False)}
        seconds = []
        for _ in range(7):
            start = time.perf_counter()
            feedback.taught(marks)
            seconds.append(time.perf_counter() - start)
        rows.append([f"{n:,}", f"{1000 * np.median(seconds):.0f}", f"{1000 * max(seconds):.0f}"])
    said = f"Once, before the first: {first:.1f} s. Load average {os.getloadavg()[0]:.1f}."
    table = _markdown(["marks", "median ms", "slowest of 7"], rows)
    return f"### One new order of {N_LOOPS:,} loops\n\n{said}\n\n{table}"


def _markdown(titles: list[str], rows: list[list[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
