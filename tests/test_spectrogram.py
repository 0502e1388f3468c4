"""What is drawn is what sounds: no click lost, no channel cancelled; figures carry the marks and escape nothing odd."""

import warnings
from pathlib import Path

import librosa
import numpy as np
import pandas as pd
import pytest
import soundfile

from loopscope.analysis.explanation import Carriers
from loopscope.audio.spectrogram import (
    HOP,
    N_COLUMNS,
    N_FFT,
    N_FRAMES,
    N_MELS,
    RANGE_DB,
    draw,
    mel_filters,
    outline_of_file,
)
from loopscope.figures.loop import bars_figure, carriers_figure, sound_figure
from loopscope.metadata.bars import LoopStructure

RATE = 44_100


def tone(seconds: float, hz: float = 1000.0) -> np.ndarray:
    return (0.1 * np.sin(2 * np.pi * hz * np.arange(int(seconds * RATE)) / RATE)).astype(np.float32)


def test_a_click_of_one_sample_stays_visible_in_a_minute() -> None:
    samples = tone(60)
    samples[30 * RATE] = 0.9
    drawn = draw(samples[None], RATE)
    assert (len(drawn.times_s), len(drawn.low), len(drawn.high)) == (N_COLUMNS,) * 3
    assert drawn.high.max() == pytest.approx(0.9)
    assert drawn.times_s[drawn.high.argmax()] == pytest.approx(30, abs=60 / N_COLUMNS)
    assert drawn.mel_db.shape[0] == N_MELS and drawn.mel_db.shape[1] <= N_FRAMES
    highest_bin = drawn.mel_db[-1]
    assert drawn.frame_s[highest_bin.argmax()] == pytest.approx(30, abs=0.2)


def test_the_spectrogram_shows_the_tone_at_its_frequency() -> None:
    drawn = draw(tone(1.0, 1000.0)[None], RATE)
    loudest = drawn.mel_db.mean(axis=1).argmax()
    assert drawn.mel_hz[loudest] == pytest.approx(1000, rel=0.06)
    assert drawn.mel_db.max() == 0 and drawn.mel_db.min() >= -RANGE_DB


@pytest.mark.parametrize("rate", [1_600, 8_000, 22_050, 44_100, 96_000])
def test_the_mel_scale_and_the_spectrogram_are_librosas(rate: int) -> None:
    noise = np.random.default_rng(0).normal(size=rate + 777).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # at low rates some bands are narrower than a bin
        np.testing.assert_allclose(
            mel_filters(rate), librosa.filters.mel(sr=rate, n_fft=N_FFT, n_mels=N_MELS), atol=1e-7
        )
        power = librosa.feature.melspectrogram(y=noise, sr=rate, n_fft=N_FFT, hop_length=HOP, n_mels=N_MELS)
    expected = librosa.power_to_db(power, ref=np.max, top_db=RANGE_DB)
    drawn = draw(noise[None], rate)
    np.testing.assert_allclose(drawn.mel_db, expected, atol=1e-3)
    np.testing.assert_allclose(
        drawn.mel_hz, librosa.mel_frequencies(N_MELS + 2, fmin=0.0, fmax=rate / 2)[1:-1], rtol=1e-6
    )


def test_an_inverted_channel_does_not_cancel() -> None:
    left = tone(0.5)
    drawn = draw(np.stack([left, -left]), RATE)
    alone = draw(left[None], RATE)
    np.testing.assert_allclose(drawn.mel_db, alone.mel_db, atol=1e-3)
    assert drawn.high.max() == pytest.approx(0.1, rel=1e-3)


@pytest.mark.parametrize("n", [441, 100, 3000])
def test_the_shortest_sounds_and_silence_have_a_spectrogram(n: int, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "short.wav", np.zeros((max(n, 441), 2)), RATE)
    drawn = outline_of_file(tmp_path / "short.wav")
    assert np.isfinite(drawn.mel_db).all()
    assert len(sound_figure(drawn, {}).data) == 3


def test_marks_stand_at_their_times_under_their_titles() -> None:
    figure = sound_figure(draw(tone(2.0)[None], RATE), {"click": (0.5, 1.25), "dropout": (1.0,)})
    marks = {trace.name: list(trace.x) for trace in figure.select_traces({"mode": "markers"})}
    assert marks == {"Clicks": [0.5, 1.25], "Dropout": [1.0]}
    assert figure.layout.showlegend


def test_bars_point_to_the_side_on_which_the_loop_lies() -> None:
    table = pd.DataFrame({"dimension": [5, 2, 9], "difference": [-3.0, 2.0, 0.0], "share": [0.7, 0.3, 0.0]})
    (bars,) = carriers_figure(Carriers(table, "latent dimension", "the centre c")).data
    assert dict(zip(bars.y, bars.x, strict=True)) == {"5": -70.0, "2": 30.0, "9": 0.0}


def test_the_bar_matrix_counts_bars_from_one() -> None:
    structure = LoopStructure(np.eye(3, dtype=np.float32), 0.0, 2.0)
    (heatmap,) = bars_figure(structure).data
    assert list(heatmap.x) == [1, 2, 3]
    assert (heatmap.zmin, heatmap.zmax) == (-1, 1)
