"""Loudness against the definitions of ITU-R BS.1770."""

import numpy as np
import pytest

from loopscope.audio.loudness import measure

RATE = 48_000


def sine(peak_dbfs: float, seconds: float = 5.0, frequency: float = 997.0) -> np.ndarray:
    time = np.arange(int(seconds * RATE)) / RATE
    return (10 ** (peak_dbfs / 20) * np.sin(2 * np.pi * frequency * time)).astype(np.float32)


def test_a_stereo_sine_of_minus_23_dbfs_has_minus_23_lufs() -> None:
    """EBU Tech 3341, case 1."""
    both = np.stack([sine(-23.0), sine(-23.0)])
    assert measure(both, RATE).lufs == pytest.approx(-23.0, abs=0.1)


@pytest.mark.parametrize("seconds", [0.01, 0.1, 0.5, 3.0])
def test_a_loop_of_any_length_is_as_loud_as_it_sounds_when_looped(seconds: float) -> None:
    whole_periods = sine(-20.0, seconds, frequency=1000.0)
    long = sine(-20.0, 10.0, frequency=1000.0)
    assert measure(whole_periods, RATE).lufs == pytest.approx(measure(long, RATE).lufs, abs=0.2)


def test_gain_moves_loudness_and_peak_by_the_same_amount() -> None:
    noise = (0.05 * np.random.default_rng(0).standard_normal(3 * RATE)).astype(np.float32)
    soft, loud = measure(noise, RATE), measure(4 * noise, RATE)
    assert soft.lufs is not None and loud.lufs is not None and soft.peak_dbfs is not None and loud.peak_dbfs is not None
    assert loud.lufs - soft.lufs == pytest.approx(20 * np.log10(4), abs=0.01)
    assert loud.peak_dbfs - soft.peak_dbfs == pytest.approx(20 * np.log10(4), abs=0.01)


def test_silence_and_nothing_have_no_loudness() -> None:
    for samples in (np.zeros(RATE, np.float32), np.zeros((2, RATE), np.float32), np.zeros(0, np.float32)):
        assert (measure(samples, RATE).lufs, measure(samples, RATE).peak_dbfs) == (None, None)


def test_more_than_five_channels_are_measured_by_the_first_five() -> None:
    many = np.tile(sine(-20.0), (8, 1))
    assert measure(many, RATE).lufs == pytest.approx(measure(many[:5], RATE).lufs)
