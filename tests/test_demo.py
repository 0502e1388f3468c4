"""The demo library is what it says: complete, repeatable, in tune, seamless, with oddities that can be measured."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile

from loopscope.audio import decode
from loopscope.config import paths
from loopscope.demo import Take, make_demo_library, plan_takes, render_take
from loopscope.demo import make as library_module
from loopscope.demo.instruments import INSTRUMENTS, Note
from loopscope.demo.oddities import DETUNE_CENTS, ODDITIES
from loopscope.demo.performance import write_score
from loopscope.demo.styles import BASS_STYLES, GUITAR_STYLES, STEPS_A_BAR
from loopscope.demo.synthesis import harmonic_tone, plucked
from loopscope.demo.theory import frequency, guitar_voicing, parse_key
from loopscope.errors import Cancelled, LibraryError
from loopscope.library import scan_folder

TAKES = plan_takes(0)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_demo_library(tmp_path_factory.mktemp("demo") / "library")


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> tuple[Take, ...]:
    """A library of four short takes, for what happens around the making."""
    takes = tuple(take for take in TAKES if take.n_samples < 2.2 * take.sample_rate)[:4]
    monkeypatch.setattr(library_module, "plan_takes", lambda seed: takes)
    return takes


def labels(folder: Path) -> list[dict[str, str]]:
    with (folder / "labels.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def take_of(**wanted: object) -> Take:
    return next(take for take in TAKES if all(getattr(take, name) == value for name, value in wanted.items()))


# --- what is in it


def test_every_file_is_a_loop_and_is_labelled(demo: Path) -> None:
    library = scan_folder(demo)
    assert library.rejected.empty
    rows = labels(demo)
    assert list(rows[0]) == ["path", "instrument", "label", "category", "bpm", "key", "duration_s"]
    assert {str(demo / row["path"]) for row in rows} == set(library.loops["path"])
    assert len(library.unique) == len(rows) >= 160
    durations = dict(zip(library.loops["path"], library.loops["duration_s"], strict=True))
    assert all(durations[str(demo / row["path"])] == pytest.approx(float(row["duration_s"]), abs=1e-4) for row in rows)


def test_it_is_as_varied_as_promised(demo: Path) -> None:
    loops = scan_folder(demo).loops
    assert loops["duration_s"].min() == pytest.approx(0.5)
    assert 10 < loops["duration_s"].max() <= 14.0
    assert (loops["duration_s"] > 10).sum() >= 8
    assert set(loops["channels"]) == {1, 2}
    assert set(loops["format"]) == {"WAV", "FLAC"}
    assert len({take.key for take in TAKES}) >= 12
    assert len({take.bpm for take in TAKES}) >= 40
    assert sum(take.instrument == "Bass" for take in TAKES) == 90
    assert sum(take.instrument == "Guitar" for take in TAKES) == 84


def test_eighteen_oddities_two_of_each_kind_one_for_each_instrument(demo: Path) -> None:
    odd = [row for row in labels(demo) if row["label"] == "anomaly"]
    assert sorted((row["category"], row["instrument"]) for row in odd) == sorted(
        (kind, instrument) for kind in ODDITIES for instrument in ("bass", "guitar")
    )
    assert all(row["category"] == "" for row in labels(demo) if row["label"] == "normal")


def test_no_name_gives_an_oddity_away() -> None:
    ordinary = {(take.style, take.extension) for take in TAKES if not take.oddity}
    for take in TAKES:
        if take.oddity:
            assert not any(word in take.path.lower() for word in (*ODDITIES, "odd", "wrong", "anomal", "fault"))
            assert {style for style, _ in ordinary} >= {take.style}
    stem = Path(TAKES[0].path).stem
    assert stem == f"Bass_{TAKES[0].bpm}_{TAKES[0].key}_Funk_01"
    assert len({take.path for take in TAKES}) == len(TAKES)


# --- the same seed, the same bytes


@pytest.mark.parametrize(
    "take", [take for take in TAKES if take.n_samples < 2.2 * take.sample_rate][::3], ids=lambda take: take.path
)
def test_the_same_seed_gives_the_same_samples(demo: Path, take: Take) -> None:
    samples = render_take(take, seed=0)
    assert np.array_equal(samples, render_take(take, seed=0))
    assert not np.array_equal(samples, render_take(take, seed=1))
    stored = decode(demo / take.path, mono=False).samples
    assert stored == pytest.approx(samples, abs=2**-15)


def test_files_are_the_same_to_the_byte(few: tuple[Take, ...], tmp_path: Path) -> None:
    first, second = (make_demo_library(tmp_path / name) for name in ("first", "second"))
    for take in few:
        assert (first / take.path).read_bytes() == (second / take.path).read_bytes()
    assert plan_takes(0) == TAKES
    assert plan_takes(1) != TAKES


# --- how it sounds


@pytest.mark.parametrize("instrument", sorted(set(INSTRUMENTS) - {"bell"}))
@pytest.mark.parametrize("pitch", [33, 45, 52.5])
def test_every_instrument_is_in_tune(instrument: str, pitch: float) -> None:
    rate = 44100
    tone = INSTRUMENTS[instrument](Note(frequency(pitch), 1.0, 0.8, rate), np.random.default_rng(0))
    pitches = librosa.yin(tone[: rate * 9 // 10], fmin=40, fmax=400, sr=rate, frame_length=4096)
    cents = 1200 * np.log2(np.median(pitches[3:-3]) / frequency(pitch))
    assert abs(cents) < 12


def test_a_tone_has_the_harmonics_it_was_given() -> None:
    rate, hz = 48000, 200.0
    tone = harmonic_tone(hz, rate, rate, lambda f, t: (f < 3.5 * hz) / (f / hz) + 0 * t, np.random.default_rng(0))
    spectrum = np.abs(np.fft.rfft(tone)) / rate * 2
    assert spectrum[[200, 400, 600]] == pytest.approx([1, 1 / 2, 1 / 3], rel=0.02)
    assert spectrum[800] < 0.01


def test_high_harmonics_of_a_string_fade_faster() -> None:
    rate, hz = 44100, 110.0
    tone = harmonic_tone(hz, 2 * rate, rate, plucked(2000, 0.17, 1.5, 1.5), np.random.default_rng(0))
    early, late = (np.abs(np.fft.rfft(tone[start : start + rate // 2])) for start in (0, rate))
    bins = np.array([55, 550])  # 110 Hz and 1100 Hz of half a second
    assert (late / early)[bins[0]] > 3 * (late / early)[bins[1]]


@pytest.mark.parametrize("number", range(0, len(TAKES), 6))
def test_loops_are_exact_loud_and_seamless(demo: Path, number: int) -> None:
    take = TAKES[number]
    samples = decode(demo / take.path, mono=False).samples
    assert samples.shape[1] == round(take.bars * 240 / take.bpm * take.sample_rate)
    peak = np.abs(samples).max()
    assert 10 ** (-5.1 / 20) < peak <= 0.99
    assert 20 * np.log10(np.sqrt(np.mean(samples**2)) / peak) > -22
    if not take.oddity:
        seam = np.abs(samples[:, 0] - samples[:, -1]).max()
        steps = np.abs(np.diff(samples, axis=1))
        assert seam <= 1.5 * np.percentile(steps, 99.9) + 1e-4


def test_levels_differ_from_take_to_take(demo: Path) -> None:
    peaks = [np.abs(decode(demo / take.path).samples).max() for take in TAKES[::9]]
    assert np.std(20 * np.log10(peaks)) > 0.5


@pytest.mark.parametrize("style", ["Ballad", "Acoustic", "Indie"])
def test_guitars_play_in_their_key(demo: Path, style: str) -> None:
    shares = []
    for take in [take for take in TAKES if take.style == style and not take.oddity][:5]:
        samples = decode(demo / take.path, sample_rate=22050).samples
        chroma = librosa.feature.chroma_cqt(y=samples, sr=22050, tuning=0.0).mean(axis=1)
        key = parse_key(take.key)
        shares.append(chroma[[(key.tonic + step) % 12 for step in key.scale]].sum() / chroma.sum())
    assert np.mean(shares) > 0.75  # seven of twelve would be 0.58


def test_bass_is_lower_and_darker_than_guitar(demo: Path) -> None:
    def centroid(take: Take) -> float:
        samples = decode(demo / take.path, sample_rate=22050).samples
        return float(librosa.feature.spectral_centroid(y=samples, sr=22050).mean())

    ordinary = [take for take in TAKES if not take.oddity]
    bass = [centroid(take) for take in ordinary if take.instrument == "Bass"][::6]
    guitar = [centroid(take) for take in ordinary if take.instrument == "Guitar"][::6]
    assert np.median(bass) < 0.7 * np.median(guitar)


# --- the oddities


def spoiled_and_clean(oddity: str, instrument: str = "Bass") -> tuple[np.ndarray, np.ndarray, int]:
    take = take_of(oddity=oddity, instrument=instrument)
    return render_take(take), render_take(replace(take, oddity="")), take.sample_rate


@pytest.mark.parametrize("instrument", ["Bass", "Guitar"])
def test_each_oddity_can_be_measured(instrument: str) -> None:
    bad, good, _ = spoiled_and_clean("click", instrument)
    assert np.abs(np.diff(bad)).max() > 3 * np.abs(np.diff(good)).max()
    bad, good, rate = spoiled_and_clean("dropout", instrument)
    assert longest_run(bad[0] == 0) > 0.04 * rate > longest_run(good[0] == 0)
    bad, good, _ = spoiled_and_clean("clipping", instrument)
    assert np.mean(np.abs(bad) > 0.999 * np.abs(bad).max()) > 0.05 > np.mean(np.abs(good) > 0.999 * np.abs(good).max())
    bad, good, _ = spoiled_and_clean("reversed", instrument)
    assert bad[:, ::-1] == pytest.approx(good, abs=1e-6)
    bad, good, rate = spoiled_and_clean("stutter", instrument)
    assert repeats_itself(bad[0], rate)
    assert not repeats_itself(good[0], rate)


@pytest.mark.parametrize("instrument", ["Bass", "Guitar"])
def test_hum_is_a_comb_at_fifty_hertz(instrument: str) -> None:
    bad, good, rate = spoiled_and_clean("hum", instrument)

    def comb(samples: np.ndarray) -> float:
        """Power at 350 Hz over that around it."""
        spectrum = np.abs(np.fft.rfft(samples[0, : rate * 2] * np.hanning(min(rate * 2, samples.shape[1])), 2 * rate))
        return float(spectrum[698:703].max() / np.median(spectrum[660:740]))

    assert comb(bad) > 3 * comb(good)


@pytest.mark.parametrize("instrument", ["Bass", "Guitar"])
def test_a_detuned_take_is_off_by_that_much(instrument: str) -> None:
    bad, good, rate = spoiled_and_clean("detune", instrument)
    assert shift_in_cents(bad[0], good[0], rate) == pytest.approx(DETUNE_CENTS, abs=3)


@pytest.mark.parametrize("instrument", ["Bass", "Guitar"])
def test_the_wrong_instrument_has_another_timbre(instrument: str) -> None:
    bad, good, rate = spoiled_and_clean("wrong_instrument", instrument)
    again = render_take(replace(take_of(oddity="wrong_instrument", instrument=instrument), oddity=""), seed=1)
    wrong, right, same = (
        librosa.feature.mfcc(y=samples.mean(axis=0), sr=rate)[1:].mean(axis=1) for samples in (bad, good, again)
    )
    assert np.linalg.norm(wrong - right) > 2 * np.linalg.norm(same - right)


def longest_run(flags: np.ndarray) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def repeats_itself(samples: np.ndarray, rate: int) -> bool:
    """Whether a stretch of 60 to 90 ms is followed by itself, sample for sample."""
    for start in np.linspace(0.3, 0.6, 7) * len(samples):
        for lag in range(int(0.058 * rate), int(0.092 * rate)):
            probe = samples[int(start) : int(start) + 200]
            if np.allclose(probe, samples[int(start) + lag : int(start) + lag + 200], atol=1e-6) and probe.any():
                return True
    return False


def shift_in_cents(samples: np.ndarray, reference: np.ndarray, rate: int) -> int:
    """How far the spectrum lies above that of the reference, by correlation on a logarithmic axis of 1 cent."""
    cents = np.arange(0, 3600)
    axis = 250.0 * 2 ** (cents / 1200)
    size = 8 * rate
    bins = axis * size / rate
    first, second = (
        np.interp(bins, np.arange(size // 2 + 1), np.abs(np.fft.rfft(x * np.hanning(len(x)), size)))
        for x in (samples[: 4 * rate], reference[: 4 * rate])
    )
    return max(range(-90, 91), key=lambda shift: float(first[100 + shift : 3500 + shift] @ second[100:3500]))


# --- the music


def test_keys_and_chords() -> None:
    assert parse_key("Em").chord(0) == (0, 3, 7, 10)
    assert parse_key("C").chord(4) == (7, 11, 14, 17)
    assert parse_key("A", is_blues=True).chord(0) == (0, 4, 7, 10)
    assert guitar_voicing(parse_key("E"), 0, 40, with_seventh=False) == (40, 47, 52, 56, 59)  # an open E
    assert frequency(69) == 440
    assert frequency(69, cents=1200) == 880


@pytest.mark.parametrize("style", [*BASS_STYLES, *GUITAR_STYLES], ids=lambda style: style.name)
def test_grooves_are_bars_of_sixteenths(style: object) -> None:
    letters = "R35o7ax-." if style in BASS_STYLES else "DUmbc12345-."
    for groove in style.grooves:  # type: ignore[attr-defined]
        assert len(groove) == STEPS_A_BAR
        assert set(groove) <= set(letters)
        assert any(symbol not in "-." for symbol in groove[:5])  # even the shortest loop sounds


def test_chords_share_the_loop_and_the_last_bar_varies() -> None:
    score = write_score(BASS_STYLES[0], "Em", 100, 4, np.random.default_rng(0))
    assert [score.degree_at(bar * STEPS_A_BAR) for bar in range(4)] == list(score.degrees)
    assert score.degree_at(4 * STEPS_A_BAR) == score.degrees[0]
    assert score.grooves[0] == score.grooves[1] != score.grooves[3]


# --- complete or absent


def test_a_finished_library_is_taken_as_it_is(
    few: tuple[Take, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_demo_library(tmp_path / "demo")
    monkeypatch.setattr(library_module, "render_take", lambda take, seed: pytest.fail("made again"))
    assert make_demo_library(tmp_path / "demo") == folder


def test_a_missing_file_or_another_version_or_seed_makes_it_anew(
    few: tuple[Take, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_demo_library(tmp_path / "demo")
    (folder / few[1].path).unlink()
    make_demo_library(folder)
    assert (folder / few[1].path).is_file()
    before = (folder / few[0].path).read_bytes()
    make_demo_library(folder, seed=5)
    assert (folder / few[0].path).read_bytes() != before
    monkeypatch.setattr(library_module, "VERSION", 99)
    make_demo_library(folder)
    assert json.loads((folder / library_module.MANIFEST).read_text())["version"] == 99
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


def test_a_folder_with_other_things_is_never_touched(few: tuple[Take, ...], tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "mine.wav").write_bytes(b"precious")
    with pytest.raises(LibraryError, match="holds something else"):
        make_demo_library(tmp_path / "music")
    assert (tmp_path / "music" / "mine.wav").read_bytes() == b"precious"
    (tmp_path / "empty").mkdir()
    assert (make_demo_library(tmp_path / "empty") / "labels.csv").is_file()


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), soundfile.SoundFileRuntimeError("full")])
def test_a_failure_leaves_nothing_behind(
    few: tuple[Take, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise failure

    with monkeypatch.context() as patch:
        patch.setattr(soundfile, "write", fail)
        with pytest.raises(LibraryError, match="cannot be written"):
            make_demo_library(tmp_path / "demo")
    assert list(tmp_path.iterdir()) == []


def test_stopping_leaves_nothing_behind(few: tuple[Take, ...], tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        make_demo_library(tmp_path / "demo", should_stop=lambda: True)
    assert list(tmp_path.iterdir()) == []


def test_the_default_place_is_in_the_cache_and_progress_is_told(few: tuple[Take, ...]) -> None:
    reports: list[tuple[int, int]] = []
    assert make_demo_library(on_progress=lambda report: reports.append((report.done, report.total))) == paths().demo
    assert reports == [(1, 4), (2, 4), (3, 4), (4, 4)]
