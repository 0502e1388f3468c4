"""Opening a sound file and reading it in blocks: libsndfile first, audioread for what libsndfile does not know.

Blocks are (n, channels) float32. A reader never trusts the announced length: it reads until the data ends, and a block
never holds more than `BLOCK_SAMPLES` numbers, whatever the header says. Whatever takes a path takes an open file too
(see `user_files`), and leaves it open.
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from io import FileIO
from typing import Protocol

import numpy as np
import numpy.typing as npt
import soundfile

from loopscope.audio.containers import HEAD_BYTES, identify, missing_bytes
from loopscope.errors import AudioError
from loopscope.user_files import FilePath, open_user_file, path_to_open

BLOCK_SAMPLES = 1 << 18
MIN_DURATION_S = 0.010  # shorter sound holds no full period of a low bass note
BELIEVABLE_H = 100  # a header that announces more lies, and its number says nothing
UNKNOWN_FRAMES = (1 << 63) - 1  # libsndfile on a FLAC file that was streamed
MP3_TOLERANCE_S = 0.1  # a few frames: encoders differ in what they count, and a bad frame is skipped
MAX_DURATION_S = 3600.0  # bounds the time spent on one file; no loop is an hour long
MAX_CHANNELS = 32
MIN_SAMPLE_RATE, MAX_SAMPLE_RATE = 1000, 384_000

Samples = npt.NDArray[np.float32]
Source = FilePath | FileIO


class TransientAudioError(AudioError):
    """The file cannot be opened at this moment (vanished, no permission): a reason that is never remembered."""


@dataclass(frozen=True)
class AudioInfo:
    """What the header says.

    `duration_s` in seconds, `sample_rate` in Hz; `format` is the container (WAV, FLAC, AIFF ...), `subtype` the sample
    coding as libsndfile names it (PCM_16, FLOAT, VORBIS ...); `size_bytes` and `mtime_ns` are the opened file's own.
    """

    duration_s: float
    sample_rate: int
    channels: int
    format: str
    subtype: str = ""
    size_bytes: int = 0
    mtime_ns: int = 0


class Reader(Protocol):
    """One open sound file."""

    info: AudioInfo

    def blocks(self, offset_s: float = 0.0, duration_s: float | None = None) -> Iterator[Samples]:
        """Yield the sound from `offset_s` on, `duration_s` seconds of it or all, as (n, channels) float32 blocks."""
        ...


class SoundFileReader:
    """Reads through libsndfile."""

    def __init__(self, sound: soundfile.SoundFile, kind: str, missing: int, status: os.stat_result) -> None:
        self._sound = sound
        self._missing = missing
        self._frames = int(sound.frames)
        if self._frames == UNKNOWN_FRAMES:
            raise AudioError("The header does not say how long the sound is; export the file again.")
        rate = int(sound.samplerate)
        self.info = AudioInfo(
            duration_s=self._frames / rate if rate > 0 else 0.0,
            sample_rate=rate,
            channels=int(sound.channels),
            format=_format_name(sound, kind),
            subtype=str(sound.subtype),
            size_bytes=status.st_size,
            mtime_ns=status.st_mtime_ns,
        )
        self._check_complete(status.st_size)
        check_info(self.info)

    def _check_complete(self, size_bytes: int) -> None:
        """Raise if sound is missing at the end; fewer than 10 ms are rounding of careless writers and pass."""
        lost_s = self._missing / max(size_bytes, 1) * self.info.duration_s
        if self._missing and (self.info.format == "OGG" or self._frames == 0 or lost_s > MIN_DURATION_S):
            raise AudioError(_cut_short(self.info.duration_s))

    def blocks(self, offset_s: float = 0.0, duration_s: float | None = None) -> Iterator[Samples]:
        """See `Reader.blocks`. Raises AudioError if the data ends before the announced length."""
        rate = self.info.sample_rate
        start = min(round(offset_s * rate), self._frames)
        end = self._frames if duration_s is None else min(self._frames, start + round(duration_s * rate))
        block_frames = max(1, BLOCK_SAMPLES // self.info.channels)
        try:
            if start or self._sound.tell():
                self._sound.seek(start)
            while start < end:
                block = self._sound.read(min(block_frames, end - start), dtype="float32", always_2d=True)
                if len(block) == 0:
                    break
                start += len(block)
                yield block
        except soundfile.LibsndfileError as error:
            raise AudioError(_undecodable(start / rate, error.error_string)) from error
        if (end - start) / rate > (MP3_TOLERANCE_S if self.info.format == "MP3" else MIN_DURATION_S):
            raise AudioError(
                f"The file is damaged or cut short: only {start / rate:.2f} of {self.info.duration_s:.2f} s can be "
                "read; copy it again."
            )


class AudioreadReader:
    """Reads through audioread (CoreAudio on macOS, ffmpeg where it is installed) what libsndfile does not know."""

    def __init__(self, sound: "AudioreadFile", kind: str, status: os.stat_result) -> None:
        self._sound = sound
        self.info = AudioInfo(
            duration_s=float(sound.duration),
            sample_rate=int(sound.samplerate),
            channels=int(sound.channels),
            format=kind,
            subtype="audioread",
            size_bytes=status.st_size,
            mtime_ns=status.st_mtime_ns,
        )
        check_info(self.info)

    def blocks(self, offset_s: float = 0.0, duration_s: float | None = None) -> Iterator[Samples]:
        """See `Reader.blocks`. audioread cannot seek: what lies before the offset is decoded and dropped."""
        rate, channels = self.info.sample_rate, self.info.channels
        skip = round(offset_s * rate)
        left = round(MAX_DURATION_S * rate) if duration_s is None else round(duration_s * rate)
        for data in self._sound.read_data():
            block = np.frombuffer(data, dtype="<i2").reshape(-1, channels)
            dropped = min(skip, len(block))
            skip -= dropped
            block = block[dropped : dropped + left]
            left -= len(block)
            if len(block):
                yield block.astype(np.float32) / np.float32(32768.0)
            if left <= 0:
                return


class AudioreadFile(Protocol):
    """The part of audioread's file objects that is used here: 16-bit little-endian interleaved data."""

    channels: int
    samplerate: int
    duration: float

    def read_data(self) -> Iterator[bytes]:
        """Yield raw buffers."""
        ...


