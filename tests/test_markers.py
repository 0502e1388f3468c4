"""Places in loops are taken away as they were found, and cue points change nothing of a sound."""

import io
import json
import struct
import wave
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from loopscope.analysis.moments import Moments
from loopscope.exports import execute, plan_copy, undo
from loopscope.exports.journal import read_journal
from loopscope.exports.markers import MOST_FOUND, cues_of, labels_zip, markers_of
from loopscope.exports.undo import CHANGED
from loopscope.exports.wave_cues import Cue, add_cues
from loopscope.faults import faults_frame
from loopscope.faults.base import Fault

CUES = [Cue(0.25, 0.25, "Clicks"), Cue(0.5, 1.0, "listen here (4.2 x typical)")]


def moments(loop_id: str) -> Moments | None:
    return Moments(loop_id, np.array([1, 1, 1, 4.2, 1, 1, 1, 1, 1, 1.0]), 0.2) if loop_id == "a" else None


def faults() -> pd.DataFrame:
    found = [
        {"loop_id": "a", **Fault("click", 1.0, (1.5, 0.1), "fault", "Clicks.", "2 clicks").row},
        {"loop_id": "b", **Fault("dropout", 0.3, (0.75,), "suspect", "A gap.", "gap").row},
        {"loop_id": "c", **Fault("hum", 0.8, (), "fault", "Hum.", "hum").row},
        {"loop_id": "elsewhere", **Fault("click", 1.0, (1.0,), "fault", "Clicks.", "click").row},
    ]
    return faults_frame(found)


def rows() -> pd.DataFrame:
    paths = ["/music/x/a.wav", "/music/b.flac", "/music/copy of a.wav", "/music/c.wav"]
    return pd.DataFrame({"loop_id": ["a", "b", "a", "c"], "path": paths, "duration_s": [2.0, 2.0, 2.0, 2.0]})


def test_every_place_is_listed_for_every_file_by_time() -> None:
    markers = markers_of(rows(), faults(), moments)
    own = markers[markers["path"] == "/music/x/a.wav"]
    assert own["start_s"].tolist() == pytest.approx([0.1, 0.45, 1.5])
    assert own["end_s"].tolist() == pytest.approx([0.1, 0.95, 1.5])
    assert own["label"].tolist() == ["Clicks", "listen here (4.2 x typical)", "Clicks"]
    assert own["odd"].tolist()[1] == pytest.approx(4.2) and own["odd"].isna().sum() == 2
    copy = markers[markers["path"] == "/music/copy of a.wav"].drop(columns="path").reset_index(drop=True)
    pd.testing.assert_frame_equal(copy, own.drop(columns="path").reset_index(drop=True))
    assert markers.loc[markers["loop_id"] == "b", "label"].str.startswith("perhaps ").all()
    assert set(markers["loop_id"]) == {"a", "b"}
    assert markers_of(rows().iloc[:0], faults()).empty


def test_a_long_list_keeps_nobody_waiting() -> None:
    ids = [f"{number}" for number in range(MOST_FOUND + 5)]
    many = pd.DataFrame({"loop_id": ids, "path": [f"/music/{i}.wav" for i in ids], "duration_s": 2.0})
    asked: list[str] = []

    def note(loop_id: str) -> None:
        asked.append(loop_id)

    markers_of(many, faults(), note)
    assert asked == ids[:MOST_FOUND]


def test_audacity_gets_a_label_track_a_file_and_no_name_leads_anywhere() -> None:
    names = ["/music/x/a.wav", "/music/X/A.wav", "/music/\udcffa.wav", "/elsewhere/../a.wav", "/music/a:b|c.wav"]
    many = pd.DataFrame({"loop_id": "a", "path": pd.Series(names, dtype=object), "duration_s": 2.0})
    with zipfile.ZipFile(io.BytesIO(labels_zip(markers_of(many, faults(), moments), Path("/music")))) as archive:
        listed = archive.namelist()
        tracks = [archive.read(name).decode() for name in listed]
    assert listed == ["x/a.wav.txt", "X/A.wav (2).txt", "_xffa.wav.txt", "a.wav.txt", "a_b_c.wav.txt"]
    for track in tracks:
        lines = [line.split("\t") for line in track.splitlines()]
        assert [float(line[0]) for line in lines] == pytest.approx([0.1, 0.45, 1.5])
        assert lines[1] == ["0.450000", "0.950000", "listen here (4.2 x typical)"]


def cues_in(content: bytes) -> list[tuple[int, int, str]]:
    """(first frame, frames, label) of every cue point, read as the format says."""
    assert content[:4] == b"RIFF" and struct.unpack("<I", content[4:8])[0] == len(content) - 8
    points, labels, lengths, at = {}, {}, {}, 12
    while at < len(content):
        name, length = content[at : at + 4], struct.unpack("<I", content[at + 4 : at + 8])[0]
        body = content[at + 8 : at + 8 + length]
        if name == b"cue ":
            for number in range(struct.unpack("<I", body[:4])[0]):
                key, position, chunk, _, _, offset = struct.unpack("<II4sIII", body[4 + 24 * number :][:24])
                assert chunk == b"data" and position == offset
                points[key] = offset
        if name == b"LIST" and body[:4] == b"adtl":
            inner = 4
            while inner < len(body):
                kind, size = body[inner : inner + 4], struct.unpack("<I", body[inner + 4 : inner + 8])[0]
                key = struct.unpack("<I", body[inner + 8 : inner + 12])[0]
                if kind == b"labl":
                    labels[key] = body[inner + 12 : inner + 8 + size].rstrip(b"\0").decode()
                if kind == b"ltxt":
                    lengths[key] = struct.unpack("<I", body[inner + 12 : inner + 16])[0]
                inner += 8 + size + size % 2
        at += 8 + length + length % 2
    return [(points[key], lengths.get(key, 0), labels[key]) for key in points]


