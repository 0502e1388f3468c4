"""What was measured is kept by content: nothing is listened to twice, and a stopped run goes on."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from loopscope import metadata
from loopscope.errors import Cancelled
from loopscope.library import scan_folder
from loopscope.metadata import bars
from loopscope.metadata.collect import known_metadata, measure_metadata
from loopscope.metadata.table import METADATA_COLUMNS
from loopscope.progress import Progress
from loopscope.store import Store
from tests.test_bars import BPM, RATE, loop

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
    assert {report.stage for report in reports} == {"Reading tags", "Listening for tempo and key", "Comparing bars"}
    assert all(report.done <= report.total for report in reports)
    monkeypatch.setattr(metadata.table, "estimate_from_audio", refuse)
    monkeypatch.setattr(bars, "structure_of_file", refuse)
    known = known_metadata(loops, store)
    assert known.missing == measured.missing == frozenset()
    pd.testing.assert_frame_equal(known.table, measured.table)
    pd.testing.assert_frame_equal(measure_metadata(loops, store).table, measured.table)


def test_a_stopped_run_keeps_what_was_estimated(loops: pd.DataFrame, store: Store) -> None:
    reports: list[Progress] = []

    def stop() -> bool:
        return any(report.stage == "Comparing bars" for report in reports)

    with pytest.raises(Cancelled, match="what was finished is kept"):
        measure_metadata(loops, store, on_progress=reports.append, should_stop=stop)
    by_name = known_metadata(loops, store).table.assign(name=loops["name"]).set_index("name")
    assert by_name.loc["untitled.wav", "bpm_source"] == "audio"
    assert by_name["loop_structure"].isna().all()


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
