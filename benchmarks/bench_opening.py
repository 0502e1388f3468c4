"""Time and memory until Explore shows the most anomalous loops of an archive, in a process of its own (`opening`)."""

import json
import os
import subprocess
import sys
import tempfile
from typing import Any

from loopscope.archive.shown import FIRST

SIZES = (100_000, 1_000_000)
DETECTOR = "pca"
TIMEOUT_S = 3600
LIMIT_MB = 4096
STAGES = {
    "learn": "opened: learnt, ranked, read, kept",
    "page": "made for the browser",
    "again": "opened again",
    "grown": "opened with a part more, and folders compared",
}


def run() -> str:
    """One Markdown section."""
    wanted = os.environ.get("LOOPSCOPE_BENCH_SIZES")
    rows = [_measured(int(size)) for size in (wanted.split(",") if wanted else SIZES)]
    lines = [
        "## Measured: an archive on the Explore page",
        "",
        f"Made-up embeddings of 512 values with findings and measurements of every loop, as `loopscope index` writes "
        f"them, detector {DETECTOR}, fitted on 50,000 loops at most; the {FIRST:,} most anomalous go to the page. "
        "Seconds of the wall clock and of the processor; memory is the peak of the process that opens it, mapped "
        "files and what wrote the archive among it. The browser's own drawing is that of any library of 50,000 loops "
        f"(docs/BENCHMARKS.md). Opened again: from what the first opening kept beside the archive; with a part more "
        f"only its loops are scored. Limit: {LIMIT_MB:,} MB.",
        "",
        f"| loops | {' | '.join(STAGES.values())} | peak, MB | sent, MB | load |",
        f"|---:|{'---:|' * (len(STAGES) + 3)}",
    ]
    for row in rows:
        of_stages = [row["stages"][name] for name in STAGES]
        seconds = " | ".join(f"{stage['seconds']:,.1f} s, {stage['cpu_s']:,.1f} s" for stage in of_stages)
        peak = max(stage["peak_mb"] for stage in row["stages"].values())
        load = " to ".join(str(value) for value in row["load"])
        lines.append(f"| {row['n']:,} | {seconds} | {peak:,.0f} | {row['sent_mb']:,.0f} | {load} |")
    lines += ["", f"The page then says: “{rows[-1]['said']}”"]
    return "\n".join(lines)


def _measured(n: int) -> dict[str, Any]:
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.opening", str(n), DETECTOR, folder]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=TIMEOUT_S)
    found: dict[str, Any] = json.loads(done.stdout)
    return found | {"load": [round(load, 1), round(os.getloadavg()[0], 1)]}
