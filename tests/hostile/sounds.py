"""Makes the hostile files: each a name, its bytes, and what must become of it."""

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import soundfile

RATE = 44100


@dataclass(frozen=True)
class Case:
    """A file and its fate: `reason` is a piece of the reason it is left out, or None where it must become a loop."""

    name: str
    content: bytes
    reason: str | None = None
    duration_s: float | None = None


def sine(seconds: float = 0.5, rate: int = RATE, channels: int = 1) -> np.ndarray:
    """(n, channels) at half scale, 220 Hz."""
    wave = 0.5 * np.sin(2 * np.pi * 220 * np.arange(round(seconds * rate)) / rate)
    return np.repeat(wave[:, None], channels, axis=1)


def encoded(samples: np.ndarray, rate: int = RATE, container: str = "WAV", subtype: str | None = None) -> bytes:
    """The bytes of a sound file."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=container, subtype=subtype)
    return buffer.getvalue()


def chunk(name: bytes, content: bytes, size: int | None = None) -> bytes:
    """A RIFF chunk whose announced size may lie."""
    return name + struct.pack("<I", len(content) if size is None else size) + content + b"\0" * (len(content) % 2)


def wave(form: bytes, data: bytes, data_size: int | None = None, extra: bytes = b"") -> bytes:
    """A WAVE file from a format chunk, other chunks and the data."""
    body = b"WAVE" + chunk(b"fmt ", form) + extra + chunk(b"data", data, data_size)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def pcm_format(rate: int = RATE, channels: int = 1, bits: int = 16, code: int = 1) -> bytes:
    """The 16 bytes of a WAVE format chunk."""
    align = max(1, channels * bits // 8)
    return struct.pack("<HHIIHH", code, channels, rate, min(rate * align, 0xFFFFFFFF), align, bits)


def of_frames(count: int) -> bytes:
    """A FLAC file of half a second whose header announces so many frames (36 bits; 0 for "unknown")."""
    data = bytearray(encoded(sine(), container="FLAC"))
    total = slice(21, 26)  # the last 36 bits before the checksum of STREAMINFO
    others = data[total.start] & 0xF0
    data[total] = count.to_bytes(5, "big")
    data[total.start] |= others
    return bytes(data)


PCM = (sine()[:, 0] * 32767).astype("<i2").tobytes()


def broken_cases() -> list[Case]:
    """Files that hold no usable sound."""
    ogg, mp3, flac = (encoded(sine(2.0), container=name) for name in ("OGG", "MP3", "FLAC"))
    id3 = b"ID3\x04\x00\x00" + bytes([0x7F, 0x7F, 0x7F, 0x7F])  # announces 256 MiB
    return [
        Case("empty.wav", b"", "empty"),
        Case("one byte.mp3", b"\xff", "not sound"),
        Case("text.wav", b"this is a letter, not a loop\n" * 99, "holds text"),
        Case("truncated header.wav", encoded(sine())[:30], "cannot be decoded"),
        Case("truncated header.flac", flac[:20], "cannot be decoded"),
        Case("truncated header.aif", encoded(sine(), container="AIFF")[:25], "cannot be decoded"),
        Case("truncated data.wav", encoded(sine())[:9000], "cut short"),
        Case("truncated data.w64", encoded(sine(), container="W64")[:9000], "cut short"),
        Case("truncated data rf64.wav", encoded(sine(), container="RF64")[:9000], "cut short"),
        Case("truncated.ogg", ogg[: len(ogg) * 2 // 3], "cut short"),
        Case("truncated.mp3", mp3[: len(mp3) * 2 // 3], "cut short"),
        Case("truncated.flac", flac[: len(flac) * 2 // 3], "cannot be decoded"),
        Case(
            "broken from the middle on.mp3", mp3[: len(mp3) // 2] + bytes(600) + mp3[len(mp3) // 2 + 600 :], "damaged"
        ),
        Case("of unknown length.flac", of_frames(0), "does not say how long the sound is"),
        Case("of 432 hours.flac", of_frames((1 << 36) - 1), "more than 100 h of sound"),
        Case("of 2 hours.flac", of_frames(2 * 3600 * RATE), "2.0 h of sound"),
        Case("data size of 4 billion less 1e6.wav", wave(pcm_format(), PCM, 0x7FFFE000), "cut short"),
        Case("no data.wav", wave(pcm_format(), b""), "0.0 ms"),
        Case("zero channels.wav", wave(pcm_format(channels=0), PCM), "."),
        Case("zero rate.wav", wave(pcm_format(rate=0), PCM), "."),
        Case("rate of 4 GHz.wav", wave(pcm_format(rate=0xFFFFFFFF), PCM), "."),
        Case("rate of 1 Hz.wav", wave(pcm_format(rate=1), PCM), "1 Hz"),
        Case("1000 channels.wav", wave(pcm_format(channels=1000), bytes(200000)), "."),
        Case("vorbis inside riff.wav", wave(pcm_format(code=0x674F), ogg), "cannot be decoded"),
        Case("unknown codec.wav", wave(pcm_format(code=0x4242), PCM), "cannot be decoded"),
        Case("nan.wav", encoded(np.full((9000, 1), np.nan), subtype="FLOAT"), "no numbers"),
        Case("inf.wav", encoded(np.full((9000, 1), -np.inf), subtype="DOUBLE"), "no numbers"),
        Case("beyond float32.wav", encoded(np.full((9000, 1), 1e300), subtype="DOUBLE"), "no numbers"),
        Case("integers as floats.wav", encoded(sine() * 32768, subtype="FLOAT"), "times full scale"),
        Case("one sample.wav", encoded(sine()[:1]), "0.0 ms"),
        Case("five ms.wav", encoded(sine(0.005)), "5.0 ms"),
        Case("lying id3.mp3", id3 + bytes(4000), "cannot be decoded"),
        Case("only an id3 tag.mp3", b"ID3\x04\x00\x00\x00\x00\x07\x76" + bytes(1014), "cannot be decoded"),
        Case("midi.wav", b"MThd\x00\x00\x00\x06\x00\x01", "a MIDI file"),
        Case("appledouble.wav", b"\x00\x05\x16\x07\x00\x02\x00\x00" + bytes(80), "AppleDouble"),
        Case("random.wav", np.random.default_rng(0).bytes(50000), "not sound"),
        Case("random after a good header.flac", flac[:80] + np.random.default_rng(1).bytes(50000), "cannot be decoded"),
    ]


def good_cases() -> list[Case]:
    """Odd files that hold usable sound."""
    mp3 = encoded(sine(2.0), container="MP3")
    middle = len(mp3) // 2
    cases = [
        Case("silence.wav", encoded(np.zeros((RATE, 1))), duration_s=1.0),
        Case("faintest.wav", encoded(np.full((RATE, 1), 1e-45), subtype="FLOAT"), duration_s=1.0),
        Case("dc.wav", encoded(np.full((RATE, 1), 0.7)), duration_s=1.0),
        Case("six channels.wav", encoded(sine(channels=6)), duration_s=0.5),
        Case("aiff in disguise.wav", encoded(sine(), container="AIFF"), duration_s=0.5),
        Case("ogg in disguise.wav", encoded(sine(), container="OGG"), duration_s=0.5),
        Case("wav in disguise.mp3", encoded(sine()), duration_s=0.5),
        Case("caf.caf", encoded(sine(), container="CAF"), duration_s=0.5),
        Case("w64.w64", encoded(sine(), container="W64"), duration_s=0.5),
        Case("rf64.wav", encoded(sine(), container="RF64"), duration_s=0.5),
        Case("streamed.wav", wave(pcm_format(), PCM, 0xFFFFFFFF), duration_s=0.5),
        Case("size of zero in riff.wav", b"RIFF\0\0\0\0" + encoded(sine())[8:], duration_s=0.5),
        Case("junk chunk.wav", wave(pcm_format(), PCM, extra=chunk(b"junk", bytes(999))), duration_s=0.5),
        Case("junk after the data.wav", encoded(sine()) + b"junk" * 500, duration_s=0.5),
        Case("a few broken frames.mp3", mp3[:middle] + bytes(300) + mp3[middle + 300 :]),
        Case("id3.mp3", b"ID3\x04\x00\x00\x00\x00\x07\x76" + bytes(1014) + mp3, duration_s=2.0),
        Case("20 minutes of silence.flac", encoded(np.zeros((1200 * 8000, 1)), 8000, "FLAC"), duration_s=1200.0),
    ]
    for subtype in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW", "IMA_ADPCM", "MS_ADPCM"):
        cases.append(Case(f"{subtype}.wav", encoded(sine(), subtype=subtype)))
    for rate in (8000, 11025, 32000, 48000, 88200, 96000, 176400, 192000):
        cases.append(Case(f"{rate} Hz.wav", encoded(sine(rate=rate), rate), duration_s=0.5))
    return cases


FORMATS: dict[str, Callable[[], bytes]] = {
    "wav": lambda: encoded(sine(0.1), subtype="PCM_16"),
    "float.wav": lambda: encoded(sine(0.1, channels=2), subtype="FLOAT"),
    "adpcm.wav": lambda: encoded(sine(0.1), subtype="IMA_ADPCM"),
    "aif": lambda: encoded(sine(0.1), container="AIFF", subtype="PCM_24"),
    "flac": lambda: encoded(sine(0.1, channels=2), container="FLAC"),
    "ogg": lambda: encoded(sine(0.1), container="OGG", subtype="VORBIS"),
    "opus": lambda: encoded(sine(0.1, 48000), 48000, "OGG", "OPUS"),
    "mp3": lambda: encoded(sine(0.2), container="MP3"),
    "w64": lambda: encoded(sine(0.1), container="W64"),
    "caf": lambda: encoded(sine(0.1), container="CAF"),
}
