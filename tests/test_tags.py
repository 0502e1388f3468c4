"""What files say of tempo, key, root note and loop points is read as other programs write it, and not believed."""

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from tempfile import NamedTemporaryFile

import mutagen.aiff
import mutagen.flac
import mutagen.id3
import mutagen.mp3
import mutagen.oggvorbis
import mutagen.wave
import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from loopscope import audio
from loopscope.audio import tags
from loopscope.audio.tags import FileTags, read_tags
from loopscope.errors import AudioError
from loopscope.faults.file_report import check_file
from loopscope.library import scan_folder
from loopscope.metadata import parse_name
from loopscope.metadata.collect import known_metadata, measure_metadata
from loopscope.metadata.tags import key_of
from loopscope.store import Store
from loopscope.ui.explain.metadata import metadata_in_words
from tests.styles import drums

RATE = 22050
SECONDS = 4.8  # eight beats at 100 BPM
SOUND = (0.1 * np.sin(2 * np.pi * 110 * np.arange(int(SECONDS * RATE)) / RATE)).astype(np.float32)
GET_LOOP_INFO, GET_INSTRUMENT, SET_INSTRUMENT = 0x10E0, 0x10D0, 0x10D1  # libsndfile's commands
INSTRUMENT_SIZE = 16 + 16 * 16
APPLE = bytes.fromhex("29819273b5bf4aefb78d62d1ef90bb2c")


def written(path: Path, kind: str = "WAV", **options: str) -> Path:
    soundfile.write(path, SOUND, RATE, format=kind, **options)
    return path


def with_chunk(path: Path, name: bytes, data: bytes, order: str = "<") -> Path:
    """The chunk put behind the last one, the size of the whole corrected."""
    content = bytearray(path.read_bytes())
    content += name + struct.pack(order + "I", len(data)) + data + b"\0" * (len(data) % 2)
    content[4:8] = struct.pack(order + "I", len(content) - 8)
    path.write_bytes(content)
    return path


def acid(tempo: float, beats: int = 8, root: int = 57, flags: int = 0x02) -> bytes:
    return struct.pack("<IHHfIHHf", flags, root, 0x8000, 0.0, beats, 4, 4, tempo)


def apple_loop(beats: int, root: int, scale: int) -> bytes:
    return struct.pack(">IIHHHHH", 1, beats, root, scale, 4, 4, 0) + bytes(66)


def tags_of(path: Path) -> FileTags:
    return read_tags(path, audio.probe(path))


def libsndfile_says(path: Path) -> tuple[int, float, int]:
    """Beats, tempo and root note of a file as libsndfile reads them."""
    with soundfile.SoundFile(path) as file:
        info = soundfile._ffi.new("char[]", 64)
        assert soundfile._snd.sf_command(file._file, GET_LOOP_INFO, info, 44)
        beats, tempo, root = struct.unpack("=ifi", bytes(soundfile._ffi.buffer(info))[8:20])
    return beats, tempo, root


def root_in_libsndfile(path: Path) -> int:
    """The root note of an instrument as libsndfile reads it."""
    with soundfile.SoundFile(path) as file:
        memory = soundfile._ffi.new("char[]", INSTRUMENT_SIZE)
        assert soundfile._snd.sf_command(file._file, GET_INSTRUMENT, memory, INSTRUMENT_SIZE)
        return bytes(soundfile._ffi.buffer(memory))[4]


def with_instrument(path: Path) -> Path:
    """Root note and loop points as libsndfile writes them."""
    with soundfile.SoundFile(path, "w", RATE, 1, format="WAV") as file:
        instrument = struct.pack("=ibbbbbb2xi", 1, 45, 0, 0, 127, 0, 127, 1) + struct.pack("=iIII", 801, 1000, 9000, 0)
        memory = soundfile._ffi.new("char[]", instrument.ljust(INSTRUMENT_SIZE, b"\0"))
        assert soundfile._snd.sf_command(file._file, SET_INSTRUMENT, memory, INSTRUMENT_SIZE)
        file.write(SOUND)
    return path


def with_id3(path: Path, file: Callable[[Path], mutagen.FileType]) -> Path:
    opened = file(path)
    if opened.tags is None:
        opened.add_tags()
    opened.tags.add(mutagen.id3.TBPM(encoding=3, text=["128"]))
    opened.tags.add(mutagen.id3.TKEY(encoding=3, text=["F#m"]))
    opened.save()
    return path


