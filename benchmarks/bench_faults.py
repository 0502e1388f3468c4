"""Fault checks on labelled loops: AUROC, false alarms, planted faults, speed; and what triage adds to the detector."""

import time
from collections.abc import Callable, Iterator
from itertools import starmap

import numpy as np
import pandas as pd
from scipy import signal as dsp
from sklearn.metrics import roc_auc_score

from benchmarks.data import bench_folder
from loopscope import audio
from loopscope.analysis.pipeline import analyse_folder
from loopscope.analysis.triage import FAULTY, triage_rank
from loopscope.embeddings.neighbours import near_duplicates, nearest_to
from loopscope.faults import LIMITS, check_library, fault_scores, find_faults
from loopscope.faults.registry import CHECKS
from loopscope.metadata import estimate_from_audio
from tests.test_faults import MUSIC, RATE

LABELLED = {"click": "click", "clipping": "clipped", "dropout": "dropout", "hum": "hum_noise", "noise": "hum_noise"}
TARGETS = {"click": 0.97, "clipping": 0.97, "dropout": 0.95, "hum": 0.9, "noise": 0.9}
CLASSES = {"C": 0, "Db": 1, "D": 2, "Eb": 3, "E": 4, "F": 5, "Gb": 6, "G": 7, "Ab": 8, "A": 9, "Bb": 10, "B": 11}

Wave = tuple[np.ndarray, int]
Plant = Callable[[np.ndarray, int, np.random.Generator], np.ndarray]


def run() -> str:
    """The section, or why there is none."""
    folder = bench_folder()
    if folder is None:
        return "## Faults and triage\n\nNot run: the labelled loops are not here (set LOOPSCOPE_BENCH).\n"
    labels = pd.read_csv(folder / "labels.csv")
    started = time.process_time()
    waves = {path: _decode(folder / path) for path in labels["path"]}
    decoding = time.process_time() - started
    started = time.process_time()
    scores = pd.DataFrame({path: fault_scores(*wave) for path, wave in waves.items()}).T.loc[labels["path"]]
    checking = time.process_time() - started
    normal = (labels["label"] == "normal").to_numpy()
    normals = [waves[path] for path in labels.loc[normal, "path"]]
    parts = [
        "## Faults and triage",
        _labelled(labels, scores),
        _false_alarms(scores[normal]),
        _planted(normals, scores[normal]),
        _music(),
        f"Speed, one core: {len(waves) / checking:.0f} loops/s checked, {len(waves) / decoding:.0f} loops/s decoded "
        f"({labels['duration_s'].mean():.1f} s a loop).",
        _triage(labels),
        _listening(labels[normal]),
        _neighbours(),
    ]
    return "\n\n".join(parts) + "\n"


def _decode(path: object) -> Wave:
    wave = audio.decode(str(path), mono=False)
    return wave.samples, wave.sample_rate


