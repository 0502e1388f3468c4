"""What the bytes of a file say it is, before any decoder sees them.

Two questions are answered here. `identify` names the container from the first bytes, so that text, archives and
playlists never reach a decoder (a playlist handed to ffmpeg would open whatever it names). `missing_bytes` tells how
much sound data the header announces beyond the end of the file: libsndfile reads such files without a word.

Sources: RIFF/WAVE (Microsoft 1991), EBU Tech 3306 (RF64), AIFF 1.3 (Apple 1989), RFC 3533 (Ogg), RFC 9639 (FLAC).
"""

from collections.abc import Iterable, Iterator
from typing import BinaryIO, Literal

from loopscope.errors import AudioError

HEAD_BYTES = 4096
MAX_CHUNKS = 4096  # a walk over chunks ends here, however small and many the chunks of a hostile file are
LARGEST_SIZE = 1 << 62
STREAMED_SIZE = 0x7FFFF000  # sizes from here up are placeholders of programs that could not seek back
OGG_TAIL_BYTES = 65536 + 512  # the longest Ogg page is 65307 bytes
OGG_END_OF_STREAM = 0x04

Order = Literal["big", "little", "caf"]  # of a chunk's size: 32 bits and padding to even places, in CAF 64 bits

_W64_MAGIC = b"riff\x2e\x91\xcf\x11"
_PREFIXES = (
    (b"fLaC", "FLAC"),
    (b"OggS", "OGG"),
    (b"caff", "CAF"),
    (b".snd", "AU"),
    (_W64_MAGIC, "W64"),
    (b"ID3", "MP3"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "ASF"),
)
_FOREIGN = (
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"\x00\x05\x16\x07", "a macOS resource file (AppleDouble)"),
    (b"%PDF", "a PDF document"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"MThd", "a MIDI file"),
    (b"\x7fELF", "a program"),
    (b"SQLite format 3", "an SQLite database"),
)


def identify(head: bytes) -> str:
    """Name the container of a file from its first `HEAD_BYTES` bytes.

    Returns one of WAV, RF64, W64, AIFF, FLAC, OGG, MP3, CAF, AU, MP4, ASF.
    Raises AudioError with what the file holds instead.
    """
    if not head:
        raise AudioError("The file is empty (0 bytes).")
    kind = _chunked_kind(head) or _prefixed_kind(head)
    if kind:
        return kind
    raise AudioError(f"The file holds {_foreign_kind(head)}, not sound.")


def _chunked_kind(head: bytes) -> str | None:
    group, form = head[:4], head[8:12]
    if group in (b"RIFF", b"RIFX", b"RF64", b"BW64"):
        if form != b"WAVE":
            raise AudioError(f"The file is a RIFF file of kind {_printable(form)}, not WAVE.")
        return "WAV" if group in (b"RIFF", b"RIFX") else "RF64"
    if group == b"FORM":
        if form not in (b"AIFF", b"AIFC"):
            raise AudioError(f"The file is an IFF file of kind {_printable(form)}, not AIFF.")
        return "AIFF"
    return "MP4" if head[4:8] == b"ftyp" else None


def _prefixed_kind(head: bytes) -> str | None:
    if kind := _named(head, _PREFIXES):
        return kind
    # An MPEG frame begins with eleven set bits; zeros before the first frame are left behind by some editors.
    frame = head.lstrip(b"\0")[:2]
    is_mpeg = len(frame) == 2 and frame[0] == 0xFF and frame[1] & 0xE0 == 0xE0 and frame[1] & 0x06 != 0
    return "MP3" if is_mpeg else None


def _named(head: bytes, prefixes: Iterable[tuple[bytes, str]]) -> str | None:
    return next((name for prefix, name in prefixes if head.startswith(prefix)), None)


def _foreign_kind(head: bytes) -> str:
    if name := _named(head, _FOREIGN):
        return name
    if not head.strip(b"\0"):
        return "only zeros at its beginning"
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:64].lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "a web page"
    if is_text(head):
        return "text"
    return f"an unknown kind of data (it begins with {head[:4].hex(' ')})"


