"""The whole walk on labelled loops, as a user's own folder: scanned, embedded with aiSFX, trained, ranked, one seed."""

import time
from pathlib import Path

import pandas as pd

from benchmarks.data import bench_folder
from loopscope.analysis.pipeline import Analysis, analyse_folder
from loopscope.detection.evaluation import metrics_by_category, read_labels

RUNS = (
    ("AEwRES", "robust"),
    ("AE", "robust"),
    ("isolation-forest", "robust"),
    ("pca", "robust"),
    ("AEwRES", "paper"),
    ("AE", "paper"),
)


def run() -> str:
    """One table an instrument: every detector's AUROC over all anomalies and by kind of fault."""
    folder = bench_folder()
    if folder is None:
        return "## The walk\n\nNot run: the labelled loops are not on this machine.\n"
    parts = [
        "## The walk\n\n`analyse_folder` on each instrument's folder, anomalies among the training loops, "
        "encoder aiSFX, seed 0. AUROC: 0.5 is chance; higher is better."
    ]
    for part in sorted(path for path in folder.iterdir() if path.is_dir()):
        rows = [_row(part.name, name, preset) for name, preset in RUNS]
        parts.append(f"### {part.name}\n\n{_markdown(pd.DataFrame(rows))}")
    return "\n\n".join(parts)


def _row(part: str, name: str, preset: str) -> dict[str, object]:
    folder = bench_folder()
    assert folder is not None
    started = time.monotonic()
    analysis = analyse_folder(folder / part, encoder="aisfx", detector=name, preset=preset)
    seconds = time.monotonic() - started
    report = analysis.detector.report_
    metrics = _metrics(analysis, folder)
    return {
        "detector": f"{name}, {preset}",
        **{row.category: f"{row.auroc:.3f}" for row in metrics.itertuples()},
        "flagged": int(analysis.table["is_anomaly"].sum()),
        "collapsed": "yes" if report.collapsed else "no",
        "seconds": f"{seconds:.0f}",
    }


def _metrics(analysis: Analysis, folder: Path) -> pd.DataFrame:
    labels = read_labels(folder / "labels.csv")
    paths = [path.removeprefix(f"{folder.resolve()}/") for path in analysis.table["path"]]
    joined = analysis.table.assign(file=paths).merge(
        labels, left_on="file", right_on="path", validate="one_to_one", suffixes=("", "_labelled")
    )
    return metrics_by_category(joined["label"], joined["score"], joined["category"])


def _markdown(table: pd.DataFrame) -> str:
    lines = ["| " + " | ".join(table.columns) + " |", "|" + "---|" * len(table.columns)]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in table.itertuples(index=False)]
    return "\n".join(lines)
