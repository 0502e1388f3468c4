"""What a file says of its music: tempo, key, root note, loop points.

ACID and smpl chunks of WAV (as libsndfile and Sonic Foundry's ACID write them), Apple Loops in AIFF and CAF (the chunks
"basc" and a UUID's), loop points of AIFF's instruments; ID3, Vorbis comments and the like through tinytag. Nothing is
believed and nothing is corrected here: what lies is a value like any other, what cannot be read is left out.
"""

import io
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from io import FileIO

from tinytag import TinyTag, TinyTagException

from loopscope.audio.containers import HEAD_BYTES, Order, chunks, identify
from loopscope.audio.readers import AudioInfo, Source, TransientAudioError, opened
from loopscope.defects import Defect, attempt

LARGEST_CHUNK = 1 << 16  # bytes; a loop's description is far shorter
LARGEST_READ = 1 << 24  # bytes; covers of albums lie among the tags
ACID_ONE_SHOT, ACID_HAS_ROOT = 0x01, 0x02
APPLE_LOOP = bytes.fromhex("29819273b5bf4aefb78d62d1ef90bb2c")
APPLE_SCALES = {1: "m", 2: ""}  # 0: neither, 4: both
NOTES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
HIGHEST_NOTE = 127
SLOWEST, FASTEST = 40.0, 300.0  # BPM
WHOLE_BPM = 0.02  # of a tempo in single precision, or made of beats and length
FOREVER_LOOPED = range(3)  # of smpl: forward, there and back, backward


@dataclass(frozen=True)
class FileTags:
    """What a file says; None where it does not.

    `bpm` in beats per minute, SLOWEST to FASTEST, `key` as it is written there, `root_note` a MIDI number (60 is middle
    C), `loop_s` where a sampler repeats, from and to, in seconds.
    """

    bpm: float | None = None
    key: str | None = None
    root_note: int | None = None
    loop_s: tuple[float, float] | None = None

    def filled(self, other: "FileTags") -> "FileTags":
        """These, with gaps filled from the other."""
        return replace(self, **{name: value for name, value in vars(other).items() if getattr(self, name) is None})


def read_tags(source: Source, info: AudioInfo) -> FileTags:
    """What the file says; `info` is its header as `audio.probe` reads it. Raises AudioError if it cannot be read."""
    with opened(source) as file:
        found = attempt("reading tags", lambda: _read(file, info))
    return FileTags() if isinstance(found, Defect) else found


def _read(file: FileIO, info: AudioInfo) -> FileTags:
    try:
        file.seek(0)
        kind = identify(file.read(HEAD_BYTES))
        own = _READERS[kind](file, info) if kind in _READERS else FileTags()
        return own.filled(_of_tinytag(file))
    except OSError as error:
        raise TransientAudioError(f"The file's tags cannot be read: {error.strerror or error}.") from error


def _of_wav(file: FileIO, info: AudioInfo) -> FileTags:
    file.seek(0)
    order: Order = "big" if file.read(4) == b"RIFX" else "little"
    found = FileTags()
    for name, data in _small_chunks(file, 12, order, {b"acid", b"smpl"}):
        found = found.filled((_of_acid if name == b"acid" else _of_smpl)(data, ">" if order == "big" else "<", info))
    return found


def _of_acid(data: bytes, order: str, info: AudioInfo) -> FileTags:
    """Flags, root note, two unknown fields, beats, metre, tempo."""
    flags, root, beats, tempo = struct.unpack(order + "IH6xI4xf", data[:24])
    if flags & ACID_ONE_SHOT:
        tempo = beats = 0
    return FileTags(
        bpm=_tempo(tempo) or _tempo_of(beats, info), root_note=_note(root) if flags & ACID_HAS_ROOT else None
    )


def _of_smpl(data: bytes, order: str, info: AudioInfo) -> FileTags:
    """Nine numbers of the sampler, the third of them the note it was recorded at, then the loops."""
    root, n_loops = struct.unpack(order + "12xI12xI4x", data[:36])
    loop = None
    if n_loops and len(data) >= 60:
        kind, start, end = struct.unpack(order + "4xIII8x", data[36:60])
        if kind in FOREVER_LOOPED and start < end:
            loop = start / info.sample_rate, (end + 1) / info.sample_rate
    return FileTags(root_note=_note(root), loop_s=loop)


def _of_aiff(file: FileIO, info: AudioInfo) -> FileTags:
    found = FileTags()
    markers: dict[int, int] = {}
    loop: tuple[int, int] | None = None
    for name, data in _small_chunks(file, 12, "big", {b"basc", b"INST", b"MARK"}):
        if name == b"basc":
            found = found.filled(_of_apple_loop(data, info))
        elif name == b"MARK":
            markers = dict(_markers(data))
        else:
            root, mode, first, last = struct.unpack(">B7xhhh", data[:14])
            found = found.filled(FileTags(root_note=_note(root)))
            loop = (first, last) if mode else None
    if loop is not None and loop[0] in markers and markers[loop[0]] < markers.get(loop[1], 0):
        start, end = (markers[marker] / info.sample_rate for marker in loop)
        found = found.filled(FileTags(loop_s=(start, end)))
    return found


