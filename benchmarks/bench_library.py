"""How long a scan takes, first and again, how fast the store answers, how long the demo library is in the making."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from loopscope.demo import make_demo_library
from loopscope.library import scan_folder
from loopscope.store import FileKey, FileRow, Store

N_SMALL = 50_000
N_LOOPS = 6_000
N_FEATURES = 1024


def run() -> str:
    """The section as Markdown."""
    lines = ["## Library and store", "", "| what | seconds |", "|---|---|"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines += _scans(folder / "small", N_SMALL, seconds=0.1, title=f"{N_SMALL:,} mono WAV files of 0.1 s")
        lines += _scans(folder / "loops", N_LOOPS, seconds=2.0, title=f"{N_LOOPS:,} mono WAV files of 2 s")
        lines += _store(folder / "store.sqlite3")
        lines.append(_row("demo library (174 loops)", lambda: make_demo_library(folder / "demo")))
    return "\n".join(lines) + "\n"


def _row(what: str, work: Callable[[], object]) -> str:
    started = time.perf_counter()
    work()
    return f"| {what} | {time.perf_counter() - started:.2f} |"


def _scans(folder: Path, n_files: int, seconds: float, title: str) -> list[str]:
    _make_files(folder, n_files, seconds)
    with Store(folder.with_suffix(".sqlite3")) as store:
        return [
            _row(f"scan of {title}, first", lambda: scan_folder(folder, store)),
            _row(f"scan of {title}, again", lambda: scan_folder(folder, store)),
        ]


def _make_files(folder: Path, n_files: int, seconds: float) -> None:
    """Noise that differs in its first samples, 500 files a folder."""
    model = folder.with_suffix(".wav")
    noise = np.random.default_rng(0).standard_normal(round(44100 * seconds)) * 0.1
    soundfile.write(model, noise, 44100)
    data = bytearray(model.read_bytes())
    for number in range(n_files):
        data[44:52] = number.to_bytes(8, "little")
        path = folder / f"{number // 500:03d}" / f"{number:05d}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _store(path: Path) -> list[str]:
    loop_ids = [f"{number:032x}" for number in range(N_SMALL)]
    X = np.random.default_rng(0).standard_normal((N_SMALL, N_FEATURES), dtype=np.float32)
    rows = {
        FileKey(f"/music/{loop_id}.wav", 1, 1): FileRow("1", loop_id, 1.0, 44100, 1, "WAV", "PCM_16")
        for loop_id in loop_ids
    }
    with Store(path) as store:

        def put_embeddings() -> None:
            for start in range(0, N_SMALL, 512):
                store.put_embeddings(loop_ids[start : start + 512], "bench", X[start : start + 512])

        lines = [
            _row(f"put {N_SMALL:,} embeddings of {N_FEATURES} numbers, 512 at a time", put_embeddings),
            _row("get them", lambda: store.get_embeddings(loop_ids, "bench")),
            _row(f"put {N_SMALL:,} file rows", lambda: store.put_files(rows)),
            _row("get them", lambda: store.get_files(rows)),
            _row(
                "set 100 triage marks, each its own transaction",
                lambda: [store.set_mark(x, "keep") for x in loop_ids[:100]],
            ),
        ]
    lines.append(_row("open the database and check it", lambda: Store(path).close()))
    return lines
