"""Time and memory against the number of loops, 10^3 to 10^6, by stage; and what 10^7 and 10^8 would take, computed.

Each size runs in a process of its own (`growing`). What was measured is kept in docs/scale.json, so that a section that
is computed says from what, and drawn in docs/scale.svg. `LOOPSCOPE_BENCH_SIZES=1000,10000` measures some sizes only;
the others keep their figures.
"""

import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.growth_figure import FIGURE, write_figure

MEASURED = Path(__file__).resolve().parent.parent / "docs" / "scale.json"
SIZES = (1_000, 10_000, 100_000, 1_000_000)
DETECTOR = "pca"
TIMEOUT_S = 6 * 3600
STAGES = {
    "open": "ids and paths",
    "sample": "sample",
    "fit": "fit",
    "score": "score",
    "table": "ranked table, written",
    "index": "index of neighbours",
}
LIMIT_MB = 4096
LOOPS_A_S = 3.5  # embedded, checked and measured by one core: 500 in 143.5 s of processor time (bench_cluster)
MACHINES = {"8 cores": (8, 0.35), "64 cores": (64, 2.70)}  # cores, price of an hour in dollars
EFFICIENCY = 0.85  # of many workers


def run() -> str:
    """Two Markdown sections: measured, and computed from it."""
    wanted = os.environ.get("LOOPSCOPE_BENCH_SIZES")
    sizes = tuple(int(size) for size in wanted.split(",")) if wanted else SIZES
    known = known_measurements()
    for size in sizes:
        load = os.getloadavg()[0]
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "benchmarks.growing", str(size), DETECTOR, folder]
            done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=TIMEOUT_S)
        known[str(size)] = json.loads(done.stdout) | {"load": [round(load, 1), round(os.getloadavg()[0], 1)]}
        MEASURED.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    rows = [known[size] for size in sorted(known, key=int)]
    is_drawn = write_figure(rows, STAGES, LIMIT_MB)
    return f"{measured(rows, is_drawn)}\n\n{computed(rows[-1])}"


def known_measurements() -> dict[str, Any]:
    """What was measured before, by size."""
    return json.loads(MEASURED.read_text(encoding="utf-8")) if MEASURED.exists() else {}


def measured(rows: list[dict[str, Any]], is_drawn: bool) -> str:
    """The curve as a table, and how steep it is; with its figure where that was drawn of these rows."""
    figure = (
        f"![Seconds by stage and peaks of memory against the number of loops, both axes logarithmic]({FIGURE.name})"
    )
    names = [name for name in STAGES if all(name in row["stages"] for row in rows)]
    lines = [
        "## Measured: one machine, by number of loops",
        "",
        *((figure, "") if is_drawn else ()),
        f"Made-up embeddings of 512 values in Parquet parts, detector {DETECTOR}, fitted on 50,000 loops at most. "
        "Seconds of the wall clock, every size in a process of its own; memory is its peak, mapped files among it. "
        "Up to 200,000 loops all are compared, without an index. "
        "Load: of the machine before and after (above its 2 cores others were at work: the seconds are too many).",
        "",
        f"| loops | {' | '.join(STAGES[name] for name in names)} | peak, MB | neighbours of a loop: median, 95 % "
        "| recall@10 | load |",
        f"|---:|{'---:|' * (len(names) + 4)}",
    ]
    for row in rows:
        seconds = " | ".join(f"{row['stages'][name]['seconds']:,.2f}" for name in names)
        peak = max(stage["peak_mb"] for stage in row["stages"].values())
        query = row["query"]
        near = f"{query['median_ms']:.0f} ms, {query['p95_ms']:.0f} ms | {query['recall_at_10']:.3f}"
        load = " to ".join(str(value) for value in row["load"])
        lines.append(f"| {row['n']:,} | {seconds} | {peak:,.0f} | {near} | {load} |")
    if len(rows) > 1:
        steep = ", ".join(f"{STAGES[name]} {slope(rows, name):.2f}" for name in names if is_told(rows, name))
        lines += ["", f"Exponents between the two largest sizes (log seconds to log loops): {steep}."]
    return "\n".join(lines)


def is_told(rows: list[dict[str, Any]], name: str) -> bool:
    """Whether a stage took long enough, at the two largest sizes, to say how it grows."""
    return min(row["stages"][name]["seconds"] for row in rows[-2:]) > 0.01


def slope(rows: list[dict[str, Any]], name: str) -> float:
    """Of seconds against loops, both as logarithms, between the two largest sizes."""
    small, large = rows[-2:]
    ratio = large["stages"][name]["seconds"] / small["stages"][name]["seconds"]
    return math.log(ratio) / math.log(large["n"] / small["n"])


def computed(largest: dict[str, Any]) -> str:
    """10^7 and 10^8 loops and the price of a million, from the largest size measured."""
    lines = [
        "## Computed, not measured: 10⁷ and 10⁸ loops",
        "",
        f"From {largest['n']:,} loops above. Assumptions: ids, scoring and table grow with n; sample and fit do not, "
        "as 50,000 loops teach whatever the library; the index grows with n log n and one of more than 10⁷ loops is "
        "cut by folders, since it holds the vectors (1 kB a loop here); disks keep up. A dash: no index was measured.",
        "",
        "| loops | ids, sample, fit, score, table | index of neighbours | Parquet parts | index |",
        "|---:|---:|---:|---:|---:|",
    ]
    seconds = {name: stage["seconds"] for name, stage in largest["stages"].items()}
    for n in (10**7, 10**8):
        times = n / largest["n"]
        ranked = times * (seconds["open"] + seconds["score"] + seconds["table"]) + seconds["sample"] + seconds["fit"]
        index = times * seconds["index"] * math.log(n) / math.log(largest["n"])
        parts, graph = times * largest["archive_mb"] / 1000, times * largest["index_mb"] / 1000
        of_index = f"{index / 3600:,.1f} h | {parts:,.0f} GB | {graph:,.0f} GB" if graph else f"– | {parts:,.0f} GB | –"
        lines.append(f"| {n:,} | {ranked / 60:,.0f} min | {of_index} |")
    lines += [
        "",
        f"Hearing a million loops: {LOOPS_A_S} loops a second and core as measured here in one process (aiSFX with "
        f"checks and measurements, loops of some seconds); {EFFICIENCY:.0%} of that with many workers is assumed, "
        "and the prices too.",
        "",
        "| machine | hours a million | dollars a million |",
        "|---|---:|---:|",
    ]
    for machine, (cores, price) in MACHINES.items():
        hours = 1e6 / (cores * LOOPS_A_S * EFFICIENCY) / 3600
        lines.append(f"| {machine}, {price:.2f} $ an hour | {hours:,.1f} | {hours * price:,.2f} |")
    return "\n".join(lines)
