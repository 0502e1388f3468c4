"""Killed at twenty random moments of the whole walk, or with a full disk in any stage, nothing done before is lost."""

import multiprocessing
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any

import pytest

from loopscope.detection.saved import list_models
from loopscope.errors import LoopscopeError
from loopscope.store import Store
from tests.hostile.walked import STAGES, kept, library_of, walk, write_loops

N_LOOPS, N_KILLS, N_LIVES = 24, 20, 4


def victim(folder: Path, home: Path, steps: "Synchronized[int]", stage: "Synchronized[int]") -> None:
    def note(name: str) -> None:
        stage.value = STAGES.index(name)
        steps.value += 1

    walk(folder, home, note)


@pytest.fixture(scope="module")
def loops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("durability") / "loops"
    write_loops(folder, N_LOOPS)
    return folder


@pytest.mark.slow
def test_twenty_kills_at_random_moments_of_the_whole_walk_change_nothing(loops: Path, tmp_path: Path) -> None:
    undisturbed = tmp_path / "undisturbed"
    seen: list[str] = []
    walk(loops, undisturbed, seen.append)
    reference = kept(undisturbed)
    assert set(seen) == set(STAGES)

    context = multiprocessing.get_context("forkserver")  # a server that has imported everything starts each at once
    context.set_forkserver_preload([__name__])
    moments = random.Random(0)
    hit: set[str] = set()
    for life in range(N_LIVES):
        home = tmp_path / f"home {life}"
        before = None
        for _ in range(N_KILLS // N_LIVES):
            steps, stage = (context.Value("i", 0, lock=False) for _ in range(2))
            process = context.Process(target=victim, args=(loops, home, steps, stage))
            process.start()
            target = moments.randrange(1, len(seen) // 3)
            while steps.value < target and process.is_alive():
                time.sleep(0.0005)
            time.sleep(moments.uniform(0, 0.01))
            process.kill()
            process.join()
            hit.add(STAGES[stage.value])
            now = kept(home)
            if before is not None:
                assert_grown(before, now)
            assert set(now["copies"]) <= set(reference["copies"]), "a copy is whole or not there"
            assert now["list"] in (None, reference["list"]), "a list is whole or not there"
            before = now
        walk(loops, home, lambda stage: None)
        assert kept(home) == reference
    assert library_of(loops, home).loops.equals(library_of(loops, undisturbed).loops)
    assert len(hit) >= 4, f"the kills fell on {hit} only"


def assert_grown(before: dict[str, Any], now: dict[str, Any]) -> None:
    """What was there at one kill is there at the next."""
    assert before["marks"].items() <= now["marks"].items()
    assert before["vectors"].items() <= now["vectors"].items()
    assert before["scores"].keys() <= now["scores"].keys()
    assert all(then <= later for then, later in zip(before["counts"], now["counts"], strict=True))
    assert set(before["copies"]) <= set(now["copies"])
    assert before["list"] is None or before["list"] == now["list"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB; skipped where none may be mounted."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = (
        shutil.which("mount")
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)], capture_output=True, check=False
        ).returncode
    )
    if not mounted:
        pytest.skip("no small file system can be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def fill(disk: Path, leave: int) -> Path:
    """Use the disk up but for about `leave` bytes; the file to delete afterwards."""
    ballast = disk / "ballast"
    free = shutil.disk_usage(disk).free
    with ballast.open("wb") as file:
        file.write(bytes(max(0, free - leave)))
    return ballast


@pytest.mark.parametrize("stage", ["scan", "embed", "save", "mark", "export"])
def test_a_disk_that_is_full_in_a_stage_is_one_sentence_and_costs_nothing(
    stage: str, loops: Path, small_disk: Path, tmp_path: Path
) -> None:
    home = small_disk / "home"
    ballast: list[Path] = []

    def fill_at_stage(name: str) -> None:
        if name == stage and not ballast:
            ballast.append(fill(small_disk, leave=0))

    with pytest.raises(LoopscopeError) as caught:
        walk(loops, home, fill_at_stage)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")
    models = list_models(home / "models")  # what is there can be read from a full disk
    ballast[0].unlink()
    assert len(list_models(home / "models")) == len(models)
    with Store(home / "store.sqlite3") as store:
        assert not store.notice
        marks = store.get_marks()
    undisturbed = tmp_path / "undisturbed"
    with pytest.raises(LoopscopeError, match="MB are needed"):  # copying keeps 16 MB free, which this disk never has
        walk(loops, home, lambda name: None)
    walk(loops, undisturbed, lambda name: None)
    now, reference = kept(home), kept(undisturbed)
    assert marks.keys() <= now["marks"].keys()
    assert {**now, "copies": reference["copies"]} == reference
