"""What is played out of tune or time is found where it is, and styles that only look so are left alone."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from benchmarks.planting import backwards, detuned_in_part, drifting, jittered, stuttering
from loopscope.analysis.triage import triage_loops
from loopscope.demo import plan_takes, render_take
from loopscope.faults import check as fault_library
from loopscope.faults import check_library, file_report, find_faults
from loopscope.faults.base import Fault, Signal
from loopscope.faults.check import known_faults
from loopscope.faults.folders import compare_in_folders
from loopscope.faults.limits import LIMITS
from loopscope.faults.music.grid import fit_grid, tempo_of, without_pulses
from loopscope.faults.music.notes import find_notes
from loopscope.faults.music.onsets import Onsets
from loopscope.faults.music.tuning import find_tuning, measure_tuning
from loopscope.library import scan_folder
from loopscope.store import Store
from tests.styles import BPM, RATE, STYLES, pad, placed, tone

MUSICAL = ("note_out_of_tune", "off_tuning", "drift", "off_grid", "reversed", "stutter", "other_tempo")
SCALE = (0, 300, 700, 500, 1000, 700, 1200, 300, 500, 0, 700, 1000, 300, 700, 500, 1200)


def melody(cents: float = 0.0, sharp_cents: float = 0.0, sharp: tuple[int, ...] = (2, 5, 10, 13)) -> np.ndarray:
    """(n,) sixteen eighths at 120 BPM, all `cents` beside A = 440 Hz, some `sharp_cents` more."""
    return placed(
        [(0.25 * i, tone(c + cents + (sharp_cents if i in sharp else 0), 0.26)) for i, c in enumerate(SCALE)], 4.0
    )


def found(samples: np.ndarray, tempo_bpm: float | None = BPM) -> dict[str, Fault]:
    return {fault.kind: fault for fault in find_faults(samples, RATE, tempo_bpm)}


def planted(plant: object, samples: np.ndarray, seed: int = 0) -> np.ndarray:
    return np.asarray(plant(samples[None], RATE, BPM, np.random.default_rng(seed)), np.float32)[0]  # type: ignore[operator]


@pytest.fixture(scope="module")
def funk() -> np.ndarray:
    """A take of the demo library: a struck instrument with a beat to it."""
    take = next(
        t for t in plan_takes(0) if t.style == "Disco" and t.bars == 2 and t.sample_rate == RATE and not t.oddity
    )
    return render_take(take)[0]


# --- styles


@pytest.mark.parametrize("name", STYLES)
def test_no_style_is_a_fault_of_music(name: str) -> None:
    faults = find_faults(STYLES[name](), RATE, BPM)
    assert [fault for fault in faults if fault.kind in MUSICAL and fault.verdict == "fault"] == []


def test_few_styles_are_even_suspected_of_one() -> None:
    suspected = {name for name, make in STYLES.items() if set(found(make())) & set(MUSICAL)}
    assert suspected <= {"glitch", "pumping pad", "quarter tones"}


# --- pitch


def test_notes_are_followed_with_their_pitch_and_time() -> None:
    heard = find_notes(Signal(placed([(0.5, tone(0, 1.0)), (2.0, tone(700, 1.0))], 4.0)[None], RATE))
    long = heard.chosen(heard.end_s - heard.start_s > 0.5)
    assert long.cents == pytest.approx([-2400, -1700], abs=3)
    assert long.start_s == pytest.approx([0.5, 2.0], abs=0.1)


@pytest.mark.parametrize("cents", [-43.0, -20.0, 0.0, 35.0])
def test_the_tuning_of_a_loop_is_measured(cents: float) -> None:
    tuning = find_tuning(Signal(melody(cents)[None], RATE))
    assert tuning is not None
    assert tuning.cents == pytest.approx(cents, abs=3)


@pytest.mark.parametrize("cents", [40.0, -40.0])
def test_notes_out_of_tune_are_found_where_they_are(cents: float) -> None:
    fault = found(melody(10.0, cents))["note_out_of_tune"]
    assert fault.verdict == "fault"
    assert fault.times_s == pytest.approx([0.5, 1.25, 2.5, 3.25], abs=0.1)
    assert "40 cents" in fault.sentence
    assert fault.brief == f"4 notes 40 cents {'sharp' if cents > 0 else 'flat'}"


def test_notes_in_tune_and_a_loop_off_as_a_whole_are_no_notes_out_of_tune() -> None:
    assert found(melody()) == {}
    assert "note_out_of_tune" not in found(melody(40.0))


def test_hum_is_no_note_out_of_tune() -> None:
    t = np.arange(4 * RATE) / RATE
    hum = sum(np.sin(2 * np.pi * k * 50 * t) / k for k in (1, 2, 3, 4, 5, 7))
    assert set(found((melody() + 0.05 * hum).astype(np.float32))) == {"hum"}


def test_a_drift_is_found_with_its_direction(funk: np.ndarray) -> None:
    up = placed([(0.25 * i, tone(c - 15 + 30 * i / 15, 0.26)) for i, c in enumerate(SCALE)], 4.0)
    fault = found(up)["drift"]
    assert fault.verdict == "fault"
    assert "rises by" in fault.sentence
    assert "drift" not in found(funk)


def test_overtones_of_one_struck_sound_that_beat_one_after_another_are_no_sure_drift() -> None:
    t = np.arange(3 * RATE) / RATE
    semitones = (0, 7, 3, 10, 5, 12, 8, 15)
    swells = [
        np.sin(2 * np.pi * 220 * 2 ** ((100 * semitone - 18 + 36 * i / 7) / 1200) * t)
        * np.exp(-0.5 * ((t - 0.25 - 0.34 * i) / 0.16) ** 2)
        for i, semitone in enumerate(semitones)
    ]
    rung = (0.8 * sum(swells) / np.abs(sum(swells)).max()).astype(np.float32)
    assert found(rung)["drift"].verdict == "suspect"


def test_a_fretless_hand_that_misses_now_and_then_does_not_drift() -> None:
    missed = (20, 23, 0, 4, 3, 3, 0, 3, 3, -7, 7, -16, 1, -1, -9, -13)  # a line through them falls by 22 cents
    assert "drift" not in found(placed([(0.25 * i, tone(SCALE[i] + missed[i], 0.26)) for i in range(16)], 4.0))


def drums_with_toms() -> np.ndarray:
    """(n,) toms that ring at three pitches, one between the semitones of the others, and hats between them."""
    rng, t = np.random.default_rng(0), np.arange(int(0.6 * RATE)) / RATE
    struck, shut = rng.standard_normal((8, len(t))) * np.exp(-t / 0.05), rng.standard_normal(len(t)) * np.exp(-t / 0.02)
    toms = [
        np.sin(2 * np.pi * 220 * 2 ** (cents / 1200) * t) * np.exp(-t / 0.3) * (1 - np.exp(-t / 0.002)) + noise
        for cents, noise in zip((0, 500, -460, 0, 500, -460, 0, 0), struck, strict=True)
    ]
    hats = [(0.25 * i + 0.125, shut) for i in range(16)]
    return placed([*((0.5 * i, tom) for i, tom in enumerate(toms)), *hats], 4.0)


def test_toms_are_no_notes_out_of_tune_and_a_saw_full_of_partials_has_a_tuning() -> None:
    assert "note_out_of_tune" not in found(drums_with_toms())
    rich = placed([(0.25 * i, tone(c, 0.26, partials=150)) for i, c in enumerate(SCALE)], 4.0)
    assert find_tuning(Signal(rich[None], RATE)) is not None


def test_staccato_notes_are_released_and_do_not_drop_out() -> None:
    """A synthesiser's bass whose notes are let go within 20 ms, with rests of several lengths between them."""
    at = [0.125 * sixteenth + 2 * bar for bar in (0, 1) for sixteenth in (0, 3, 6, 8, 11, 14)]
    staccato = placed([(start, tone(SCALE[i % 4], 0.2 + 0.02 * (i % 3))) for i, start in enumerate(at)], 4.0)
    assert "dropout" not in {kind for kind, fault in found(staccato).items() if fault.verdict == "fault"}
    legato = placed([(0.25 * i, tone(c, 0.26)) for i, c in enumerate(SCALE)], 4.0)
    legato[int(1.3 * RATE) : int(1.33 * RATE)] = 0
    assert found(legato)["dropout"].verdict == "fault"


