"""How well a ranking finds labelled anomalies.

Conventions: labels are 1 for anomalies and 0 for normal loops, joined to scores on loop_id; scores: higher = more
anomalous. AUROC is the chance that a random anomaly ranks above a random normal loop; average precision the area under
precision and recall; precision at k the share of anomalies among the k highest, k the number of anomalies unless
given.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from loopscope.arrays import Float, Int
from loopscope.detection.registry import detector_names, make_detector
from loopscope.errors import DataError
from loopscope.progress import Progress, ProgressCallback, StopCheck, ignore_progress, never_stop
from loopscope.user_files import FilePath, open_user_file
from loopscope.wording import counted

ALL = "all"  # the category of rows that count every anomaly
TRAIN_FRACTION = 0.8  # of the normal loops, protocol "clean"
METRICS = ("auroc", "average_precision", "precision_at_k")
LABEL_WORDS = {"normal": 0, "0": 0, "anomaly": 1, "1": 1}


@dataclass(frozen=True)
class LabelledSet:
    """Embeddings with labels: loop_ids, X (n, n_features), labels (n,) 0 or 1, categories (n,) "" for normal loops.

    `remark` is one sentence on what is wrong with the labels, "" where nothing is.
    """

    loop_ids: tuple[str, ...]
    X: Float
    labels: Int
    categories: NDArray[np.object_]
    remark: str = ""

    @property
    def kinds(self) -> list[str]:
        """The categories of the anomalies that have one, in order."""
        return sorted(set(self.categories[self.labels == 1]) - {""})

    def __post_init__(self) -> None:
        n, n_anomalies = len(self.labels), int(np.sum(self.labels))
        if not 0 < n_anomalies < n:
            raise DataError(
                f"{n_anomalies} of {n} labelled loops are anomalies; an evaluation needs at least one of each kind."
            )


def ranking_metrics(labels: ArrayLike, scores: ArrayLike, k: int | None = None) -> dict[str, float]:
    """AUROC, average precision and precision at k.

    >>> ranking_metrics([0, 0, 1, 1], [0.1, 0.4, 0.3, 0.9])
    {'auroc': 0.75, 'average_precision': 0.8333333333333333, 'precision_at_k': 0.5}
    """
    y, s = np.asarray(labels), np.asarray(scores, dtype=np.float64)
    highest = np.argsort(-s, kind="stable")[: k or int(y.sum())]
    return {
        "auroc": float(roc_auc_score(y, s)),
        "average_precision": float(average_precision_score(y, s)),
        "precision_at_k": float(y[highest].mean()),
    }


def metrics_by_category(labels: ArrayLike, scores: ArrayLike, categories: ArrayLike) -> pd.DataFrame:
    """One row for all anomalies and one per category, each against all normal loops: category, n, and the metrics."""
    y, s, kinds = np.asarray(labels), np.asarray(scores), np.asarray(categories)
    rows = [{"category": ALL, "n": int(y.sum()), **ranking_metrics(y, s)}]
    for kind in sorted(set(kinds[y == 1]) - {""}):
        chosen = (y == 0) | (kinds == kind)
        rows.append({"category": kind, "n": int(y[chosen].sum()), **ranking_metrics(y[chosen], s[chosen])})
    return pd.DataFrame(rows)


def evaluate_scores(data: LabelledSet, scores: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """`metrics_by_category` of a model's `scores` (loop_id, score), and how many labelled loops have no score from it.

    Only loops with both a score and a label count. Raises DataError where these are all of one kind.
    """
    score_of = scores.set_index("loop_id")["score"].reindex(list(data.loop_ids)).to_numpy(np.float64)
    scored = np.isfinite(score_of)
    ids = tuple(loop_id for loop_id, known in zip(data.loop_ids, scored, strict=True) if known)
    part = LabelledSet(ids, data.X[scored], data.labels[scored], data.categories[scored])
    return metrics_by_category(part.labels, score_of[scored], part.categories), int((~scored).sum())


def evaluate_detectors(
    data: LabelledSet,
    detectors: Iterable[tuple[str, str]] | None = None,
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    protocol: str = "contaminated",
    on_progress: ProgressCallback = ignore_progress,
    should_stop: StopCheck = never_stop,
) -> pd.DataFrame:
    """Every detector on every seed: detector, preset, seed, seconds, category, n, auroc, average_precision,
    precision_at_k.

    `detectors` are (name, preset) pairs, all with preset robust unless given. Protocol "contaminated" fits on all
    loops and ranks them by the scores of the fit, as a user's own library is ranked; "clean" fits on 80 % of the
    normal loops and ranks the others with all anomalies, as a new pack is. A stop returns what was done.
    """
    ways: Mapping[str, Callable[[LabelledSet, str, str, int], tuple[Any, Any, Any, float]]] = {
        "contaminated": _contaminated,
        "clean": _clean,
    }
    if protocol not in ways:
        raise DataError(f"There is no protocol named {protocol!r}; choose one of {', '.join(ways)}.")
    pairs = list(detectors) if detectors is not None else [(name, "robust") for name in detector_names()]
    jobs = [(name, preset, seed) for name, preset in pairs for seed in seeds]
    tables = []
    for done, (name, preset, seed) in enumerate(jobs):
        if should_stop():
            break
        on_progress(Progress("Evaluating", done, len(jobs), "fits", f"{name}, {preset}, seed {seed}"))
        labels, scores, categories, seconds = ways[protocol](data, name, preset, seed)
        table = metrics_by_category(labels, scores, categories)
        tables.append(table.assign(detector=name, preset=preset, seed=seed, seconds=seconds))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def summarise(runs: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard deviation over seeds of `evaluate_detectors`: detector, preset, category, n, auroc, auroc_sd,
    …
    """
    grouped = runs.groupby(["detector", "preset", "category"], sort=False)
    mean = grouped[["n", *METRICS, "seconds"]].mean()
    deviation = grouped[list(METRICS)].std(ddof=0).add_suffix("_sd")
    return mean.join(deviation).reset_index()


