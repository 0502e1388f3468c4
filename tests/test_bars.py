"""Bars are cut where the tempo says, and repetition scores above change."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from loopscope.errors import DataError
from loopscope.metadata.bars import (
    STRUCTURE_VERSION,
    known_structures,
    loop_structure,
    structure_of_file,
    structure_report,
)
from loopscope.store import Store

RATE = 22050
BPM = 120.0
BAR = 2 * RATE


def bar(seed: int) -> np.ndarray:
    """One bar of 4/4 at 120 BPM: eighths of random pitch and loudness."""
    rng = np.random.default_rng(seed)
    t = np.arange(BAR // 8) / RATE
    notes = [
        rng.uniform(0, 1) ** 2 * np.sin(2 * np.pi * rng.uniform(80, 4000) * t) * np.exp(-t * rng.uniform(5, 60))
        for _ in range(8)
    ]
    x = np.zeros(BAR, np.float32)
    x[: 8 * len(t)] = np.concatenate(notes)
    return x


def loop(pattern: str) -> np.ndarray:
    return np.concatenate([bar(ord(letter)) for letter in pattern])


def test_the_matrix_shows_which_bars_are_alike() -> None:
    found = loop_structure(loop("ABAB"), RATE, BPM)
    assert found.n_bars == 4
    assert found.bar_s == pytest.approx(2.0)
    np.testing.assert_allclose(found.correlation, found.correlation.T)
    np.testing.assert_allclose(np.diag(found.correlation), 1)
    assert min(found.correlation[0, 2], found.correlation[1, 3]) > 0.95
    assert max(found.correlation[0, 1], found.correlation[2, 3]) < 0.8


def test_more_repetition_scores_higher() -> None:
    scores = [loop_structure(loop(pattern), RATE, BPM).score for pattern in ("ABCD", "AABC", "ABAB", "AAAB", "AAAA")]
    assert scores == sorted(scores)
    assert scores[-1] > 0.99


def test_loudness_and_an_early_cut_do_not_matter() -> None:
    x = loop("ABAB")
    whole = loop_structure(x, RATE, BPM)
    assert loop_structure(0.1 * x, RATE, BPM).score == pytest.approx(whole.score, abs=0.01)
    cut = loop_structure(x[: -BAR // 100], RATE, BPM)
    assert cut.n_bars == 4
    assert cut.score == pytest.approx(whole.score, abs=0.05)


@pytest.mark.parametrize("bpm", [93.0, 127.3])
def test_a_wrong_tempo_finds_less_repetition(bpm: float) -> None:
    x = loop("AAAA")
    assert loop_structure(x, RATE, bpm).score < loop_structure(x, RATE, BPM).score - 0.1


@pytest.mark.parametrize(("n_bars", "expected"), [(0.5, 0), (1.0, 1), (1.5, 1)])
def test_without_two_bars_there_is_no_score(n_bars: float, expected: int) -> None:
    found = loop_structure(loop("AA")[: int(n_bars * BAR)], RATE, BPM)
    assert found.n_bars == expected
    assert np.isnan(found.score)


def test_silence_is_finite() -> None:
    assert loop_structure(np.zeros(4 * BAR, np.float32), RATE, BPM).score == 0.0


@pytest.mark.parametrize("bpm", [0.0, -3.0, 1000.0, float("nan")])
def test_an_impossible_tempo_is_refused(bpm: float) -> None:
    with pytest.raises(DataError, match="BPM"):
        loop_structure(loop("AA"), RATE, bpm)


def test_a_table_has_a_score_where_tempo_and_file_are_known(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", loop("ABAB"), RATE)
    tempi = pd.DataFrame({"loop_id": ["a", "a", "b", "c"], "bpm": [120.0, 120.0, None, 120.0]})
    with Store(tmp_path / "store.sqlite3") as store:
        store.put_reports("measurements", {"a": structure_report(tmp_path / "a.wav", 120.0)}, STRUCTURE_VERSION)
        table, missing = known_structures(tempi, store)
    assert missing == {"c"}
    assert list(table.columns) == ["loop_id", "n_bars", "loop_structure"]
    assert table["loop_id"].tolist() == ["a", "b", "c"]
    assert table["n_bars"].tolist() == [4, 0, 0]
    assert table["loop_structure"][0] == pytest.approx(structure_of_file(tmp_path / "a.wav", 120).score)
    assert table["loop_structure"][1:].isna().all()