# --- time


def test_attacks_off_the_grid_are_found_and_named(funk: np.ndarray) -> None:
    assert "off_grid" not in found(funk)
    take = next(take for take in plan_takes(0) if take.oddity == "off_grid" and take.instrument == "Bass")
    fault = {f.kind: f for f in find_faults(render_take(take), take.sample_rate, take.bpm)}["off_grid"]
    assert fault.verdict == "fault"
    assert f"grid of {take.bpm} BPM" in fault.sentence
    assert 0 < len(fault.times_s) <= 12


def test_clicks_are_no_attacks_off_the_grid() -> None:
    clicking = 0.5 * melody()
    for at in np.random.default_rng(0).integers(0, len(clicking) - 8, 24):
        clicking[at : at + 4] += 0.45
    kinds = set(found(clicking))
    assert "click" in kinds
    assert "off_grid" not in kinds


@pytest.mark.parametrize("lines", [(0, 0.5), (0, 1 / 3, 2 / 3), (0, 0.62), (0, 0.25, 0.62)])
def test_straight_swung_and_triplet_playing_is_on_the_grid(lines: tuple[float, ...]) -> None:
    times = [0.5 * (beat + line) for beat in range(8) for line in lines]
    assert "off_grid" not in found(placed([(at, tone(SCALE[i % 16], 0.2)) for i, at in enumerate(times)], 4.0))


