"""Tempo by ear: right where it is said, and not said of what has none; a name that says another is told."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks.choices import Example, learn
from benchmarks.hearing import Heard, cut_anywhere, faster, repeated, ringing_off
from loopscope.faults import find_faults
from loopscope.faults.limits import LIMITS
from loopscope.faults.music.tempo import tempi_of
from loopscope.hearing.choice import Choice, choice_of
from loopscope.hearing.grid import misfits
from loopscope.hearing.key import KEY_FROM, ROOTS, TONIC_FROM, Keys, key_features, key_name, piano_roll, weigh_keys
from loopscope.hearing.notes import find_notes, resampled
from loopscope.hearing.onsets import find_rhythm
from loopscope.hearing.tempo import LONGEST_S, SHOWN_FROM, find_candidates, tempo_features, weigh_tempi
from loopscope.metadata import estimate_from_audio
from tests.styles import RATE, STYLES

LOW_RATE = 22050
FIVE = (0, 3, 7, 10, 12)


def groove(bpm: float, n_beats: int = 8, rate: int = LOW_RATE) -> np.ndarray:
    """(n,) plucked eighths with two rests a bar, those on the beat louder."""
    x = np.zeros(round(n_beats * 60 / bpm * rate))
    for eighth in range(2 * n_beats):
        if eighth % 8 in (3, 6):
            continue
        start = round(eighth * 30 / bpm * rate)
        t = np.arange(min(round(30 / bpm * rate), len(x) - start)) / rate
        hz = 110 * 2 ** (FIVE[eighth % 5] / 12)
        tone = sum(np.sin(2 * np.pi * k * hz * t) / k for k in range(1, 5)) * np.exp(-6 * t)
        x[start : start + len(t)] += tone * (1.0 if eighth % 2 == 0 else 0.6)
    return (0.3 * x / np.abs(x).max()).astype(np.float32)


def heard(samples: np.ndarray, rate: int = LOW_RATE) -> tuple[float, float]:
    return weigh_tempi(find_rhythm(samples, rate)).best


@pytest.mark.parametrize("bpm", [72.0, 93.0, 97.3, 128.0, 151.0])
@pytest.mark.parametrize("n_beats", [8, 16])
def test_a_groove_has_its_tempo(bpm: float, n_beats: int) -> None:
    found, probability = heard(groove(bpm, n_beats))
    assert found == pytest.approx(bpm, abs=0.05)
    assert probability > SHOWN_FROM


@pytest.mark.parametrize("name", ["notes", "drums", "vinyl", "gated", "glitch", "pumping pad", "flams", "toms"])
def test_styles_with_a_beat_have_their_tempo(name: str) -> None:
    found, probability = heard(STYLES[name](), RATE)
    assert found == 120
    assert probability > SHOWN_FROM


@pytest.mark.parametrize("name", STYLES)
def test_no_style_has_a_wrong_tempo(name: str) -> None:
    found, probability = heard(STYLES[name](), RATE)
    assert probability < SHOWN_FROM or found == 120


def test_what_rings_on_after_its_last_bar_keeps_its_tempo() -> None:
    found, probability = heard(np.append(groove(104), np.zeros(LOW_RATE * 4 // 10, np.float32)))
    assert (found, probability > SHOWN_FROM) == (104, True)


@pytest.mark.parametrize("share", [0.61, 0.83, 0.94])
def test_what_was_cut_anywhere_has_no_tempo(share: float) -> None:
    whole = groove(104)
    assert heard(whole[: int(share * len(whole))])[1] < SHOWN_FROM


def test_what_is_played_freely_silent_or_long_has_no_tempo(tmp_path: Path) -> None:
    assert heard(STYLES["rubato"](), RATE)[1] < SHOWN_FROM
    assert heard(np.zeros(LOW_RATE, np.float32)) == (0.0, 0.0)
    assert heard(np.zeros(1, np.float32)) == (0.0, 0.0)
    for n_beats, bpm in ((8, 120), (int(2 * LONGEST_S) + 8, None)):
        soundfile.write(tmp_path / "long.wav", groove(120, n_beats), LOW_RATE)
        assert estimate_from_audio(tmp_path / "long.wav").bpm == bpm


def test_the_level_and_the_rate_of_the_file_do_not_matter() -> None:
    quiet, _ = heard(0.01 * groove(93))
    fast, _ = heard(groove(93, rate=48000), 48000)
    assert quiet == fast == 93


def test_attacks_fit_the_grid_they_lie_on() -> None:
    swung = np.array([0.0, 0.31, 0.5, 0.81, 1.0, 1.31, 1.5, 1.81])
    cost, beyond = misfits(swung, np.full(8, 1 / 8), np.array([120.0, 97.0]))
    assert cost[0] < 0.02
    assert cost[1] > 0.12
    assert beyond[0] == 0 < beyond[1]


# --- key

MINOR, MAJOR = (0, 0, 3, 7, 8, 7, 3, 0, 5, 8, 7, 10, 0, 7, 3, 0), (0, 0, 4, 7, 9, 7, 4, 0, 5, 9, 7, 11, 0, 7, 4, 0)


def riff(root: int, steps: tuple[int, ...], cents: float = 0.0) -> np.ndarray:
    """(n,) eighths at 100 BPM, on semitones above a MIDI number."""
    t = np.arange(int(0.3 * LOW_RATE)) / LOW_RATE
    hz = [440 * 2 ** ((root + step - 69 + cents / 100) / 12) for step in steps]
    envelope = np.exp(-4 * t) * np.clip((0.3 - t) / 0.02, 0, 1)
    parts = [sum(np.sin(2 * np.pi * k * pitch * t) / k for k in range(1, 5)) * envelope for pitch in hz]
    return (0.2 * np.concatenate(parts)).astype(np.float32)


def keys_of(samples: np.ndarray, rate: int = LOW_RATE) -> Keys:
    return weigh_keys(find_notes(resampled(samples, rate)), len(samples) / rate)


@pytest.mark.parametrize("root", [40, 45, 50, 54, 57])
@pytest.mark.parametrize(("steps", "mode"), [(MINOR, "m"), (MAJOR, "")])
def test_a_riff_has_its_key(root: int, steps: tuple[int, ...], mode: str) -> None:
    keys = keys_of(riff(root, steps))
    assert keys.best[0] == ROOTS[root % 12] + mode
    assert keys.best[1] > KEY_FROM
    assert keys.tonic[0] == ROOTS[root % 12]
    assert keys.tonic[1] > TONIC_FROM


def test_a_whole_loop_out_of_tune_keeps_its_key() -> None:
    assert keys_of(riff(45, MINOR, cents=40.0)).best[0] == "Am"


def test_noise_and_what_has_no_steady_pitch_have_no_key() -> None:
    noise = np.random.default_rng(0).standard_normal(4 * LOW_RATE).astype(np.float32)
    for samples, rate in ((noise, LOW_RATE), (STYLES["drums"](), RATE), (STYLES["riser"](), RATE)):
        keys = keys_of(samples, rate)
        assert keys.best[1] < KEY_FROM
        assert keys.tonic[1] < TONIC_FROM
    for samples in (np.zeros(LOW_RATE, np.float32), np.zeros(1, np.float32), 0.5 * STYLES["vibrato"]()):
        assert (keys_of(samples).best, keys_of(samples).tonic) == (("", 0.0), ("", 0.0))


def test_the_roll_shows_each_pitch_where_it_sounds() -> None:
    x = np.concatenate([riff(45, (0, 0, 0, 0)), riff(45, (7, 7, 7, 7))])
    roll = piano_roll(find_notes(resampled(x, LOW_RATE)), len(x) / LOW_RATE)
    assert roll.shape == (128, 10)
    assert roll[:, :4].sum(axis=1).argmax() == 45
    assert roll[:, 6:].sum(axis=1).argmax() == 52


def test_a_transposed_riff_has_the_transposed_features() -> None:
    low, high = (key_features(find_notes(resampled(riff(root, MINOR), LOW_RATE)), 4.8) for root in (45, 47))
    for name, values in low.items():
        moved = np.roll(values.reshape(2, 12), 2, axis=1).ravel()
        np.testing.assert_allclose(high[name], moved, atol=0.1, err_msg=name)


def test_keys_have_names() -> None:
    assert [key_name(key) for key in (0, 6, 12, 23)] == ["C", "F#", "Cm", "Bm"]


# --- names


def said(samples: np.ndarray, named: float | None, rate: int = RATE) -> dict[str, str]:
    return {
        fault.kind: f"{fault.verdict}: {fault.sentence} {fault.brief}" for fault in find_faults(samples, rate, named)
    }


@pytest.mark.parametrize("named", [97.0, 110.0, 140.0, 80.0])
def test_a_name_with_another_tempo_is_told_with_both(named: float) -> None:
    found = said(STYLES["drums"](), named)["other_tempo"]
    assert found.startswith(f"suspect: Its name says {named:g} BPM;")
    assert "fit 120 BPM." in found
    assert found.endswith(f" 120 BPM, not {named:g}")
    assert tempi_of(f"120 BPM, not {named:g}") == (120.0, named)
    assert LIMITS["other_tempo"].informs, "nothing sounds broken"


@pytest.mark.parametrize("named", [None, 60.0, 120.0, 120.5, 240.0])
def test_a_name_with_the_tempo_its_half_or_double_is_not(named: float | None) -> None:
    assert "other_tempo" not in said(STYLES["drums"](), named)


@pytest.mark.parametrize("share", [0.55, 0.61, 0.83, 0.94, 0.97])
def test_nothing_is_said_of_a_name_where_the_loop_was_cut(share: float) -> None:
    whole = groove(104)
    assert "other_tempo" not in said(whole[: int(share * len(whole))], 104.0, LOW_RATE)


# --- the model


def test_the_weights_are_those_of_the_features() -> None:
    rhythm = find_rhythm(groove(93), LOW_RATE)
    assert set(choice_of("tempo").weights) == set(tempo_features(find_candidates(rhythm), rhythm))
    assert set(choice_of("key").weights) == set(key_features(find_notes(resampled(riff(45, MINOR), LOW_RATE)), 4.8))


def test_a_choice_adds_up_to_one_with_none() -> None:
    features = {"a": np.array([0.0, 1.0]), "b": np.array([0.0, 800.0])}
    assert Choice({"a": np.log(2)}).probabilities(features) == pytest.approx([1 / 3, 2 / 3])
    assert Choice({"a": np.log(2)}, none=0.0).probabilities(features) == pytest.approx([1 / 4, 1 / 2])
    assert Choice({"b": 1.0}).probabilities(features) == pytest.approx([0, 1]), "no overflow"
    assert len(Choice({"a": 1.0}).probabilities({})) == 0


def test_a_choice_is_learnt_from_examples() -> None:
    rng = np.random.default_rng(0)
    examples = []
    for _ in range(300):
        a, noise = rng.normal(size=4), rng.normal(size=4)
        odds = np.exp(np.append(2 * a, 1.0))  # the last is none
        chosen = rng.choice(5, p=odds / odds.sum())
        examples.append(Example({"a": a, "noise": noise}, np.arange(4) == chosen))
    found = learn(examples, 0.1, may_be_none=True)
    assert found.weights["a"] == pytest.approx(2, abs=0.4)
    assert found.weights["noise"] == pytest.approx(0, abs=0.3)
    assert found.none == pytest.approx(1, abs=0.4)
    certain = [replace(example, right=example.features["a"] == example.features["a"].max()) for example in examples]
    assert learn(certain, 0.1, may_be_none=False).none == -np.inf


def test_variations_are_what_they_say() -> None:
    notes = find_notes(resampled(groove(100), LOW_RATE))
    loop = Heard(find_rhythm(groove(100), LOW_RATE), 100.0, notes, "Am", "bass", "a.wav")
    cut = cut_anywhere(loop, np.random.default_rng(0))
    assert cut is not None
    beats = cut.rhythm.duration_s * cut.bpm / 60
    assert abs(beats - round(beats)) > 0.05
    assert weigh_tempi(faster(loop, 1.05).rhythm).best[0] == pytest.approx(105, abs=0.1)
    assert weigh_tempi(repeated(loop, 2).rhythm).best[0] == 100
    assert ringing_off(loop, np.random.default_rng(0)).rhythm.level[-1].max() == pytest.approx(
        loop.rhythm.level.max() - 60
    )
