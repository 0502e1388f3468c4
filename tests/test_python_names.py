"""`import loopscope`: the names a notebook needs, their examples, and an analysis that shows itself."""

import ast
import doctest
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

import loopscope
from loopscope.analysis.pipeline import analyse_folder
from loopscope.figures.overview import figures_of
from tests.golden.clips import plucked
from tests.tiny import Tiny

RATE = 8000
STUB = Path(loopscope.__file__).with_suffix(".pyi")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """24 loops, one of them clipped and under a name that is HTML, and a file that is none."""
    for seed in range(23):
        sf.write(tmp_path / f"Bass_{seed:02d}.wav", 0.3 * plucked(0.5, RATE, seed=seed), RATE)
    sf.write(os.fsencode(tmp_path) + b"/<b>caf\xe9.wav", np.clip(8 * plucked(0.5, RATE, seed=99), -0.97, 0.97), RATE)
    (tmp_path / "broken.wav").write_bytes(b"")
    return tmp_path


def test_every_name_is_there_and_the_stub_says_the_same() -> None:
    named = [node for node in ast.parse(STUB.read_text(encoding="utf-8")).body if isinstance(node, ast.ImportFrom)]
    homes = {alias.asname: (node.module or "").removeprefix("loopscope.") for node in named for alias in node.names}
    assert homes == loopscope.HOMES
    assert set(loopscope.HOMES) <= set(dir(loopscope))
    for name in loopscope.HOMES:
        assert getattr(loopscope, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        loopscope.nonsense  # noqa: B018 (it is asked for)


def test_importing_it_loads_nothing_large() -> None:
    look = "import sys, loopscope; dir(loopscope); print([name for name in sys.argv[1:] if name in sys.modules])"
    command = [sys.executable, "-c", look, "numpy", "pandas", "torch", "librosa", "plotly"]
    assert subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout == "[]\n"


def test_the_examples_are_true(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loopscope.encoders.base.load_encoder", lambda *_: Tiny())
    examples = doctest.DocTestFinder().find(loopscope, globs={"folder": folder, "encoder": Tiny()})
    results = [doctest.DocTestRunner().run(example) for example in examples]
    assert sum(result.attempted for result in results) > 10 and not any(result.failed for result in results)


def test_an_analysis_shows_itself_and_its_figures(folder: Path) -> None:
    analysis = analyse_folder(folder, Tiny(), detector="knn")
    shown = analysis._repr_html_()
    assert "<p>24 files: " in shown and "1 left out.</p>" in shown
    assert shown.count("<tr") == 11 and r"&lt;b&gt;caf\xe9.wav" in shown and "<b>" not in shown
    flagged = {at: set(points_of(analysis, at)) for at in (50.0, 95.0)}
    scores = analysis.scored.scores
    for percentile, loop_ids in flagged.items():
        threshold = np.percentile(analysis.scored.reference_scores, percentile)
        assert loop_ids == set(scores.loc[scores["score"] > threshold, "loop_id"])
    assert flagged[95.0] == set(analysis.table.loc[analysis.table["is_anomaly"], "loop_id"])
    assert flagged[95.0] < flagged[50.0]


def points_of(analysis: loopscope.Analysis, percentile: float) -> list[str]:
    """The loops that the scatter marks as flagged."""
    figures = figures_of(analysis, percentile)
    assert set(figures) == {"histogram", "scatter", "heatmap"}
    (flagged,) = [trace for trace in figures["scatter"].data if trace.name.startswith("flagged")]
    return list(flagged.customdata)