GROOVES = {
    "swung eighths and straight sixteenths": (74.0, [(0,), (0.25, 0.667), (0, 0.667), (0.25, 0.75)]),
    "every other beat laid back": (100.0, [(0, 0.5), (0.1, 0.6)]),
}


@pytest.mark.parametrize("name", GROOVES)
def test_what_is_late_in_every_beat_alike_is_a_groove(name: str) -> None:
    bpm, bars = GROOVES[name]
    beats = [(beat, line) for beat in range(8) for line in bars[beat % len(bars)]]

    def take(spread_s: float, seed: int) -> np.ndarray:
        late_s = np.random.default_rng(seed).normal(0, spread_s, len(beats))
        times = [max(60 / bpm * (beat + line) + late_s[i], 0) for i, (beat, line) in enumerate(beats)]
        return placed([(at, tone(SCALE[i % 5], 1.0, 0.2)) for i, at in enumerate(times)], 8 * 60 / bpm)

    assert "off_grid" not in found(take(0.002, seed=1), bpm)
    nearly = found(take(0.008, seed=2), bpm)["off_grid"]
    assert nearly.verdict == "suspect"
    assert "groove" in nearly.sentence
    assert found(take(0.035, seed=3), bpm)["off_grid"].verdict == "fault"


def test_swells_at_a_pace_of_their_own_are_left_out_and_strokes_and_the_tempo_are_not() -> None:
    swells, at_tempo = 0.31 * np.arange(8), 0.25 * np.arange(8)
    rng = np.random.default_rng(0)
    late = at_tempo + rng.normal(0, 0.03, 8)
    soft, struck = np.full(8, 3.5), np.full(8, 12.0)
    assert len(without_pulses(Onsets(swells, soft), BPM)) == 0
    for times, rises in ((swells, struck), (at_tempo, soft), (late, soft)):
        assert len(without_pulses(Onsets(times, rises), BPM)) == 8
    both = np.sort(np.concatenate([swells, 3.0 + late]))
    assert list(without_pulses(Onsets(both, np.full(16, 3.5)), BPM).times_s) == list(3.0 + late)


def test_a_pad_has_no_attacks_to_be_off_the_grid() -> None:
    rng, x = np.random.default_rng(0), pad((0, 300, 700, 1200), 4.0, 0.01)
    for i, at_s in enumerate(np.linspace(0.2, 3.3, 10) + rng.uniform(-0.06, 0.06, 10)):
        chord = pad(tuple(cents + (0, 500, 300, 700)[i % 4] for cents in (1200, 1900, 2400)), 0.5, 0.02)
        at = int(at_s * RATE)
        x[at : at + len(chord)] += 1.7 * chord[: len(x) - at]
    assert "off_grid" not in found((0.8 * x / np.abs(x).max()).astype(np.float32))


