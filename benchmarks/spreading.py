"""One run of `bench_cluster`, in a process of its own: `python -m benchmarks.spreading LOOPS N_WORKERS FOLDER`.

Indexes LOOPS into an archive below FOLDER, by threads of this process for 0 workers, and prints as JSON what it took.
"""

import importlib
import json
import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import distributed

from loopscope.archive.grow import add_folder
from loopscope.archive.place import Place
from loopscope.cluster.work import hear
from loopscope.encoders.base import load_encoder
from loopscope.library import scan_folder


def cpu_s() -> float:
    """Of this process and of its children that ended."""
    return sum(os.times()[:4])


def measure(loops: Path, n_workers: int, folder: Path) -> dict[str, Any]:
    """Wall clock and processor time from the scanned folder to the last part; starting workers is not counted."""
    encoder, library = load_encoder("aisfx"), scan_folder(loops)
    with ExitStack() as stack:
        everywhere = [cpu_s]
        if n_workers:
            few = {"n_workers": n_workers, "threads_per_worker": 1, "dashboard_address": None}
            cluster = stack.enter_context(distributed.LocalCluster(**few))
            client = stack.enter_context(distributed.Client(cluster))
            client.wait_for_workers(n_workers)
            client.run(importlib.import_module, hear.__module__)  # has loopscope there
            everywhere.append(lambda: sum(client.run(cpu_s).values()))
        before, started = sum(read() for read in everywhere), time.perf_counter()
        engine = "dask" if n_workers else "threads"
        grown = add_folder(Place.of(folder / "archive"), library, encoder, engine=engine)
        seconds, spent = time.perf_counter() - started, sum(read() for read in everywhere) - before
        n_parts = len(grown.archive.place.below("parts").names())
        return {"workers": n_workers, "loops": grown.n_new, "parts": n_parts, "seconds": seconds, "cpu_s": spent}


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))))
