"""Cue points in copies of WAV files: chunks that are appended, so that the sound's bytes stay as they are.

Conventions: RIFF is little-endian; a chunk is four letters, its length, its bytes, and a byte more where the length is
odd. A file that is not plain (another format, larger than 4 GB, with cue points of its own, cut short or with anything
after its end) is copied as it is.
"""

import hashlib
import os
import struct
from collections.abc import Sequence
from io import FileIO
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

LONGEST_FORMAT = 2**16
MOST_CHUNKS = 10_000
MOST_CUES, LONGEST_LABEL = 10_000, 200
MOST_ADDED = 2**22  # bytes: all that so many take
LARGEST_RIFF = 2**32 - 1
PIECE = 2**20


class Cue(NamedTuple):
    """A marker as it lies in a file: seconds, equal for a point, and printable ASCII."""

    start_s: float
    end_s: float
    label: str


def cue_chunks(file: BinaryIO, cues: Sequence[Cue]) -> bytes:
    """What is to be appended to a WAV file with these cue points, b"" where it is no plain one.

    The file is open at its start and may be anybody's.
    """
    cues = cues[:MOST_CUES]
    sample_rate = _sample_rate(file) if cues else 0
    if not sample_rate:
        return b""
    points, texts = [], []
    for number, cue in enumerate(cues, 1):
        start = round(cue.start_s * sample_rate)
        points.append(struct.pack("<II4sIII", number, start, b"data", 0, 0, start))
        texts.append(
            _chunk(b"labl", struct.pack("<I", number) + cue.label.encode("ascii", "replace")[:LONGEST_LABEL] + b"\0")
        )
        length = round(cue.end_s * sample_rate) - start
        if length > 0:
            texts.append(_chunk(b"ltxt", struct.pack("<II4sHHHH", number, length, b"rgn ", 0, 0, 0, 0)))
    added = _chunk(b"cue ", struct.pack("<I", len(points)) + b"".join(points))
    added += _chunk(b"LIST", b"adtl" + b"".join(texts))
    return added if _size(file) - 8 + len(added) <= LARGEST_RIFF else b""


def add_cues(path: Path, cues: Sequence[Cue]) -> str:
    """Into a copy of ours. The SHA-256 of what was appended, "" for no plain WAV file, which stays as it is."""
    if not cues:
        return ""
    with path.open("r+b") as file:
        added = cue_chunks(file, cues)
        if not added:
            return ""
        size = _size(file)
        file.seek(size)
        file.write(added)
        file.seek(4)
        file.write(struct.pack("<I", size - 8 + len(added)))
    return hashlib.sha256(added).hexdigest()


def is_with_cues(original: FileIO, copy: FileIO, added: str) -> bool:
    """Whether `copy` is `original` with the cue points of this SHA-256 appended, and nothing else was changed.

    Both are open; they are read from their starts, and stand there afterwards.
    """
    n_first, n_second = _size(original), _size(copy)
    if not 12 <= n_first < n_second <= n_first + MOST_ADDED:
        return False
    head, other = original.read(8), copy.read(8)
    is_same = head[:4] == other[:4] and other[4:] == struct.pack("<I", n_second - 8)
    for start in range(8, n_first, PIECE):
        length = min(PIECE, n_first - start)
        is_same = is_same and original.read(length) == copy.read(length)
    is_same = is_same and hashlib.sha256(copy.read(MOST_ADDED)).hexdigest() == added
    for file in (original, copy):
        file.seek(0)
    return is_same


def _sample_rate(file: BinaryIO) -> int:
    """In Hz, 0 for a file that is no plain WAV file."""
    size = _size(file)
    file.seek(0)
    riff, n_bytes, wave = _unpacked("<4sI4s", file)
    if (riff, wave) != (b"RIFF", b"WAVE") or n_bytes != size - 8 or size % 2:
        return 0
    rate, has_data = 0, False
    for _ in range(MOST_CHUNKS):
        start = file.tell()
        if start == size:
            return rate if has_data else 0
        name, length = _unpacked("<4sI", file)
        end = start + 8 + length + length % 2
        if name == b"cue " or end > size:
            return 0
        if name == b"fmt " and 16 <= length <= LONGEST_FORMAT:
            _, _, rate = _unpacked("<HHI", file)
        has_data = has_data or name == b"data"
        file.seek(end)
    return 0


def _unpacked(layout: str, file: BinaryIO | FileIO) -> tuple[Any, ...]:
    """Zeros where the file ends before."""
    content = file.read(struct.calcsize(layout))
    return struct.unpack(layout, content.ljust(struct.calcsize(layout), b"\0"))


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def _size(file: BinaryIO | FileIO) -> int:
    return os.fstat(file.fileno()).st_size