@pytest.mark.parametrize("bpm", [70.0, 140.0])
def test_a_hand_is_late_by_milliseconds_at_any_tempo(bpm: float) -> None:
    def cost(spread_s: float, seed: int) -> float:
        late_s = np.random.default_rng(seed).normal(0, spread_s, 32)
        return fit_grid(Onsets(np.arange(32) * 15 / bpm + late_s, np.ones(32)), bpm).cost

    assert min(cost(0.035, seed) for seed in range(5)) > LIMITS["off_grid"].suspect
    assert max(cost(0.01, seed) for seed in range(5)) < LIMITS["off_grid"].suspect


def signal_of(seconds: float, tempo_bpm: float | None) -> Signal:
    return Signal(np.zeros((1, round(seconds * RATE)), np.float32), RATE, 0.0, tempo_bpm)


def test_the_tempo_is_that_of_the_name_or_the_only_one_that_fits() -> None:
    assert tempo_of(signal_of(4.0, 120.0)) == 120.0
    assert tempo_of(signal_of(4.1, 120.0)) is None, "its length is no whole number of beats"
    assert tempo_of(signal_of(60 * 16 / 133, None)) == pytest.approx(133, abs=0.01)
    assert tempo_of(signal_of(6.0, None)) is None, "8 beats at 80 or 12 at 120"
    assert tempo_of(signal_of(5.173, None)) is None


def test_a_loop_played_backwards_is_found(funk: np.ndarray) -> None:
    assert "reversed" not in found(funk)
    assert "reversed" in found(np.ascontiguousarray(funk[::-1]))


def test_a_slice_that_sticks_is_found_where_it_is(funk: np.ndarray) -> None:
    assert "stutter" not in found(funk)
    at, size = int(1.1 * RATE), int(0.071 * RATE)
    stuck = funk.copy()
    stuck[at : at + 6 * size] = np.tile(funk[at : at + size], 6)
    faults = found(stuck, None)
    assert "71 ms" in faults["stutter"].sentence
    assert faults["stutter"].times_s[0] == pytest.approx(1.1, abs=0.06)
    assert faults["click"].verdict == "suspect" and "a slice that repeats" in faults["click"].sentence


@pytest.mark.parametrize(("pace_s", "verdict"), [(0.059, "fault"), (0.125, "suspect")])
def test_a_fading_note_that_sticks_clicks_and_a_roll_of_it_keeps_the_tempo(pace_s: float, verdict: str) -> None:
    t = np.arange(4 * RATE) / RATE
    x = 0.5 * np.sin(2 * np.pi * 82.4 * t)
    start, size = round(1.511 * RATE), round(pace_s * RATE)
    x[start : start + 6 * size] = np.tile(x[start : start + size], 6)
    faults = found((x * np.exp(-0.8 * t)).astype(np.float32))
    assert "stutter" not in faults, "no repeat is exact"
    click = faults["click"]
    assert click.verdict == verdict
    assert ("a slice sticks" in click.sentence) == (verdict == "fault")


# --- folders and names


def values(**by_loop: float) -> dict[str, dict[str, float]]:
    return {loop: {"off_tuning": cents} for loop, cents in by_loop.items()}


def in_folders(**by_loop: str) -> pd.DataFrame:
    return pd.DataFrame({"loop_id": list(by_loop), "folder": list(by_loop.values())})


def test_a_loop_is_compared_with_the_nearest_folder_of_some_size() -> None:
    of_pack = {f"a{i}": float(i % 5 - 2) for i in range(9)} | {"odd": 31.0}
    of_old_pack = {f"b{i}": -48.0 + i for i in range(8)}  # all of it at another pitch
    few = {"c0": 30.0}
    folders = dict.fromkeys(of_pack, "pack/one") | dict.fromkeys(of_old_pack, "old") | {"c0": "pack/two"}
    rows = compare_in_folders(values(**of_pack, **of_old_pack, **few), in_folders(**folders))
    assert set(rows) == {"odd", "c0"}
    (finding,) = rows["odd"]
    assert finding["kind"] == "off_tuning" and finding["verdict"] == "fault"
    assert "31 cents above the tuning of its folder" in finding["sentence"]


