"""One size of the curve in docs/SCALE.md, in a process of its own, so that its peak of memory is its own.

`python -m benchmarks.growing N DETECTOR FOLDER` writes an archive of N made-up loops to FOLDER and prints, as JSON,
seconds and the peak of resident memory after each stage. Seconds are those of the wall clock, `cpu_s` those of the
process.
"""

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow.parquet as pq

from loopscope.archive.manifest import Archive, make_archive, open_archive
from loopscope.archive.neighbours import nearest_exactly, neighbours_of
from loopscope.archive.parts import part_bytes, part_name
from loopscope.archive.place import Place
from loopscope.archive.score import rank_parts
from loopscope.arrays import Float

FEATURES = 512  # as aiSFX has
PART = 65_536
FILES_A_FOLDER = 500
CLUSTERS, AXES = 12, 24  # sounds of a kind differ along few axes, with some noise in all
QUERIES, K = 100, 10


class Stages:
    """Seconds and the peak of memory by stage."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, float]] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started, cpu = time.perf_counter(), time.process_time()
        yield
        self.add(name, time.perf_counter() - started, time.process_time() - cpu)

    def add(self, name: str, seconds: float, cpu_s: float | None = None) -> None:
        self.rows[name] = {"seconds": seconds, "peak_mb": peak_mb()} | ({} if cpu_s is None else {"cpu_s": cpu_s})


def peak_mb() -> float:
    """The most memory that was resident so far, mapped files among it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


def made_up(n: int, rng: np.random.Generator, shape: tuple[Float, Float]) -> Float:
    """(n, FEATURES) float32: clusters whose loops differ along few axes, one loop in fifty far out."""
    centres, axes = shape
    far = np.where(rng.random(n) < 0.02, 3.0, 1.0).astype(np.float32)[:, None]
    along = rng.standard_normal((n, AXES), dtype=np.float32) * far
    noise = 0.1 * rng.standard_normal((n, FEATURES), dtype=np.float32)
    return centres[rng.integers(0, CLUSTERS, n)] + along @ axes + noise


def write_archive(place: Place, n: int, records: Callable[[int], Mapping[str, str]] = lambda number: {}) -> Archive:
    """An archive of n made-up loops in folders of 500, with what `records` says of each by its number."""
    rng = np.random.default_rng(0)
    centres = 2 * rng.standard_normal((CLUSTERS, FEATURES), dtype=np.float32)
    axes = rng.standard_normal((AXES, FEATURES), dtype=np.float32)
    axes *= np.arange(1, AXES + 1, dtype=np.float32)[:, None] ** -0.5
    archive = make_archive(place, "made-up-1", FEATURES)
    for start in range(0, n, PART):
        numbers = range(start, min(start + PART, n))
        ids = [f"{number:032x}" for number in numbers]
        paths = [f"/library/pack {number // FILES_A_FOLDER:05d}/loop {number:08d}.wav" for number in numbers]
        X = made_up(len(numbers), rng, (centres, axes))
        archive.write_part(
            part_name(ids), part_bytes(ids, paths, X, archive.encoder_id, _columns(map(records, numbers)))
        )
    return archive


def _columns(records: Iterable[Mapping[str, str]]) -> dict[str, list[str]]:
    rows = list(records)
    return {name: [row[name] for row in rows] for name in rows[0]}


def measure(n: int, detector: str, folder: Path) -> dict[str, object]:
    """All stages at one size."""
    stages, place = Stages(), Place.of(folder / "archive")
    with stages.stage("write"):
        write_archive(place, n)
    with stages.stage("open"):
        parts = open_archive(place).parts
        _ = parts.paths
    ranking = rank_parts(parts, detector)
    for name, seconds in ranking.seconds.items():
        stages.add(name, seconds)
    with stages.stage("table"):
        pq.write_table(ranking.table(), folder / "ranked.parquet", compression="zstd")
    n_flagged = ranking.n_flagged()
    del ranking
    with stages.stage("index"):
        near = neighbours_of(parts, folder / "neighbours")
    rng = np.random.default_rng(1)
    rows = np.sort(rng.choice(parts.n_loops, min(QUERIES, n), replace=False))
    ids = [parts.loop_ids[int(row)].as_py() for row in rows]
    found, each_ms = [], []
    for loop_id in ids:
        started = time.perf_counter()
        found.append(set(near.nearest(loop_id, K)[0]))
        each_ms.append(1000 * (time.perf_counter() - started))
    with stages.stage("exact"):
        queries = parts.matrix(np.isin(np.arange(parts.n_loops), rows))
        exact, _ = nearest_exactly(parts, queries, K + 1)
    wanted = [
        {parts.loop_ids[int(other)].as_py() for other in near if other != row}
        for row, near in zip(rows, exact, strict=False)
    ]
    recall = float(np.mean([len(a & b) / K for a, b in zip(found, wanted, strict=True)]))
    query = {"median_ms": median(each_ms), "p95_ms": float(np.percentile(each_ms, 95)), "recall_at_10": recall}
    sizes = {"archive_mb": size_mb(folder / "archive"), "index_mb": size_mb(folder / "neighbours")}
    return {"n": n, "detector": detector, "flagged": n_flagged, "stages": stages.rows, "query": query, **sizes}


def size_mb(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))))
