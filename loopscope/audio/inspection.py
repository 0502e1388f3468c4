"""One careful look at a file: its content hash, and whether every block of it decodes.

The hash and the decoding use one descriptor, so that both speak of the same content. Decoding all of it is the only way
to find a broken FLAC or MP3 frame before a user meets it; it costs about as much as hashing.
"""

import hashlib
import os
from dataclasses import dataclass, replace
from functools import partial
from io import FileIO

from loopscope.audio.decoding import check_block
from loopscope.audio.readers import (
    MIN_DURATION_S,
    AudioInfo,
    Reader,
    Source,
    TransientAudioError,
    open_reader,
    open_regular,
    too_short,
)
from loopscope.errors import AudioError
from loopscope.user_files import FilePath

HASH_BYTES = 16


@dataclass(frozen=True)
class Inspection:
    """What was found: `loop_id` (blake2b-128 of the content, hex) and the header with the decoded length."""

    loop_id: str
    info: AudioInfo


def content_hash(source: Source) -> str:
    """blake2b-128 of the file's bytes as 32 hex digits: the `loop_id`. Raises AudioError if it cannot be read."""
    if isinstance(source, FileIO):
        return _hash(source)
    with open_regular(source) as file:
        return _hash(file)


def inspect_file(path: FilePath) -> Inspection:
    """Hash and decode the whole file. Raises AudioError with the reason it is left out."""
    with open_regular(path) as file:
        before = os.fstat(file.fileno())
        with open_reader(file) as reader:
            info = replace(reader.info, duration_s=_decoded_duration(reader))
        loop_id = _hash(file)
        after = os.fstat(file.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise TransientAudioError("The file changed while it was read; scan the folder again.")
    return Inspection(loop_id, info)


def _decoded_duration(reader: Reader) -> float:
    n_frames = 0
    for block in reader.blocks():
        check_block(block)
        n_frames += len(block)
    duration_s = n_frames / reader.info.sample_rate
    if duration_s < MIN_DURATION_S:
        raise AudioError(too_short(duration_s))
    return duration_s


def _hash(file: FileIO) -> str:
    try:
        file.seek(0)
        return hashlib.file_digest(file, partial(hashlib.blake2b, digest_size=HASH_BYTES)).hexdigest()
    except OSError as error:
        raise TransientAudioError(f"The file cannot be read: {error.strerror}.") from error
