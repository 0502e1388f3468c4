"""What a user says of tempo and key holds, is kept by content, and goes when it is taken back."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile

from loopscope.errors import DataError
from loopscope.faults import faults_frame
from loopscope.faults.base import Fault
from loopscope.library import Library, scan_folder
from loopscope.metadata.collect import known_metadata, measure_missing
from loopscope.metadata.corrections import read_correction
from loopscope.store import ProjectRow, Store
from loopscope.store.records import Correction
from loopscope.ui.explain import sound
from loopscope.ui.projects.heard import correct
from loopscope.ui.projects.project import Project

RATE = 22050
OTHER = Fault("other_tempo", 0.4, (), "suspect", "Its name says 120 BPM; it fits 118 BPM.", "118 BPM, not 120").row


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """Four bars of clicks at 118 BPM, called 120, twice; and a tone."""
    folder = tmp_path / "pack"
    folder.mkdir()
    clicks = np.zeros(int(16 * 60 / 118 * RATE), np.float32)
    for beat in range(16):
        start = int(beat * 60 / 118 * RATE)
        clicks[start : start + 800] = 0.6 * np.sin(0.3 * np.arange(800)) * np.linspace(1, 0, 800)
    for name, samples in (
        ("Bass_120_Em.wav", clicks),
        ("copy of Bass_120_Em.wav", clicks),
        ("Pad_90_C.wav", 0.3 * np.sin(0.1 * np.arange(3 * RATE))),
    ):
        soundfile.write(folder / name, samples, RATE)
    return scan_folder(folder)


@pytest.mark.parametrize(
    ("bpm", "key", "means"),
    [
        ("118", "", Correction(118.0)),
        (" 117,5 bpm", " g# minor ", Correction(117.5, "G#m")),
        ("", "11A", Correction(None, "F#m")),
        ("", "", Correction()),
    ],
)
def test_what_is_typed_is_understood(bpm: str, key: str, means: Correction) -> None:
    assert read_correction(bpm, key) == means


@pytest.mark.parametrize(
    ("bpm", "key", "says"),
    [
        ("fast", "", "'fast' is no tempo; give beats per minute from 20 to 400"),
        ("9", "", "'9' is no tempo"),
        ("nan", "", "'nan' is no tempo"),
        ("1e2", "", "'1e2' is no tempo"),
        ("120", "H", "'H' is no key; give a note with its mode"),
    ],
)
def test_what_is_no_tempo_or_key_is_refused_in_one_sentence(bpm: str, key: str, says: str) -> None:
    with pytest.raises(DataError, match=says) as refused:
        read_correction(bpm, key)
    assert str(refused.value).count(". ") == 0


def test_a_correction_holds_for_every_copy_and_bars_are_cut_by_it(library: Library, tmp_path: Path) -> None:
    with Store(tmp_path / "store.sqlite3") as store:
        measure_missing(library.loops, store, apart=False)
        before = known_metadata(library.loops, store)
        loop_id = library.loops.loc[library.loops["name"] == "Bass_120_Em.wav", "loop_id"].item()
        store.set_correction(loop_id, Correction(59.0, "F#m"))
        assert known_metadata(library.loops, store).missing == {loop_id}, "its bars are those of another tempo"
        measure_missing(library.loops, store, apart=False)
        after = known_metadata(library.loops, store)
        rows = after.table[after.table["loop_id"] == loop_id]
        assert rows[["bpm", "bpm_source", "bpm_name"]].to_numpy().tolist() == [[59.0, "user", 120.0]] * 2
        assert rows[["key", "key_source", "key_name"]].to_numpy().tolist() == [["F#m", "user", "Em"]] * 2
        assert rows["n_bars"].tolist() == [2, 2] and not after.missing
        others = [known.table[known.table["loop_id"] != loop_id].reset_index(drop=True) for known in (before, after)]
        pd.testing.assert_frame_equal(*others)
        store.clear_cache()
        assert store.get_corrections() == {loop_id: Correction(59.0, "F#m")}, "nothing can compute it again"
        store.set_correction(loop_id, Correction(None, "F#m"))
        (name,) = known_metadata(library.loops.iloc[:1], store).table["bpm_source"]
        assert name == "name"
        store.set_correction(loop_id, Correction())
        assert not store.get_corrections()


def test_a_settled_tempo_is_contradicted_no_longer_and_again_once_that_is_taken_back(
    library: Library, tmp_path: Path
) -> None:
    with Store(tmp_path / "store.sqlite3") as store:
        project = Project(ProjectRow("p", "local", str(library.root), "pack", 0.0), store)
        loop_id, other = library.unique["loop_id"]
        clipped = {**OTHER, "kind": "clipping"}
        found = faults_frame([{"loop_id": who, **row} for who in (loop_id, other) for row in (OTHER, clipped)])
        project.update(library=library, metadata=known_metadata(library.loops, store), faults=found)
        serial = project.contents.serial
        correct(project, loop_id, Correction(key="Am"), store)
        standing = project.contents.standing_faults
        assert standing is not None and len(standing) == 4, "a key settles no tempo"
        correct(project, loop_id, Correction(120.0), store)
        standing = project.contents.standing_faults
        assert standing is not None
        assert set(zip(standing["loop_id"], standing["kind"], strict=True)) == {
            (loop_id, "clipping"), (other, "clipping"), (other, "other_tempo")
        }  # fmt: skip
        assert project.contents.serial > serial, "the explorer shows it"
        correct(project, loop_id, Correction(), store)
        assert project.contents.standing_faults is not None and len(project.contents.standing_faults) == 4


def test_a_metronome_plays_at_the_corrected_tempo_and_at_the_one_before(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[dict[str, Any]] = []
    monkeypatch.setattr(sound, "component", lambda *_args, data, **_more: shown.append(data))
    loop_id, other = library.unique["loop_id"]
    with Store(tmp_path / "store.sqlite3") as store:
        project = Project(ProjectRow("p", "local", str(library.root), "pack", 0.0), store)
        project.update(library=library, metadata=known_metadata(library.loops, store), faults=faults_frame([]))
        state: Any = project.contents
        sound.clicks_at_either_tempo(state, loop_id)
        assert not shown, "nobody says two tempi"
        correct(project, loop_id, Correction(118.5), store)
        state = project.contents
        sound.clicks_at_either_tempo(state, other)
        assert not shown, "of another loop"
        sound.clicks_at_either_tempo(state, loop_id)
        said = {"id": loop_id, "tempi": [{"bpm": 120.0, "said": "120"}, {"bpm": 118.5, "said": "118.5"}]}
        assert shown == [said]
        shown.clear()
        correct(project, loop_id, Correction(120.0), store)
        state = project.contents
        sound.clicks_at_either_tempo(state, loop_id)
        assert shown == [{"id": loop_id, "tempi": [said["tempi"][0]]}], "the name was right"