def rows_of(labels: Int, protocol: str, seed: int) -> tuple[Int, Int]:
    """The rows that a detector learns from and those that it ranks, by a protocol of `evaluate_detectors`."""
    if protocol == "contaminated":
        return np.arange(len(labels)), np.arange(len(labels))
    normal = np.random.default_rng(seed).permutation(np.flatnonzero(labels == 0))
    learnt, left = np.split(normal, [int(TRAIN_FRACTION * len(normal))])
    return learnt, np.concatenate([left, np.flatnonzero(labels == 1)])


def _contaminated(data: LabelledSet, name: str, preset: str, seed: int) -> tuple[Any, Any, Any, float]:
    detector = make_detector(name, preset, seed).fit(data.X)
    return data.labels, detector.scores_, data.categories, detector.report_.seconds


def _clean(data: LabelledSet, name: str, preset: str, seed: int) -> tuple[Any, Any, Any, float]:
    learnt, test = rows_of(data.labels, "clean", seed)
    detector = make_detector(name, preset, seed).fit(data.X[learnt])
    return data.labels[test], detector.anomaly_scores(data.X[test]), data.categories[test], detector.report_.seconds


def read_labels(file: FilePath) -> pd.DataFrame:
    """A labels file as path (relative, with forward slashes), label (0 or 1), category ("" where there is none).

    Columns needed: path, label ("normal" or "anomaly", or 0 and 1); category is optional. Raises DataError.
    """
    try:
        with open_user_file(file) as opened:
            table = pd.read_csv(opened, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise DataError(
            f"The labels in {os.fspath(file)} cannot be read ({error}); pass a CSV file with path and label."
        ) from error
    missing = {"path", "label"} - set(table.columns)
    if missing:
        raise DataError(f"The labels in {os.fspath(file)} have no column {' and '.join(sorted(missing))}; add it.")
    words = table["label"].str.strip().str.lower()
    unknown = sorted(set(words) - set(LABEL_WORDS))
    if unknown:
        raise DataError(f"The labels in {os.fspath(file)} contain {unknown[0]!r}; write normal or anomaly.")
    labels = words.map(LABEL_WORDS).astype(int)
    category = table["category"] if "category" in table.columns else pd.Series("", index=table.index)
    return pd.DataFrame({"path": table["path"].str.replace("\\", "/"), "label": labels, "category": category})


def label_loops(
    loops: pd.DataFrame, root: str | Path, labels: pd.DataFrame, loop_ids: Sequence[str], X: Float
) -> LabelledSet:
    """Join a labels table to a library's `loops` below `root` by path, and to embeddings by loop_id.

    `root` may be a link to the scanned folder. Loops without a label or an embedding, or outside of `root`, are left
    out, and so are those that are labelled both ways, which `remark` says. Raises DataError when nothing joins.
    """
    real = Path(root).resolve()  # as scan_folder does
    said, row_of = _by_path(labels), {loop_id: row for row, loop_id in enumerate(loop_ids)}
    found: dict[str, list[tuple[int, str, str]]] = {}
    for path, loop_id in zip(map(Path, loops["path"]), loops["loop_id"], strict=True):  # no table: paths may be no text
        relative = path.relative_to(real).as_posix() if path.is_relative_to(real) else ""
        if loop_id in row_of and relative in said:
            found.setdefault(loop_id, []).extend((*label, relative) for label in said[relative])
    if not found:
        raise DataError(f"None of the {len(labels)} labelled paths is a loop below {root}; check the labels' paths.")
    twofold = {loop_id for loop_id, rows in found.items() if len({label for label, _, _ in rows}) > 1}
    rows = [(loop_id, row_of[loop_id], *rows[0][:2]) for loop_id, rows in found.items() if loop_id not in twofold]
    remark = _contradiction([rows[0][2] for loop_id, rows in found.items() if loop_id in twofold])
    return _labelled(pd.DataFrame(rows, columns=["loop_id", "row", "label", "category"]), X, remark)


def _contradiction(paths: Sequence[str]) -> str:
    if not paths:
        return ""
    loops = counted(len(paths), "loop is", "loops are")
    return f'{loops} labelled both normal and anomaly, "{paths[0]}" first, and not counted: give each one label.'


def _by_path(labels: pd.DataFrame) -> dict[str, list[tuple[int, str]]]:
    """Label and category of every row, by path."""
    said: dict[str, list[tuple[int, str]]] = {}
    for path, label, category in zip(labels["path"], labels["label"], labels["category"], strict=True):
        said.setdefault(path, []).append((label, category))
    return said


def label_marks(marks: Mapping[str, str | None], loop_ids: Sequence[str], X: Float) -> LabelledSet:
    """Labels from triage: quarantined loops are anomalies, kept and loved ones normal, unmarked ones left out."""
    meaning = {"quarantine": 1, "keep": 0, "love": 0}
    chosen = [(i, loop_id, meaning[mark]) for i, loop_id in enumerate(loop_ids) if (mark := marks.get(loop_id))]
    table = pd.DataFrame(chosen, columns=["row", "loop_id", "label"]).assign(category="")
    return _labelled(table, X)


def _labelled(joined: pd.DataFrame, X: Float, remark: str = "") -> LabelledSet:
    labels = joined["label"].to_numpy(dtype=int)
    categories = np.where(labels == 1, joined["category"].to_numpy(dtype=object), "")
    return LabelledSet(tuple(joined["loop_id"]), X[joined["row"].to_numpy(dtype=int)], labels, categories, remark)
