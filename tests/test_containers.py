"""What bytes say they are and how much of it is missing, on headers written by hand from the specifications."""

import io

import pytest

from loopscope.audio import containers
from loopscope.audio.containers import MAX_CHUNKS, OGG_TAIL_BYTES, identify, is_text, missing_bytes
from loopscope.errors import AudioError

W64 = bytes.fromhex("726966662e91cf11a5d628db04c10000")
ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"RIFF\0\0\0\0WAVEfmt ", "WAV"),
        (b"RIFX\0\0\0\0WAVEfmt ", "WAV"),
        (b"RF64\xff\xff\xff\xffWAVEds64", "RF64"),
        (b"BW64\xff\xff\xff\xffWAVEds64", "RF64"),
        (b"FORM\0\0\0\0AIFFCOMM", "AIFF"),
        (b"FORM\0\0\0\0AIFCFVER", "AIFF"),
        (b"\0\0\0\x20ftypM4A ", "MP4"),
        (b"fLaC\0\0\0\x22", "FLAC"),
        (b"OggS\0\x02", "OGG"),
        (b"caff\0\x01", "CAF"),
        (b".snd\0\0\0\x18", "AU"),
        (W64, "W64"),
        (b"ID3\x04\0", "MP3"),
        (b"\xff\xfb\x90\x64", "MP3"),
        (b"\xff\xe2", "MP3"),
        (b"\xff\xf4\0", "MP3"),
        (b"\0" * 999 + b"\xff\xfb\x90\x64", "MP3"),
        (ASF, "ASF"),
    ],
)
def test_a_container_is_told_by_its_first_bytes_and_by_each_of_them(head: bytes, kind: str) -> None:
    assert identify(head) == kind
    assert identify(head + b"\0" * 100) == kind
    for short in (head[:1], head[:2].strip(b"\xff\0") or b"\x01"):
        with pytest.raises(AudioError):
            identify(short)


@pytest.mark.parametrize(
    ("head", "held"),
    [
        (b"PK\x03\x04", "a ZIP archive"),
        (b"\x1f\x8b\x08", "a gzip archive"),
        (b"Rar!\x1a", "a RAR archive"),
        (b"7z\xbc\xaf", "a 7-Zip archive"),
        (b"\0\x05\x16\x07\0", "a macOS resource file (AppleDouble)"),
        (b"%PDF-1.7", "a PDF document"),
        (b"\x89PNG\r\n", "a PNG picture"),
        (b"\xff\xd8\xff\xe0", "a JPEG picture"),
        (b"MThd\0\0", "a MIDI file"),
        (b"\x7fELF\x02", "a program"),
        (b"SQLite format 3\0", "an SQLite database"),
        (b"\0" * 4096, "only zeros at its beginning"),
        (b"\xef\xbb\xbf \t\r\n<!DOCTYPE html><p>", "a web page"),
        (b"<HTML>", "a web page"),
        (b" " * 4000 + b"<html>", "a web page"),
        (b"#EXTM3U\n/etc/passwd\n", "text"),
        (b"X<html>", "text"),
        (b"X\xff\xfb\x90", "text"),
        (b"\x01\x02\x03\x04\x05", "an unknown kind of data (it begins with 01 02 03 04)"),
        (b"\xff\xf1\x50\x80\x01", "an unknown kind of data (it begins with ff f1 50 80)"),  # AAC: no layer
        (b"\xff\x1b\x01", "an unknown kind of data (it begins with ff 1b 01)"),
        (b"\xfe\xfb\x01", "an unknown kind of data (it begins with fe fb 01)"),
        (b"\0\0\0\x20fxyp\x01", "an unknown kind of data (it begins with 00 00 00 20)"),
        (b"\0X\0\0\0", "an unknown kind of data (it begins with 00 58 00 00)"),
        (b"\0\xff", "an unknown kind of data (it begins with 00 ff)"),
    ],
)
def test_what_is_no_sound_is_called_what_it_is(head: bytes, held: str) -> None:
    with pytest.raises(AudioError) as caught:
        identify(head)
    assert str(caught.value) == f"The file holds {held}, not sound."


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (b"", r"^The file is empty \(0 bytes\)\.$"),
        (b"RIFF\0\0\0\0AVI LIST", "^The file is a RIFF file of kind 'AVI', not WAVE"),
        (b"RF64\0\0\0\0W\xe9VE", r"kind 'W\\\\xe9VE', not WAVE"),
        (b"FORM\0\0\0\x00ILBMBMHD", "^The file is an IFF file of kind 'ILBM', not AIFF"),
    ],
)
def test_what_is_sound_of_no_kind_we_know_says_its_kind(head: bytes, reason: str) -> None:
    with pytest.raises(AudioError, match=reason):
        identify(head)