def test_a_folder_without_a_common_tuning_and_a_small_one_say_nothing() -> None:
    all_over = {f"a{i}": 10.0 * i - 45 for i in range(10)}
    assert compare_in_folders(values(**all_over), in_folders(**dict.fromkeys(all_over, ""))) == {}
    few = {f"a{i}": float(i) for i in range(6)} | {"odd": 40.0}
    assert compare_in_folders(values(**few), in_folders(**dict.fromkeys(few, ""))) == {}


def test_a_folder_tuned_around_a_quarter_tone_has_one_tuning() -> None:
    around = {f"a{i}": 49.0 if i % 2 else -49.0 for i in range(9)} | {"odd": 20.0}
    rows = compare_in_folders(values(**around), in_folders(**dict.fromkeys(around, "")))
    assert set(rows) == {"odd"}


def test_the_demo_library_has_a_take_out_of_tune_with_its_folder() -> None:
    takes = [take for take in plan_takes(0) if (take.instrument, take.style) == ("Bass", "Funk")]
    heard = {take.path: measure_tuning(Signal(render_take(take), take.sample_rate)).score for take in takes}
    rows = compare_in_folders(values(**heard), in_folders(**dict.fromkeys(heard, "Bass/Funk")))
    ((path, (finding,)),) = rows.items()
    assert path == next(take.path for take in takes if take.oddity == "detune")
    assert finding["strength"] == 1.0
    assert "sharp of its folder" in finding["brief"]


def test_a_library_knows_its_odd_tuning_again_without_reading_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "pack"
    folder.mkdir()
    for i in range(9):
        soundfile.write(folder / f"take {i}.wav", np.roll(melody(31.0 if i == 4 else 0.0), i * RATE // 4), RATE)
    library = scan_folder(folder)
    odd = library.unique.set_index("name")["loop_id"]["take 4.wav"]
    with Store(tmp_path / "store.sqlite3") as store:
        first = check_library(library, store)
        monkeypatch.setattr(file_report, "blocks_of", lambda *_args: pytest.fail("a file was read again"))
        again = known_faults(library, store)
    for table in (first, again):
        assert set(table.loc[table["kind"] == "off_tuning", "loop_id"]) == {odd}


def test_a_file_renamed_to_another_tempo_is_judged_anew(tmp_path: Path) -> None:
    take = next(take for take in plan_takes(0) if take.oddity == "off_grid" and take.instrument == "Bass")
    folder = tmp_path / "pack"
    folder.mkdir()
    named, other = folder / f"loop {take.bpm} bpm.wav", folder / f"loop {take.bpm + 7} bpm.wav"
    soundfile.write(named, render_take(take).T, take.sample_rate)
    with Store(tmp_path / "store.sqlite3") as store:
        assert "off_grid" in set(check_library(scan_folder(folder), store)["kind"])
        named.rename(other)
        library = scan_folder(folder)
        assert known_faults(library, store).empty, "a verdict at the old tempo was shown"
        assert "off_grid" not in set(check_library(library, store)["kind"])


# --- one cause


def test_evidence_of_one_cause_counts_once() -> None:
    def evidence(*kinds: str) -> float:
        rows = [{"loop_id": "a", **Fault(kind, 0.6, (), "fault", "It is so.", kind).row} for kind in kinds]
        loops = pd.DataFrame({"loop_id": ["a"], "percentile": [0.0]})
        return float(triage_loops(loops, fault_library.faults_frame(rows))["fault_evidence"].item())

    assert evidence("hum", "note_out_of_tune", "off_tuning") == pytest.approx(evidence("hum")) == pytest.approx(0.6)
    assert evidence("stutter", "click") == pytest.approx(0.6)
    assert evidence("off_grid", "hum") == pytest.approx(1 - 0.4 * 0.4), "different causes add up"


@pytest.mark.parametrize("plant", [detuned_in_part(40), drifting(30), jittered(30), stuttering, backwards])
def test_what_is_planted_differs_and_keeps_its_length(plant: object, funk: np.ndarray) -> None:
    spoilt = planted(plant, funk)
    assert len(spoilt) == len(funk)
    assert np.isfinite(spoilt).all()
    assert not np.array_equal(spoilt, funk)
