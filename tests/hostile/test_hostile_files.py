"""Each hostile file ends as a loop or as a listed reason, in bounded time, and takes nothing else with it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from loopscope.analysis.pipeline import left_out, score_table
from loopscope.analysis.scoring import fit_detector
from loopscope.audio import decode, playable
from loopscope.embeddings import embed_library
from loopscope.errors import AudioError
from loopscope.library import scan_folder
from loopscope.store import Store
from tests.hostile.sounds import RATE, Case, broken_cases, encoded, good_cases, sine
from tests.hostile.walked import Toy, assert_every_file_ended, walk_as_the_app

ROOT = Path(__file__).resolve().parents[2]


def written(folder: Path, cases: list[Case]) -> Path:
    for case in cases:
        (folder / case.name).write_bytes(case.content)
    return folder


def test_every_broken_file_is_listed_with_its_reason(tmp_path: Path) -> None:
    cases = broken_cases()
    library = scan_folder(written(tmp_path, cases))
    found = {Path(path).name: reason for path, reason in library.rejected.itertuples(index=False)}
    assert library.loops.empty
    assert set(found) == {case.name for case in cases}
    for case in cases:
        assert case.reason is not None
        assert case.reason in found[case.name], case.name
        assert found[case.name].endswith("."), case.name
        assert "\n" not in found[case.name]


def test_every_odd_but_sound_file_is_a_loop_of_its_length(tmp_path: Path) -> None:
    cases = good_cases()
    started = time.monotonic()
    library = scan_folder(written(tmp_path, cases))
    assert time.monotonic() - started < 60
    assert library.rejected.empty
    found = library.loops.set_index("name")["duration_s"]
    for case in cases:
        if case.duration_s is not None:
            assert found[case.name] == pytest.approx(case.duration_s, abs=0.03), case.name


def test_what_was_accepted_decodes_finite_and_plays(tmp_path: Path) -> None:
    cases = [case for case in good_cases() if len(case.content) < 2_000_000]
    library = scan_folder(written(tmp_path, cases))
    for row in library.loops.itertuples():
        waveform = decode(row.path, sample_rate=RATE)
        assert np.isfinite(waveform.samples).all()
        assert waveform.duration_s == pytest.approx(row.duration_s, abs=0.03)
        copy, mime = playable(row.path, tmp_path / "cache", row.loop_id)
        assert mime in {"audio/wav", "audio/flac", "audio/ogg", "audio/mpeg"}
        with copy:
            assert decode(copy).duration_s == pytest.approx(row.duration_s, abs=0.03)


def test_hostile_files_do_not_harm_their_neighbours(tmp_path: Path) -> None:
    cases = broken_cases()
    written(tmp_path, cases)
    for index in range(10):
        (tmp_path / f"good {index}.wav").write_bytes(encoded(sine(0.2 + index / 100)))
    with Store(tmp_path / "s.sqlite3") as store:
        first = scan_folder(tmp_path, store)
        again = scan_folder(tmp_path, store)
    assert len(first.loops) == 10
    assert len(first.rejected) == len(cases)
    assert again.loops.equals(first.loops)
    assert again.rejected.equals(first.rejected)


def test_decoding_a_hostile_file_raises_its_reason_too(tmp_path: Path) -> None:
    for case in broken_cases():
        path = tmp_path / case.name
        path.write_bytes(case.content)
        with pytest.raises(AudioError):
            decode(path, sample_rate=48000)


MEASURED = """
import re, sys
from pathlib import Path
from loopscope.audio import decode, inspect_file
found = inspect_file(sys.argv[1])
assert found.info.duration_s == 1200.0, found
for offset in (0.0, 600.0, 1195.0):
    assert abs(decode(sys.argv[1], 48000, offset_s=offset, duration_s=5.0).duration_s - 5.0) < 0.01
