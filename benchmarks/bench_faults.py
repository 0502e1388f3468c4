"""Fault checks on labelled loops: AUROC, false alarms, planted faults, speed; and what triage adds to the detector."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from benchmarks.data import bench_folder
from benchmarks.planting import PLANTED
from loopscope import audio
from loopscope.analysis.pipeline import analyse_folder
from loopscope.analysis.triage import FAULTY, triage_rank
from loopscope.embeddings.neighbours import near_duplicates, nearest_to
from loopscope.faults import LIMITS, check_library, find_faults
from loopscope.faults.base import NOTHING, Measurement, Signal
from loopscope.faults.folders import COMPARISONS
from loopscope.faults.limits import OTHER_KEY
from loopscope.faults.registry import CHECKS, judge_one, measure_blocks, split, to_compare
from loopscope.threads import one_thread
from tests.produced_styles import PRODUCED
from tests.styles import BPM, RATE, STYLES

LABELLED = {  # by check, or by several together: the strongest of them
    ("click",): "click",
    ("clipping",): "clipped",
    ("dropout",): "dropout",
    ("hum",): "hum_noise",
    ("noise",): "hum_noise",
    ("note_out_of_tune",): "detuned",
    ("off_grid", "stutter", "reversed"): "timing",
}
TARGETS = {"click": 0.97, "clipping": 0.97, "dropout": 0.95, "hum": 0.9, "noise": 0.9}

PLANTED_IN = 3  # every third normal loop
Z = 1.96  # of a normal deviate, for intervals of 95 %


class Loop(NamedTuple):
    """A labelled loop as it is decoded; `folder` is that of its instrument."""

    samples: np.ndarray
    rate: int
    bpm: float
    folder: str


@dataclass(frozen=True)
class Judged:
    """What one check says of one loop: its score, and the verdict, "" below both limits."""

    score: float
    verdict: str


Judgements = list[dict[str, Judged]]  # one a loop, by kind
Around = dict[str, dict[str, np.ndarray]]  # folder -> kind -> the values that others of it bring to a comparison


def run() -> str:
    """The section, or why there is none."""
    folder = bench_folder()
    if folder is None:
        return "## Faults and triage\n\nNot run: the labelled loops are not here (set LOOPSCOPE_BENCH).\n"
    labels = pd.read_csv(folder / "labels.csv")
    started = time.process_time()
    loops = [_decode(folder, row) for row in labels.itertuples()]
    decoding = time.process_time() - started
    started = time.process_time()
    with one_thread():  # as in the app's workers
        measured = [measure_blocks(split(loop.samples, loop.rate, loop.bpm)) for loop in loops]
    checking = time.process_time() - started
    around = _around(loops, measured)
    judged = [
        {kind: _judged(kind, found, around[loop.folder]) for kind, found in of_loop.items()}
        for loop, of_loop in zip(loops, measured, strict=True)
    ]
    normal = (labels["label"] == "normal").to_numpy()
    normals, in_order = ([x for x, is_normal in zip(xs, normal, strict=True) if is_normal] for xs in (loops, judged))
    seconds = sum(loop.samples.shape[1] / loop.rate for loop in loops)
    parts = [
        "## Faults and triage",
        _labelled(labels, judged),
        _false_alarms(in_order),
        _planted(normals, in_order, around),
        _music(),
        f"Cost, one core: {5 * checking / seconds:.3f} s of processor time for 5 s of sound, all checks together; "
        f"{len(loops) / checking:.0f} loops/s checked, {len(loops) / decoding:.0f} loops/s decoded "
        f"({labels['duration_s'].mean():.1f} s a loop).",
        _triage(labels),
        _neighbours(),
    ]
    return "\n\n".join(parts) + "\n"


def _decode(folder: Path, row: Any) -> Loop:
    wave = audio.decode(folder / row.path, mono=False)
    return Loop(wave.samples, wave.sample_rate, float(row.bpm), row.instrument)


def _around(loops: list[Loop], measured: list[dict[str, Measurement]]) -> Around:
    """What the loops of each folder bring to its comparisons."""
    brought: dict[str, dict[str, list[float]]] = {loop.folder: {kind: [] for kind in COMPARISONS} for loop in loops}
    for loop, of_loop in zip(loops, measured, strict=True):
        for kind, value in to_compare(of_loop).items():
            if kind in COMPARISONS:
                brought[loop.folder][kind].append(value)
    return {folder: {kind: np.array(v) for kind, v in kinds.items()} for folder, kinds in brought.items()}


def _judged(kind: str, found: Measurement, around: dict[str, np.ndarray]) -> Judged:
    if kind in COMPARISONS:
        known = np.isfinite(found.score)
        found = COMPARISONS[kind](np.array([found.score]), around[kind])[0] if known else NOTHING
    elif kind == OTHER_KEY:  # a set of keys, to be held against names
        found = NOTHING
    fault = judge_one(kind, found)
    return Judged(found.score, fault.verdict if fault else "")


def _table(header: tuple[str, ...], rows: Iterator[tuple[object, ...]] | list[tuple[object, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _auroc(positive: Sequence[float], negative: Sequence[float]) -> str:
    """The area with its standard error after Hanley and McNeil (1982)."""
    n, m = len(positive), len(negative)
    area = float(roc_auc_score(np.r_[np.ones(n), np.zeros(m)], np.r_[positive, negative]))
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    spread = np.sqrt((area * (1 - area) + (n - 1) * (q1 - area**2) + (m - 1) * (q2 - area**2)) / (n * m))
    return f"{area:.3f} ± {spread:.3f}"


def _share(hits: Sequence[bool]) -> str:
    """How many of how many, with Wilson's interval."""
    n, k = len(hits), int(np.sum(hits))
    centre, half = (k + Z**2 / 2) / (n + Z**2), Z / (n + Z**2) * np.sqrt(k * (n - k) / n + Z**2 / 4)
    return f"{k} of {n} ({100 * max(centre - half, 0):.1f} to {100 * min(centre + half, 1):.1f} %)"


