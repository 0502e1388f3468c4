"""Each check has a version of its own: what is new or has changed runs alone, and its findings join the rest."""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from loopscope.faults import check_library, file_report, registry
from loopscope.faults.base import CHECK_FAILED, Check, Measurement, Signal
from loopscope.faults.check import known_faults, known_values
from loopscope.faults.limits import LIMITS, Limit, changed_limits
from loopscope.faults.memory import SETS, TABLE, version
from loopscope.faults.music import onsets
from loopscope.library import Library, scan_folder
from loopscope.store import Store
from loopscope.store.schema import MIGRATIONS
from tests.golden.clips import plucked

RATE = 22_050
N_LOOPS = 3
Calls = Counter[str]


@pytest.fixture
def library(tmp_path: Path) -> Library:
    folder = tmp_path / "loops"
    folder.mkdir()
    for number in range(N_LOOPS):
        x = plucked(0.6, RATE, seed=number) + 0.05
        x[3000:3400] = 0.0 if number else x[3000:3400]  # all but the first drop out
        soundfile.write(folder / f"{number}.wav", np.stack([x, x], axis=1), RATE, subtype="FLOAT")
    return scan_folder(folder)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """How often each check of the registry was asked, by kind."""
    counted: Calls = Counter()

    def counting(check: Check) -> Callable[[Signal], Measurement]:
        def measure(signal: Signal) -> Measurement:
            counted[check.kind] += 1
            return check.measure(signal)

        return measure

    monkeypatch.setattr(registry, "CHECKS", tuple(replace(c, measure=counting(c)) for c in registry.CHECKS))
    return counted


@pytest.fixture
def store(library: Library, calls: Calls, tmp_path: Path) -> Iterator[Store]:
    """One in which every check of now has heard the library."""
    with Store(tmp_path / "store.sqlite3") as store:
        check_library(library, store)
        assert set(calls.values()) == {N_LOOPS} and len(calls) == len(registry.CHECKS)
        calls.clear()
        yield store


def change(patch: pytest.MonkeyPatch, kind: str, **changes: object) -> None:
    patch.setattr(registry, "CHECKS", tuple(replace(c, **changes) if c.kind == kind else c for c in registry.CHECKS))


def raise_version(patch: pytest.MonkeyPatch, *kinds: str) -> None:
    checks = (replace(c, version=c.version + 1) if c.kind in kinds else c for c in registry.CHECKS)
    patch.setattr(registry, "CHECKS", tuple(checks))


def speaks(signal: Signal) -> Measurement:
    return Measurement(5.0, (), "It is so.", "so")


