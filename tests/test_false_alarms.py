"""What is done to music on purpose is no fault, and what is nearly the same by accident still is one."""

import numpy as np
import pytest
from scipy import signal as dsp

from loopscope.faults import fault_scores, find_faults
from tests.produced_styles import PRODUCED, RATE, drums_at_the_ceiling, legato_pulse_bass, levelled, line, lopsided_bass


def verdicts(x: np.ndarray) -> dict[str, str]:
    return {fault.kind: fault.verdict for fault in find_faults(x, RATE)}


@pytest.mark.parametrize("name", PRODUCED)
def test_production_is_no_fault(name: str) -> None:
    found = find_faults(PRODUCED[name](), RATE)
    assert [fault.sentence for fault in found if fault.verdict == "fault"] == []


def test_produced_styles_raise_few_suspicions() -> None:
    suspected = [fault.kind for make in PRODUCED.values() for fault in find_faults(make(), RATE)]
    assert len(suspected) <= 1.5 * len(PRODUCED)


def test_a_mean_that_lasts_only_while_it_sounds_is_no_offset() -> None:
    x = lopsided_bass()
    assert abs(x.mean()) > 0.03
    assert fault_scores(x, RATE)["dc_offset"] < 0.5
    assert verdicts(0.9 * x - 0.05)["dc_offset"] == "fault"


def test_a_lopsided_bass_without_gaps_is_no_sure_offset_and_one_under_its_notes_is() -> None:
    x = legato_pulse_bass()
    assert fault_scores(x, RATE)["dc_offset"] > 4
    assert verdicts(x).get("dc_offset") != "fault"
    assert verdicts(0.9 * x + 0.1)["dc_offset"] == "fault"


def test_one_short_lopsided_note_is_no_sure_offset() -> None:
    note = legato_pulse_bass()[: round(0.35 * RATE)]
    assert fault_scores(note, RATE)["dc_offset"] > 4
    assert verdicts(note).get("dc_offset") != "fault"
    assert verdicts(0.8 * note + 0.2)["dc_offset"] == "fault"


def test_a_channel_with_an_offset_is_not_excused_by_the_other() -> None:
    lopsided, offset = legato_pulse_bass(), 0.3 * levelled(line("finger")) + 0.05
    assert fault_scores(lopsided, RATE)["dc_offset"] > fault_scores(offset, RATE)["dc_offset"]
    assert verdicts(np.stack([lopsided, offset[: len(lopsided)]]))["dc_offset"] == "fault"


def test_hard_clipping_of_the_same_overdriven_bass_is_a_fault() -> None:
    x = lopsided_bass()
    assert verdicts(np.clip(x, -0.4, 0.4)).get("clipping") == "fault"


def test_a_driven_guitar_whose_tops_are_not_level_is_no_sure_clipping_and_one_that_is_cut_is() -> None:
    x = line("drive")
    assert fault_scores(levelled(np.tanh(6 * x / np.abs(x).max())), RATE)["clipping"] > 14
    assert verdicts(levelled(np.tanh(6 * x / np.abs(x).max())))["clipping"] == "suspect"
    assert verdicts(levelled(np.clip(x, -0.3 * x.max(), 0.3 * x.max())))["clipping"] == "fault"


def test_a_bass_that_clips_as_long_as_its_notes_is_no_drum() -> None:
    assert verdicts(drums_at_the_ceiling())["clipping"] == "suspect"
    bass = line("finger", 55.0)
    assert verdicts(np.clip(bass, -0.3 * bass.max(), 0.3 * bass.max()))["clipping"] == "fault"


def test_noise_that_pauses_uncover_is_a_fault_and_air_in_a_pad_is_not() -> None:
    rng = np.random.default_rng(0)
    x = levelled(line("finger"))
    assert verdicts(x + 0.01 * rng.standard_normal(len(x)))["noise"] == "fault"
    assert verdicts(PRODUCED["airy pad"]())["noise"] == "suspect"


def test_clicks_that_keep_time_are_slices_and_others_are_clicks() -> None:
    x = levelled(line("finger"))
    in_time, anywhere = x.copy(), x.copy()
    in_time[(np.arange(1, 12) * 0.31 * RATE).astype(int)] += 0.3
    anywhere[(np.array([0.31, 0.707, 1.13, 1.9, 2.2, 2.77, 3.51]) * RATE).astype(int)] += 0.3
    assert verdicts(in_time)["click"] == "suspect"
    assert verdicts(anywhere)["click"] == "fault"


def test_an_inverted_channel_of_a_stereo_recording_is_a_fault() -> None:
    x = levelled(line("clean"))
    room = dsp.sosfilt(dsp.butter(1, [300, 6000], "bandpass", fs=RATE, output="sos"), np.roll(x, 700))
    assert verdicts(np.stack([x + 0.3 * room, -(x - 0.3 * room)]))["stereo_phase"] == "fault"


def struck_metal() -> np.ndarray:
    """One stroke whose overtones lie on no scale."""
    t = np.arange(4 * RATE) / RATE
    cents = (0, 300, 500, 845, 1045, 1345, 1645)
    x = sum(np.sin(2 * np.pi * 220 * 2 ** (c / 1200) * t + c) * np.exp(-t / 2.5) for c in cents)
    return levelled(x * np.minimum(np.minimum(t / 0.002, (4 - t) / 0.05), 1))


def test_overtones_of_one_struck_sound_are_no_notes_out_of_tune() -> None:
    (found,) = [fault for fault in find_faults(struck_metal(), RATE) if fault.kind == "note_out_of_tune"]
    assert found.verdict == "suspect"
    assert "one struck sound" in found.sentence
