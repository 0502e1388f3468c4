"""Preset local: labelled loops, oddities in one beat that no check knows, and faults whose place is known.

Patches need sound, so the published CLAP embeddings of the section Detection have no part in this.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from benchmarks.bench_detection import SEEDS, markdown
from benchmarks.data import bench_folder
from benchmarks.planting_inside import FAULTS, KINDS, SAMPLE_RATE, Kind, planted
from loopscope.arrays import Bool, Float, Int
from loopscope.audio.streaming import stream
from loopscope.detection.calibration import fuse
from loopscope.detection.evaluation import read_labels
from loopscope.detection.local_detector import LocalDetector
from loopscope.detection.own_moments import fused
from loopscope.detection.parts import DEEP_PATCH_PARTS
from loopscope.detection.registry import make_detector
from loopscope.embeddings import EmbeddingSet, embed_library
from loopscope.embeddings.patch_set import PatchSet
from loopscope.encoders.aisfx import AisfxEncoder, load
from loopscope.library import scan_folder

BASELINES = ("pca", "knn", "mahalanobis")
SLACK_S = 0.1
N_DRAWN = 1000
Scores = dict[str, Float]


@dataclass(frozen=True)
class Folder:
    """The labelled loops of one instrument; `loops` has path, label, category and bpm in the order of `embeddings`."""

    instrument: str
    loops: pd.DataFrame
    embeddings: EmbeddingSet

    @property
    def labels(self) -> Int:
        """1 for an anomaly, (n,)."""
        return self.loops["label"].to_numpy(int)


def run() -> str:
    """The section of the report."""
    if bench_folder() is None:
        return "## Inside the loop\n\nNot run: the labelled data is not on this machine.\n"
    encoder = load()
    folders = list(_folders(encoder))
    labelled = [_labelled(folder, protocol) for folder in folders for protocol in ("contaminated", "clean")]
    oddities = [_oddities(folder, folders, encoder, KINDS) for folder in folders]
    faults = [_oddities(folder, folders, encoder, FAULTS) for folder in folders]
    return "\n\n".join(
        [
            f"## Inside the loop\n\nAUROC, mean ± standard deviation over {len(SEEDS)} seeds; parts are those of "
            "AEwRES, preset local.",
            _table([(title, runs) for title, runs, _ in labelled]),
            "Local less the best of the baselines, drawn again from the loops 1,000 times (seed 0, 95 % interval):",
            markdown(["folder", "difference"], [[title, interval] for title, _, interval in labelled]),
            "### Oddities in one beat or two, which no check knows\n\nSeven of each folder's 90 loops in order, one of "
            "each kind; the place is found where the curve is highest inside the stretch.",
            _table([(folder.instrument, runs) for folder, (runs, _) in zip(folders, oddities, strict=True)]),
            _places(oddities),
            "### Faults whose place is known",
            _places(faults),
        ]
    )


def _folders(encoder: AisfxEncoder) -> Iterator[Folder]:
    root = bench_folder()
    assert root is not None
    labels = read_labels(root / "labels.csv").set_index("path")
    bpm = pd.read_csv(root / "labels.csv").set_index("path")["bpm"]
    for place in sorted(path for path in root.iterdir() if path.is_dir()):
        library = scan_folder(place)
        embeddings = embed_library(library, encoder, with_patches=True)
        paths = library.unique.set_index("loop_id")["path"].loc[list(embeddings.loop_ids)]
        names = [f"{place.name}/{path.rpartition('/')[2]}" for path in paths]
        loops = labels.loc[names].assign(file=list(paths), bpm=bpm.loc[names]).reset_index()
        yield Folder(place.name, loops, embeddings)


def _scores(detector: LocalDetector, parts: Scores) -> Scores:
    deep = fuse({part: parts[part] for part in DEEP_PATCH_PARTS})
    alone = {str(name): np.nan_to_num(part) for name, part in parts.items()}  # NaN where a loop is too short
    return {"local": fused(parts), **alone, "deep parts": deep}


def _fitted(X: Float, patches: PatchSet, seed: int) -> LocalDetector:
    detector = make_detector("AEwRES", "local", seed).fit(X, patches=patches)
    assert isinstance(detector, LocalDetector)
    return detector


def _labelled(folder: Folder, protocol: str) -> tuple[str, list[tuple[Int, Scores]], str]:
    """Title, labels and scores of each seed, the interval of the difference to the best baseline."""
    X, y, patches = folder.embeddings.X, folder.labels, folder.embeddings.patches
    assert patches is not None
    runs = []
    for seed in SEEDS:
        if protocol == "contaminated":
            detector = _fitted(X, patches, seed)
            found = _scores(detector, dict(detector.components_))
            runs.append((y, found | {name: make_detector(name, "robust", seed).fit(X).scores_ for name in BASELINES}))
            continue
        normal = np.random.default_rng(seed).permutation(np.flatnonzero(y == 0))
        train, test = np.split(normal, [int(0.8 * len(normal))])
        test = np.concatenate([test, np.flatnonzero(y == 1)])
        of = [patches.select([patches.loop_ids[row] for row in rows]) for rows in (train, test)]
        detector = _fitted(X[train], of[0], seed)
        found = _scores(detector, detector.component_scores(X[test], patches=of[1]))
        models = {name: make_detector(name, "robust", seed).fit(X[train]) for name in BASELINES}
        runs.append((y[test], found | {name: model.anomaly_scores(X[test]) for name, model in models.items()}))
    return f"{folder.instrument}, {protocol}", runs, _interval(*runs[0])


def _interval(y: Int, scores: Scores) -> str:
    best = max(BASELINES, key=lambda name: roc_auc_score(y, scores[name]))
    rng, differences = np.random.default_rng(0), []
    while len(differences) < N_DRAWN:
        rows = rng.integers(len(y), size=len(y))
        if 0 < y[rows].sum() < len(y):
            ours, theirs = (roc_auc_score(y[rows], scores[name][rows]) for name in ("local", best))
            differences.append(ours - theirs)
    low, high = np.percentile(differences, [2.5, 97.5])
    return f"{np.mean(differences):+.3f} [{low:+.3f}, {high:+.3f}] to {best}"


Found = list[tuple[str, bool, float]]  # kind, whether the curve is highest there, by chance


def _oddities(
    folder: Folder, folders: list[Folder], encoder: AisfxEncoder, kinds: dict[str, Kind]
) -> tuple[list[tuple[Int, Scores]], Found]:
    normal = np.flatnonzero(folder.labels == 0)
    patches = folder.embeddings.patches
    assert patches is not None
    names = [patches.loop_ids[row] for row in normal]
    strangers = next(other for other in folders if other is not folder)
    runs, places = [], []
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        X, y, spans = folder.embeddings.X[normal].copy(), np.zeros(len(names), int), {}
        of_loop = {name: patches.of(name) for name in names}
        for row, (name, kind) in zip(rng.permutation(len(names)), kinds.items(), strict=False):
            source = strangers if kind.of_stranger else folder
            other = int(rng.choice(np.flatnonzero((source.labels == 0) & (source.loops.index != normal[row]))))
            x, bpm = _read(folder.loops["file"][normal[row]]), float(folder.loops["bpm"][normal[row]])
            sound, *span = planted(x, _read(source.loops["file"][other]), bpm, kind, rng)
            embedded, heard = encoder.hear([encoder.prepare([sound], len(sound))])
            X[row], of_loop[names[row]], y[row], spans[row] = embedded[0], heard[0], 1, (name.rstrip(" 12"), *span)
        together = PatchSet.gathered(of_loop, names, patches.patch_id, patches.patch_seconds)
        detector = _fitted(X, together, seed)
        found = _scores(detector, dict(detector.components_))
        runs.append((y, found | {name: make_detector(name, "robust", seed).fit(X).scores_ for name in BASELINES}))
        curve = detector.curve(together)
        for row, (kind, first, last) in spans.items():
            own = curve[together.starts[row] : together.starts[row + 1]]
            inside = _inside(len(own), patches.patch_seconds, first, last)
            places.append((kind, bool(inside[own.argmax()]), float(inside.mean())))
    return runs, places


def _inside(n: int, seconds: float, first: float, last: float) -> Bool:
    """Which patches touch the stretch or lie within SLACK_S of it."""
    begin = seconds * np.arange(n)
    return (begin + seconds > first - SLACK_S) & (begin < last + SLACK_S)


def _read(file: str) -> Float:
    return np.concatenate(list(stream(file, SAMPLE_RATE)))


def _table(columns: list[tuple[str, list[tuple[Int, Scores]]]]) -> str:
    rows = []
    for name in columns[0][1][0][1]:
        values = [[roc_auc_score(y, scores[name]) for y, scores in runs] for _, runs in columns]
        rows.append([name, *(f"{np.mean(each):.3f} ± {np.std(each):.3f}" for each in values)])
    return markdown(["score", *(title for title, _ in columns)], rows)


def _places(found: list[tuple[list[tuple[Int, Scores]], Found]]) -> str:
    table = pd.DataFrame([place for _, places in found for place in places], columns=["kind", "hit", "chance"])
    rows = [_place_row(kind, table[table["kind"] == kind]) for kind in table["kind"].unique()]
    rows.append(_place_row("all", table))
    return markdown(["kind", "place found", "by chance"], rows)


def _place_row(kind: str, table: pd.DataFrame) -> list[str]:
    return [kind, f"{table['hit'].sum()} of {len(table)}", f"{table['chance'].mean():.0%}"]
