"""What was measured is kept by content: nothing is listened to twice, and a stopped run goes on."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from loopscope.errors import Cancelled
from loopscope.library import scan_folder
from loopscope.metadata import collect
from loopscope.metadata.collect import known_metadata, measure_metadata, measure_missing
from loopscope.metadata.table import METADATA_COLUMNS
from loopscope.progress import Progress
from loopscope.store import Store
from tests.test_bars import BPM, RATE, loop

ODD = """
import os
from loopscope.metadata import child
answer = child.answer_to
def odd(question):
    if "untitled" in question["path"]:
        os.abort()
    return answer(question)
child.answer_to = odd
"""
NAMES = ("Bass_120_Em.wav", "untitled.wav", "Guitar_90bpm_A.wav")


@pytest.fixture
def loops(tmp_path: Path) -> pd.DataFrame:
    for name, pattern in zip(NAMES, ("ABAB", "AAAA", "AB"), strict=True):
        soundfile.write(tmp_path / name, loop(pattern), RATE)
    return scan_folder(tmp_path).loops.sort_values("name", ignore_index=True)


@pytest.fixture
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("store") / "store.sqlite3")


def refuse(*_: object) -> None:
    raise AssertionError("what is known must not be listened to again")


def test_names_alone_are_known_at_once_and_the_rest_is_counted(loops: pd.DataFrame, store: Store) -> None:
    known = known_metadata(loops, store)
    assert tuple(known.table.columns) == (*METADATA_COLUMNS, "n_bars", "loop_structure")
    assert known.missing == set(loops["loop_id"]), "one was never listened to, two were never cut into bars"
    by_name = known.table.assign(name=loops["name"]).set_index("name")
    assert by_name.loc["Bass_120_Em.wav", ["bpm", "bpm_source", "key", "instrument"]].tolist() == [
        BPM,
        "name",
        "Em",
        "bass",
    ]
    assert np.isnan(by_name.loc["untitled.wav", "bpm"])


def test_what_was_measured_is_kept(loops: pd.DataFrame, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    reports: list[Progress] = []
    measured = measure_metadata(loops, store, on_progress=reports.append)
    by_name = measured.table.assign(name=loops["name"]).set_index("name")
    assert by_name.loc["untitled.wav", "bpm_source"] == "audio"
    assert by_name.loc["untitled.wav", "bpm"] in (60, 120)
    assert by_name.loc["Bass_120_Em.wav", "n_bars"] == 4
    assert by_name.loc["untitled.wav", "loop_structure"] > 0.9 > by_name.loc["Bass_120_Em.wav", "loop_structure"]
    assert {report.stage for report in reports} == {"Listening"}
    assert all(report.done <= report.total for report in reports)
    monkeypatch.setattr(collect, "listen_to", refuse)
    known = known_metadata(loops, store)
    assert known.missing == measured.missing == frozenset()
    pd.testing.assert_frame_equal(known.table, measured.table)
    pd.testing.assert_frame_equal(measure_metadata(loops, store).table, measured.table)


def test_a_stopped_run_keeps_what_was_heard(loops: pd.DataFrame, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect, "BATCH", 1)
    heard: list[str] = []
    with pytest.raises(Cancelled, match="what was finished is kept"):
        measure_missing(loops, store, should_stop=lambda: bool(heard), on_heard=heard.extend)
    known = known_metadata(loops, store)
    assert len(heard) == 1 and known.missing == set(loops["loop_id"]) - set(heard)
    assert measure_missing(loops, store, on_heard=heard.extend) == len(loops) - 1
    assert sorted(heard) == sorted(loops["loop_id"]), "nothing is heard twice"


def test_children_hear_what_is_heard_here_and_one_that_dies_costs_its_file(
    loops: pd.DataFrame, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collect, "FEWEST_APART", 1)
    monkeypatch.setattr("loopscope.children.pool.NICENESS", 0)  # tests that run beside this one would starve them
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "sitecustomize.py").write_text(ODD)  # Python runs it at its start
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "odd"))
    assert measure_missing(loops, store) == len(loops)
    apart = known_metadata(loops, store)
    (died,) = loops.loc[loops["name"] == "untitled.wav", "loop_id"]
    assert apart.missing == {died}
    here = measure_metadata(loops, Store(tmp_path / "other.sqlite3"))
    both = [table[table["loop_id"] != died].reset_index(drop=True) for table in (apart.table, here.table)]
    pd.testing.assert_frame_equal(*both)
    assert measure_metadata(loops, store).missing == frozenset(), "it is tried again"


def test_one_loop_measured_alone_updates_its_files_and_no_other(loops: pd.DataFrame, store: Store) -> None:
    before = known_metadata(loops, store)
    one = loops[loops["name"] == "untitled.wav"]
    after = before.updated(measure_metadata(one, store))
    assert after.missing == before.missing - set(one["loop_id"])
    changed = after.table.set_index("path").loc[list(one["path"])]
    assert changed["n_bars"].tolist() == [4] or changed["n_bars"].tolist() == [2]
    others = loops[loops["name"] != "untitled.wav"]["path"]
    pd.testing.assert_frame_equal(
        after.table.set_index("path").loc[list(others)], before.table.set_index("path").loc[list(others)]
    )


def test_a_folder_without_a_readable_loop_has_no_metadata(tmp_path: Path, store: Store) -> None:
    (tmp_path / "broken.wav").write_bytes(b"not audio")
    library = scan_folder(tmp_path)
    assert len(library.rejected) == 1
    for found in (known_metadata(library.loops, store), measure_metadata(library.loops, store)):
        assert found.table.empty
        assert not found.missing