def test_text_has_no_control_character_but_white_space() -> None:
    allowed = {byte for byte in range(256) if is_text(b"a" + bytes([byte]))}
    assert allowed == {*b"\t\n\f\r", *range(32, 127), *range(128, 256)}


def missing(kind: str, content: bytes) -> int:
    file = io.BytesIO(content)
    file.seek(7)
    return missing_bytes(file, kind, len(content))


def riff(*chunks: tuple[bytes, int, int], order: str = "little", form: bytes = b"WAVE") -> bytes:
    """A file of chunks (name, announced size, bytes that are there)."""
    group = b"FORM" if form == b"AIFF" else b"RIFF" if order == "little" else b"RIFX"
    parts = [name + size.to_bytes(4, order) + b"\x01" * there for name, size, there in chunks]  # type: ignore[arg-type]
    return group + b"\0\0\0\0" + form + b"".join(parts)


CHUNKED = [("WAV", b"data", "little", b"WAVE"), ("WAV", b"data", "big", b"WAVE"), ("AIFF", b"SSND", "big", b"AIFF")]


@pytest.mark.parametrize(("kind", "name", "order", "form"), CHUNKED)
@pytest.mark.parametrize(
    ("announced", "there", "lacking"),
    [(100, 100, 0), (100, 99, 1), (101, 101, 0), (100, 0, 100), (100, 300, 0), (0, 0, 0), (0x7FFFEFFF, 9, 0x7FFFEFF6)],
)
def test_sound_that_is_announced_and_not_there_is_counted(
    kind: str, name: bytes, order: str, form: bytes, announced: int, there: int, lacking: int
) -> None:
    sound = (name, announced, there)
    assert missing(kind, riff(sound, order=order, form=form)) == lacking
    for before in ((b"LIST", 10, 10), (b"LIST", 11, 12), (b"junk", 0, 0)):  # an odd size is followed by one byte more
        assert missing(kind, riff(before, sound, order=order, form=form)) == lacking


@pytest.mark.parametrize(("kind", "name", "order", "form"), CHUNKED)
def test_a_size_that_nobody_went_back_to_write_says_nothing(kind: str, name: bytes, order: str, form: bytes) -> None:
    for size in (0x7FFFF000, 0xFFFFFFFF):
        assert missing(kind, riff((name, size, 10), order=order, form=form)) == 0


@pytest.mark.parametrize(("kind", "name", "order", "form"), CHUNKED)
def test_a_walk_over_chunks_ends(kind: str, name: bytes, order: str, form: bytes) -> None:
    sound = (name, 100, 90)
    for n_before, lacking in ((MAX_CHUNKS - 1, 10), (MAX_CHUNKS, 0)):
        assert missing(kind, riff(*[(b"junk", 0, 0)] * n_before, sound, order=order, form=form)) == lacking
    assert MAX_CHUNKS == 4096
    for cut in (riff(order=order, form=form), riff((b"LIST", 8, 8), order=order, form=form) + name + b"\0\0\0"):
        assert missing(kind, cut) == 0


@pytest.mark.parametrize(("data_bytes", "lacking"), [(10, 0), (41, 5), (2**40, 2**40 - 36)])
def test_rf64_says_its_size_in_the_first_chunk(data_bytes: int, lacking: int) -> None:
    header = b"ds64" + (28).to_bytes(4, "little") + (2**50).to_bytes(8, "little") + data_bytes.to_bytes(8, "little")
    content = b"RF64\xff\xff\xff\xffWAVE" + header
    assert len(content) == 36 and missing("RF64", content) == lacking
    assert missing("RF64", content[:-1]) == 0
    assert missing("RF64", content.replace(b"ds64", b"junk")) == 0


