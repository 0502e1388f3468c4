"""Bytes a browser plays: the file itself where browsers know its format, else a FLAC copy in a cache folder.

They are handed over as an open file, so that nobody opens the path a second time.

Copies are named by content hash and get that name when complete and checked, so that a crash or a full disk never
leaves a copy that ends early, and only their owner may read them. FLAC keeps the exact length, which a seamless loop
needs. The folder keeps `config.TRANSCODED_BYTES` at most: each use notes its time as the copy's access time, and a new
copy makes room for itself by removing those used longest ago.
"""

import os
import time
from contextlib import ExitStack, suppress
from io import FileIO
from pathlib import Path

import numpy as np
import soundfile

from loopscope import config
from loopscope.audio.decoding import probe
from loopscope.audio.inspection import content_hash
from loopscope.audio.readers import AudioInfo, open_reader, open_regular
from loopscope.errors import AudioError
from loopscope.files import remove_abandoned, written_whole
from loopscope.user_files import FilePath

FLAC_MIME = "audio/flac"
FLAC_CHANNELS = 8
_PLAYED_BY_BROWSERS = {  # container -> MIME type, and the sample codings in it that browsers know
    "WAV": ("audio/wav", {"PCM_U8", "PCM_16", "PCM_24", "FLOAT"}),
    "FLAC": (FLAC_MIME, {"PCM_S8", "PCM_16", "PCM_24"}),
    "OGG": ("audio/ogg", {"VORBIS", "OPUS"}),
    "MP3": ("audio/mpeg", {"MPEG_LAYER_III"}),
}
_NARROW_SUBTYPES = frozenset({"PCM_S8", "PCM_U8", "PCM_16", "ULAW", "ALAW", "IMA_ADPCM", "MS_ADPCM", "GSM610"})


def playable(path: FilePath, cache_folder: Path, loop_id: str | None = None) -> tuple[FileIO, str]:
    """What browsers play with the sound of `path`, open at its beginning for the caller to close, and its MIME type.

    `loop_id` is the content hash of `path` where the caller knows it; it spares decoding where a copy is there.
    Raises AudioError if the file cannot be decoded or the copy cannot be written.
    """
    with ExitStack() as stack:
        file = stack.enter_context(open_regular(path))
        if loop_id and (copy := _copy_path(cache_folder, loop_id)).is_file():
            note_use(copy)
            return open_regular(copy), FLAC_MIME
        info = probe(file)
        mime, subtypes = _PLAYED_BY_BROWSERS.get(info.format, ("", frozenset()))
        if info.subtype in subtypes:
            file.seek(0)
            stack.pop_all()
            return file, mime
        copy = _copy_path(cache_folder, content_hash(file))  # not of `loop_id`: the file may have changed since
        if not copy.is_file():
            _transcode(file, info, copy)
    return open_regular(copy), FLAC_MIME


def _copy_path(cache_folder: Path, loop_id: str) -> Path:
    return cache_folder / f"{loop_id}.flac"


def _transcode(file: FileIO, info: AudioInfo, copy: Path) -> None:
    """Write `copy` completely or not at all."""
    try:
        with written_whole(copy) as part:
            part.chmod(0o600)
            _write_flac(file, info, part)
            make_room(copy.parent, config.TRANSCODED_BYTES - part.stat().st_size)
    except (OSError, soundfile.SoundFileError, AssertionError) as error:  # soundfile asserts on short writes
        raise AudioError(f"No playable copy can be written to {copy.parent}; is the disk full? ({error})") from error


def make_room(folder: Path, limit_bytes: int, names: str = "*.flac") -> None:
    """Remove the copies used longest ago until `limit_bytes` hold the rest, and unfinished ones left behind.

    `names`: pattern of the copies' names; hidden files are none.
    """
    remove_abandoned(folder)
    copies = [(copy.stat(), copy) for copy in folder.glob(names) if not copy.name.startswith(".")]
    size = sum(status.st_size for status, _ in copies)
    for status, copy in sorted(copies, key=lambda item: item[0].st_atime_ns):
        if size <= limit_bytes:
            return
        with suppress(OSError):  # one that is being played cannot be removed on every system
            copy.unlink()
            size -= status.st_size


def note_use(copy: Path) -> None:
    """Set the access time, which systems seldom keep by themselves; the modification time names the content."""
    with suppress(OSError):
        os.utime(copy, ns=(time.time_ns(), copy.stat().st_mtime_ns))


def _write_flac(file: FileIO, info: AudioInfo, target: Path) -> None:
    subtype = "PCM_16" if info.subtype in _NARROW_SUBTYPES else "PCM_24"
    channels = info.channels if info.channels <= FLAC_CHANNELS else 1
    n_frames = 0
    with (
        open_reader(file) as reader,
        soundfile.SoundFile(target, "w", info.sample_rate, channels, subtype, format="FLAC") as copy,
    ):
        for block in reader.blocks():
            mixed = block if channels == info.channels else block.mean(axis=1, keepdims=True)
            # libsndfile wraps float samples beyond full scale around; NaN has no place in an integer file.
            copy.write(np.clip(np.nan_to_num(mixed), -1.0, 1.0))
            n_frames += len(block)
    if soundfile.info(str(target)).frames != n_frames:
        raise OSError("the copy is incomplete")
