"""Killed at random moments, a scan goes on and leaves no process behind, and a demo library is whole or absent.

The kills of the whole walk are in `test_durability`.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from loopscope.demo.make import MANIFEST
from loopscope.files import PART_PREFIX
from loopscope.library import Library, scan_folder
from loopscope.store import Store
from tests.hostile.sounds import encoded, sine
from tests.stored import row_counts

ROOT = Path(__file__).resolve().parents[2]
SCAN = """
import sys
from loopscope.library import scan, scan_folder
from loopscope.store import Store
scan.BATCH_FILES = 16
said = []
def on_progress(report):
    if report.done >= 2 * scan.BATCH_FILES and not said:  # one batch at least is in the store, however slow the machine
        said.append("started")
        sys.stdout.write("started\\n")
        sys.stdout.flush()
with Store(sys.argv[2]) as store:
    scan_folder(sys.argv[1], store, on_progress)
"""
DEMO = """
import sys
from loopscope.demo import make
make.plan_takes = lambda seed, plan=make.plan_takes: plan(seed)[:12]
sys.stdout.write("started\\n")
sys.stdout.flush()
make.make_demo_library(sys.argv[1])
"""
N_FILES, N_KILLS = 400, 6


def killed(code: str, arguments: list[Path], seconds: float) -> tuple[int, str]:
    """Run code in a process of its own and kill it that long after it has started; (process id, what it still said)."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    said = process.stdout.read()
    process.wait()
    return process.pid, said


def workers() -> set[int]:
    """The inspection workers of this test that run now, by command line and by the home they were given."""
    home = f"LOOPSCOPE_HOME={os.environ['LOOPSCOPE_HOME']}".encode()
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().split(b"\0")
            environment = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"loopscope.audio.isolation_worker" in command and home in environment:
            found.add(int(folder.name))
    return found


def same(first: Library, second: Library) -> bool:
    return first.loops.equals(second.loops) and first.rejected.equals(second.rejected)


@pytest.mark.slow
def test_a_scan_killed_again_and_again_ends_as_an_undisturbed_one(tmp_path: Path) -> None:
    folder, database = tmp_path / "loops", tmp_path / "store.sqlite3"
    folder.mkdir()
    for index in range(N_FILES):
        broken = index % 10 == 0
        content = b"text %d" % index if broken else encoded(sine(0.05 + index / 20000), 8000)
        (folder / f"{index:04d}.wav").write_bytes(content)
    rng = np.random.default_rng(0)
    known = [0]
    for _ in range(N_KILLS):
        killed(SCAN, [folder, database], rng.uniform(0.0, 0.4))
        with Store(database) as store:
            assert not store.notice
            known.append(row_counts(store)["files"])
    assert known == sorted(known)  # nothing that was written is lost
    assert known[-1] > 0
    with Store(database) as store:
        disturbed = scan_folder(folder, store)
        assert same(disturbed, scan_folder(folder))
    assert len(disturbed.loops) == N_FILES * 9 // 10
    deadline = time.monotonic() + 10
    while workers() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not workers()  # the children end with their parent (found on systems with /proc only)


@pytest.mark.slow
def test_a_demo_library_killed_while_it_is_made_is_absent_or_whole(tmp_path: Path) -> None:
    target = tmp_path / "demo"
    rng = np.random.default_rng(0)
    for _ in range(3):
        killed(DEMO, [target], rng.uniform(0.0, 1.5))
        if target.exists():
            assert (target / MANIFEST).is_file()
            assert len([path for path in target.rglob("*") if path.suffix in (".wav", ".flac")]) == 12
    ran = subprocess.run(
        [sys.executable, "-c", DEMO, str(target)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ran.stdout == "started\n"
    assert not scan_folder(target).loops.empty
    for left in tmp_path.glob(f"{PART_PREFIX}*"):
        os.utime(left, (0, 0))
    (target / MANIFEST).unlink()
    (target / MANIFEST).write_text("{}", encoding="utf-8")
    subprocess.run([sys.executable, "-c", DEMO, str(target)], cwd=ROOT, capture_output=True, check=True)
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]  # what killed processes left is swept away
