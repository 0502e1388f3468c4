"""Names of real packs parse rightly, and where they say nothing nothing is invented."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from benchmarks.data import bench_folder
from loopscope.metadata import estimate_from_audio, parse_name, read_names
from loopscope.metadata.collect import measure_metadata
from loopscope.metadata.names import NameMetadata
from loopscope.store import Store

# name (without extension) -> instrument, genre, bpm, key. The naming styles of Splice, Loopmasters, Cymatics, KSHMR,
# Native Instruments, Apple Loops, Freesound and home-made packs; the names themselves are made up.
NAMES: dict[str, tuple[str | None, str | None, float | None, str | None]] = {
    # the four the paper's data sets use
    "Bass_110_Em": ("bass", None, 110, "Em"),
    "DD_TeleChop_85-Bmaj": ("guitar", None, 85, "B"),
    "120bpm": (None, None, 120, None),
    "Guitar07(80BPM)": ("guitar", None, 80, None),
    # tempo and key in the usual places
    "SO_AN_120_guitar_loop_Cmin": ("guitar", None, 120, "Cm"),
    "KSHMR_Bass_Loop_128_Am": ("bass", None, 128, "Am"),
    "Cymatics - Orchid Guitar Loop 3 - 120 BPM E Min": ("guitar", None, 120, "Em"),
    "DHC_124_Fm_BassLoop_01": ("bass", None, 124, "Fm"),
    "OS_NC_140_melody_D#m": (None, None, 140, "D#m"),
    "92_Bbm_RhodesChords_02": ("keys", None, 92, "Bbm"),
    "ESM_Trap_Bell_Loop_140_F#_minor": ("bells", "trap", 140, "F#m"),
    "VEH2 Vocal Loops 174 BPM C# Minor 08": ("vocals", None, 174, "C#m"),
    "HipHop_Keys_88bpm_Abmaj": ("keys", "hip hop", 88, "Ab"),
    "LoFi_Drum_Loop_75": ("drums", "lofi", 75, None),
    "Funk_Slap_Bass_105_G_03": ("bass", "funk", 105, "G"),
    "Guitar_115_F_Acoustic_02": ("guitar", None, 115, "F"),
    "bass080A": ("bass", None, 80, "A"),
    "bass110Em": ("bass", None, 110, "Em"),
    "140Gmin_Reese": ("bass", None, 140, "Gm"),
    "Fmin140 Pluck": ("synth", None, 140, "Fm"),
    "BPM126_TechHouse_Top_Loop": ("drums", "tech house", 126, None),
    "Deep House Chord bpm=122 Dbmin": (None, "deep house", 122, "Dbm"),
    "sax_phrase_Eb_98": ("woodwind", None, 98, "Eb"),
    "Bossa Nova Nylon Guitar 132 Dm": ("guitar", "bossa nova", 132, "Dm"),
    "dnb_drum_break_174bpm": ("drums", "drum and bass", 174, None),
    "Drum and Bass Pad 172 Am": ("synth", "drum and bass", 172, "Am"),
    "FutureBass_Chords_150_Ebmaj": (None, "future bass", 150, "Eb"),
    "R&B Electric Piano 68 BPM B Flat Major": ("piano", "rnb", 68, "Bb"),
    "Strings_Cinematic_A minor_90bpm": ("strings", "cinematic", 90, "Am"),
    "psytrance_303_acid_145_F#": ("synth", "psytrance", 145, "F#"),
    "Trumpet Section 120.5 BPM": ("brass", None, 120.5, None),
    "Amen Break 165 BPM": ("drums", None, 165, None),
    "Juno-106 Pad 110 Cm": ("synth", None, 110, "Cm"),
    "TR-808 Kick Loop 90 BPM": ("drums", None, 90, None),
    "Sub Bass 60bpm C sharp minor": ("bass", None, 60, "C#m"),
    "Loop 12 - 100 BPM": (None, None, 100, None),
    "UKG_Organ_Bass_132_Gm_24bit": ("organ", "garage", 132, "Gm"),
    "Slide Gtr 44100 95bpm D": ("guitar", None, 95, "D"),
    "E Piano Loop 120 Dm": ("keys", None, 120, "Dm"),
    "Marimba_Loop_110_Bm_Dry": ("mallets", None, 110, "Bm"),
    "tempo 84 Dub Skank Guitar": ("guitar", "dub", 84, None),
    "C♯m 140 Drill Piano": ("piano", "drill", 140, "C#m"),
    "Shaker_16ths_118": ("percussion", None, None, None),
    "Kick_Loop_124": ("drums", None, 124, None),
    "Vocal Chop A 100bpm": ("vocals", None, 100, "A"),
    "95 BPM Reggae Bassline Gm": ("bass", "reggae", 95, "Gm"),
    # nothing there, so nothing found
    "808": (None, None, None, None),
    "808_Bass_01": ("bass", None, None, None),
    "Kick 104": ("drums", None, None, None),
    "Snare_101_Processed": ("drums", None, None, None),
    "Juno 106 Strings": ("strings", None, None, None),
    "SH-101 Bass": ("bass", None, None, None),
    "Synth 96 kHz": ("synth", None, None, None),
    "rain_128kbps": (None, None, None, None),
    "loop_44100_24bit": (None, None, None, None),
    "Amen": (None, None, None, None),
    "I Am Legend": (None, None, None, None),
    "Guitar Part A": ("guitar", None, None, None),
    "Loop_B": (None, None, None, None),
    "Verse C 01": (None, None, None, None),
    "FM Bell": ("bells", None, None, None),
    "GM Piano C4": ("piano", None, None, None),
    "Peak -6dB": (None, None, None, None),
    "take 120": (None, None, None, None),
    "Vol 100 Drums": ("drums", None, None, None),
    "1999_party": (None, None, None, None),
    "_01": (None, None, None, None),
    "a major label demo drum": ("drums", None, None, None),
    "Chill Vibes": (None, "chillout", None, None),
    "17": (None, None, None, None),
    "": (None, None, None, None),
}


@pytest.mark.parametrize("name", NAMES)
def test_names(name: str) -> None:
    assert parse_name(name) == NameMetadata(*NAMES[name])


FOLDERS = {
    "bass110Em": NameMetadata("bass", None, 110, "Em"),
    "120 BPM Guitar Loops": NameMetadata("guitar", None, 120, None),
    "Drum Loops 120": NameMetadata("drums", None, None, None),
    "Kit 100": NameMetadata(),
    "03_Bass_Loops": NameMetadata("bass", None, None, None),
    "Am": NameMetadata(None, None, None, "Am"),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_folders(name: str) -> None:
    assert parse_name(name, is_folder=True) == FOLDERS[name]


def loops(*paths: str, root: str = "/packs/Disco Pack") -> pd.DataFrame:
    folders = ["/".join(path.split("/")[:-1]) for path in paths]
    return pd.DataFrame(
        {
            "loop_id": [f"id{i}" for i in range(len(paths))],
            "path": pd.Series([f"{root}/{path}" for path in paths], dtype="object"),
            "name": [path.split("/")[-1] for path in paths],
            "folder": folders,
        }
    )


def test_names_go_before_folders_and_near_folders_before_far_ones() -> None:
    table = read_names(loops("Guitars/Funk 100 BPM/Bass_110_Em.wav", "Guitars/Funk 100 BPM/03.wav", "x.flac"))
    first, second, third = table.to_dict("records")
    assert (first["instrument"], first["instrument_source"]) == ("bass", "name")
    assert (first["bpm"], first["bpm_source"]) == (110, "name")
    assert (second["instrument"], second["bpm"], second["genre"]) == ("guitar", 100, "funk")
    assert {second[f"{field}_source"] for field in ("instrument", "bpm", "genre")} == {"folder"}
    assert (second["key"], second["key_source"]) == (None, "")
    assert (third["genre"], third["genre_source"]) == ("disco", "folder")


def test_a_table_without_loops_has_its_columns() -> None:
    table = read_names(loops())
    assert list(table.columns) == [
        "loop_id",
        "path",
        *("instrument", "genre", "bpm", "key"),
        *("instrument_source", "genre_source", "bpm_source", "key_source"),
        *("bpm_file", "bpm_name", "bpm_audio", "key_file", "key_name", "key_audio"),
        *("tonic_audio", "root_note", "loop_start_s", "loop_end_s"),
    ]


def arpeggio(bpm: float, pitches: tuple[int, ...], n_beats: int, rate: int = 22050) -> np.ndarray:
    """One plucked note a beat, MIDI pitches in turn, with a click-like attack."""
    n = round(n_beats * 60 / bpm * rate)
    x = np.zeros(n)
    for beat in range(n_beats):
        start = round(beat * 60 / bpm * rate)
        t = np.arange(min(round(60 / bpm * rate), n - start)) / rate
        hz = 440 * 2 ** ((pitches[beat % len(pitches)] - 69) / 12)
        note = sum(np.sin(2 * np.pi * k * hz * t) / k for k in range(1, 5))
        x[start : start + len(t)] += note * np.exp(-t * 6)
    return (0.3 * x / np.abs(x).max()).astype(np.float32)


A_MINOR = (57, 60, 64, 69, 64, 60, 59, 56)  # A C E A E C B G#
G_MAJOR = (55, 59, 62, 67, 67, 62, 60, 59)  # G B D G G D C B


@pytest.mark.parametrize(
    ("bpm", "pitches", "key"), [(120.0, A_MINOR, "Am"), (93.0, G_MAJOR, "G"), (151.0, A_MINOR, "Am")]
)
def test_tempo_and_key_are_estimated(tmp_path: Path, bpm: float, pitches: tuple[int, ...], key: str) -> None:
    path = tmp_path / "loop.wav"
    soundfile.write(path, arpeggio(bpm, pitches, 16), 22050)
    estimate = estimate_from_audio(path)
    assert estimate.key == key
    assert estimate.bpm is not None
    assert min(abs(estimate.bpm / bpm - ratio) for ratio in (0.5, 1, 2)) < 0.01


@pytest.mark.parametrize("seconds", [0.2, 3.0])
def test_silence_and_single_hits_have_neither_tempo_nor_key(tmp_path: Path, seconds: float) -> None:
    path = tmp_path / "silence.wav"
    soundfile.write(path, np.zeros(int(seconds * 22050), np.float32), 22050)
    estimate = estimate_from_audio(path)
    assert (estimate.bpm, estimate.key) == (None, None)


def test_noise_has_no_key(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).standard_normal(22050 * 3).astype(np.float32)
    soundfile.write(tmp_path / "noise.wav", 0.1 * noise, 22050)
    assert estimate_from_audio(tmp_path / "noise.wav").key is None


def test_audio_fills_only_what_names_leave_open(tmp_path: Path) -> None:
    for name in ("Bass_100_Em.wav", "untitled.wav"):
        soundfile.write(tmp_path / name, arpeggio(120, A_MINOR, 16), 22050)
    (tmp_path / "broken.wav").write_bytes(b"not sound")
    library = loops("Bass_100_Em.wav", "untitled.wav", "broken.wav", root=str(tmp_path)).assign(duration_s=8.0)
    with Store(tmp_path / "store.sqlite3") as store:
        filled = measure_metadata(library, store).table.to_dict("records")
    assert (filled[0]["bpm"], filled[0]["key"], filled[0]["bpm_source"]) == (100, "Em", "name")
    assert (filled[0]["bpm_audio"], filled[0]["key_audio"]) == (120, "Am"), "what is heard is kept beside it"
    assert (filled[1]["key"], filled[1]["key_source"], filled[1]["bpm_source"]) == ("Am", "audio", "audio")
    assert (filled[2]["key"], filled[2]["bpm_source"]) == (None, "")


@pytest.mark.skipif(bench_folder() is None, reason="the labelled loops are not beside this checkout")
def test_every_labelled_name_is_read_rightly() -> None:
    labels = pd.read_csv(bench_folder() / "labels.csv")
    for row in labels.itertuples():
        found = parse_name(Path(row.path).stem)
        assert (found.instrument, found.bpm, found.key) == (row.instrument, row.bpm, row.key), row.path