def with_comments(path: Path, file: Callable[[Path], mutagen.FileType], tempo: str, key: str) -> Path:
    opened = file(path)
    opened[tempo], opened[key] = "93.5", "Bbm"
    opened.save()
    return path


# --- what each kind says


def test_an_acid_chunk_is_read_as_libsndfile_reads_it(tmp_path: Path) -> None:
    path = with_chunk(written(tmp_path / "a.wav"), b"acid", acid(100.0))
    assert libsndfile_says(path) == (8, 100.0, 57)
    assert tags_of(path) == FileTags(bpm=100.0, root_note=57)
    without_tempo = with_chunk(written(tmp_path / "b.wav"), b"acid", acid(0.0, flags=0))
    assert tags_of(without_tempo) == FileTags(bpm=100.0), "eight beats in 4.8 s"
    one_shot = with_chunk(written(tmp_path / "c.wav"), b"acid", acid(120.0, flags=0x03))
    assert tags_of(one_shot) == FileTags(root_note=57), "a single hit has no tempo"


def test_root_note_and_loop_points_are_read_as_libsndfile_writes_them(tmp_path: Path) -> None:
    found = tags_of(with_instrument(tmp_path / "loop.wav"))
    assert found.root_note == 45
    assert found.loop_s == pytest.approx((1000 / RATE, 9000 / RATE), abs=2 / RATE)


def test_an_instrument_in_aiff_is_read_as_libsndfile_reads_it(tmp_path: Path) -> None:
    marks = struct.pack(">HhIB", 2, 7, 1000, 5) + b"begin" + struct.pack(">hIB", 8, 9000, 4) + b"end!" + b"\0"
    path = with_chunk(written(tmp_path / "a.aif", "AIFF"), b"MARK", marks, ">")
    instrument = struct.pack(">bbbbbbhhhhhhh", 45, 0, 0, 127, 0, 127, 0, 1, 7, 8, 0, 0, 0)
    found = tags_of(with_chunk(path, b"INST", instrument, ">"))
    assert found.root_note == root_in_libsndfile(path) == 45
    assert found.loop_s == pytest.approx((1000 / RATE, 9000 / RATE))


@pytest.mark.parametrize(("scale", "key"), [(1, "Am"), (2, "A"), (0, None), (4, None)])
def test_an_apple_loop_is_read_as_libsndfile_reads_it(tmp_path: Path, scale: int, key: str | None) -> None:
    path = with_chunk(written(tmp_path / "a.aif", "AIFF"), b"basc", apple_loop(8, 57, scale), ">")
    beats, tempo, root = libsndfile_says(path)
    assert (beats, tempo, root) == (8, pytest.approx(100.0, abs=0.01), 57)
    assert tags_of(path) == FileTags(bpm=100.0, key=key, root_note=57)


def test_an_apple_loop_in_caf_is_read(tmp_path: Path) -> None:
    path = written(tmp_path / "a.caf", "CAF")
    said = b"\0".join([b"category", b"Bass", b"beat count", b"8", b"key signature", b"C#", b"key type", b"minor", b""])
    data = APPLE + struct.pack(">I", 4) + said
    content = path.read_bytes()
    path.write_bytes(content[:8] + chunk_of_caf(content, b"desc") + caf(b"uuid", data) + after_caf(content, b"desc"))
    assert soundfile.info(path).frames == len(SOUND), "libsndfile still reads it"
    found = tags_of(path)
    assert (found.bpm, key_of(found)) == (100.0, "C#m")


def caf(name: bytes, data: bytes) -> bytes:
    return name + struct.pack(">q", len(data)) + data


def chunk_of_caf(content: bytes, name: bytes) -> bytes:
    start = content.index(name)
    return content[start : start + 12 + struct.unpack(">q", content[start + 4 : start + 12])[0]]


def after_caf(content: bytes, name: bytes) -> bytes:
    return content[content.index(name) + len(chunk_of_caf(content, name)) :]


TAGGED: dict[str, Callable[[Path], Path]] = {
    "ID3 in MP3": lambda folder: with_id3(written(folder / "a.mp3", "MP3"), mutagen.mp3.MP3),
    "ID3 in WAV": lambda folder: with_id3(written(folder / "a.wav"), mutagen.wave.WAVE),
    "ID3 in AIFF": lambda folder: with_id3(written(folder / "a.aif", "AIFF"), mutagen.aiff.AIFF),
}
COMMENTED: dict[str, Callable[[Path], Path]] = {
    "FLAC": lambda folder: with_comments(written(folder / "a.flac", "FLAC"), mutagen.flac.FLAC, "BPM", "INITIALKEY"),
    "Ogg": lambda folder: with_comments(written(folder / "a.ogg", "OGG"), mutagen.oggvorbis.OggVorbis, "bpm", "KEY"),
}


