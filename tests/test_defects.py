"""A loop that meets a defect costs itself: the failure is its finding or reason, is logged, and is tried again."""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from io import FileIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from loopscope import defects
from loopscope.analysis.pipeline import analyse_folder
from loopscope.analysis.triage import triage_rank
from loopscope.batches import measure_loops
from loopscope.embeddings import clips, embed_library
from loopscope.errors import Cancelled
from loopscope.faults import check_library, fault_scores, file_report, registry
from loopscope.faults.base import Measurement, Signal
from loopscope.faults.file_report import check_file
from loopscope.faults.memory import version
from loopscope.library import Library, scan_folder
from loopscope.metadata import bars, listening, table
from loopscope.metadata.collect import measure_metadata
from loopscope.metadata.tempo_key import TempoAndKey
from loopscope.store import Store
from loopscope.ui.server.log import LastRecords
from loopscope.user_files import FilePath
from tests.golden.clips import plucked

RATE = 8000
N_LOOPS, ODD = 40, "07 120bpm.wav"
SAID = "The check for clipping failed: OverflowError, cannot convert float infinity to integer."


class Samples:
    """A few samples of the sound; loops as long as the odd one break it where it is told to."""

    encoder_id, sample_rate, n_features, description, notice, batch_size = "samples-1", RATE, 8, "samples", "", 8

    def embed(self, waveforms: Sequence[np.ndarray]) -> np.ndarray:
        if any(len(waveform) == round(0.27 * RATE) for waveform in waveforms):
            raise FloatingPointError("overflow encountered in square")
        return np.stack([waveform[100:900:100] for waveform in waveforms]).astype(np.float32)


@pytest.fixture(autouse=True)
def _logged_anew() -> Iterator[None]:
    defects._log_once.cache_clear()
    yield


@pytest.fixture
def library(tmp_path: Path) -> Library:
    folder = tmp_path / "loops"
    folder.mkdir()
    for number in range(N_LOOPS):
        x = plucked(0.2 + 0.01 * number, RATE, seed=number)
        soundfile.write(folder / f"{number:02d} 120bpm.wav", x + 0.1 * (number == 3), RATE, subtype="FLOAT")
    return scan_folder(folder)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store.sqlite3") as opened:
        yield opened


def id_of(library: Library, name: str) -> str:
    return str(library.loops.set_index("name")["loop_id"][name])


def break_clipping(patch: pytest.MonkeyPatch, breaks: Callable[[Signal], bool]) -> None:
    def measure(signal: Signal) -> Measurement:
        return Measurement(float(int(np.inf))) if breaks(signal) else Measurement(0.0)

    checks = tuple(replace(c, measure=measure) if c.kind == "clipping" else c for c in registry.CHECKS)
    patch.setattr(registry, "CHECKS", checks)


def is_odd(signal: Signal) -> bool:
    return round(signal.duration_s, 3) == 0.27


