"""One process against a cluster of 1, 2 and 4 workers on this machine, hearing the same 500 files.

Each run is a process of its own (`spreading`); rounds go through all of them, so that what else the machine does meets
each alike. `LOOPSCOPE_BENCH_ROUNDS` sets their number.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from loopscope.checkpoints import AISFX, fetch
from loopscope.config import n_cores
from loopscope.demo.make import make_demo_library
from loopscope.wording import counted

N_FILES = 500
WORKERS = (0, 1, 2, 4)  # 0: threads of one process, no cluster
TIMEOUT_S = 3600


def run() -> str:
    """One Markdown section."""
    fetch(AISFX)
    rounds = int(os.environ.get("LOOPSCOPE_BENCH_ROUNDS", "3"))
    with tempfile.TemporaryDirectory() as name:
        loops = write_loops(Path(name))
        load = os.getloadavg()[0]
        found = [one(loops, n_workers, Path(name)) for _ in range(rounds) for n_workers in WORKERS]
        return section(found, rounds, [load, os.getloadavg()[0]])


def write_loops(folder: Path) -> Path:
    """500 different loops of the demo library, made from several seeds."""
    (folder / "loops").mkdir()
    number, seed = 0, 0
    while number < N_FILES:
        made = make_demo_library(folder / f"demo {seed}", seed)
        for file in sorted(made.rglob("*.wav"))[: N_FILES - number]:
            file.rename(folder / "loops" / f"{number:03d} {file.name}")
            number += 1
        seed += 1
    return folder / "loops"


def one(loops: Path, n_workers: int, folder: Path) -> dict[str, Any]:
    """One run in a fresh archive."""
    with tempfile.TemporaryDirectory(dir=folder) as fresh:
        command = [sys.executable, "-m", "benchmarks.spreading", str(loops), str(n_workers), fresh]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=TIMEOUT_S)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def section(found: list[dict[str, Any]], rounds: int, load: list[float]) -> str:
    """A row a kind of run, medians over the rounds."""
    alone = mid(found, 1, "seconds")
    lines = [
        "## Measured: a cluster on one machine",
        "",
        f"{found[0]['loops']} loops of the demo library into an archive: aiSFX, checks and measurements; medians of "
        f"{counted(rounds, 'round')}, runs taking turns. Workers of one thread, started before; processor time with "
        f"that of children that ended. {n_cores()} cores; load of the machine before and after: "
        f"{load[0]:.1f}, {load[1]:.1f}. "
        "Efficiency: the time of one worker, divided by their number and by their time; where others are at work, it "
        "and the seconds say as much of them, and processor time does not.",
        "",
        "| run | parts | seconds | processor time, s | loops a second | efficiency |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for n in WORKERS:
        seconds = mid(found, n, "seconds")
        name = f"{n} worker{'s' if n > 1 else ''}" if n else f"one process, {n_cores()} threads"
        efficiency = f"{alone / (n * seconds):.2f}" if n else "–"
        cells = (name, f"{mid(found, n, 'parts'):.0f}", f"{seconds:.1f}", f"{mid(found, n, 'cpu_s'):.1f}")
        lines.append(f"| {' | '.join(cells)} | {found[0]['loops'] / seconds:.1f} | {efficiency} |")
    n = n_cores()
    if n in WORKERS:
        each = (mid(found, n, "cpu_s") - mid(found, 0, "cpu_s")) / mid(found, n, "parts")
        lines += [
            "",
            f"A batch costs {each:+.2f} s of processor time more on {n} workers than in {n} threads, "
            "the first use of everything in each worker among it.",
        ]
    return "\n".join(lines)


def mid(found: list[dict[str, Any]], n_workers: int, what: str) -> float:
    """The median of one figure over the rounds."""
    return median(float(row[what]) for row in found if row["workers"] == n_workers)