def open_regular(path: FilePath) -> FileIO:
    """A user's file, open for reading, as `user_files` opens it. Raises TransientAudioError."""
    try:
        return open_user_file(path)
    except (OSError, ValueError) as error:
        raise TransientAudioError(f"The file cannot be opened: {_why(error)}.") from error


def opened(source: Source) -> AbstractContextManager[FileIO]:
    """The open file that it is or names; left open where it was. Raises TransientAudioError."""
    return nullcontext(source) if isinstance(source, FileIO) else open_regular(source)


@contextmanager
def open_reader(source: Source) -> Iterator[Reader]:
    """Open a sound file, or read one that is open from its beginning, wherever it stands, and leave it open.

    Raises AudioError with the reason if it is none, is broken, too short or too long.
    """
    with opened(source) as file:
        status = os.fstat(file.fileno())
        try:
            file.seek(0)
            kind = identify(file.read(HEAD_BYTES))
            missing = missing_bytes(file, kind, status.st_size)
        except OSError as error:
            raise TransientAudioError(f"The file cannot be read: {_why(error)}.") from error
        file.seek(0)
        try:
            sound = soundfile.SoundFile(file.fileno(), closefd=False)
        except (soundfile.LibsndfileError, TypeError) as error:
            reason = getattr(error, "error_string", str(error))
            with _audioread_reader(file, kind, status, reason) as fallback:
                yield fallback
            return
        with sound:
            yield SoundFileReader(sound, kind, missing, status)


@contextmanager
def _audioread_reader(file: FileIO, kind: str, status: os.stat_result, reason: str) -> Iterator[Reader]:
    import audioread  # type: ignore[import-untyped]

    # Not the readers in plain Python: they know nothing that libsndfile does not, and trust every header.
    backends = [backend for backend in audioread.available_backends() if backend.__name__ != "RawAudioFile"]
    try:
        opened = audioread.audio_open(path_to_open(file), backends)
    except (audioread.DecodeError, OSError, EOFError, ValueError) as error:
        raise AudioError(_undecodable(0.0, reason)) from error
    with opened as sound:
        try:
            yield AudioreadReader(sound, kind, status)
        except audioread.DecodeError as error:
            raise AudioError(_undecodable(0.0, reason)) from error


def check_info(info: AudioInfo) -> None:
    """Raise AudioError if the rate, the channels or the length are out of bounds."""
    if not MIN_SAMPLE_RATE <= info.sample_rate <= MAX_SAMPLE_RATE:
        raise AudioError(
            f"The sample rate is {info.sample_rate} Hz; {MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} Hz are supported."
        )
    if not 1 <= info.channels <= MAX_CHANNELS:
        raise AudioError(f"The file has {info.channels} channels; 1 to {MAX_CHANNELS} are supported.")
    if info.duration_s > MAX_DURATION_S:
        hours = info.duration_s / 3600
        announced = f"{hours:.1f}" if hours <= BELIEVABLE_H else f"more than {BELIEVABLE_H}"
        raise AudioError(
            f"The header announces {announced} h of sound; at most {MAX_DURATION_S / 3600:.0f} h is "
            "read: cut the file into loops."
        )
    if info.duration_s < MIN_DURATION_S:
        raise AudioError(too_short(info.duration_s))


def too_short(duration_s: float) -> str:
    """The reason given for a file that holds less sound than `MIN_DURATION_S`."""
    return f"The file holds {duration_s * 1000:.1f} ms of sound; at least {MIN_DURATION_S * 1000:.0f} ms are needed."


def _cut_short(duration_s: float) -> str:
    return f"The file is cut short: its data ends after {duration_s:.2f} s, before the announced end; copy it again."


def _undecodable(at_s: float, reason: str) -> str:
    where = f" at {at_s:.2f} s" if at_s > 0 else ""
    return f"The file cannot be decoded{where}: {reason.strip().rstrip('.').lower()}."


def _why(error: OSError | ValueError) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()


def _format_name(sound: soundfile.SoundFile, kind: str) -> str:
    """libsndfile's container name; WAVEX is WAV to everyone but libsndfile."""
    name = str(sound.format)
    return {"WAVEX": "WAV", "MPEG": "MP3"}.get(name, name) if name else kind
