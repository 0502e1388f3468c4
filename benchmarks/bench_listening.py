"""The list that Explore opens with beside the order by score: how many of its first loops were planted.

On the labelled loops and on the demo library, a detector of the default preset trained on each folder with its planted
loops, several seeds. "Listen first" joins the score with what the signal checks found.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.data import bench_folder
from loopscope.analysis.pipeline import score_table
from loopscope.analysis.scoring import fit_detector
from loopscope.analysis.triage import triage_rank
from loopscope.demo import make_demo_library
from loopscope.detection.registry import LOCAL
from loopscope.embeddings import EmbeddingSet, embed_library
from loopscope.encoders.base import load_encoder
from loopscope.faults import check_library
from loopscope.library import Library, scan_folder

FIRST = 20
SEEDS = (0, 1, 2)
HEADER = (
    "library",
    "loops",
    "planted",
    "seed",
    f"Listen first: planted in its first {FIRST}",
    f"by score: planted in its first {FIRST}",
    "found by both",
    "only by Listen first",
    "only by score (lost)",
)


@dataclass(frozen=True)
class Planted:
    """A scanned folder with what was done to its loops: `category` by loop_id, "" for normal ones."""

    title: str
    library: Library
    embeddings: EmbeddingSet
    category: "pd.Series[str]"


def run() -> str:
    """The section of the report."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [row for planted in planted_libraries(Path(folder)) for row in _rows(planted)]
    lines = [HEADER, tuple("---" for _ in HEADER), *rows]
    table = "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
    text = (
        f"Precision of the first {FIRST} loops of the list that Explore opens with (Listen first) and of the order by "
        "score (AEwRES, local, aiSFX), trained on the whole library with its planted loops. The last three columns "
        "name what was planted."
    )
    return f"## The first {FIRST} loops to listen to\n\n{text}\n\n{table}\n"


def planted_libraries(folder: Path) -> Iterator[Planted]:
    """The labelled folders that are on this machine, and the demo library, which is made in `folder`."""
    bench = bench_folder()
    if bench is not None:
        labels = pd.read_csv(bench / "labels.csv")
        for instrument in sorted(labels["instrument"].unique()):
            yield _planted(f"bench, {instrument}", bench / instrument, bench, labels)
    demo = make_demo_library(folder / "demo")
    yield _planted("demo library", demo, demo, pd.read_csv(demo / "labels.csv"))


def _planted(title: str, folder: Path, root: Path, labels: pd.DataFrame) -> Planted:
    library = scan_folder(folder)
    embeddings = embed_library(library, load_encoder("aisfx"), with_patches=True)
    odd = labels[labels["label"] == "anomaly"]
    category_of = {str((root / path).resolve()): kind for path, kind in zip(odd["path"], odd["category"], strict=True)}
    category = library.unique["path"].map(category_of).fillna("")
    return Planted(title, library, embeddings, category.set_axis(library.unique["loop_id"]))


def _rows(planted: Planted) -> Iterator[tuple[object, ...]]:
    faults = check_library(planted.library)
    n_planted = int((planted.category != "").sum())
    for seed in SEEDS:
        table = score_table(planted.library.loops, fit_detector(planted.embeddings, "AEwRES", LOCAL, seed))
        listed = triage_rank(table, faults).drop_duplicates("loop_id")
        first = set(listed["loop_id"].head(FIRST))
        scored = set(listed.sort_values("rank", kind="stable")["loop_id"].head(FIRST))
        yield (
            planted.title,
            len(listed),
            n_planted,
            seed,
            _share(planted, first),
            _share(planted, scored),
            _kinds(planted, first & scored),
            _kinds(planted, first - scored),
            _kinds(planted, scored - first),
        )


def _share(planted: Planted, loop_ids: set[str]) -> str:
    found = int((planted.category.loc[list(loop_ids)] != "").sum())
    return f"{found} of {len(loop_ids)} ({found / len(loop_ids):.0%})"


def _kinds(planted: Planted, loop_ids: set[str]) -> str:
    """Such as "3 click, 1 hum_noise"; – for none."""
    kinds = planted.category.loc[list(loop_ids)]
    names, counts = np.unique(kinds[kinds != ""].to_numpy(str), return_counts=True)
    return ", ".join(f"{count} {name}" for name, count in zip(names, counts, strict=True)) or "–"