def sound(path: Path, subtype: str = "PCM_16", rate: int = 8000, channels: int = 1) -> Path:
    samples = 0.4 * np.sin(np.arange(2 * rate * channels)).reshape(-1, channels)
    soundfile.write(path, samples[:-1] if subtype == "PCM_U8" else samples, rate, subtype=subtype)
    return path


@pytest.mark.parametrize(("subtype", "channels"), [("PCM_16", 2), ("PCM_24", 1), ("FLOAT", 1), ("PCM_U8", 1)])
def test_cue_points_lie_where_they_were_found_and_the_sound_stays(tmp_path: Path, subtype: str, channels: int) -> None:
    path = sound(tmp_path / "a.wav", subtype, channels=channels)
    before, samples = path.read_bytes(), soundfile.read(path)[0]
    assert add_cues(path, CUES)
    after = path.read_bytes()
    assert after[8 : len(before)] == before[8:]
    assert cues_in(after) == [(2000, 0, "Clicks"), (4000, 4000, "listen here (4.2 x typical)")]
    np.testing.assert_array_equal(soundfile.read(path)[0], samples)
    if subtype.startswith("PCM"):
        with wave.open(str(path)) as read, wave.open(io.BytesIO(before)) as original:
            assert read.readframes(10**6) == original.readframes(10**6)


def test_what_is_no_plain_wav_file_stays_as_it_is(tmp_path: Path) -> None:
    plain = sound(tmp_path / "plain.wav").read_bytes()
    with_own = sound(tmp_path / "own.wav")
    add_cues(with_own, CUES[:1])
    soundfile.write(tmp_path / "a.flac", np.zeros(800), 8000)
    others = {
        "own cue points": with_own.read_bytes(),
        "flac": (tmp_path / "a.flac").read_bytes(),
        "cut short": plain[:-100],
        "something behind": plain + b"TAG and more",
        "wrong length": plain[:4] + b"\xff\xff\xff\xff" + plain[8:],
        "big-endian": b"RIFX" + plain[4:],
        "a chunk too long": plain[:40] + b"\xff\xff\xff\x7f" + plain[44:],
        "header alone": b"RIFF\x04\0\0\0WAVE",
        "empty": b"",
    }
    for what, content in others.items():
        path = tmp_path / "other.wav"
        path.write_bytes(content)
        assert add_cues(path, CUES) == "", what
        assert path.read_bytes() == content, what
    path.write_bytes(plain)
    assert add_cues(path, []) == "" and path.read_bytes() == plain


def copied(tmp_path: Path) -> tuple[Path, Path]:
    """Undo file and destination of a copy with cue points, of a WAV and a FLAC file."""
    music = tmp_path / "music"
    music.mkdir()
    sound(music / "a.wav")
    soundfile.write(music / "b.flac", np.zeros(16000), 8000)
    paths = [str(music / "a.wav"), str(music / "b.flac")]
    table = pd.DataFrame({"loop_id": ["a", "b"], "path": paths, "duration_s": 2.0})
    plan = plan_copy(table, tmp_path / "there")
    done = execute(replace(plan, cues=lambda: cues_of(markers_of(table, faults(), moments))))
    return done, tmp_path / "there"


def test_copies_get_cue_points_and_originals_do_not(tmp_path: Path) -> None:
    done, there = copied(tmp_path)
    original = (tmp_path / "music" / "a.wav").read_bytes()
    assert b"cue " not in original
    labels = [label for *_, label in cues_in((there / "a.wav").read_bytes())]
    assert labels == ["Clicks", "listen here (4.2 x typical)", "Clicks"]
    assert (there / "b.flac").read_bytes() == (tmp_path / "music" / "b.flac").read_bytes()
    assert [bool(entry.added) for entry in read_journal(done).entries] == [True, False]
    assert undo(done).left.empty
    assert not (there / "a.wav").exists() and (tmp_path / "music" / "a.wav").read_bytes() == original


@pytest.mark.parametrize("at", [100, -30])
def test_a_copy_that_was_changed_since_is_kept(tmp_path: Path, at: int) -> None:
    """In its sound, or in its cue points, which somebody may have named anew."""
    done, there = copied(tmp_path)
    content = bytearray((there / "a.wav").read_bytes())
    content[at] ^= 1
    (there / "a.wav").write_bytes(content)
    left = undo(done).left
    assert left["reason"].tolist() == [CHANGED] and (there / "a.wav").read_bytes() == content


def test_an_undo_file_that_lies_about_cue_points_removes_nothing(tmp_path: Path) -> None:
    done, there = copied(tmp_path)
    other = sound(there / "mine.wav", rate=4000)
    lines = [json.loads(line) for line in done.read_text().splitlines()]
    for line in lines[1:]:
        for key in ("target", "done"):
            if key in line:
                line[key] = line[key].replace("a.wav", "mine.wav")
    done.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert undo(done).left["reason"].tolist() == [CHANGED]
    assert other.exists()
