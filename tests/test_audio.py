"""Decoding is exact where the format is, a part is a part of the whole, and everything else is a reason."""

import os
import signal
import subprocess
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import audioread
import librosa
import numpy as np
import pytest
import soundfile

from loopscope import config
from loopscope.audio import TransientAudioError, content_hash, decode, inspect_file, playable, probe
from loopscope.audio.containers import identify
from loopscope.audio.inspection import Inspection
from loopscope.audio.isolation import InspectionPool, InspectionWorker
from loopscope.audio.streaming import resampled_length, stream
from loopscope.children import child
from loopscope.errors import AudioError, LibraryError
from loopscope.files import PART_PREFIX

RATE = 44100
LOSSLESS = [
    ("WAV", "PCM_16", "wav", 2**-15),
    ("WAV", "PCM_24", "wav", 2**-23),
    ("WAV", "PCM_U8", "wav", 2**-7),
    ("WAV", "FLOAT", "wav", 0.0),
    ("WAV", "DOUBLE", "wav", 0.0),
    ("WAVEX", "PCM_24", "wav", 2**-23),
    ("RF64", "PCM_16", "wav", 2**-15),
    ("W64", "PCM_16", "w64", 2**-15),
    ("AIFF", "PCM_16", "aif", 2**-15),
    ("AIFF", "PCM_24", "aiff", 2**-23),
    ("AIFF", "FLOAT", "aifc", 0.0),
    ("CAF", "PCM_16", "caf", 2**-15),
    ("FLAC", "PCM_16", "flac", 2**-15),
    ("FLAC", "PCM_24", "flac", 2**-23),
]
LOSSY = [("OGG", "VORBIS", "ogg", 44100), ("OGG", "OPUS", "opus", 48000), ("MP3", "MPEG_LAYER_III", "mp3", 44100)]


def stereo(seconds: float = 1.0, rate: int = RATE) -> np.ndarray:
    """(n, 2): 440 Hz at half scale on the left, 660 Hz at a quarter on the right."""
    times = np.arange(round(seconds * rate)) / rate
    return np.stack([0.5 * np.sin(2 * np.pi * 440 * times), 0.25 * np.sin(2 * np.pi * 660 * times)], 1).astype(
        "float32"
    )


def written(path: Path, samples: np.ndarray, rate: int = RATE, **form: str) -> Path:
    """Write a file, whatever its name; libsndfile's Python side knows neither .aif nor invalid UTF-8."""
    if path.suffix in (".aif", ".aifc"):
        form = {"format": "AIFF", **form}
    with path.open("wb") as file:
        container = form.pop("format", path.suffix[1:].upper())
        soundfile.write(file, samples, rate, format=container, **form)
    return path


