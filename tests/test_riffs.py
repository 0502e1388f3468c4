"""The same riff is found in another key, sound and tempo, begun elsewhere and played twice; different ones are not."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from loopscope.analysis.riffs import SAME_RIFF, SHIFT, Riffs, _as_played, _best
from loopscope.demo import theory
from loopscope.demo.performance import Player, Score, write_score
from loopscope.demo.styles import Style, style_named
from loopscope.hearing.notes import find_notes, resampled
from loopscope.hearing.riff import CLASSES, STEPS, changes, riff_of
from loopscope.metadata.riffs import RIFF_VERSION, known_riffs, riff_report
from loopscope.store import Store

RATE = 22050
PLAYED = (  # instrument, style, bars, other sound
    ("Bass", "Funk", 2, "saw"),
    ("Bass", "Soul", 4, "pick"),
    ("Bass", "Disco", 2, "fm"),
    ("Bass", "Reggae", 2, "finger"),
    ("Guitar", "Acoustic", 2, "nylon"),
    ("Guitar", "Bossa", 4, "clean"),
    ("Guitar", "Ballad", 2, "chorus"),
)
UP = 3  # semitones
KEY, HIGHER = theory.parse_key("Am"), theory.parse_key("Cm")


def played(instrument: str, style: Style, score: Score, sound: str, seed: int, octave: int = 0) -> np.ndarray:
    player = Player(score, style, sound, RATE, np.random.default_rng(seed))
    if instrument == "Bass":
        return player.play_bass(theory.LOWEST_BASS + 12 * octave)
    return player.play_guitar()


def riff(samples: np.ndarray) -> np.ndarray:
    found = riff_of(find_notes(resampled(samples, RATE)), len(samples) / RATE)
    assert found is not None
    return found


def versions(number: int) -> Iterator[tuple[str, np.ndarray]]:
    """One riff in A minor, and what may be made of it; each is played anew."""
    instrument, name, bars, other = PLAYED[number]
    style = style_named(instrument, name)
    bpm = float(np.mean(style.tempo))
    score = replace(write_score(style, "Am", bpm, bars, np.random.default_rng([5, number])), key=KEY)
    sound = style.instruments[0]
    yield "as it is", played(instrument, style, score, sound, 1)
    yield "transposed", played(instrument, style, replace(score, key=HIGHER), sound, 2)
    yield "re-voiced", played(instrument, style, score, other, 3, octave=1)
    yield "shifted", np.roll(played(instrument, style, score, sound, 4), round(240 / bpm * RATE))
    yield "stretched", played(instrument, style, replace(score, bpm=0.85 * bpm), sound, 5)
    yield "twice", np.tile(played(instrument, style, score, sound, 6), 2)


@pytest.fixture(scope="module")
def riffs() -> dict[str, np.ndarray]:
    """By number of the riff and what was made of it, such as "3 shifted"."""
    return {f"{number} {made}": riff(x) for number in range(len(PLAYED)) for made, x in versions(number)}


def test_copies_in_another_key_sound_and_tempo_come_first(riffs: dict[str, np.ndarray]) -> None:
    known, precisions = Riffs(riffs), []
    for name in riffs:
        order = [kin.loop_id for kin in known.kin_of(name, likeness=-1.0)]
        assert len(order) == len(riffs) - 1 and name not in order
        hits = np.array([other.split()[0] == name.split()[0] for other in order])
        precisions.append(float(np.mean((np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits])))
    assert np.mean(precisions) >= 0.9


def test_nothing_is_said_of_different_riffs_in_one_key_and_most_copies_are_found(riffs: dict[str, np.ndarray]) -> None:
    known = Riffs(riffs)
    found = [(name, kin) for name in riffs for kin in known.kin_of(name)]
    assert not [(name, kin) for name, kin in found if kin.loop_id.split()[0] != name.split()[0]]
    n_pairs = len(riffs) * (len(riffs) // len(PLAYED) - 1)
    assert len(found) > 0.5 * n_pairs
    assert all(kin.likeness >= SAME_RIFF for _, kin in found)
    moved = {(name.endswith("transposed"), kin.loop_id.endswith("transposed"), kin.semitones) for name, kin in found}
    assert moved <= {(False, True, UP), (True, False, -UP), (False, False, 0)}, "how much higher it is played"


def test_what_is_ruled_out_by_magnitudes_is_no_kin() -> None:
    rng = np.random.default_rng(0)
    made = (rng.random((40, CLASSES, STEPS)) ** 4 * 255).astype(np.uint8)
    made[1] = np.roll(made[0], (2, 3 * SHIFT), axis=(0, 1))
    known = Riffs({str(row): values for row, values in enumerate(made)})
    for likeness in (0.2, 0.5):
        alike, _ = _best(list(_as_played(made[0])), changes(made))
        expected = {str(row) for row in np.flatnonzero(alike >= likeness)} - {"0"}
        assert {kin.loop_id for kin in known.kin_of("0", likeness)} == expected
    (other,) = known.kin_of("0")
    assert (other.loop_id, other.semitones) == ("1", 2) and other.likeness == pytest.approx(1.0, abs=1e-5)


def test_a_riff_upside_down_and_backwards_is_another_one_and_many_are_asked_as_one_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(1)
    made = (rng.random((90, CLASSES, STEPS)) ** 4 * 255).astype(np.uint8)
    notes = np.zeros((CLASSES, STEPS), np.uint8)
    notes[0, ::16] = notes[4, 1::8] = notes[7, 5::32] = 255
    mirrored = Riffs({"mirrored": notes[::-1, ::-1]})
    assert mirrored.kin_of_riff(notes) == [], "its spectrum over time and classes is the same"
    assert mirrored.kin_of_riff(notes[::-1, ::-1])[0].likeness == pytest.approx(1.0)
    made[70] = np.roll(made[3], (5, SHIFT), axis=(0, 1))
    monkeypatch.setattr("loopscope.analysis.riffs.BLOCK", 7)
    known = Riffs({f"{row:02}": riff for row, riff in enumerate(made[20:], 20)})
    expected = []
    for riff in made[:80]:  # more than are asked at once
        alike, up = _best(list(_as_played(riff)), changes(made[20:]))
        expected.append({(f"{row + 20:02}", up[row]) for row in np.flatnonzero(alike >= SAME_RIFF)})
    found = [{(kin.loop_id, kin.semitones) for kin in each} for each in known.kin_of_each(list(made[:80]))]
    assert found == expected and found[3] == {("70", 5)} and found[30] == {("30", 0)}
    assert found == [{(kin.loop_id, kin.semitones) for kin in known.kin_of_riff(riff)} for riff in made[:80]]


def test_a_rhythm_on_one_note_and_silence_are_no_riffs() -> None:
    time_s = np.arange(4 * RATE) / RATE
    pulses = np.sin(2 * np.pi * 110 * time_s) * (time_s * 4 % 1 < 0.6)
    assert riff_of(find_notes(resampled(pulses, RATE)), 4.0) is None
    assert riff_of(find_notes(resampled(np.zeros(4 * RATE, np.float32), RATE)), 4.0) is None
    assert Riffs({}).kin_of("a") == []


@pytest.mark.parametrize("report", ["", "AAAA", "?" * 1024, "é" * 1024, None, 1, ["AAAA"]])
def test_riffs_are_kept_by_content_and_what_cannot_be_read_is_none(report: object, tmp_path: Path) -> None:
    values = np.arange(CLASSES * STEPS).reshape(CLASSES, STEPS) % 256
    with Store(tmp_path / "store.sqlite3") as store:
        store.put_reports("measurements", {"a": riff_report(values), "b": report}, RIFF_VERSION)
        known = known_riffs(["a", "b", "c"], store)
    assert list(known) == ["a"] and np.array_equal(known["a"], values)