print(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text()).group(1))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is measured through /proc")
@pytest.mark.parametrize("container", ["WAV", "FLAC"])
def test_twenty_minutes_cost_neither_memory_nor_patience(tmp_path: Path, container: str) -> None:
    path = tmp_path / "long.wav"
    path.write_bytes(encoded(np.zeros((1200 * RATE, 1), "float32"), container=container))
    started = time.monotonic()
    ran = subprocess.run(
        [sys.executable, "-c", MEASURED, str(path)], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    assert time.monotonic() - started < 60
    assert int(ran.stdout) < 150 * 1024  # the samples alone would be 212 MB


def test_a_bomb_of_an_hour_and_more_is_refused_by_its_header(tmp_path: Path) -> None:
    (tmp_path / "bomb.flac").write_bytes(encoded(np.zeros((3700 * 8000, 1), "float32"), 8000, "FLAC"))
    started = time.monotonic()
    library = scan_folder(tmp_path)
    assert "at most 1 h is read" in library.rejected["reason"][0]
    assert time.monotonic() - started < 10


def test_a_sparse_file_of_a_terabyte_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "sparse.wav"
    with path.open("wb") as file:
        file.write(encoded(sine()))
        try:
            file.truncate(1 << 40)
        except OSError:
            pytest.skip("this file system has no sparse files")
    head = bytearray(path.open("rb").read(44))
    head[4:8] = head[40:44] = b"\xff\xff\xff\xff"
    with path.open("r+b") as file:
        file.write(head)
    started = time.monotonic()
    library = scan_folder(tmp_path)
    assert time.monotonic() - started < 30
    assert len(library.rejected) == 1
    assert "h of sound" in library.rejected["reason"][0]


def test_a_file_that_vanishes_or_changes_before_it_is_decoded_is_a_reason(tmp_path: Path) -> None:
    for name in ("gone.wav", "emptied.wav", "replaced.wav"):
        (tmp_path / name).write_bytes(encoded(sine()))
    library = scan_folder(tmp_path)
    assert len(library.loops) == 3
    (tmp_path / "gone.wav").unlink()
    (tmp_path / "emptied.wav").write_bytes(b"")
    (tmp_path / "replaced.wav").unlink()
    os.mkfifo(tmp_path / "replaced.wav")
    for name, reason in (("gone", "no such file"), ("emptied", "empty"), ("replaced", "not a regular file")):
        with pytest.raises(AudioError, match=reason):
            decode(tmp_path / f"{name}.wav")


def test_every_hostile_file_ends_with_a_score_or_a_reason(tmp_path: Path) -> None:
    """The whole walk: what a scan accepts may still fail later, and must then be listed."""
    folder = tmp_path / "pack"
    folder.mkdir()
    cases = [*broken_cases(), *good_cases()]
    written(folder, cases)
    (folder / "a folder.wav").mkdir()
    (folder / "dangling.wav").symlink_to(folder / "nowhere.wav")
    (folder / "circle.wav").symlink_to(folder / "circle.wav")
    (folder / "zero.wav").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe.wav")
    with Store(tmp_path / "s.sqlite3") as store:
        library = scan_folder(folder, store)
        gone = Path(library.loops["path"].iloc[0])
        gone.unlink()
        embeddings = embed_library(library, Toy(), store)
        table = score_table(library.loops, fit_detector(embeddings, "pca"))
    reasons = left_out(library, embeddings)
    scored, refused = list(table["path"]), list(reasons["path"])
    assert len(set(scored)) == len(scored) and len(set(refused)) == len(refused)
    assert not set(scored) & set(refused)
    named = {str(path) for path in folder.iterdir()} | {str(gone)}
    assert set(scored) | set(refused) == named
    assert str(gone) in refused
    assert np.isfinite(table["score"]).all()
    assert all(reason.endswith(".") for reason in reasons["reason"])


def test_the_walk_of_the_app_meets_nothing_unforeseen_in_a_hostile_folder(tmp_path: Path) -> None:
    folder = tmp_path / "pack"
    folder.mkdir()
    written(folder, [*broken_cases(), *good_cases()])
    assert_every_file_ended(folder, walk_as_the_app(folder, tmp_path))