def test_a_new_check_runs_alone_and_its_findings_join_the_rest(
    library: Library, store: Store, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = known_faults(library, store)
    assert {"dropout", "dc_offset"} <= set(before["kind"])
    monkeypatch.setitem(LIMITS, "extra", Limit("Extra", "of it", 1, 2, 6, "this test"))
    extra_calls: list[Signal] = []
    extra = Check("extra", lambda signal: extra_calls.append(signal) or speaks(signal))
    monkeypatch.setattr(registry, "CHECKS", (*registry.CHECKS, extra))
    pd.testing.assert_frame_equal(known_faults(library, store), before)  # shown while the new one is under way
    reports: list[dict[str, list[dict[str, object]]]] = []
    found = check_library(library, store, on_reports=lambda some: reports.append(dict(some)))
    assert len(extra_calls) == N_LOOPS and not calls
    pd.testing.assert_frame_equal(found[found["kind"] != "extra"].reset_index(drop=True), before)
    assert found.groupby("kind").size()["extra"] == N_LOOPS
    first, last = reports[0], reports[-1]
    assert sum(map(len, first.values())) == len(before) and sum(map(len, last.values())) == len(found)
    pd.testing.assert_frame_equal(check_library(library, store), found)
    pd.testing.assert_frame_equal(check_library(library), found)
    assert known_values(library, store)[library.unique["loop_id"].iloc[0]].keys() >= {"peak", "off_level"}


def test_a_check_that_changed_runs_alone(
    library: Library, store: Store, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = known_faults(library, store)
    raise_version(monkeypatch, "clipping")
    pd.testing.assert_frame_equal(check_library(library, store), before)
    assert calls == {"clipping": N_LOOPS}
    calls.clear()
    with changed_limits({"dc_offset": {"suspect": 90.0, "fault": 95.0}}):
        assert set(check_library(library, store)["kind"]) == set(before["kind"]) - {"dc_offset"}
    assert calls == {"dc_offset": N_LOOPS}
    calls.clear()
    pd.testing.assert_frame_equal(check_library(library, store), before)  # those of the usual limits are still there
    assert not calls


def test_what_several_checks_share_is_made_once(
    library: Library, store: Store, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []
    mel_levels = onsets.onsets.mel_levels
    monkeypatch.setattr(onsets.onsets, "mel_levels", lambda *given: made.append(given) or mel_levels(*given))
    raise_version(monkeypatch, "reversed", "other_tempo", "stutter")
    pd.testing.assert_frame_equal(check_library(library, store), check_library(library))
    assert calls["reversed"] == 2 * N_LOOPS and calls["click"] == N_LOOPS  # once by that without a store
    assert len(made) == 2 * N_LOOPS


def test_findings_of_a_check_that_is_gone_vanish(
    library: Library, store: Store, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = known_faults(library, store)
    monkeypatch.setattr(registry, "CHECKS", tuple(c for c in registry.CHECKS if c.kind != "dc_offset"))
    monkeypatch.setattr(file_report, "blocks_of", lambda *_args: pytest.fail("a file was read again"))
    left = before[before["kind"] != "dc_offset"].reset_index(drop=True)
    for found in (known_faults(library, store), check_library(library, store)):
        pd.testing.assert_frame_equal(found, left)


def test_a_check_that_failed_is_tried_again_alone(
    library: Library, store: Store, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = known_faults(library, store)
    good = next(check.measure for check in registry.CHECKS if check.kind == "clipping")
    tried: list[Signal] = []

    def overflow(signal: Signal) -> Measurement:
        tried.append(signal)
        return Measurement(float(int(float("inf"))))

    change(monkeypatch, "clipping", measure=overflow, version=102)
    found = check_library(library, store)
    assert (found["kind"] == CHECK_FAILED).sum() == N_LOOPS == len(tried) and not calls
    pd.testing.assert_frame_equal(known_faults(library, store), before)  # the others said something
    pd.testing.assert_frame_equal(check_library(library, store), found)
    assert len(tried) == 2 * N_LOOPS and not calls
    change(monkeypatch, "clipping", measure=good, version=103)
    pd.testing.assert_frame_equal(check_library(library, store), before)
    assert calls == {"clipping": N_LOOPS}


def test_what_another_check_silences_is_heard_when_that_one_changes(
    library: Library, store: Store, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hum explains a note out of tune: its verdict holds for what is kept, and what it hid was not kept."""
    change(monkeypatch, "note_out_of_tune", measure=speaks, version=102)
    change(monkeypatch, "hum", measure=speaks, version=102)
    assert "note_out_of_tune" not in set(check_library(library, store)["kind"])
    calls.clear()
    change(monkeypatch, "hum", measure=lambda signal: Measurement(0.0), version=103)
    assert "note_out_of_tune" in set(check_library(library, store)["kind"])
    assert not calls.keys() - {"off_tuning", "drift", "other_key"}  # which it silenced as well
    change(monkeypatch, "hum", measure=speaks, version=104)
    calls.clear()
    assert "note_out_of_tune" not in set(check_library(library, store)["kind"]) and not calls


def test_a_library_checked_before_checks_had_versions_is_not_checked_again(
    library: Library, store: Store, calls: Calls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = known_faults(library, store)
    reports = store.get_reports(TABLE, None, version())
    (stood_for,) = [name for name in store.get_reports(TABLE, None, SETS) if f"'{name}'" in MIGRATIONS[5]]
    then = store.get_reports(TABLE, None, SETS)[stood_for]
    raw = sqlite3.connect(tmp_path / "older.sqlite3")
    for step in MIGRATIONS[:5]:
        raw.executescript(step)
    raw.execute("PRAGMA user_version = 5")
    with Store(tmp_path / "now.sqlite3") as now:
        now.put_reports(TABLE, reports, "12-64a3a6d4b669")
        with closing(sqlite3.connect(now.path)) as beside:
            rows = beside.execute("SELECT * FROM faults WHERE version = '12-64a3a6d4b669'").fetchall()
    assert len(rows) == N_LOOPS
    raw.executemany("INSERT INTO faults VALUES (?, ?, ?)", rows)
    raw.commit()
    raw.close()
    with Store(tmp_path / "older.sqlite3") as older:
        changed = {kind for kind, now_is in registry.check_versions().items() if then.get(kind) != now_is}
        kept = known_faults(library, older)
        pd.testing.assert_frame_equal(kept, before[~before["kind"].isin(changed)].reset_index(drop=True))
        pd.testing.assert_frame_equal(check_library(library, older), before)
        assert set(calls) == changed and len(changed) < len(then) / 2