@pytest.mark.parametrize("kind", TAGGED)
def test_id3_is_read_as_mutagen_writes_it(tmp_path: Path, kind: str) -> None:
    found = tags_of(TAGGED[kind](tmp_path))
    assert (found.bpm, key_of(found)) == (128, "F#m")


@pytest.mark.parametrize("kind", COMMENTED)
def test_vorbis_comments_are_read_as_mutagen_writes_them(tmp_path: Path, kind: str) -> None:
    found = tags_of(COMMENTED[kind](tmp_path))
    assert (found.bpm, key_of(found)) == (93.5, "Bbm")


def test_a_file_without_tags_says_nothing(tmp_path: Path) -> None:
    for kind in ("WAV", "AIFF", "CAF", "FLAC", "OGG", "MP3", "RF64", "W64", "AU"):
        assert tags_of(written(tmp_path / "plain", kind)) == FileTags(), kind


KEYS = {
    "Am": "Am", "A minor": "Am", "F# min": "F#m", "C♯m": "C#m", "E♭": "Eb", "Bb major": "Bb", "g": "G", "CM": "C",
    "8A": "Am", "8B": "C", "1A": "G#m", "12B": "E", "11a": "F#m", "1m": "Am", "1d": "C", "6m": "G#m",
    "o": None, "H": None, "": None, "13A": None, "0B": None, "A lydian": None, "All": None,
}  # fmt: skip


@pytest.mark.parametrize("text", KEYS)
def test_keys_are_written_in_one_way(text: str) -> None:
    found = key_of(FileTags(key=text))
    assert found == KEYS[text]
    assert found is None or parse_name(f"Bass_100_{found}").key == found, "as names are read"


@pytest.mark.parametrize(
    ("tempo", "said"), [(99.993, 100), (93.456, 93.46), (39.9, 100), (301.0, 100), (40.0, 40), (0.0, 100)]
)
def test_a_tempo_is_one_of_music_else_the_beats_tell_it(tmp_path: Path, tempo: float, said: float) -> None:
    assert tags_of(with_chunk(written(tmp_path / "a.wav"), b"acid", acid(tempo))).bpm == said


# --- lies