def _at_both(judged: Sequence[Judged]) -> tuple[str, str]:
    return _share([found.verdict == "fault" for found in judged]), _share([found.verdict != "" for found in judged])


def _strongest(kinds: tuple[str, ...], judged: dict[str, Judged]) -> Judged:
    """The one judgement, or of several the most certain with its strength for a score."""
    if len(kinds) == 1:
        return judged[kinds[0]]
    strength = max(LIMITS[kind].strength(judged[kind].score) for kind in kinds)
    verdicts = {judged[kind].verdict for kind in kinds}
    return Judged(strength, next((verdict for verdict in ("fault", "suspect") if verdict in verdicts), ""))


def _labelled(labels: pd.DataFrame, judged: Judgements) -> str:
    rows = []
    for kinds, category in LABELLED.items():
        faulty, normal, other = (
            [_strongest(kinds, found) for found, wanted in zip(judged, which, strict=True) if wanted]
            for which in (labels["category"] == category, labels["label"] == "normal", labels["category"] != category)
        )
        against = (_auroc([found.score for found in faulty], [found.score for found in of]) for of in (normal, other))
        area, area_of_all = against
        rows.append((", ".join(kinds), category, area, TARGETS.get(kinds[0], ""), area_of_all, *_at_both(faulty)))
    header = ("check", "labelled", "AUROC vs normal", "target", "vs all others", 'found at "fault"', "at either")
    return "Labelled faults:\n\n" + _table(header, rows)