def w64(*chunks: tuple[bytes, int, int]) -> bytes:
    """A file of chunks (name, announced size with its header of 24 bytes, bytes that are there behind the header)."""
    parts = [name + b"\0" * 12 + size.to_bytes(8, "little") + b"\x01" * there for name, size, there in chunks]
    return W64 + bytes(8) + b"wave" + b"\0" * 12 + b"".join(parts)


@pytest.mark.parametrize(
    ("chunks", "lacking"),
    [
        ([(b"data", 124, 100)], 0),
        ([(b"data", 124, 99)], 1),
        ([(b"data", 2**62, 0)], 2**62 - 24),
        ([(b"fmt ", 64, 40), (b"data", 124, 90)], 10),
        ([(b"fmt ", 61, 40), (b"data", 124, 90)], 10),  # chunks begin at multiples of eight
        ([(b"fmt ", 24, 0), (b"data", 24, 0)], 0),
        ([(b"fmt ", 23, 1), (b"data", 124, 0)], 0),
        ([(b"fmt ", 2**63, 0), (b"data", 124, 0)], 0),
        ([(b"junk", 24, 0)] * (MAX_CHUNKS - 1) + [(b"data", 124, 90)], 10),
        ([(b"junk", 24, 0)] * MAX_CHUNKS + [(b"data", 124, 90)], 0),
        ([], 0),
    ],
)
def test_w64_says_its_size_in_a_chunk_of_64_bits(chunks: list[tuple[bytes, int, int]], lacking: int) -> None:
    assert missing("W64", w64(*chunks)) == lacking
    assert missing("W64", w64((b"data", 124, 0))[:-1]) == 0


def test_a_chunk_of_w64_that_is_shorter_than_its_own_header_ends_the_walk() -> None:
    sizes = (8).to_bytes(8, "little") + (124).to_bytes(8, "little")
    assert missing("W64", w64() + b"fmt \0\0\0\0data\0\0\0\0" + sizes) == 0


def page(flags: int, n_segments: int = 3, payload: int = 600) -> bytes:
    """An Ogg page whose segments have 200 bytes each; of those, `payload` are there."""
    return b"OggS\0" + bytes([flags]) + b"\x01" * 20 + bytes([n_segments]) + b"\xc8" * n_segments + b"\x02" * payload


@pytest.mark.parametrize(
    ("content", "lacking"),
    [
        (page(2) + page(4), 0),
        (page(2) + page(5), 0),
        (page(2) + page(0), 1),
        (page(2) + page(3), 1),
        (page(4) + page(0), 1),
        (page(4) + page(4, payload=599), 1),
        (page(4) + page(4, payload=0), 600),
        (page(4) + page(4)[:29], 1),
        (page(4) + page(4)[:27], 1),
        (page(4) + page(4)[:26], 1),
        (page(4, n_segments=0, payload=0), 0),
        (page(4) + b"\x03" * 50, 0),
        (b"\x03" * 500, 1),
        (b"\x03" * OGG_TAIL_BYTES + page(4), 0),
        (page(4) + b"\x03" * OGG_TAIL_BYTES, 1),
        (page(4, n_segments=255, payload=51_000), 0),
    ],
)
def test_the_last_page_of_ogg_says_that_it_is_the_last(content: bytes, lacking: int) -> None:
    assert missing("OGG", content) == lacking
    assert OGG_TAIL_BYTES > 65_307, "the longest page there is"


@pytest.mark.parametrize("kind", ["FLAC", "MP3", "CAF", "AU", "MP4", "ASF"])
def test_who_announces_no_bytes_lacks_none(kind: str) -> None:
    assert missing(kind, riff((b"data", 100, 0))) == 0


def test_how_much_is_looked_at_is_bounded() -> None:
    assert containers.HEAD_BYTES == 4096