LIES = {
    "infinite": acid(float("inf")), "no number": acid(float("nan")), "negative": acid(-120.0), "huge": acid(3e38),
    "beats without end": acid(0.0, beats=0xFFFFFFFF), "root 65535": acid(100.0, root=65535), "cut": acid(100.0)[:7],
    "empty": b"",
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_a_lying_chunk_is_a_value_or_nothing(tmp_path: Path, lie: str) -> None:
    found = tags_of(with_chunk(written(tmp_path / "a.wav"), b"acid", LIES[lie]))
    assert found.bpm in (None, 100)
    assert found.root_note in (None, 57)


def test_a_tag_that_announces_too_much_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = TAGGED["ID3 in WAV"](tmp_path)
    monkeypatch.setattr("loopscope.audio.tags.LARGEST_READ", 3)
    assert tags_of(path) == FileTags()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_damage_makes_reading_fail(data: st.DataObject) -> None:
    plain = BytesIO()
    kind = data.draw(st.sampled_from(["WAV", "AIFF", "CAF", "FLAC", "OGG"]))
    soundfile.write(plain, SOUND[:2000], RATE, format=kind)
    content = bytearray(plain.getvalue())
    for name in data.draw(st.lists(st.sampled_from([b"acid", b"smpl", b"basc", b"INST", b"MARK", b"uuid", b"ID3 "]))):
        content += name + data.draw(st.binary(max_size=90))
    for place in data.draw(st.lists(st.integers(12, len(content) - 1), max_size=20)):
        content[place] = data.draw(st.integers(0, 255))
    info = audio.readers.AudioInfo(1.0, RATE, 1, kind)
    with damaged(bytes(content)) as path:
        try:
            found = read_tags(path, info)
        except AudioError:  # no longer sound
            return
    assert found.bpm is None or 40 <= found.bpm <= 300
    assert found.root_note is None or 0 < found.root_note < 128


@contextmanager
def damaged(content: bytes) -> Iterator[Path]:
    with NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        yield Path(file.name)


# --- one value with its source


@pytest.fixture
def loops(tmp_path: Path) -> pd.DataFrame:
    folder = tmp_path / "100 BPM"
    folder.mkdir()
    with_chunk(written(folder / "Bass_97_Em.wav"), b"acid", acid(100.0))
    with_id3(written(folder / "untitled.mp3", "MP3"), mutagen.mp3.MP3)
    written(folder / "Loop_90_A.flac", "FLAC")
    written(folder / "plain.aif", "AIFF")
    return scan_folder(folder).loops


def test_the_file_goes_before_its_name_and_all_that_is_said_is_kept(loops: pd.DataFrame, tmp_path: Path) -> None:
    with Store(tmp_path / "store.sqlite3") as store:
        assert known_metadata(loops, store).missing == set(loops["loop_id"])
        found = measure_metadata(loops, store)
        pd.testing.assert_frame_equal(known_metadata(loops, store).table, found.table)
        assert not found.missing
    rows = found.table.assign(name=[Path(path).name for path in found.table["path"]]).set_index("name")
    said = rows[["bpm", "bpm_source", "key", "key_source"]].apply(tuple, axis=1).to_dict()
    assert said["Bass_97_Em.wav"] == (100, "file", "Em", "name")
    assert said["untitled.mp3"] == (128, "file", "F#m", "file")
    assert said["Loop_90_A.flac"] == (90, "name", "A", "name")
    assert said["plain.aif"][:2] == (100, "folder")
    assert rows.loc["Bass_97_Em.wav", ["bpm_file", "bpm_name"]].tolist() == [100, 97]
    assert rows.loc["untitled.mp3", ["bpm_file", "bpm_name", "key_name"]].tolist() == [128, 100, None]
    words = metadata_in_words(rows.loc["Bass_97_Em.wav"]).replace("\\", "")
    assert words.startswith("100 BPM (from its tags; 97 from its name), key Em (from its name)")
    assert words.endswith("root note A3 (from its tags).")
    assert rows["root_note"].dropna().tolist() == [57]


def test_tags_that_were_read_are_not_read_again(loops: pd.DataFrame, tmp_path: Path) -> None:
    with Store(tmp_path / "store.sqlite3") as store:
        first = measure_metadata(loops, store)
        for path in loops["path"]:
            Path(path).unlink()
        pd.testing.assert_frame_equal(measure_metadata(loops, store).table, first.table)


@pytest.mark.parametrize(
    ("tagged", "named", "said"),
    [
        (97, 120, "Its tags say 97 BPM; its length and its attacks fit 120 BPM."),
        (97, 97, "Its name and its tags say 97 BPM; its length and its attacks fit 120 BPM."),
        (120, 97, "Its name says 97 BPM; its length and its attacks fit 120 BPM."),
        (60, 120, None),
    ],
)
def test_tags_that_contradict_the_sound_are_told(tmp_path: Path, tagged: float, named: float, said: str | None) -> None:
    soundfile.write(tmp_path / "drums.wav", drums(), 44100)
    found = check_file(with_chunk(tmp_path / "drums.wav", b"acid", acid(tagged)), named)
    assert [fault.sentence for fault in found if fault.kind == "other_tempo"] == ([said] if said else [])


def test_a_tag_with_many_values_is_read_once_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each value was compared with all before it: 16 MB of them, which a tag may hold, took hours."""
    path = written(tmp_path / "many.wav")
    opened = mutagen.wave.WAVE(path)
    opened.add_tags()
    assert opened.tags is not None
    for number in range(3_000):
        opened.tags.add(mutagen.id3.TXXX(encoding=3, desc=f"d{number}", text=[f"value {number}"]))
    opened.tags.add(mutagen.id3.TKEY(encoding=3, text=["Am"]))
    opened.save()
    compared: list[int] = []
    few = tags._take_few

    def noting(tag: object, field: str, value: str) -> None:
        few(tag, field, value)  # type: ignore[arg-type]
        compared.append(sum(map(len, tag.other.values())))  # type: ignore[attr-defined]

    monkeypatch.setattr(tags.TinyTag, "_set_other_field", noting)
    with path.open("rb", buffering=0) as file:
        assert tags._of_tinytag(file).key == "Am"
    assert len(compared) > 1_000 and max(compared) <= 2 * tags.MOST_VALUES
