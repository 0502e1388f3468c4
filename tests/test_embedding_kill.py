"""A process killed while embedding loses at most the batches in flight, however often and whenever it is killed."""

import multiprocessing
import random
import time
from collections.abc import Sequence
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

import numpy as np
import pytest
import soundfile

from loopscope.embeddings import embed_library
from loopscope.library import scan_folder
from loopscope.progress import Progress
from loopscope.store import Store
from tests.golden.clips import plucked

RATE = 8000
N_LOOPS, N_KILLS = 300, 10


class Slow:
    """An encoder with batches of two that takes its time; its embedding is a few samples of the sound."""

    encoder_id, sample_rate, n_features, description, notice = "slow-1", RATE, 8, "a few samples", ""
    batch_size = 2

    def __init__(self, seconds_a_batch: float) -> None:
        self.seconds_a_batch = seconds_a_batch

    def embed(self, waveforms: Sequence[np.ndarray]) -> np.ndarray:
        time.sleep(self.seconds_a_batch)
        return np.stack([waveform[:8] for waveform in waveforms]).astype(np.float32)


def embed(folder: Path, database: Path, reported: "Synchronized[int]") -> None:
    def note(report: Progress) -> None:
        reported.value = report.done

    with Store(database) as store:
        embed_library(scan_folder(folder, store), Slow(0.02), store, on_progress=note)


def n_stored(database: Path, loop_ids: Sequence[str]) -> int:
    with Store(database) as store:
        return len(store.get_embeddings(loop_ids, "slow-1"))


@pytest.mark.slow
def test_ten_kills_at_random_moments_change_nothing(tmp_path: Path) -> None:
    folder, database = tmp_path / "loops", tmp_path / "test.sqlite3"
    folder.mkdir()
    for number in range(N_LOOPS):
        soundfile.write(folder / f"{number:03d}.wav", plucked(0.05, RATE, seed=number), RATE)
    library = scan_folder(folder)
    loop_ids = list(library.unique["loop_id"])
    # A server that has imported everything starts each victim at once, and the kills fall on the work.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["loopscope.embeddings", "loopscope.library", "loopscope.store", __name__])
    moments = random.Random(0)
    kept = 0
    for _ in range(N_KILLS):
        reported = context.Value("i", 0, lock=False)
        victim = context.Process(target=embed, args=(folder, database, reported))
        victim.start()
        deadline = time.monotonic() + 60
        while reported.value < kept + 2 and victim.is_alive() and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(moments.uniform(0, 0.2))
        victim.kill()
        victim.join()
        stored = n_stored(database, loop_ids)
        assert stored >= max(reported.value, kept), "what was reported as done is on disk"
        kept = stored
    assert 0 < kept < N_LOOPS
    with Store(database) as store:
        final = embed_library(scan_folder(folder, store), Slow(0), store)
    undisturbed = embed_library(library, Slow(0))
    assert final.loop_ids == undisturbed.loop_ids
    np.testing.assert_array_equal(final.X, undisturbed.X)