def test_a_check_that_fails_is_a_finding_of_that_loop_and_evidence_of_nothing(
    library: Library, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    sound = check_library(library)
    odd = id_of(library, ODD)
    with pytest.MonkeyPatch.context() as patch, caplog.at_level(logging.WARNING, logger="loopscope"):
        break_clipping(patch, is_odd)
        keeper = LastRecords()
        logging.getLogger("loopscope").addHandler(keeper)
        found = check_library(library, store)
        again = check_library(library, store)
        logging.getLogger("loopscope").removeHandler(keeper)
    failed = found[found["kind"] == "check_failed"]
    assert failed["loop_id"].tolist() == [odd]
    assert failed[["verdict", "strength", "sentence"]].to_numpy().tolist() == [["suspect", 0.0, SAID]]
    assert "dc_offset" in set(sound["kind"])
    pd.testing.assert_frame_equal(found.drop(failed.index).reset_index(drop=True), sound)  # nobody else lost anything
    pd.testing.assert_frame_equal(again, found)
    (line,) = keeper.lines  # said once, though it was met twice, and names no file
    assert "the check for clipping failed" in line and "OverflowError" in line and ODD not in line
    assert odd not in store.get_reports("faults", [odd], version())
    pd.testing.assert_frame_equal(check_library(library, store), sound)  # tried again as soon as the check is mended


def test_a_loop_whose_check_failed_is_not_faulty_and_ranks_as_before(library: Library) -> None:
    scored = library.loops.assign(percentile=50.0)
    with pytest.MonkeyPatch.context() as patch:
        break_clipping(patch, lambda signal: True)
        checked = check_library(library)
    found = checked[checked["kind"] == "check_failed"]
    assert len(found) == N_LOOPS
    ranked = triage_rank(scored, found)
    assert (ranked["fault_evidence"] == 0).all() and (ranked["triage"] == "normal").all()
    assert ranked["loop_id"].tolist() == triage_rank(scored, found[:0])["loop_id"].tolist()
    assert ranked["reason"].str.startswith(SAID).all()
    assert set(ranked["fault_kinds"]) == {"Check failed"}


def test_a_check_that_fails_in_one_block_of_a_long_file_has_failed(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "long.wav", np.tile(plucked(1.0, RATE, seed=1), 150), RATE)
    for failing in (0.0, 60.0, 120.0):
        with pytest.MonkeyPatch.context() as patch:
            break_clipping(patch, lambda signal, at=failing: signal.start_s == at)
            assert SAID in [fault.sentence for fault in check_file(tmp_path / "long.wav")]


def test_scores_for_ranking_put_what_failed_last(monkeypatch: pytest.MonkeyPatch) -> None:
    break_clipping(monkeypatch, lambda signal: True)
    assert fault_scores(plucked(0.5, RATE, seed=1), RATE)["clipping"] == -np.inf


def test_a_defect_outside_the_checks_is_a_finding_too(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = library.path_of(id_of(library, ODD))
    blocks_of = file_report.blocks_of

    def broken(path: FilePath, tempo_bpm: float | None = None) -> Iterator[Signal]:
        if os.fspath(path) == str(odd):
            raise ZeroDivisionError("division by zero")
        return blocks_of(path, tempo_bpm)

    monkeypatch.setattr(file_report, "blocks_of", broken)
    found = check_library(library)
    assert found[found["kind"] == "check_failed"]["sentence"].tolist() == [
        "Checking for faults failed: ZeroDivisionError, division by zero."
    ]


def test_a_stop_is_no_defect() -> None:
    def stop() -> None:
        raise Cancelled("Stopped.")

    with pytest.raises(Cancelled, match="Stopped"):
        defects.attempt("something", stop)
    with pytest.raises(KeyboardInterrupt):
        defects.attempt("something", lambda: (_ for _ in ()).throw(KeyboardInterrupt))


def test_a_measurement_that_fails_costs_no_other_and_is_not_remembered(
    library: Library, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = str(library.path_of(id_of(library, ODD)))

    def estimate(path: FilePath) -> tuple[TempoAndKey, None]:
        return TempoAndKey(100.0 / (os.fspath(path) != odd), "Am"), None

    def structure(path: FilePath, bpm: float) -> bars.LoopStructure:
        return bars.LoopStructure(np.empty((0, 0), np.float32), 1.0 / (os.fspath(path) != odd), 1.0)

    monkeypatch.setattr(listening, "hear_music", estimate)
    monkeypatch.setattr(bars, "structure_of_file", structure)
    measured = measure_metadata(library.loops, store).table.set_index("path")
    assert measured.loc[odd, "key_source"] == "" and np.isnan(measured.loc[odd, "loop_structure"])
    others = measured.drop(index=odd)
    assert (others["key"] == "Am").all() and (others["loop_structure"] == 1.0).all()
    for name in (table.TEMPO_KEY_VERSION, bars.STRUCTURE_VERSION):
        kept = store.get_reports("measurements", library.unique["loop_id"], name)
        assert len(kept) == N_LOOPS - 1 and id_of(library, ODD) not in kept


def test_every_loop_counts_as_done_also_where_it_failed() -> None:
    done: list[int] = []
    measured = measure_loops(
        "abc", lambda loop_id: 1 / "bac".index(loop_id), "Counting", None, lambda p: done.append(p.done)
    )
    assert measured.failed == {"b": "ZeroDivisionError, division by zero"}
    assert set(measured.results) == {"a", "c"} and done[-1] == 3


def test_a_loop_that_the_encoder_fails_on_is_left_out_and_its_batch_is_not(library: Library, store: Store) -> None:
    embeddings = embed_library(library, Samples(), store)
    (reason,) = embeddings.rejected.itertuples(index=False)
    assert Path(reason.path).name == ODD
    assert reason.reason == "The encoder failed: FloatingPointError, overflow encountered in square."
    assert len(embeddings.loop_ids) == N_LOOPS - 1 == len(store.get_embeddings(library.unique["loop_id"], "samples-1"))
    assert id_of(library, ODD) not in embeddings.loop_ids


def test_a_loop_that_cannot_be_prepared_is_left_out(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = str(library.path_of(id_of(library, "03 120bpm.wav")))
    stream = clips.stream

    def broken(sound: FileIO, rate: int) -> Iterator[np.ndarray]:
        if sound.name == odd:
            raise IndexError("index 3 is out of bounds")
        return stream(sound, rate)

    monkeypatch.setattr(clips, "stream", broken)
    left_out = embed_library(library, Samples()).rejected.set_index("path")["reason"]
    assert len(left_out) == 2
    assert left_out[odd] == "The encoder failed: IndexError, index 3 is out of bounds."


def test_the_walk_without_a_screen_checks_too(library: Library, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    break_clipping(monkeypatch, is_odd)
    found = analyse_folder(library.root, Samples(), "knn", store=store)
    assert SAID in set(found.faults.loc[found.faults["loop_id"] == id_of(library, ODD), "sentence"])
    assert len(found.table) + len(found.rejected) == N_LOOPS