def _false_alarms(judged: Judgements) -> str:
    rows: list[tuple[object, ...]] = [
        (check.kind, *_at_both([found[check.kind] for found in judged])) for check in CHECKS
    ]
    together = [[found.verdict for found in of_loop.values()] for of_loop in judged]
    fault, either = _share(["fault" in said for said in together]), _share([any(said) for said in together])
    rows.append(("**all together**", f"**{fault}**", either))
    return f"False alarms on {len(judged)} normal loops:\n\n{_table(('check', 'fault', 'suspect or fault'), rows)}"


def _planted(normals: list[Loop], clean: Judgements, around: Around) -> str:
    """Each check alone on what was planted for it, against the same loops without."""
    rng = np.random.default_rng(0)
    checks = {check.kind: check for check in CHECKS}
    rows: list[tuple[object, ...]] = []
    for kind, plants in PLANTED.items():
        negative = [found[kind].score for found in clean]
        for name, plant in plants.items():
            judged = []
            for loop in normals[::PLANTED_IN]:
                spoilt = plant(loop.samples, loop.rate, loop.bpm, rng).astype(np.float32)
                found = checks[kind].measure(Signal(spoilt, loop.rate, 0.0, loop.bpm))
                judged.append(_judged(kind, found, around[loop.folder]))
            rows.append((kind, name, _auroc([found.score for found in judged], negative), *_at_both(judged)))
    header = ("check", "planted", "AUROC", 'found at "fault"', "found at either")
    return f"Each check on faults planted in every third normal loop:\n\n{_table(header, rows)}"


def _music() -> str:
    """Styles that look like faults."""
    rows: list[tuple[object, ...]] = []
    for name, make in (STYLES | PRODUCED).items():
        found = find_faults(make(), RATE, BPM)
        said = [", ".join(f.kind for f in found if f.verdict == verdict) or "–" for verdict in ("fault", "suspect")]
        rows.append((name, *said))
    return "Synthesised styles that are easily mistaken for faults:\n\n" + _table(("style", "fault", "suspect"), rows)


def _triage(labels: pd.DataFrame) -> str:
    folder = bench_folder()
    assert folder is not None
    rows = []
    for instrument in sorted(labels["instrument"].unique()):
        analysis = analyse_folder(folder / instrument, encoder="aisfx")
        ranked = triage_rank(analysis.table, check_library(analysis.library))
        truth = labels.set_index(labels["path"].str.split("/").str[1])["label"].loc[ranked["name"]] == "anomaly"
        odd = truth.to_numpy()
        by_detector = np.argsort(-ranked["score"].to_numpy(), kind="stable")
        faulty = (ranked["triage"] == FAULTY).to_numpy()
        rows.append(
            (
                instrument,
                f"{roc_auc_score(odd, ranked['score']):.3f}",
                f"{roc_auc_score(odd, ranked['fault_evidence']):.3f}",
                f"{roc_auc_score(odd, ranked['triage_score']):.3f}",
                f"{odd[by_detector[:20]].mean():.0%}",
                f"{odd[:20].mean():.0%}",
                f"{odd[faulty].mean():.0%} of {int(faulty.sum())}",
            )
        )
    header = (
        "folder",
        "AUROC detector (AEwRES, aisfx)",
        "AUROC checks alone",
        "AUROC triage",
        "anomalies in the detector's first 20",
        "in triage's first 20",
        '"probably faulty" that are anomalies',
    )
    text = "Triage against the detector alone, trained on the whole folder with its anomalies, all seven categories:"
    return f"{text}\n\n{_table(header, rows)}"


def _neighbours() -> str:
    X = np.random.default_rng(0).standard_normal((50_000, 512)).astype(np.float32)
    started = time.perf_counter()
    nearest_to(X[:1], X, 50)
    query = time.perf_counter() - started
    started = time.perf_counter()
    near_duplicates(X[:20_000], 0.995)
    every = time.perf_counter() - started
    times = f"50 of 50,000 × 512 in {1000 * query:.0f} ms; the nearest of each of 20,000 in {every:.1f} s"
    return f"Neighbours, exact: {times}."