def _table(header: tuple[str, ...], rows: Iterator[tuple[object, ...]] | list[tuple[object, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _auroc(positive: np.ndarray, negative: np.ndarray) -> float:
    truth = np.r_[np.ones(len(positive)), np.zeros(len(negative))]
    return float(roc_auc_score(truth, np.r_[positive, negative]))


def _labelled(labels: pd.DataFrame, scores: pd.DataFrame) -> str:
    rows = []
    for kind, category in LABELLED.items():
        value = scores[kind].to_numpy(dtype=np.float64)
        faulty = (labels["category"] == category).to_numpy()
        normal = (labels["label"] == "normal").to_numpy()
        against_normal, against_all = (_auroc(value[faulty], value[other]) for other in (normal, ~faulty))
        found = float((value[faulty] >= LIMITS[kind].fault).mean())
        rows.append(
            (kind, f"{against_normal:.3f}", TARGETS[kind], f"{against_all:.3f}", f"{found:.0%}", int(faulty.sum()))
        )
    header = ("check", "AUROC vs normal", "target", "AUROC vs all others", 'found at verdict "fault"', "faulty loops")
    return "Labelled faults:\n\n" + _table(header, rows)


def _false_alarms(scores: pd.DataFrame) -> str:
    rows = [
        (
            check.kind,
            f"{(scores[check.kind] >= LIMITS[check.kind].fault).mean():.1%}",
            f"{(scores[check.kind] >= LIMITS[check.kind].suspect).mean():.1%}",
        )
        for check in CHECKS
    ]
    return f"False alarms on {len(scores)} normal loops:\n\n" + _table(("check", "fault", "suspect or fault"), rows)


def _clicked(height: float) -> Plant:
    def plant(x: np.ndarray, rate: int, rng: np.random.Generator) -> np.ndarray:
        y = x.copy()
        for at in rng.integers(rate // 20, x.shape[1] - rate // 20, 2):
            y[:, at : at + 3] += height * np.abs(x).max()
            y[:, at + 3 : at + 6] -= height * np.abs(x).max()
        return y

    return plant


def _clipped(share: float, lossy: bool) -> Plant:
    def plant(x: np.ndarray, rate: int, rng: np.random.Generator) -> np.ndarray:
        level = np.quantile(np.abs(x), 1 - share)
        y = np.clip(x, -level, level) * rng.uniform(0.3, 0.9) / max(level, 1e-6)
        if lossy:
            y = dsp.sosfilt(dsp.butter(6, 0.35 * rate, fs=rate, output="sos"), y)
        return y

    return plant


def _dropped(milliseconds: float, fade: float) -> Plant:
    def plant(x: np.ndarray, rate: int, rng: np.random.Generator) -> np.ndarray:
        y, width, ramp = x.copy(), int(milliseconds / 1000 * rate), int(fade / 1000 * rate)
        loudness = np.convolve(np.abs(x[0]), np.ones(rate // 20), "same")
        places = np.flatnonzero(loudness > 0.3 * loudness.max())
        places = places[(places > rate // 10) & (places < x.shape[1] - width - rate // 10)]
        at = int(rng.choice(places)) if len(places) else x.shape[1] // 3
        y[:, at : at + width] = 0
        if ramp:
            y[:, at - ramp : at] *= np.linspace(1, 0, ramp)
            y[:, at + width : at + width + ramp] *= np.linspace(0, 1, ramp)
        return y

    return plant


def _hummed(level_db: float) -> Plant:
    def plant(x: np.ndarray, rate: int, rng: np.random.Generator) -> np.ndarray:
        t = np.arange(x.shape[1]) / rate
        mains = rng.choice([50, 60]) * (1 + rng.uniform(-0.001, 0.001))
        hum = sum(rng.uniform(0.2, 1) / k * np.sin(2 * np.pi * k * mains * t + rng.uniform(0, 6)) for k in range(1, 9))
        return x + hum / np.sqrt((hum**2).mean()) * np.sqrt((x**2).mean()) * 10 ** (level_db / 20)

    return plant


PLANTED: dict[str, dict[str, Plant]] = {
    "click": {f"{height:.0%} of the peak": _clicked(height) for height in (0.05, 0.1, 0.25)},
    "clipping": {
        f"{share:.1%} of samples{', low-passed' if lossy else ''}": _clipped(share, lossy)
        for share in (0.003, 0.03)
        for lossy in (False, True)
    },
    "dropout": {f"{ms} ms, fades {fade} ms": _dropped(ms, fade) for ms in (5, 20, 80) for fade in (0, 3)},
    "hum": {f"{level} dB re the loop": _hummed(level) for level in (-10, -20, -30)},
}


def _planted(normals: list[Wave], clean: pd.DataFrame) -> str:
    rng = np.random.default_rng(0)
    rows = []
    for kind, plants in PLANTED.items():
        for name, plant in plants.items():
            planted = ((plant(x, rate, rng).astype(np.float32), rate) for x, rate in normals[::3])
            value = np.array([found[kind] for found in starmap(fault_scores, planted)])
            auroc = _auroc(value, clean[kind].to_numpy(dtype=np.float64))
            rows.append((kind, name, f"{auroc:.3f}", f"{(value >= LIMITS[kind].fault).mean():.0%}"))
    header = ("check", "planted", "AUROC", 'found at verdict "fault"')
    return "The same checks on faults planted in every third normal loop:\n\n" + _table(header, rows)


def _music() -> str:
    """Styles that look like faults."""
    rows: list[tuple[object, ...]] = []
    for name, make in MUSIC.items():
        found = find_faults(make(), RATE)
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


def _key_class(key: str) -> tuple[int, bool]:
    flat = {"C#": "Db", "D#": "Eb", "F#": "Gb", "G#": "Ab", "A#": "Bb"}
    tonic = key.removesuffix("m")
    return CLASSES[flat.get(tonic, tonic)], key.endswith("m")


def _listening(labels: pd.DataFrame) -> str:
    folder = bench_folder()
    assert folder is not None
    started = time.process_time()
    heard = [estimate_from_audio(folder / path) for path in labels["path"]]
    seconds = (time.process_time() - started) / len(heard)
    tempo = [h.bpm / bpm if h.bpm else np.nan for h, bpm in zip(heard, labels["bpm"], strict=True)]
    right = np.abs(np.array(tempo) - 1) < 0.01
    octave = np.min([np.abs(np.array(tempo) * m - 1) for m in (0.5, 1, 2)], axis=0) < 0.01
    keys = [_key_class(h.key) == _key_class(key) for h, key in zip(heard, labels["key"], strict=True) if h.key]
    return (
        f"Tempo and key by ear, {len(heard)} normal loops, {1000 * seconds:.0f} ms a loop: tempo given for "
        f"{np.isfinite(tempo).mean():.0%}, right for {right.mean():.0%} of all (within 1 %), half or double allowed "
        f"{octave.mean():.0%}; key given for {len(keys) / len(heard):.0%}, right for {np.mean(keys):.0%} of these."
    )


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