def is_text(head: bytes) -> bool:
    """True where no control character occurs but white space."""
    return not any((byte < 32 and byte not in (9, 10, 12, 13)) or byte == 127 for byte in head)


def _printable(code: bytes) -> str:
    return repr(code.decode("ascii", "backslashreplace").strip())


def missing_bytes(file: BinaryIO, kind: str, size_bytes: int) -> int:
    """Bytes of sound data that the header announces and the file does not hold; 0 where nothing is missing.

    `kind` is what `identify` returned. Placeholder sizes of streaming programs count as nothing missing. FLAC and MP3
    announce samples rather than bytes: their readers count what was decoded.
    """
    if kind == "WAV":
        return _missing_in_chunks(file, size_bytes, b"data", "big" if _group(file) == b"RIFX" else "little")
    if kind == "AIFF":
        return _missing_in_chunks(file, size_bytes, b"SSND", "big")
    if kind == "RF64":
        return _missing_in_rf64(file, size_bytes)
    if kind == "W64":
        return _missing_in_w64(file, size_bytes)
    return _missing_in_ogg(file, size_bytes) if kind == "OGG" else 0


def _group(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read(4)


def chunks(file: BinaryIO, position: int, order: Order) -> Iterator[tuple[bytes, int, int]]:
    """Name, place of the content and announced size of each chunk from a position on, to where the walk must end."""
    header_size = 12 if order == "caf" else 8
    for _ in range(MAX_CHUNKS):
        file.seek(position)
        header = file.read(header_size)
        if len(header) < header_size:
            return
        size = int.from_bytes(header[4:], "little" if order == "little" else "big")
        if size >= LARGEST_SIZE:  # minus one in CAF; no place to seek to
            return
        position += header_size
        yield header[:4], position, size
        position += size if order == "caf" else size + size % 2


def _missing_in_chunks(file: BinaryIO, size_bytes: int, wanted: bytes, order: Order) -> int:
    for name, position, size in chunks(file, 12, order):
        if name == wanted:
            return 0 if size >= STREAMED_SIZE else max(0, size - (size_bytes - position))
    return 0


def _missing_in_rf64(file: BinaryIO, size_bytes: int) -> int:
    """The ds64 chunk comes first: RIFF size, data size and sample count, 64 bits each."""
    file.seek(12)
    header = file.read(24)
    if header[:4] != b"ds64" or len(header) < 24:
        return 0
    return max(0, int.from_bytes(header[16:24], "little") - size_bytes)


def _missing_in_w64(file: BinaryIO, size_bytes: int) -> int:
    """Chunks are a 16-byte GUID, which begins like a RIFF name, and a 64-bit size that counts its own header."""
    position = 40
    for _ in range(MAX_CHUNKS):
        if position > size_bytes:  # a size of 2^63 would not even be a place to seek to
            return 0
        file.seek(position)
        header = file.read(24)
        size = int.from_bytes(header[16:24], "little")
        if len(header) < 24 or size < 24:
            return 0
        if header[:4] == b"data":
            return max(0, size - (size_bytes - position))
        position += -(-size // 8) * 8
    return 0


def _missing_in_ogg(file: BinaryIO, size_bytes: int) -> int:
    """At least 1 where the last page is incomplete or is not marked as the end of its stream."""
    start = max(0, size_bytes - OGG_TAIL_BYTES)
    file.seek(start)
    tail = file.read(OGG_TAIL_BYTES)
    at = tail.rfind(b"OggS\0")
    page = tail[at:]
    if at < 0 or len(page) < 27 or len(page) < 27 + page[26]:
        return 1
    end = 27 + page[26] + sum(page[27 : 27 + page[26]])
    if end > len(page):
        return end - len(page)
    return 0 if page[5] & OGG_END_OF_STREAM else 1
