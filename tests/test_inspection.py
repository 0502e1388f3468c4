"""One look at a file: the hash of its very bytes, every block decoded, and nothing said of a file that changed."""

import errno
import hashlib
import os
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from loopscope import audio
from loopscope.audio import inspection
from loopscope.audio.inspection import content_hash, inspect_file
from loopscope.audio.readers import TransientAudioError
from loopscope.errors import AudioError

RATE = 8000


@pytest.fixture
def tone(tmp_path: Path) -> Path:
    """Twenty seconds, more than a piece of what is hashed at once."""
    path = tmp_path / "tone.wav"
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (20 * RATE, 2))
    soundfile.write(path, noise, RATE, subtype="DOUBLE")
    assert path.stat().st_size > 1 << 20
    return path


def test_the_id_is_the_hash_of_the_whole_content_and_nothing_else(tone: Path) -> None:
    expected = hashlib.blake2b(tone.read_bytes(), digest_size=16).hexdigest()
    assert content_hash(tone) == content_hash(str(tone)) == inspect_file(tone).loop_id == expected
    with FileIO(tone) as file:
        file.seek(1000)
        assert content_hash(file) == expected, "wherever somebody has read to"
    with tone.open("r+b") as written:
        written.seek(-1, os.SEEK_END)
        written.write(b"\x01")
    assert content_hash(tone) != expected


def test_what_is_found_is_what_the_header_says_with_the_length_that_was_decoded(
    tone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = inspect_file(tone).info
    assert found == audio.probe(tone) and (found.duration_s, found.channels) == (20.0, 2)
    blocks = inspection.open_reader

    class Shorter:
        """A reader whose file ends before its header says."""

        def __init__(self, file: Any) -> None:
            self._reader = blocks(file)
            self.info = None

        def __enter__(self) -> "Shorter":
            self.info = self._reader.__enter__().info
            return self

        def __exit__(self, *exception: object) -> None:
            self._reader.__exit__(*exception)

        def blocks(self) -> Iterator[np.ndarray]:
            yield np.zeros((RATE, 2), np.float32)
            yield np.zeros((RATE // 2, 2), np.float32)

    monkeypatch.setattr(inspection, "open_reader", Shorter)
    assert inspect_file(tone).info.duration_s == 1.5


def test_every_block_is_decoded_and_checked(tone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    n_frames = 0
    check = inspection.check_block

    def noted(block: np.ndarray) -> None:
        nonlocal n_frames
        n_frames += len(block)
        check(block)

    monkeypatch.setattr(inspection, "check_block", noted)
    inspect_file(tone)
    assert n_frames == 20 * RATE
    samples, _ = soundfile.read(tone)
    samples[-1] = np.nan
    soundfile.write(tone, samples, RATE, subtype="DOUBLE")
    with pytest.raises(AudioError):
        inspect_file(tone)


@pytest.mark.parametrize(("n_frames", "is_long_enough"), [(79, False), (80, True), (81, True)])
def test_a_hundredth_of_a_second_is_long_enough(tmp_path: Path, n_frames: int, is_long_enough: bool) -> None:
    path = tmp_path / "short.wav"
    soundfile.write(path, np.full(n_frames, 0.25), RATE)
    if is_long_enough:
        assert inspect_file(path).info.duration_s == n_frames / RATE
        return
    with pytest.raises(AudioError, match="at least 10 ms"):
        inspect_file(path)


@pytest.mark.parametrize("what", ["size", "time"])
def test_a_file_that_changes_meanwhile_is_looked_at_again_later(
    tone: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = inspection._hash

    def changed_then(file: FileIO) -> str:
        found = digest(file)
        before = tone.stat()
        if what == "size":
            with tone.open("ab") as written:
                written.write(b"\0")
            os.utime(tone, ns=(before.st_atime_ns, before.st_mtime_ns))
        else:
            os.utime(tone, ns=(before.st_atime_ns, before.st_mtime_ns + 1_000))
        return found

    monkeypatch.setattr(inspection, "_hash", changed_then)
    with pytest.raises(TransientAudioError, match=r"changed while it was read; scan the folder again\.$"):
        inspect_file(tone)


def test_a_disk_that_fails_says_nothing_of_the_file(tone: Path) -> None:
    class Failing(FileIO):
        def readinto(self, buffer: object) -> int:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    with Failing(tone) as file, pytest.raises(TransientAudioError, match="cannot be read: Input/output error"):
        content_hash(file)
