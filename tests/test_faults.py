"""Every check finds what was planted, says where, and leaves music alone; all sound is synthesised here."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy import signal as dsp

from loopscope import audio
from loopscope.embeddings import EmbeddingSet
from loopscope.errors import Cancelled, DataError
from loopscope.faults import LIMITS, add_near_duplicates, check_library, fault_scores, faults_frame, find_faults
from loopscope.faults import check as fault_library
from loopscope.faults.base import Measurement, in_percent
from loopscope.faults.check import FAULT_COLUMNS
from loopscope.faults.duplicates import near_duplicate_rows
from loopscope.faults.file_report import check_file
from loopscope.faults.memory import version
from loopscope.faults.registry import BLOCK_S, CHECKS, judge
from loopscope.library import Library, scan_folder
from loopscope.progress import Progress
from loopscope.store import Store
from tests.styles import MUSIC, RATE, notes, vinyl
from tests.test_faults_of_files import OF_FILES

MUSICAL = {"note_out_of_tune", "off_tuning", "drift", "off_grid", "reversed", "stutter"}  # see test_faults_of_music
OF_NAMES = {"other_tempo", "other_key"}  # see test_hearing and test_named_keys
ELSEWHERE = MUSICAL | OF_NAMES | set(OF_FILES)


def quality_checks(x: np.ndarray, rate: int = RATE) -> dict[str, str]:
    return {fault.kind: fault.verdict for fault in find_faults(x, rate)}


def plant_click(x: np.ndarray, at_s: float, height: float = 0.4) -> np.ndarray:
    y = x.copy()
    at = int(at_s * RATE)
    y[..., at : at + 4] += height
    y[..., at + 4 : at + 8] -= height
    return y


def plant_pop(x: np.ndarray, at_s: float) -> np.ndarray:
    y = x.copy()
    at = int(at_s * RATE)
    y[at : at + 600] += 0.4 * np.exp(-np.arange(600) / 60).astype(np.float32)
    return y


def lossy(x: np.ndarray) -> np.ndarray:
    """What resampling and coding do to flat tops: ripple, and another level."""
    low = dsp.sosfilt(dsp.butter(8, 12000, fs=RATE, output="sos"), x)
    return (0.55 * low + 0.002 * np.random.default_rng(0).standard_normal(len(x))).astype(np.float32)


def plant_dropout(x: np.ndarray, at_s: float, for_s: float, fade_s: float = 0.0) -> np.ndarray:
    y = x.copy()
    a, b, fade = int(at_s * RATE), int((at_s + for_s) * RATE), int(fade_s * RATE)
    y[a:b] = 0
    if fade:
        y[a - fade : a] *= np.linspace(1, 0, fade, dtype=np.float32)
        y[b : b + fade] *= np.linspace(0, 1, fade, dtype=np.float32)
    return y


def plant_hum(x: np.ndarray, mains: float, level: float) -> np.ndarray:
    t = np.arange(len(x)) / RATE
    comb = sum(np.sin(2 * np.pi * k * mains * t + k) / k for k in (1, 2, 3, 4, 5, 7))
    return (x + level * comb).astype(np.float32)


@pytest.mark.parametrize("name", MUSIC)
def test_music_is_not_a_fault(name: str) -> None:
    faults = [fault for fault in find_faults(MUSIC[name](), RATE) if fault.verdict == "fault" and fault.kind != "seam"]
    assert faults == []


def test_clean_notes_raise_no_suspicion_at_all() -> None:
    assert find_faults(notes(), RATE) == ()


@pytest.mark.parametrize("name", ["notes", "distorted chords"])
@pytest.mark.parametrize("plant", [plant_click, plant_pop])
def test_a_click_is_found_where_it_is(name: str, plant: Callable[[np.ndarray, float], np.ndarray]) -> None:
    faulty = plant(MUSIC[name](), 1.3)
    (click,) = [fault for fault in find_faults(faulty, RATE) if fault.kind == "click"]
    assert click.verdict == "fault"
    assert click.times_s == pytest.approx([1.3], abs=0.003)
    assert "1 click" in click.sentence


def test_a_beat_played_early_goes_on_at_the_start_of_the_loop_and_a_click_at_its_end_does_not() -> None:
    """A slap that begins 2 ms before the end of the file was called a click."""
    rng = np.random.default_rng(0)
    slap = rng.standard_normal(RATE // 8).astype(np.float32) * np.exp(-np.arange(RATE // 8) / (0.02 * RATE))
    loop = 0.2 * notes()
    loop[: len(slap)] += 0.5 * slap
    assert "click" not in quality_checks(np.roll(loop, -int(0.002 * RATE)).astype(np.float32))
    assert quality_checks(plant_click(notes(), 3.998))["click"] == "fault"


def test_a_click_in_one_channel_is_found() -> None:
    clean = notes()
    faulty = np.stack([clean, plant_click(clean, 2.2)])
    assert quality_checks(faulty)["click"] == "fault"


def test_louder_clicks_score_higher() -> None:
    scores = [fault_scores(plant_click(notes(), 1.3, height), RATE)["click"] for height in (0.01, 0.05, 0.2)]
    assert scores == sorted(scores)
    assert scores[0] < scores[-1]


@pytest.mark.parametrize("name", ["notes", "distorted chords"])
@pytest.mark.parametrize("after", [lambda x: x, lambda x: 0.3 * x, lossy], ids=["full scale", "turned down", "lossy"])
def test_clipping_is_found_at_any_level(name: str, after: Callable[[np.ndarray], np.ndarray]) -> None:
    x = MUSIC[name]()
    level = 0.4 * np.abs(x).max()
    assert quality_checks(after(np.clip(x, -level, level)))["clipping"] == "fault"


def test_clipping_of_one_polarity_is_found() -> None:
    x = notes()
    assert quality_checks(np.minimum(x, 0.5 * x.max()))["clipping"] == "fault"


@pytest.mark.parametrize("peak", [1e-45, 1e-40, 1e-37, 1e-30])
def test_the_faintest_sound_is_no_clipping_and_no_error(peak: float) -> None:
    faint = np.full(2 * RATE, peak, np.float32)
    with np.errstate(all="raise", under="ignore"):
        assert "clipping" not in quality_checks(faint)


def test_soft_clipping_is_noticed() -> None:
    assert "clipping" in quality_checks(np.tanh(12 * notes()).astype(np.float32))


def test_a_square_wave_is_at_most_suspect() -> None:
    t = np.arange(2 * RATE) / RATE
    assert quality_checks((0.5 * dsp.square(2 * np.pi * 110 * t)).astype(np.float32))["clipping"] == "suspect"


@pytest.mark.parametrize(("for_s", "fade_s"), [(0.02, 0.0), (0.1, 0.0), (0.06, 0.002)])
def test_a_dropout_is_found_where_it_is(for_s: float, fade_s: float) -> None:
    (dropout,) = [f for f in find_faults(plant_dropout(notes(), 1.1, for_s, fade_s), RATE) if f.kind == "dropout"]
    assert dropout.verdict == "fault"
    assert dropout.times_s == pytest.approx([1.1], abs=0.004)


@pytest.mark.parametrize("mains", [50.0, 60.0, 49.95])
def test_hum_is_found_and_named(mains: float) -> None:
    (hum,) = [fault for fault in find_faults(plant_hum(notes(), mains, 0.04), RATE) if fault.kind == "hum"]
    assert hum.verdict == "fault"
    assert f"{round(mains / 10) * 10} Hz" in hum.sentence


def test_notes_next_to_the_mains_lines_are_not_hum() -> None:
    t = np.arange(4 * RATE) / RATE
    drone = sum(np.sin(2 * np.pi * k * 48.999 * t) / k for k in range(1, 10))
    assert "hum" not in quality_checks((0.2 * drone).astype(np.float32))


def test_a_noise_floor_is_found_and_noise_as_the_sound_itself_is_not_a_fault() -> None:
    noise = np.random.default_rng(0).standard_normal(4 * RATE).astype(np.float32)
    assert quality_checks(notes() + 0.01 * noise)["noise"] == "fault"
    assert quality_checks(0.1 * noise).get("noise", "suspect") == "suspect"


def test_dc_offset_is_measured() -> None:
    (offset,) = [fault for fault in find_faults(0.5 * notes() + 0.06, RATE) if fault.kind == "dc_offset"]
    assert offset.verdict == "fault"
    assert "6.0 %" in offset.sentence


def test_an_inverted_channel_is_found_and_double_mono_is_fine() -> None:
    x = notes()
    assert quality_checks(np.stack([x, -x]))["stereo_phase"] == "fault"
    for seed in range(20):  # in other bits than the left one: rounding may leave less than nothing in mono
        noise = np.random.default_rng(seed).standard_normal(5_000).astype(np.float32) / 5
        right = -(np.round(noise * 32_767) / 32_767).astype(np.float32)
        (fault,) = [found for found in find_faults(np.stack([noise, right]), RATE) if found.kind == "stereo_phase"]
        assert "nan" not in fault.sentence + fault.brief
    assert quality_checks(np.stack([x, x])) == {"false_stereo": "suspect"}


def test_a_dead_channel_is_found() -> None:
    x = notes()
    assert quality_checks(np.stack([x, np.zeros_like(x)]))["dead_channel"] == "fault"
    assert "dead_channel" not in quality_checks(np.stack([x, 0.3 * x]))


def test_near_silence_and_digital_silence() -> None:
    assert quality_checks(1e-4 * notes())["near_silence"] == "fault"
    assert quality_checks(np.zeros(RATE, np.float32)) == {"near_silence": "fault", "digital_silence": "fault"}


def test_a_loop_cut_in_full_swing_clicks_at_the_seam() -> None:
    t = np.arange(2 * RATE) / RATE
    closed = (0.5 * np.sin(2 * np.pi * 110 * t)).astype(np.float32)
    assert "seam" not in quality_checks(closed)
    assert quality_checks(closed[: len(closed) - 300])["seam"] == "fault"


def test_a_wall_in_the_spectrum_is_found_and_a_mellow_sound_is_not() -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(4 * RATE) * np.repeat(np.linspace(1, 0.1, 8), RATE // 2)
    wall = dsp.sosfilt(dsp.ellip(10, 0.1, 90, 8000, fs=RATE, output="sos"), noise)
    mellow = dsp.sosfilt(dsp.butter(1, 2000, fs=RATE, output="sos"), noise)
    assert quality_checks(wall.astype(np.float32))["band_limited"] == "fault"
    assert "band_limited" not in quality_checks(mellow.astype(np.float32))


def test_a_synthesiser_of_few_partials_is_not_band_limited_and_a_telephone_is() -> None:
    t = np.arange(4 * RATE) / RATE
    voices = (sum(np.sin(2 * np.pi * k * hz * t) / k for k in range(1, 26)) for hz in (98.0, 98.8))
    assert "band_limited" not in quality_checks((0.1 * sum(voices)).astype(np.float32))
    telephone = dsp.ellip(10, 0.1, 90, [300, 3400], "bandpass", fs=RATE, output="sos")
    noise = 0.1 * np.random.default_rng(0).standard_normal(4 * RATE)
    assert quality_checks(dsp.sosfilt(telephone, noise).astype(np.float32))["band_limited"] == "fault"


@pytest.mark.parametrize(("hiss", "verdict"), [(0.0, "suspect"), (0.01, "fault")])
def test_partials_that_all_end_are_a_wavetable_and_a_floor_that_ends_with_them_is_a_cut_file(
    hiss: float, verdict: str
) -> None:
    t = np.arange(2 * RATE) / RATE
    steady = [sum(np.sin(2 * np.pi * k * hz * t) / k for k in range(1, 65)) for hz in (58.27, 61.74)]
    noise = hiss * np.random.default_rng(0).standard_normal(4 * RATE)
    cut = dsp.sosfiltfilt(dsp.ellip(8, 0.1, 60, 3900, fs=RATE, output="sos"), noise)
    assert quality_checks((0.2 * np.concatenate(steady) + cut).astype(np.float32))["band_limited"] == verdict


def test_crackle_is_a_suspicion_with_an_excuse() -> None:
    (crackle,) = [fault for fault in find_faults(vinyl(), RATE) if fault.kind == "click"]
    assert crackle.verdict == "suspect"
    assert "vinyl" in crackle.sentence


def test_the_noise_of_a_record_is_a_suspicion_and_noise_alone_does_not_crackle() -> None:
    noise = np.random.default_rng(0).standard_normal(4 * RATE)
    groove = dsp.butter(2, [300, 7000], "bandpass", fs=RATE, output="sos")
    hiss = (0.013 * dsp.sosfilt(groove, noise)).astype(np.float32)
    (record,) = [fault for fault in find_faults(vinyl() + hiss, RATE) if fault.kind == "noise"]
    assert record.verdict == "suspect" and "vinyl" in record.sentence
    assert quality_checks(notes() + hiss)["noise"] == "fault"


def test_what_both_channels_hear_is_one_click_and_no_crackle() -> None:
    x = notes()
    for at_s in (0.31, 1.83):
        x[int(at_s * RATE)] += 0.3
    for at_s in (0.47, 0.59, 1.12, 1.31, 1.99, 2.31, 2.84, 3.28, 3.63):  # soft ones, as a plectrum makes
        x[int(at_s * RATE)] += 0.006
    for heard in (x, np.stack([x, 0.9 * x])):
        assert quality_checks(heard)["click"] == "fault"


def test_what_listening_does_not_settle_is_weak_evidence_and_keeps_its_verdict() -> None:
    excused = Measurement(1000.0, (), "Said.", "", "But.")
    strengths = {kind: judge({kind: excused})[0].strength for kind in ("dc_offset", "band_limited", "click")}
    assert strengths == {"dc_offset": 0.25, "band_limited": 0.25, "click": 0.49}
    assert judge({"dc_offset": Measurement(1000.0, (), "Said.", "", "")})[0].strength == 1


@pytest.mark.parametrize("samples", [0, 1, 2, 50, 500, 3000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_any_length_and_any_number_of_channels_give_finite_scores(samples: int, channels: int) -> None:
    x = np.random.default_rng(0).uniform(-0.5, 0.5, (channels, samples)).astype(np.float32)
    assert all(np.isfinite(score) for score in fault_scores(x, RATE).values())


@pytest.mark.parametrize("rate", [8000, 22050, 48000, 96000, 192000])
def test_rates_make_no_difference_to_clean_notes(rate: int) -> None:
    assert [fault for fault in find_faults(notes(2.0, rate), rate) if fault.verdict == "fault"] == []


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_broken_samples_are_refused_in_one_sentence(bad: float) -> None:
    x = notes(1.0)
    x[5] = bad
    with pytest.raises(DataError, match="NaN or infinity"):
        find_faults(x, RATE)


def test_loudness_does_not_change_what_is_found() -> None:
    faulty = plant_click(plant_dropout(notes(), 1.1, 0.05), 2.3)
    loud, soft = (find_faults(gain * faulty, RATE) for gain in (1.0, 0.2))
    assert [(f.kind, f.verdict) for f in loud] == [(f.kind, f.verdict) for f in soft]


def test_a_long_file_is_searched_in_blocks_and_keeps_its_times() -> None:
    rate = 8000
    seconds = 2.5 * BLOCK_S
    x = notes(seconds, rate)
    for at in (BLOCK_S - 0.02, 126.3):
        x[int(at * rate) : int(at * rate) + 3] += 0.5
    (click,) = [fault for fault in find_faults(x, rate) if fault.kind == "click"]
    assert click.times_s == pytest.approx([BLOCK_S - 0.02, 126.3], abs=0.003)


def test_the_registry_and_the_table_of_limits_agree() -> None:
    assert [check.kind for check in CHECKS] == list(LIMITS)
    for limit in LIMITS.values():
        assert limit.suspect < limit.fault < limit.certain
        assert [limit.strength(s) for s in (limit.suspect, limit.fault, limit.certain)] == [0.25, 0.5, 1.0]
        assert limit.source


def test_findings_are_sorted_and_bounded() -> None:
    faults = find_faults(plant_hum(plant_click(notes(), 1.3), 50, 0.05), RATE)
    strengths = [fault.strength for fault in faults]
    assert strengths == sorted(strengths, reverse=True)
    assert all(0.25 <= strength <= 1.0 for strength in strengths)


def planted() -> dict[str, tuple[np.ndarray, str]]:
    """Kind of finding -> sound with it, and what a row of the list says of it."""
    x, t = notes(), np.arange(2 * RATE) / RATE
    clicking = plant_click(plant_click(x, 1.3), 2.2)
    sine = (0.5 * np.sin(2 * np.pi * 110 * t)).astype(np.float32)
    noise = 0.1 * np.random.default_rng(0).standard_normal(4 * RATE) * np.repeat(np.linspace(1, 0.1, 8), RATE // 2)
    wall = dsp.sosfilt(dsp.ellip(10, 0.1, 90, 8000, fs=RATE, output="sos"), noise).astype(np.float32)
    return {
        "click": (clicking, "2 clicks"),
        "clipping": (np.clip(x, -0.2, 0.2), "clipped 35 %"),
        "dropout": (plant_dropout(x, 1.1, 0.05), "1 dropout"),
        "digital_silence": (np.zeros(RATE, np.float32), "silent"),
        "dc_offset": (0.5 * x + 0.06, "DC offset 6 %"),
        "hum": (plant_hum(x, 50.0, 0.04), "hum at 50 Hz"),
        "noise": (x + 0.01 * np.random.default_rng(0).standard_normal(len(x)), "noise 34 dB down"),
        "stereo_phase": (np.stack([x, -0.5 * x]), "loses 10 dB in mono"),
        "dead_channel": (np.stack([x, np.zeros_like(x)]), "right channel 120 dB down"),
        "near_silence": (1e-4 * x, "nearly silent, 92 dB down"),
        "seam": (sine[: len(sine) - 300], "jump of 50 % at the seam"),
        "band_limited": (wall, "nothing above 8.8 kHz"),
    }


@pytest.mark.parametrize("kind", [kind for kind in LIMITS if kind not in ELSEWHERE])
def test_every_finding_has_a_brief_with_what_was_measured(kind: str) -> None:
    samples, expected = planted()[kind]
    (found,) = [fault for fault in find_faults(samples, RATE) if fault.kind == kind]
    assert found.brief == expected


def test_a_check_without_a_brief_has_its_title_said() -> None:
    (found,) = judge({"hum": Measurement(9.0, (), "It hums.")})
    assert found.brief == "mains hum"


@pytest.mark.parametrize(
    ("share", "said"), [(1.0, "100 %"), (0.134, "13 %"), (0.0096, "1 %"), (0.0094, "0.9 %"), (0.0003, "0.03 %")]
)
def test_a_share_is_said_in_percent(share: float, said: str) -> None:
    assert in_percent(share) == said


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """Three loops: clean, clicking, clipped; and the clicking one a second time under another name."""
    folder = tmp_path / "pack"
    folder.mkdir()
    x = notes(1.5)
    soundfile.write(folder / "clean.wav", x, RATE)
    soundfile.write(folder / "click.wav", plant_click(x, 0.8), RATE)
    soundfile.write(folder / "click copy.wav", plant_click(x, 0.8), RATE)
    soundfile.write(folder / "clipped.wav", np.clip(x, -0.2, 0.2), RATE)
    return scan_folder(folder)


def kinds_by_name(library: Library, faults: object) -> dict[str, set[str]]:
    names = dict(zip(library.unique["loop_id"], library.unique["name"], strict=True))
    found: dict[str, set[str]] = {name: set() for name in names.values()}
    for row in faults.itertuples():
        found[names[row.loop_id]].add(row.kind)
    return found


def test_a_library_is_checked_and_copies_are_named(library: Library) -> None:
    faults = check_library(library)
    assert list(faults.columns) == list(FAULT_COLUMNS)
    found = kinds_by_name(library, faults)
    assert found["clean.wav"] == set()
    assert found["clipped.wav"] == {"clipping"}
    assert found["click copy.wav"] == {"click", "duplicate"}
    assert "click.wav" in faults.loc[faults["kind"] == "duplicate", "sentence"].item()


def test_what_was_checked_is_not_read_again(library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(tmp_path / "store.sqlite3") as store:
        first = check_library(library, store)
        monkeypatch.setattr(audio, "decode", lambda *_args, **_kwargs: pytest.fail("a file was read again"))
        second = check_library(library, store)
    assert first.to_dict("records") == second.to_dict("records")


def test_a_stopped_check_keeps_finished_batches(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fault_library, "BATCH", 1)
    reports: list[Progress] = []
    with Store(tmp_path / "store.sqlite3") as store:
        with pytest.raises(Cancelled, match="kept"):
            check_library(library, store, reports.append, lambda: len(reports) >= 2)
        assert len(store.get_reports("faults", library.unique["loop_id"], version())) == 1


def test_a_file_that_vanished_is_a_reason_and_is_tried_again(library: Library, tmp_path: Path) -> None:
    lost = library.path_of(library.unique["loop_id"].iloc[0])
    content = lost.read_bytes()
    with Store(tmp_path / "store.sqlite3") as store:
        lost.unlink()
        assert kinds_by_name(library, check_library(library, store))[lost.name] >= {"unreadable"}
        lost.write_bytes(content)
        assert "unreadable" not in set(check_library(library, store)["kind"])


def test_a_file_of_several_blocks_is_checked_a_minute_at_a_time(tmp_path: Path) -> None:
    rate = 8000
    x = np.tile(notes(60.0, rate), 5)
    x[int(200.3 * rate) : int(200.3 * rate) + 3] += 0.5
    soundfile.write(tmp_path / "long.wav", x, rate)
    tracemalloc.start()
    (click,) = [fault for fault in check_file(tmp_path / "long.wav") if fault.kind == "click"]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert click.times_s == pytest.approx([200.3], abs=0.003)
    assert peak < 20 * 4 * BLOCK_S * rate, "more than twenty copies of one block were held at once"


@pytest.mark.filterwarnings("error")
def test_no_loops_are_no_duplicates() -> None:
    assert near_duplicate_rows([], np.empty((0, 16), np.float32), []) == []


def test_near_duplicates_name_each_other() -> None:
    X = np.random.default_rng(0).standard_normal((6, 32)).astype(np.float32)
    X[4] = 2 * X[1]
    rows = near_duplicate_rows(list("abcdef"), X, [f"{letter}.wav" for letter in "abcdef"])
    assert [(row["loop_id"], row["verdict"]) for row in rows] == [("b", "suspect"), ("e", "suspect")]
    assert "e.wav" in rows[0]["sentence"]
    assert list(faults_frame(rows).columns) == list(FAULT_COLUMNS)


def test_the_same_take_at_another_level_joins_the_findings_of_a_library(tmp_path: Path) -> None:
    for name, gain in (("take.wav", 0.5), ("quiet.wav", 0.2), ("other.wav", 0.3)):
        soundfile.write(tmp_path / name, gain * notes(), RATE)
    library = scan_folder(tmp_path)
    ids = tuple(library.unique["loop_id"])
    X = np.eye(3, 8, dtype=np.float32)
    place = list(library.unique["name"]).index
    X[place("quiet.wav")] = 0.4 * X[place("take.wav")]
    embeddings = EmbeddingSet(ids, X, "made-up", library.rejected)
    before = check_library(library)
    after = add_near_duplicates(before, library, embeddings)
    assert len(after) == len(before) + 2
    assert list(after.columns) == list(FAULT_COLUMNS)
    names = dict(zip(ids, library.unique["name"], strict=True))
    said = {
        names[row["loop_id"]]: row["sentence"] for row in after.to_dict("records") if row["kind"] == "near_duplicate"
    }
    assert "quiet.wav" in said["take.wav"] and "take.wav" in said["quiet.wav"]
    with pytest.raises(Cancelled):
        add_near_duplicates(before, library, embeddings, should_stop=lambda: True)


def test_an_empty_table_of_findings_has_its_columns() -> None:
    table = faults_frame([])
    assert list(table.columns) == list(FAULT_COLUMNS)
    assert table["strength"].dtype == np.float64
