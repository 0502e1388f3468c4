"""A line of notes is written down where it is one, and the MIDI file says the same notes."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from loopscope.exports.midi import midi_bytes
from loopscope.figures.loop import line_figure
from loopscope.hearing.line import Line
from loopscope.metadata.lines import line_of_file

RATE = 22050
PLAYED = [(0.0, 45), (0.5, 48), (1.0, 52), (1.5, 45), (2.0, 50), (2.5, 50), (3.0, 57), (3.5, 52)]  # seconds, MIDI


def plucked(pitch: int, seconds: float = 0.45) -> np.ndarray:
    time_s = np.arange(int(seconds * RATE)) / RATE
    hz = 440 * 2 ** ((pitch - 69) / 12)
    tone = sum(np.sin(2 * np.pi * hz * partial * time_s) / partial for partial in range(1, 8))
    return np.asarray(tone * np.exp(-3 * time_s) * np.minimum(1, (seconds - time_s) / 0.02))


def write(path: Path, *notes: tuple[float, int]) -> Path:
    x = np.zeros(4 * RATE)
    for at_s, pitch in notes:
        tone = plucked(pitch)
        x[int(at_s * RATE) : int(at_s * RATE) + len(tone)] += tone
    soundfile.write(path, 0.5 * x / np.abs(x).max(), RATE)
    return path


def notes_in(data: bytes) -> list[tuple[float, float, int, int]]:
    """(start_s, end_s, pitch, velocity) of a file of format 0, read by the specification."""
    assert data[:8] == b"MThd\0\0\0\x06" and data[8:12] == b"\0\0\0\x01" and data[14:18] == b"MTrk"
    ticks, length = int.from_bytes(data[12:14]), int.from_bytes(data[18:22])
    track, at, now, microseconds = data[22:], 0, 0, 0
    assert len(track) == length
    sounding, found = {}, []
    while True:
        delta = 0
        while True:
            byte, at = track[at], at + 1
            delta = delta << 7 | byte & 0x7F
            if byte < 0x80:
                break
        now += delta
        status, first, second = track[at : at + 3]
        seconds = now / ticks * microseconds / 1e6
        if status == 0xFF:
            if first == 0x2F:
                assert at + 3 == len(track) and not sounding, "every note has ended"
                return sorted(found)
            assert first == 0x51 and second == 3
            microseconds, at = int.from_bytes(track[at + 3 : at + 6]), at + 6
        else:
            at += 3
            if status == 0x90:
                assert first not in sounding
                sounding[first] = (seconds, second)
            else:
                assert status == 0x80
                start, velocity = sounding.pop(first)
                found.append((start, seconds, first, velocity))


def test_a_plucked_line_is_heard_note_by_note(tmp_path: Path) -> None:
    line = line_of_file(write(tmp_path / "line.wav", *PLAYED))
    assert line is not None and line.pitch.tolist() == [pitch for _, pitch in PLAYED]
    np.testing.assert_allclose(line.start_s, [at_s for at_s, _ in PLAYED], atol=0.1)
    assert (line.end_s > line.start_s).all() and line_figure(line, 4.0).data[0].y.tolist() == line.pitch.tolist()


def test_chords_noise_and_silence_are_no_line(tmp_path: Path) -> None:
    chords = [(at_s, pitch + up) for at_s, pitch in PLAYED[::2] for up in (0, 4, 7)]
    assert line_of_file(write(tmp_path / "chords.wav", *chords)) is None
    for name, x in (("noise", 0.1 * np.random.default_rng(0).normal(size=2 * RATE)), ("silence", np.zeros(RATE))):
        soundfile.write(tmp_path / f"{name}.wav", x, RATE)
        assert line_of_file(tmp_path / f"{name}.wav") is None


@pytest.mark.parametrize("bpm", [None, 61.7, 174.0])
def test_the_midi_file_re_reads_to_the_same_notes(bpm: float | None) -> None:
    rng = np.random.default_rng(1)
    start_s = np.sort(rng.uniform(0, 50, 200))
    pitch = np.tile(rng.permutation(128), 2)[:200]
    line = Line(start_s, start_s + rng.uniform(0.01, 0.2, 200), pitch, rng.integers(1, 128, 200))
    read = notes_in(midi_bytes(line, bpm))
    told = sorted(zip(line.start_s, line.end_s, line.pitch, line.velocity, strict=True))
    assert [note[2:] for note in read] == [note[2:] for note in told]
    np.testing.assert_allclose([note[:2] for note in read], [note[:2] for note in told], atol=1e-3)


def test_a_note_struck_again_at_its_end_is_two() -> None:
    line = Line(np.array([0.0, 0.5]), np.array([0.5, 1.0]), np.array([60, 60]), np.array([100, 90]))
    assert [note[2:] for note in notes_in(midi_bytes(line, 120.0))] == [(60, 100), (60, 90)]
