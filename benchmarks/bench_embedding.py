"""Embedding against laion-clap's own file list path: speed, sameness, where the time goes, memory.

Runs are paired: in each pair every way embeds the same files, in turn, so that whatever else the machine does falls on
all of them. Ratios are medians over pairs. Network weights of CLAP are random (speed does not depend on them), those of
aiSFX are the published ones.
"""

import multiprocessing
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.data import bench_folder
from loopscope.audio.streaming import stream
from loopscope.checkpoints import AISFX, load_weights
from loopscope.checkpoints.stored import Weights
from loopscope.config import n_cores
from loopscope.demo import make_demo_library
from loopscope.embeddings import embed_library
from loopscope.encoders import aisfx, clap
from loopscope.encoders.windowed import WindowedEncoder
from loopscope.library import Library, scan_folder
from loopscope.store import Store
from loopscope.threads import one_thread
from tests import laion_reference
from tests.golden.clips import plucked

N_PAIRS = 5
N_FILES = 32  # of each folder
LAION_BATCH = 8
N_LOOPS_AGAIN = 6_000
N_LOOPS_MEMORY = 50_000


def run() -> str:
    """The section as Markdown."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        library = _some_loops(folder)
        laion = laion_reference.clap_module("HTSAT-tiny", enable_fusion=True)
        state = {key: value.clone() for key, value in laion.model.audio_branch.state_dict().items()}
        weights = Weights(state, "0" * 64)
        ways = {name: clap.make_fusion(weights, precision=name) for name in ("float32", "bfloat16")}
        chosen = clap.make_fusion(weights).precision
        lines = ["## Embedding", "", *_pairs(library, laion, ways), ""]
        lines += [f"The trial at start chooses {chosen} on this machine.", ""]
        lines += [*_repeatability(library, ways[chosen]), ""]
        lines += [*_shares(library, ways), ""]
        lines += _throughput(ways)
        lines += ["", *_aisfx(folder), "", *_again(folder), "", *_memory(folder)]
    return "\n".join(lines) + "\n"


def _some_loops(folder: Path) -> Library:
    """Evenly spread loops of the labelled folder, where it is, and of the demo library."""
    roots = [make_demo_library(folder / "demo"), *filter(None, [bench_folder()])]
    scanned = [scan_folder(root) for root in roots]
    picked = [library.unique.iloc[np.linspace(0, len(library.unique) - 1, N_FILES).astype(int)] for library in scanned]
    loops = pd.concat(picked, ignore_index=True).drop_duplicates("loop_id", ignore_index=True)
    return Library(folder, loops, scanned[0].rejected.iloc[:0])


def _seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def _laion_embeddings(laion: Any, paths: Sequence[str]) -> np.ndarray:
    """laion-clap's own path from files to embeddings, and what its audio branch gave on the way."""
    kept: list[torch.Tensor] = []
    hook = laion.model.audio_branch.register_forward_hook(lambda *call: kept.append(call[-1]["embedding"]))
    picks = cycle((lambda third: third[0], lambda third: third[len(third) // 2], lambda third: third[-1]))
    draw = np.random.choice
    np.random.choice = lambda third: int(next(picks)(third))  # the crops that ours takes, to compare embeddings
    try:
        with torch.inference_mode():
            for start in range(0, len(paths), LAION_BATCH):
                laion.get_audio_embedding_from_filelist(list(paths[start : start + LAION_BATCH]))
    finally:
        np.random.choice = draw
        hook.remove()
    return torch.cat(kept).numpy()


def _cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def _pairs(library: Library, laion: Any, ways: dict[str, WindowedEncoder]) -> list[str]:
    paths, n_files = list(library.loops["path"]), len(library.loops)
    n_long = int((library.loops["duration_s"] > 10).sum())
    _laion_embeddings(laion, paths[:LAION_BATCH])
    rates: dict[str, list[float]] = {"laion-clap": [], **{name: [] for name in ways}}
    cosines: dict[str, np.ndarray] = {}
    for _ in range(N_PAIRS):
        seconds, expected = _seconds(lambda: _laion_embeddings(laion, paths))
        rates["laion-clap"].append(n_files / seconds)
        for name, encoder in ways.items():
            seconds, found = _seconds(lambda encoder=encoder: embed_library(library, encoder))
            rates[name].append(n_files / seconds)
            cosines[name] = _cosines(expected, found.X)
    labelled = bench_folder() is not None
    lines = [
        f"CLAP with fusion (HTSAT-tiny), {n_files} files of the demo library{' and the labelled loops' * labelled}, "
        f"{n_long} of them over 10 s; decoding included; {N_PAIRS} pairs in turn; laion-clap gets {LAION_BATCH} at "
        "once.",
        "",
        "| way | files/s, median | ratio, median (range) | cosine to laion-clap, smallest |",
        "|---|---|---|---|",
        f"| laion-clap's own | {statistics.median(rates['laion-clap']):.1f} | 1 | 1 |",
    ]
    for name in ways:
        ratios = [ours / theirs for ours, theirs in zip(rates[name], rates["laion-clap"], strict=True)]
        lines.append(
            f"| ours, {name} | {statistics.median(rates[name]):.1f} | {statistics.median(ratios):.2f} "
            f"({min(ratios):.2f}–{max(ratios):.2f}) | {cosines[name].min():.6f} |"
        )
    return lines


def _repeatability(library: Library, encoder: WindowedEncoder) -> list[str]:
    """The same files again, one at a time, and backwards."""
    first = embed_library(library, encoder)
    again = embed_library(library, encoder)
    backwards = embed_library(Library(library.root, library.loops.iloc[::-1], library.rejected), encoder)
    size, encoder.batch_size = encoder.batch_size, 1
    alone = embed_library(library, encoder)
    encoder.batch_size = size
    others = {"again": again, "in another order": backwards, "one at a time": alone}
    worst = {name: _cosines(first.X, other.select(first.loop_ids).X).min() for name, other in others.items()}
    return [
        "Smallest cosine to the first run: " + ", ".join(f"{name} {value:.7f}" for name, value in worst.items()) + "."
    ]


def _thread_seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.thread_time()
    result = work()
    return time.thread_time() - started, result


def _shares(library: Library, ways: dict[str, WindowedEncoder]) -> list[str]:
    """Processor time of one thread by stage, a file at a time through the stages, batches through the network."""
    rows = library.loops[["path", "sample_rate"]].to_numpy()
    with one_thread():
        own = [_thread_seconds(lambda path=path, rate=rate: list(stream(path, rate)))[0] for path, rate in rows]
        read = [_thread_seconds(lambda path=path: list(stream(path, clap.SAMPLE_RATE))) for path, _ in rows]
        encoder = next(iter(ways.values()))
        ready = [
            _thread_seconds(lambda pieces=pieces: encoder.prepare(pieces, sum(map(len, pieces)))) for _, pieces in read
        ]
        features = [views for _, views in ready]
        stages = {
            "decode": sum(own),
            "resample": max(0.0, sum(seconds for seconds, _ in read) - sum(own)),
            "mel": sum(seconds for seconds, _ in ready),
        }
        lines = ["| ms a file (share) | decode | resample | mel | network |", "|---|---|---|---|---|"]
        for name, way in ways.items():
            size = way.batch_size
            batches = [features[start : start + size] for start in range(0, len(features), size)]
            way.forward(batches[0])
            network = sum(_thread_seconds(lambda way=way, batch=batch: way.forward(batch))[0] for batch in batches)
            every = {**stages, "network": network}
            total = sum(every.values())
            cells = [f"{1000 * part / len(rows):.1f} ({part / total:.0%})" for part in every.values()]
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def _throughput(ways: dict[str, WindowedEncoder]) -> list[str]:
    lines = [
        "One core: the network on a batch of 8 short clips against a product of two 2048×2048 matrices.",
        "",
        "| precision | network GFLOP a clip | network GFLOP/s | matrix product GFLOP/s |",
        "|---|---|---|---|",
    ]
    for name, encoder in ways.items():
        clip = plucked(5.0, clap.SAMPLE_RATE)
        batch = [encoder.prepare([clip], len(clip))] * 8
        with FlopCounterMode(display=False) as counter:
            encoder.forward(batch[:1])
        flops = counter.get_total_flops()
        a, b = (torch.randn(2048, 2048).to(getattr(torch, name)) for _ in range(2))
        with one_thread(), torch.inference_mode():
            works = partial(encoder.forward, batch), partial(torch.matmul, a, b)
            network, product = (min(_thread_seconds(work)[0] for _ in range(4)) for work in works)
        lines.append(
            f"| {name} | {flops / 1e9:.1f} | {8 * flops / network / 1e9:.0f} | {2 * 2048**3 / product / 1e9:.0f} |"
        )
    return lines


def _aisfx(folder: Path) -> list[str]:
    """Loops of 4.7 s, stereo FLAC at 44.1 kHz."""
    (folder / "aisfx").mkdir()
    for number in range(96):
        mono = plucked(4.7, 44_100, seed=number)
        soundfile.write(folder / "aisfx" / f"{number:03d}.flac", np.stack([mono, mono[::-1]], 1), 44_100)
    library = scan_folder(folder / "aisfx")
    encoder = aisfx.load()
    rates = [96 / _seconds(lambda: embed_library(library, encoder))[0] for _ in range(N_PAIRS)]
    spread = f"median of {N_PAIRS}, {min(rates):.1f}–{max(rates):.1f}"
    return [
        f"aiSFX ({encoder.precision}), 96 stereo loops of 4.7 s, decoding included: "
        f"{statistics.median(rates):.1f} files/s ({spread}), {n_cores()} cores."
    ]


def _again(folder: Path) -> list[str]:
    """A folder whose embeddings are all known already."""
    source = folder / "many"
    for number in range(N_LOOPS_AGAIN):
        path = source / f"{number // 500:02d}" / f"{number:04d}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.full(400, number / 32768), 8000)
    encoder = aisfx.make(load_weights(AISFX), precision="float32")
    with Store(folder / "many.sqlite3") as store:
        loop_ids = list(scan_folder(source, store).unique["loop_id"])
        X = np.random.default_rng(0).standard_normal((len(loop_ids), encoder.n_features)).astype(np.float32)
        store.put_embeddings(loop_ids, encoder.encoder_id, X)
        seconds, found = _seconds(lambda: embed_library(scan_folder(source, store), encoder, store))
    return [f"Second scan and embedding of {len(found.loop_ids):,} unchanged files: {seconds:.2f} s."]


def _memory(folder: Path) -> list[str]:
    long = folder / "long" / "twenty minutes.flac"
    long.parent.mkdir()
    with soundfile.SoundFile(long, "w", 44_100, 2) as file:
        for second in range(0, 1200, 10):
            mono = plucked(10.0, 44_100, seed=second)
            file.write(np.stack([mono, mono], 1))
    short = folder / "aisfx"
    start = _peak_in_child(_load_only, folder)
    cases = {
        "CLAP with fusion, loaded": start,
        "CLAP with fusion, 96 loops of 4.7 s": _peak_in_child(_embed_with_clap, short),
        "CLAP with fusion, one file of 20 minutes": _peak_in_child(_embed_with_clap, long.parent),
        f"aiSFX on a batch, then {N_LOOPS_MEMORY:,} ids through reading and storing": _peak_in_child(
            _embed_many, folder
        ),
    }
    return [
        "| peak resident memory of a process | MB |",
        "|---|---|",
        *(f"| {k} | {v:.0f} |" for k, v in cases.items()),
    ]


def _peak_in_child(work: Callable[[Path], None], folder: Path) -> float:
    """Megabytes of a fresh process that does this work."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return float(pool.apply(_measured, (work, folder)))


def _measured(work: Callable[[Path], None], folder: Path) -> float:
    work(folder)
    status = Path("/proc/self/status")
    if status.exists():  # where the other way counts what the parent had before the child's program began
        return int(status.read_text(encoding="ascii").partition("VmHWM:")[2].split()[0]) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def _random_clap() -> WindowedEncoder:
    from loopscope.encoders import htsat

    torch.manual_seed(0)
    return clap.make_fusion(Weights(htsat.build("tiny", fusion=True).state_dict(), "0" * 64))


def _load_only(_: Path) -> None:
    _random_clap()


def _embed_with_clap(folder: Path) -> None:
    embed_library(scan_folder(folder), _random_clap())


def _embed_many(folder: Path) -> None:
    """Short clips cost little, so that the number of loops is what is tried."""
    (folder / "one").mkdir()
    soundfile.write(folder / "one" / "one.wav", plucked(0.05, 8000), 8000)
    one = scan_folder(folder / "one").loops

    class Cheap:
        encoder_id, sample_rate, n_features, description, notice = "cheap", 8000, 768, "", ""

        def embed(self, waveforms: Sequence[np.ndarray]) -> np.ndarray:
            return np.stack([np.resize(waveform, 768) for waveform in waveforms])

    loops = pd.concat([one] * N_LOOPS_MEMORY, ignore_index=True)
    loops["loop_id"] = [f"{number:032x}" for number in range(N_LOOPS_MEMORY)]
    aisfx.load().embed([plucked(4.7, aisfx.SAMPLE_RATE)] * 8)
    with Store(folder / "memory.sqlite3") as store:
        embed_library(Library(folder, loops, one.iloc[:0]), Cheap(), store)
