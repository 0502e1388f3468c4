"""The checks in child processes say what they would say here, and a file that ends one costs itself alone."""

import logging
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from loopscope.errors import Cancelled
from loopscope.faults import check as fault_library
from loopscope.faults import check_library
from loopscope.faults.base import CHECK_FAILED
from loopscope.faults.limits import changed_limits
from loopscope.faults.memory import version
from loopscope.library import Library, scan_folder
from loopscope.progress import Progress
from loopscope.store import Store
from tests.golden.clips import plucked

RATE = 22_050
ODD = """
import os, signal, time
from dataclasses import replace
from loopscope.faults import child, registry
answer = child.answer_to
def odd(question):
    name = os.path.basename(question["path"])
    if "crash" in name:
        os.abort()
    if "slow" in name:
        signal.raise_signal(signal.SIGALRM)  # as its timer does
    if "hang" in name:
        time.sleep(60)
    return answer(question)
child.answer_to = odd
def overflow(signal):
    return int(float("inf")) if signal.duration_s > 0.5 else clipping.measure(signal)
(clipping,) = [check for check in registry.CHECKS if check.kind == "clipping"]
registry.CHECKS = tuple(replace(c, measure=overflow) if c is clipping else c for c in registry.CHECKS)
"""


def written(folder: Path, names: list[str]) -> Library:
    folder.mkdir()
    for number, name in enumerate(names):
        x = plucked(0.3, RATE, seed=number)
        x[3000:3400] = 0.0 if number % 2 else x[3000:3400]  # every other one drops out
        soundfile.write(os.fsencode(folder / name), x, RATE, format="WAV", subtype="FLOAT")
    return scan_folder(folder)


@pytest.fixture(autouse=True)
def apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fault_library, "FEWEST_APART", 1)
    monkeypatch.setattr("loopscope.children.pool.NICENESS", 0)  # tests that run beside this one would starve them


@pytest.fixture
def odd_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Children that crash on one file, take too long or hang on others, and have a broken check."""
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "sitecustomize.py").write_text(ODD)  # Python runs it at its start
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "odd"))


def test_children_find_what_is_found_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = written(tmp_path / "loops", ["a.wav", "b 120.wav", "c \udcff.wav", "d.wav"])
    (tmp_path / "loops" / "d.wav").unlink()  # since it was scanned
    found = check_library(library)
    assert {"dropout", "unreadable"} <= set(found["kind"])
    monkeypatch.setattr(fault_library, "FEWEST_APART", 1_000)
    pd.testing.assert_frame_equal(found, check_library(library))
    monkeypatch.setattr(fault_library, "FEWEST_APART", 1)
    with changed_limits({"dropout": {"suspect": 1e6, "fault": 2e6}}):
        assert "dropout" not in set(check_library(library)["kind"]), "they judge by the limits of here"


def test_what_ends_a_child_or_a_check_costs_one_file(
    tmp_path: Path, odd_children: None, caplog: pytest.LogCaptureFixture
) -> None:
    written(tmp_path / "loops", ["a.wav", "crash.wav", "b.wav", "slow.wav", "c.wav"])
    soundfile.write(tmp_path / "loops" / "long.wav", np.tile(plucked(0.3, RATE, seed=9), 2), RATE)
    library = scan_folder(tmp_path / "loops")
    names = library.unique.set_index("loop_id")["name"]
    with Store(tmp_path / "store.sqlite3") as store, caplog.at_level(logging.WARNING, logger="loopscope"):
        found = check_library(library, store)
        kept = store.get_reports("faults", list(library.unique["loop_id"]), version())
    failed = found[found["kind"] == CHECK_FAILED]
    sentences = dict(zip(names[failed["loop_id"]], failed["sentence"], strict=True))
    assert sorted(sentences) == ["crash.wav", "long.wav", "slow.wav"]
    assert "the process that read it ended (status" in sentences["crash.wav"]
    assert "took too long" in sentences["slow.wav"]
    assert "clipping failed: OverflowError" in sentences["long.wav"]
    assert sorted(names[list(kept)]) == ["a.wav", "b.wav", "c.wav"], "those that failed are tried again"
    assert [r.getMessage() for r in caplog.records if "the check for clipping failed" in r.getMessage()]


def test_a_stop_does_not_wait_for_a_long_file(tmp_path: Path, odd_children: None) -> None:
    library = written(tmp_path / "loops", ["a.wav", "hang.wav", "hang too.wav"])
    said: list[Progress] = []
    started = time.monotonic()
    with pytest.raises(Cancelled, match="what was finished is kept"):
        check_library(library, on_progress=said.append, should_stop=lambda: time.monotonic() - started > 4)
    assert time.monotonic() - started < 30  # the file takes a minute