def dominant_hz(samples: np.ndarray, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(spectrum.argmax() * rate / len(samples))


@pytest.mark.parametrize(("container", "subtype", "extension", "tolerance"), LOSSLESS)
def test_lossless_formats_come_back_as_they_were(
    tmp_path: Path, container: str, subtype: str, extension: str, tolerance: float
) -> None:
    path = written(tmp_path / f"a.{extension}", stereo(), format=container, subtype=subtype)
    waveform = decode(path, mono=False)
    assert waveform.samples.shape == (2, RATE)
    assert waveform.samples.dtype == np.float32
    assert waveform.samples == pytest.approx(stereo().T, abs=tolerance)
    info = probe(path)
    assert (info.duration_s, info.sample_rate, info.channels) == (1.0, RATE, 2)
    assert info.format == {"WAVEX": "WAV"}.get(container, container)
    assert info.subtype == subtype


@pytest.mark.parametrize(("container", "subtype", "extension", "rate"), LOSSY)
def test_lossy_formats_keep_length_pitch_and_level(
    tmp_path: Path, container: str, subtype: str, extension: str, rate: int
) -> None:
    path = written(tmp_path / f"a.{extension}", stereo(2.0, rate), rate, format=container, subtype=subtype)
    waveform = decode(path, mono=False)
    assert waveform.duration_s == pytest.approx(2.0, abs=0.01)
    left = waveform.samples[0, rate // 2 : rate]
    assert dominant_hz(left, rate) == pytest.approx(440, abs=2)
    assert np.abs(left).max() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(
    ("extension", "tolerance"), [("wav", 0.0), ("flac", 0.0), ("aif", 0.0), ("ogg", 0.02), ("mp3", 0.05)]
)
def test_a_part_is_that_part_of_the_whole(tmp_path: Path, extension: str, tolerance: float) -> None:
    rng = np.random.default_rng(0)
    noise = np.convolve(rng.standard_normal(3 * RATE), np.ones(64) / 64, "same") * 0.5
    path = written(tmp_path / f"a.{extension}", noise.astype("float32"))
    whole = decode(path).samples
    part = decode(path, offset_s=1.25, duration_s=0.5).samples
    assert len(part) == RATE // 2
    start = round(1.25 * RATE)
    assert part == pytest.approx(whole[start : start + RATE // 2], abs=tolerance)
    assert len(decode(path, offset_s=2.75, duration_s=9.0).samples) == pytest.approx(RATE // 4, abs=2)


def test_mono_is_the_mean_of_the_channels(tmp_path: Path) -> None:
    path = written(tmp_path / "a.wav", stereo(), subtype="FLOAT")
    assert decode(path).samples == pytest.approx(stereo().mean(axis=1), abs=1e-7)


@pytest.mark.parametrize("rate", [8000, 32000, 48000, 96000])
def test_resampling_keeps_pitch_level_and_length(tmp_path: Path, rate: int) -> None:
    path = written(tmp_path / "a.wav", stereo()[:, 0], subtype="FLOAT")
    waveform = decode(path, sample_rate=rate)
    assert waveform.sample_rate == rate
    assert len(waveform.samples) == rate
    middle = waveform.samples[rate // 4 : 3 * rate // 4]
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate // 4, 3 * rate // 4) / rate)
    assert middle == pytest.approx(expected, abs=1e-3)


def test_resampled_stereo_keeps_its_channels_apart(tmp_path: Path) -> None:
    path = written(tmp_path / "a.wav", stereo(), subtype="FLOAT")
    left, right = decode(path, sample_rate=22050, mono=False).samples
    assert dominant_hz(left, 22050) == pytest.approx(440, abs=1)
    assert dominant_hz(right, 22050) == pytest.approx(660, abs=1)


def test_a_crop_of_a_long_file_stays_small_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    with soundfile.SoundFile(path, "w", 48000, 2, "PCM_16") as file:
        for _ in range(20 * 6):
            file.write(np.zeros((480000, 2), np.float32))
    tracemalloc.start()
    waveform = decode(path, sample_rate=44100, offset_s=600.0, duration_s=5.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert waveform.duration_s == pytest.approx(5.0)
    assert peak < 16e6  # the whole file would be 460 MB


def make_broken(folder: Path) -> dict[str, tuple[bytes | np.ndarray, str]]:
    """File name to content and a piece of the expected reason."""
    good = (folder / "good.wav", folder / "good.flac", folder / "good.ogg", folder / "good.mp3", folder / "good.aif")
    wav, flac, ogg, mp3, aif = (written(path, stereo()).read_bytes() for path in good)
    nan, inf = stereo(), stereo()
    nan[100, 0], inf[RATE - 1, 1] = np.nan, np.inf
    return {
        "empty.wav": (b"", "empty"),
        "text.wav": (b"Dear reader, this is no sound.\n" * 40, "holds text"),
        "page.mp3": (b"<!DOCTYPE html><html><body>404</body></html>", "a web page"),
        "playlist.mp3": (b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n", "holds text"),
        "zip.flac": (b"PK\x03\x04" + bytes(100), "a ZIP archive"),
        "zeros.wav": (bytes(5000), "only zeros"),
        "picture.ogg": (b"\x89PNG\r\n\x1a\n" + bytes(100), "a PNG picture"),
        "video.wav": (b"RIFF\x00\x10\x00\x00AVI LIST" + bytes(100), "kind 'AVI', not WAVE"),
        "resource.wav": (b"\x00\x05\x16\x07\x00\x02" + bytes(100), "AppleDouble"),
        "header only.wav": (wav[:44], "cut short: its data ends after 0.00 s"),
        "half a header.wav": (wav[:20], "cannot be decoded"),
        "cut.wav": (wav[: len(wav) // 2], "cut short: its data ends after 0.50 s"),
        "cut.aif": (aif[: len(aif) // 2], "cut short: its data ends after 0.50 s"),
        "cut.flac": (flac[: len(flac) // 2], "cannot be decoded"),
        "cut.ogg": (ogg[: len(ogg) * 3 // 4], "cut short"),
        "cut.mp3": (mp3[: len(mp3) // 2], "cut short"),
        "hole.flac": (flac[: len(flac) // 2] + bytes(2000) + flac[len(flac) // 2 + 2000 :], "cannot be decoded"),
        "nan.wav": (nan, "no numbers"),
        "inf.wav": (inf, "no numbers"),
        "huge.wav": (stereo() * 32768, "times full scale"),
        "one sample.wav": (stereo()[:1], "0.0 ms of sound"),
        "five ms.wav": (stereo(0.005), "5.0 ms of sound"),
    }


def test_every_broken_file_has_its_reason(tmp_path: Path) -> None:
    for name, (content, reason) in make_broken(tmp_path).items():
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            written(path, content, subtype="FLOAT")
        with pytest.raises(AudioError) as caught:
            inspect_file(path)
        assert reason in str(caught.value), name
        assert str(caught.value).endswith("."), name
        assert not isinstance(caught.value, TransientAudioError), name


def test_nan_is_found_when_decoding_too(tmp_path: Path) -> None:
    samples = stereo()
    samples[RATE // 2] = np.nan
    path = written(tmp_path / "a.wav", samples, subtype="FLOAT")
    with pytest.raises(AudioError, match="no numbers"):
        decode(path)
    assert len(decode(path, duration_s=0.25).samples) == RATE // 4  # the fault lies beyond the wanted part


def test_an_offset_beyond_the_end_is_said(tmp_path: Path) -> None:
    path = written(tmp_path / "a.wav", stereo())
    with pytest.raises(AudioError, match=r"no sound at 7\.00 s; it ends at 1\.00 s"):
        decode(path, offset_s=7.0)


def test_a_size_that_says_streamed_is_read_to_the_end(tmp_path: Path) -> None:
    path = written(tmp_path / "a.wav", stereo())
    data = bytearray(path.read_bytes())
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    assert inspect_file(path).info.duration_s == 1.0


def test_zeros_before_the_first_mp3_frame_are_no_obstacle() -> None:
    assert identify(bytes(64) + b"\xff\xfb\x90\x00" + bytes(64)) == "MP3"


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "zero.wav").symlink_to("/dev/zero")
    (tmp_path / "gone.wav").symlink_to(tmp_path / "nowhere")
    for name in ("pipe.wav", "folder.wav", "zero.wav", "gone.wav", "missing.wav"):
        with pytest.raises(TransientAudioError):
            decode(tmp_path / name)


def test_loop_id_is_of_the_content_not_of_the_name(tmp_path: Path) -> None:
    first = written(tmp_path / "a.wav", stereo())
    second = tmp_path / "b.wav"
    second.write_bytes(first.read_bytes())
    other = written(tmp_path / "c.wav", stereo() * 0.5)
    found = inspect_file(first)
    assert found.loop_id == inspect_file(second).loop_id == content_hash(first)
    assert found.loop_id != content_hash(other)
    assert len(found.loop_id) == 32


def test_loop_id_is_stable_across_versions(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"loopscope")
    assert content_hash(path) == "3a437826c0e6d376af15f498a0d5e6c6"


# --- playable copies


def served(path: Path, cache: Path, loop_id: str | None = None) -> tuple[Path, str]:
    """Where it lies what a browser is given for a file, and as what."""
    file, mime = playable(path, cache, loop_id)
    with file:
        assert file.tell() == 0
        return Path(file.name), mime


@pytest.mark.parametrize(
    ("name", "form", "mime"),
    [
        ("a.wav", {"subtype": "PCM_16"}, "audio/wav"),
        ("a.wav", {"subtype": "PCM_24"}, "audio/wav"),
        ("a.wav", {"subtype": "FLOAT"}, "audio/wav"),
        ("a.flac", {}, "audio/flac"),
        ("a.ogg", {}, "audio/ogg"),
        ("a.mp3", {}, "audio/mpeg"),
    ],
)
def test_what_browsers_play_is_served_as_it_is(tmp_path: Path, name: str, form: dict[str, str], mime: str) -> None:
    path = written(tmp_path / name, stereo(), **form)
    assert served(path, tmp_path / "cache") == (path, mime)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("name", "form", "tolerance"),
    [
        ("a.aif", {"subtype": "PCM_16"}, 0.0),
        ("a.aif", {"subtype": "PCM_24"}, 0.0),
        ("a.w64", {"subtype": "PCM_16"}, 0.0),
        ("a.wav", {"subtype": "DOUBLE"}, 2**-23),
        ("a.wav", {"subtype": "IMA_ADPCM"}, 2**-15),
        ("a.wav", {"format": "AIFF"}, 0.0),
    ],
)
def test_other_formats_become_flac_of_the_same_sound(
    tmp_path: Path, name: str, form: dict[str, str], tolerance: float
) -> None:
    path = written(tmp_path / name, stereo(), **form)
    copy, mime = served(path, tmp_path / "cache")
    assert mime == "audio/flac"
    assert copy.read_bytes()[:4] == b"fLaC"
    assert copy.name == f"{content_hash(path)}.flac"
    assert decode(copy, mono=False).samples == pytest.approx(decode(path, mono=False).samples, abs=tolerance)
    stamp = copy.stat().st_mtime_ns
    assert served(path, tmp_path / "cache")[0].stat().st_mtime_ns == stamp
    assert served(path, tmp_path / "cache", loop_id=content_hash(path)) == (copy, mime)
    assert list((tmp_path / "cache").iterdir()) == [copy]


def test_copies_clip_and_do_not_wrap_around(tmp_path: Path) -> None:
    path = written(tmp_path / "a.wav", stereo() * 3, subtype="DOUBLE")
    samples = decode(served(path, tmp_path / "cache")[0], mono=False).samples
    assert samples == pytest.approx(np.clip(stereo().T * 3, -1, 1), abs=1e-6)


def test_many_channels_are_mixed_for_the_copy(tmp_path: Path) -> None:
    samples = np.repeat(stereo()[:, :1], 12, axis=1)
    path = written(tmp_path / "a.aif", samples)
    copy = decode(served(path, tmp_path / "cache")[0], mono=False).samples
    assert copy.shape == (1, RATE)
    assert copy[0] == pytest.approx(stereo()[:, 0], abs=1e-4)


def test_a_copy_that_cannot_be_finished_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = stereo()
    samples[-1] = np.nan
    broken = written(tmp_path / "a.wav", samples, subtype="DOUBLE")
    whole = written(tmp_path / "b.aif", stereo())

    def full_disk(self: soundfile.SoundFile, block: np.ndarray) -> None:
        raise OSError(28, "No space left on device")

    served(broken, tmp_path / "cache")  # NaN plays as silence; the scan has its own opinion
    monkeypatch.setattr(soundfile.SoundFile, "write", full_disk)
    with pytest.raises(AudioError, match="disk full"):
        served(whole, tmp_path / "cache")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [f"{content_hash(broken)}.flac"]


def test_copies_take_no_more_room_than_they_are_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "cache"
    sources = [written(tmp_path / f"{number}.aif", stereo() * (1 - number / 10)) for number in range(4)]
    copies = [served(source, cache)[0] for source in sources[:3]]
    for age, copy in enumerate(reversed(copies)):
        os.utime(copy, ns=(age * -(10**9) + time.time_ns(), copy.stat().st_mtime_ns))
    left = cache / f"{PART_PREFIX}left"
    left.write_bytes(b"from a process that was killed")
    os.utime(left, (0, 0))
    played = content_hash(sources[0])
    written_at = copies[0].stat().st_mtime_ns
    assert served(sources[0], cache, played)[0] == copies[0]  # made first, played last
    assert copies[0].stat().st_mtime_ns == written_at, "what the browser has is still valid"
    size = max(copy.stat().st_size for copy in copies)
    monkeypatch.setattr(config, "TRANSCODED_BYTES", 3 * size + size // 2)
    newest = served(sources[3], cache)[0]
    assert {path.name for path in cache.iterdir()} == {copies[0].name, copies[2].name, newest.name}
    assert sum(path.stat().st_size for path in cache.iterdir()) <= config.TRANSCODED_BYTES
    assert served(sources[1], cache)[0] == copies[1], "what made room is made again"


def test_a_cache_that_is_no_folder_is_said(tmp_path: Path) -> None:
    path = written(tmp_path / "a.aif", stereo())
    (tmp_path / "cache").write_text("in the way")
    with pytest.raises(AudioError, match="No playable copy can be written"):
        served(path, tmp_path / "cache")


# --- the fallback for what libsndfile does not know


class FakeBackend(audioread.AudioFile):
    """16-bit stereo, 0.5 s of a ramp, in odd buffers; as ffmpeg would deliver an M4A file."""

    samplerate, channels, duration = 8000, 2, 0.5
    ramp = np.repeat(np.arange(4000, dtype="<i2")[:, None], 2, axis=1)

    def __init__(self, path: str) -> None:
        self.path = path

    def read_data(self) -> Iterator[bytes]:
        for start in range(0, 4000, 700):
            yield self.ramp[start : start + 700].tobytes()

    def __enter__(self) -> "FakeBackend":
        return self

    def __exit__(self, *exception: object) -> None:
        return None


def test_what_libsndfile_does_not_know_goes_to_audioread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.m4a"
    path.write_bytes(b"\x00\x00\x00\x20ftypM4A " + bytes(200))
    monkeypatch.setattr(audioread, "available_backends", lambda flush=False: [FakeBackend])
    found = inspect_file(path)
    assert (found.info.format, found.info.duration_s, found.info.channels) == ("MP4", 0.5, 2)
    assert decode(path).samples == pytest.approx(np.arange(4000) / 32768)
    part = decode(path, offset_s=0.1, duration_s=0.2).samples
    assert part == pytest.approx(np.arange(800, 2400) / 32768)
    copy, mime = served(path, tmp_path / "cache")
    assert mime == "audio/flac"
    assert decode(copy).samples == pytest.approx(np.arange(4000) / 32768)


def test_without_a_backend_the_reason_is_the_decoders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.m4a"
    path.write_bytes(b"\x00\x00\x00\x20ftypM4A " + bytes(200))
    monkeypatch.setattr(audioread, "available_backends", lambda flush=False: [])
    with pytest.raises(AudioError, match="cannot be decoded"):
        probe(path)


def test_text_never_reaches_a_fallback_decoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ffmpeg would follow a playlist to any file or address named in it."""
    seen: list[str] = []
    monkeypatch.setattr(audioread, "audio_open", seen.append)
    path = tmp_path / "a.mp3"
    path.write_bytes(b"#EXTM3U\n#EXT-X-TARGETDURATION:10\nhttp://127.0.0.1/secret\n")
    with pytest.raises(AudioError, match="holds text"):
        decode(path)
    assert not seen


# --- inspection in child processes

DANGEROUS_CHILD = """
import os, time
from loopscope.audio import isolation_worker as worker
from loopscope.children import run
careful = worker.inspect_file
def inspect(path):
    name = os.path.basename(path)
    if "crash" in name:
        os.abort()
    if "hang" in name:
        time.sleep(60)
    if "memory" in name:
        raise MemoryError
    return careful(path)
worker.inspect_file = inspect
run.serve(worker.answer_to)
"""


@contextmanager
def dangerous_decoder(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    real = child.subprocess.Popen

    def start(command: list[str], **options: object) -> object:
        return real([command[0], "-c", DANGEROUS_CHILD], **options)

    with monkeypatch.context() as patch:
        patch.setattr(child.subprocess, "Popen", start)
        yield


def test_a_crashing_or_hanging_decoder_costs_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["a.wav", "crash.wav", "b.wav", "hang.wav", "memory.wav", "c.wav"]
    for name in names:
        written(tmp_path / name, stereo(0.1))
    with dangerous_decoder(monkeypatch), InspectionPool(2, seconds=1.5) as pool:
        found = {Path(path).name: result for path, result in pool.inspect_all(str(tmp_path / name) for name in names)}
    assert sorted(found) == sorted(names)
    assert all(isinstance(found[name], Inspection) for name in ("a.wav", "b.wav", "c.wav"))
    assert "crashed" in str(found["crash.wav"])
    assert "took longer than" in str(found["hang.wav"])
    assert "memory" in str(found["memory.wav"])


def test_a_stop_does_not_wait_for_a_hanging_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "hang.wav", stereo(0.1))
    started = time.monotonic()
    with dangerous_decoder(monkeypatch), InspectionPool(1, seconds=30) as pool:
        found = list(pool.inspect_all([str(path)], should_stop=lambda: time.monotonic() - started > 1.0))
    assert found == []
    assert time.monotonic() - started < 10


def test_a_child_that_never_comes_up_is_no_file_s_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "a.wav", stereo(0.1))
    monkeypatch.setattr(child.sys, "executable", "/bin/false")
    with pytest.raises(LibraryError, match="ended while starting"), InspectionPool(1) as pool:
        list(pool.inspect_all([str(path)]))
    monkeypatch.setattr(child.sys, "executable", str(tmp_path / "nowhere"))
    with pytest.raises(LibraryError, match="cannot be started"), InspectionPool(1) as pool:
        list(pool.inspect_all([str(path)]))


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGKILL"])
def test_a_child_that_is_told_to_end_is_no_file_s_fault(name: str, tmp_path: Path) -> None:
    """Ctrl-C once left a file behind as one that crashes the decoder, for good."""
    path = str(written(tmp_path / "a.wav", stereo(0.1)))
    worker = InspectionWorker()
    try:
        found = worker.inspect(path)
        process = worker._child._process
        assert process is not None and os.getpgid(process.pid) != os.getpgid(0), "a terminal's Ctrl-C is for us alone"
        process.send_signal(getattr(signal, name))
        process.wait(10)
        assert isinstance(worker.inspect(path), TransientAudioError)
        assert worker.inspect(path) == found, "another child takes its place"
    finally:
        worker.close()


def test_modules_beside_the_working_folder_are_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit(3)")
    path = written(tmp_path / "a.wav", stereo(0.1))
    monkeypatch.chdir(tmp_path)
    with InspectionPool(1) as pool:
        assert [isinstance(result, Inspection) for _, result in pool.inspect_all([str(path)])] == [True]


def test_the_child_says_what_the_parent_would(tmp_path: Path) -> None:
    good = written(tmp_path / "good \udcff\n.wav", stereo())
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"no sound")
    worker = InspectionWorker()
    try:
        assert worker.inspect(str(good)) == inspect_file(good)
        assert str(worker.inspect(str(bad))) == "The file holds text, not sound."
        assert isinstance(worker.inspect(str(tmp_path / "gone.wav")), TransientAudioError)
    finally:
        worker.close()


def test_leaving_the_pool_ends_its_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[str]] = []

    class Noted(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Noted)
    paths = [str(written(tmp_path / f"{index}.wav", stereo(0.05))) for index in range(40)]
    with InspectionPool(2) as pool:
        next(pool.inspect_all(paths))
    assert started
    assert all(process.poll() is not None for process in started)


@pytest.mark.parametrize(
    ("n_samples", "own_rate", "rate"), [(220_500, 44_100, 48_000), (88_200, 44_100, 48_000), (33_333, 48_000, 44_100)]
)
def test_a_stream_is_what_librosa_loads_to_the_last_sample(
    tmp_path: Path, n_samples: int, own_rate: int, rate: int
) -> None:
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, n_samples)
    path = written(tmp_path / "a.wav", sound, own_rate, subtype="FLOAT")
    expected, _ = librosa.load(path, sr=rate)
    found = np.concatenate(list(stream(path, rate)))
    assert len(found) == len(expected) == resampled_length(n_samples, own_rate, rate)
    np.testing.assert_allclose(found, expected, atol=1e-6)