def _markers(data: bytes) -> Iterator[tuple[int, int]]:
    """Number and frame of each marker; its name is a counted string, padded to an even length."""
    position = 2
    while position + 7 <= len(data):
        number, frame, length = struct.unpack(">hIB", data[position : position + 7])
        yield number, frame
        position += 7 + length + (length + 1) % 2


def _of_apple_loop(data: bytes, info: AudioInfo) -> FileTags:
    """Version, beats, root note, scale."""
    beats, root, scale = struct.unpack(">4xIHH", data[:12])
    note = _note(root)
    key = NOTES[note % 12] + APPLE_SCALES[scale] if note and scale in APPLE_SCALES else None
    return FileTags(_tempo_of(beats, info), key, note)


def _of_caf(file: FileIO, info: AudioInfo) -> FileTags:
    said: dict[str, str] = {}
    for name, data in _small_chunks(file, 8, "caf", {b"uuid", b"info"}):
        strings = data.removeprefix(APPLE_LOOP) if name == b"uuid" else data
        if name == b"info" or data.startswith(APPLE_LOOP):
            words = [word.decode("utf-8", "replace") for word in strings[4:].split(b"\0")]
            said |= {key: value for key, value in zip(words[::2], words[1::2], strict=False) if value}
    return FileTags(_tempo(said.get("tempo")) or _tempo_of(_number(said.get("beat count")), info), _caf_key(said))


def _caf_key(said: Mapping[str, str]) -> str | None:
    """Such as "C# minor"; a key of which it is not said whether it is major or minor is none."""
    mode = said.get("key type", "")
    return f"{said['key signature']} {mode}" if mode in ("major", "minor") and "key signature" in said else None


def _of_tinytag(file: FileIO) -> FileTags:
    file.seek(0)
    buffered = _Bounded(file)
    try:
        other = TinyTag.get(file_obj=buffered, duration=False).other
    except TinyTagException:
        return FileTags()
    finally:
        buffered.detach()
    tempi = map(_tempo, other.get("bpm") or [])
    keys = (key for key in other.get("initial_key") or [] if len(key) <= LONGEST_KEY)
    return FileTags(next(filter(None, tempi), None), next(keys, None))


def _take_few(tag: TinyTag, field: str, value: str) -> None:
    """In place of tinytag's own, which looks through all earlier values for each: a tag may hold a million."""
    if field in WANTED and value:
        values = tag.other.setdefault(field, [])
        if len(values) < MOST_VALUES:
            values.append(value)


TinyTag._set_other_field = _take_few  # type: ignore[method-assign,assignment]  # pinned; a test counts


class _Bounded(io.BufferedReader):
    """Reads no more at once than a long comment needs, whatever a file announces."""

    def read(self, size: int | None = -1, /) -> bytes:
        """See io.BufferedReader.read. Raises ValueError for more than LARGEST_READ bytes."""
        if size is None or not 0 <= size <= LARGEST_READ:
            raise ValueError(f"{size} bytes are more than any tag needs.")
        return super().read(size)


def _small_chunks(file: FileIO, start: int, order: Order, wanted: set[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of chunks that are there in full."""
    for name, position, size in chunks(file, start, order):
        if name in wanted and size <= LARGEST_CHUNK:
            file.seek(position)
            data = file.read(size)
            if len(data) >= LEAST[name]:
                yield name, data


def _number(value: object) -> float | None:
    """A positive number, of whatever is written there; None for anything else, infinity and NaN among it."""
    try:
        number = float(str(value).replace(",", "."))
    except ValueError:
        return None
    return number if 0 < number < LARGEST_NUMBER else None


def _tempo(value: object) -> float | None:
    """A tempo that music has, whole where it nearly is; None for any other."""
    number = _number(value)
    if number is None or not SLOWEST <= number <= FASTEST:
        return None
    return float(round(number)) if abs(number - round(number)) <= WHOLE_BPM else round(number, 2)


def _tempo_of(beats: float | None, info: AudioInfo) -> float | None:
    return _tempo(60 * beats / info.duration_s) if beats and info.duration_s else None


def _note(number: int) -> int | None:
    return number if 0 < number <= HIGHEST_NOTE else None


LEAST = {b"acid": 24, b"smpl": 36, b"basc": 12, b"INST": 14, b"MARK": 2, b"uuid": 20, b"info": 4}  # bytes
LARGEST_NUMBER = 1e6
LONGEST_KEY = 32  # characters
WANTED = {"bpm", "initial_key"}
MOST_VALUES = 8
_READERS = {"WAV": _of_wav, "RF64": _of_wav, "AIFF": _of_aiff, "CAF": _of_caf}
