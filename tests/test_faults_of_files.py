"""What a peer tells a producer of a file: peaks, stereo, bits, edges, bursts, level; and when it must be silent."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from scipy import signal as dsp

from loopscope.analysis.triage import triage_loops
from loopscope.faults import LIMITS, check_library, faults_frame
from loopscope.faults.base import Fault, Signal
from loopscope.faults.bit_depth import measure_bit_depth
from loopscope.faults.file_report import check_file
from loopscope.faults.levels import compare_levels
from loopscope.faults.registry import CHECKS, judge, split
from loopscope.faults.true_peak import measure_true_peak
from loopscope.library import scan_folder
from tests.produced_styles import PRODUCED
from tests.styles import RATE, STYLES, notes, riser

OF_FILES = ("cut", "noise_burst", "spectral_seam", "true_peak", "false_stereo", "bit_depth", "silence", "off_level")
BPM = 120.0


def found(samples: np.ndarray, tempo_bpm: float | None = None) -> dict[str, Fault]:
    """Findings of these checks alone, by kind."""
    (signal,) = split(samples, RATE, tempo_bpm)
    measured = {check.kind: check.measure(signal) for check in CHECKS if check.kind in OF_FILES}
    return {fault.kind: fault for fault in judge(measured)}


def with_burst(x: np.ndarray, at_s: float = 1.3, seconds: float = 0.08) -> np.ndarray:
    y = x.copy()
    at, n = int(at_s * RATE), int(seconds * RATE)
    y[at : at + n] += 0.1 * np.random.default_rng(0).standard_normal(n)
    return y.astype(np.float32)


def between_samples() -> np.ndarray:
    """A sine at a quarter of the rate whose samples, all of 0.9, lie beside its peaks."""
    t = np.arange(2 * RATE)
    fade = np.minimum(np.minimum(t, t[::-1]) / (0.05 * RATE), 1)
    return (0.9 * np.sqrt(2) * np.sin(np.pi / 2 * t + np.pi / 4) * fade).astype(np.float32)


def in_full_swing(seconds: float) -> np.ndarray:
    """A low tone that begins at its crest and fades at the end."""
    t = np.arange(int(seconds * RATE)) / RATE
    return (0.5 * np.cos(2 * np.pi * 55 * t) * np.clip((seconds - t) / 0.5, 0, 1)).astype(np.float32)


def sweep() -> np.ndarray:
    """Noise that opens slowly at one level."""
    bright = np.random.default_rng(0).standard_normal(4 * RATE)
    dull = dsp.sosfilt(dsp.butter(2, 300, fs=RATE, output="sos"), bright)
    share = np.linspace(-50, 0, 4 * RATE)
    return (0.1 * dull / dull.std() + 0.1 * bright * 10 ** (share / 20)).astype(np.float32)


def dull_beginning() -> np.ndarray:
    """Steady noise in a band whose first tenth of a second is dull."""
    noise = dsp.sosfilt(dsp.butter(2, 8000, fs=RATE, output="sos"), np.random.default_rng(0).standard_normal(4 * RATE))
    n = RATE // 10
    noise[:n] = dsp.sosfilt(dsp.butter(8, 500, fs=RATE, output="sos"), noise[:n])
    return (0.2 * noise).astype(np.float32)


PLANTED: dict[str, tuple[np.ndarray, str, str]] = {
    "cut": (notes()[: int(3.85 * RATE)], "suspect", "cut end"),
    "noise_burst": (with_burst(notes()), "fault", "1 noise burst"),
    "spectral_seam": (dull_beginning(), "fault", "colour changes at the seam"),
    "true_peak": (between_samples(), "suspect", "true peak +2.1 dB"),
    "false_stereo": (np.stack([notes(), notes()]), "suspect", "mono in a stereo file"),
    "silence": (np.pad(notes(), (int(0.37 * RATE), 0)), "suspect", "0.37 s of silence at the start"),
}


@pytest.mark.parametrize("kind", PLANTED)
def test_what_is_planted_is_found_and_said(kind: str) -> None:
    samples, verdict, brief = PLANTED[kind]
    finding = found(samples, BPM)[kind]
    assert (finding.verdict, finding.brief) == (verdict, brief)


@pytest.mark.parametrize("name", [*STYLES, *PRODUCED])
def test_styles_are_left_alone(name: str) -> None:
    faults = found((STYLES | PRODUCED)[name]())
    assert [kind for kind in OF_FILES if kind in faults and faults[kind].verdict == "fault"] == []
    assert len([kind for kind in OF_FILES if kind in faults]) <= 2


def test_few_styles_are_suspected() -> None:
    suspected = [kind for make in (STYLES | PRODUCED).values() for kind in found(make()) if kind in OF_FILES]
    assert len(suspected) <= len(STYLES | PRODUCED) / 3


@pytest.mark.parametrize("hz", [997.0, 5512.5, 7000.0, 11025.0])
def test_the_true_peak_is_that_of_the_oversampled_wave(hz: float) -> None:
    t = np.arange(RATE) / RATE
    x = (0.95 * np.sin(2 * np.pi * hz * t + 0.7) * np.hanning(RATE)).astype(np.float32)
    truth = 20 * np.log10(np.abs(dsp.resample_poly(x, 16, 1)).max())
    assert measure_true_peak(Signal(x[None], RATE)).score == pytest.approx(truth, abs=0.15)


def test_where_it_peaks_between_the_samples_is_marked() -> None:
    x = 0.3 * notes()
    at = int(2.2 * RATE)
    x[at : at + 64] += 0.85 * np.sqrt(2) * np.sin(np.pi / 2 * np.arange(64) + np.pi / 4) * np.hanning(64)
    assert found(x.astype(np.float32))["true_peak"].times_s == pytest.approx([2.2], abs=0.003)


def test_a_burst_is_marked_where_it_is_and_a_hit_that_rings_off_is_none() -> None:
    assert found(with_burst(notes()))["noise_burst"].times_s == pytest.approx([1.3], abs=0.009)
    ringing = notes()
    n = RATE // 4
    ringing[RATE : RATE + n] += 0.2 * np.random.default_rng(0).standard_normal(n) * np.exp(-np.arange(n) / 2000)
    assert "noise_burst" not in found(ringing)


def test_a_loop_of_whole_beats_may_be_cut_and_may_rest() -> None:
    bar = in_full_swing(2.0)
    assert "cut" not in found(bar, BPM)
    assert "cut" in found(bar, 113.0)
    resting = np.pad(notes(3.5), (RATE // 2, 0))
    assert "silence" not in found(resting, BPM)
    assert "silence" in found(resting, 113.0)


def test_a_cut_without_a_known_tempo_may_be_on_purpose() -> None:
    x = in_full_swing(1.77)
    assert found(x)["cut"].verdict == "suspect"
    assert "on purpose" in found(x)["cut"].sentence
    assert found(x, BPM)["cut"].verdict == "fault"
    assert found(x, BPM)["cut"].times_s == (0.0,)


def test_a_sweep_changes_its_colour_at_the_seam_on_purpose() -> None:
    assert "spectral_seam" not in found(riser())
    assert "spectral_seam" not in found(sweep())
    assert "spectral_seam" not in found(dull_beginning()[RATE // 10 :])


def test_a_stroke_at_the_start_is_no_change_of_colour() -> None:
    """A bell whose stroke is heard before it rings alone: the ringing end meets the stroke at every turn."""
    t = np.arange(int(1.5 * RATE)) / RATE
    rings = np.sin(2 * np.pi * 1320 * t) * np.exp(-t / 3) + 0.4 * np.sin(2 * np.pi * 2640 * t) * np.exp(-t / 2)
    stroke = dsp.sosfilt(
        dsp.butter(2, [60, 1500], "bandpass", fs=RATE, output="sos"), np.random.default_rng(0).standard_normal(len(t))
    )
    bell = rings + stroke * np.exp(-t / 0.03)
    assert "spectral_seam" not in found((0.8 * bell / np.abs(bell).max()).astype(np.float32))


@pytest.mark.parametrize("kind", ["wav", "flac", "aiff"])
def test_16_bits_in_a_file_of_24_are_told_from_24(tmp_path: Path, kind: str) -> None:
    x = notes(1.0)
    soundfile.write(tmp_path / f"padded.{kind}", np.round(x * 2**15) / 2**15, RATE, "PCM_24")
    soundfile.write(tmp_path / f"whole.{kind}", x, RATE, "PCM_24")
    soundfile.write(tmp_path / f"small.{kind}", x, RATE, "PCM_16")
    (padded,) = check_file(tmp_path / f"padded.{kind}")
    assert (padded.kind, padded.verdict, padded.brief) == ("bit_depth", "suspect", "16 bits in 24")
    assert check_file(tmp_path / f"whole.{kind}") == check_file(tmp_path / f"small.{kind}") == ()


def test_silence_and_unknown_codings_have_no_padded_bits() -> None:
    x = np.round(notes(1.0) * 2**15) / np.float32(2**15)
    assert measure_bit_depth(Signal(x[None].astype(np.float32), RATE, bits=24)).score == 8
    assert measure_bit_depth(Signal(x[None].astype(np.float32), RATE)).score == 0
    assert measure_bit_depth(Signal(np.zeros((1, RATE), np.float32), RATE, bits=24)).score == 0


def test_a_level_far_from_the_folders_is_said_unless_the_folder_is_of_all_levels() -> None:
    around = np.array([-12.0, -13, -11, -12, -14, -12.5, -11.5, -30])
    scores = [measured.score for measured in compare_levels(np.array([-12.0, -30.0]), around)]
    assert scores[0] < 0
    assert scores[1] > LIMITS["off_level"].fault - 3
    wide = np.linspace(-40.0, -4.0, 12)
    assert max(measured.score for measured in compare_levels(wide, wide)) < 0


def test_a_quiet_file_of_a_library_is_said_beside_the_others(tmp_path: Path) -> None:
    for i in range(9):
        gain = 0.02 if i == 4 else 0.5 + 0.03 * i
        soundfile.write(tmp_path / f"take {i}.wav", gain * np.roll(notes(1.0), 500 * i), RATE)
    library = scan_folder(tmp_path)
    findings = check_library(library)
    names = dict(zip(library.unique["loop_id"], library.unique["name"], strict=True))
    (row,) = findings[findings["kind"] == "off_level"].to_dict("records")
    assert (names[row["loop_id"]], row["verdict"]) == ("take 4.wav", "suspect")
    assert "softer than its folder" in row["sentence"]


def finding(loop_id: str, kind: str, brief: str = "something") -> dict[str, object]:
    return {"loop_id": loop_id, **Fault(kind, 0.49, (), "suspect", "It is so.", brief).row}


@pytest.mark.parametrize("kind", [kind for kind, limit in LIMITS.items() if limit.informs])
def test_what_only_informs_is_no_evidence_and_beyond_doubt(kind: str) -> None:
    loops = pd.DataFrame({"loop_id": ["a", "b"], "percentile": [50.0, 40.0]})
    triaged = triage_loops(loops, faults_frame([finding("b", kind)]))
    assert triaged["triage_rank"].tolist() == [1, 2]
    assert triaged["faults"].tolist() == [0, 0]
    assert triaged["brief"].tolist() == ["", "something"]


def test_what_most_of_a_folder_shares_is_not_said_in_every_row() -> None:
    ids = [f"loop {i}" for i in range(12)]
    loops = pd.DataFrame({"loop_id": ids, "percentile": 50.0})
    usual = [finding(loop_id, "false_stereo", "mono in a stereo file") for loop_id in ids[:9]]
    rare = finding(ids[0], "bit_depth", "16 bits in 24")
    triaged = triage_loops(loops, faults_frame([*usual, rare]))
    assert triaged["brief"].tolist() == ["16 bits in 24", *[""] * 11]
    assert (triaged["suspicions"] != 0).sum() == 9
