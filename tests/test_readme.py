"""What README says can be typed: its make targets, its files and its Python example."""

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_make_target_named_exists() -> None:
    named = set(re.findall(r"\bmake ([a-z]+)\b(?= |`|$)", README, re.MULTILINE))
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {"run", "test"} <= named
    assert named <= targets


def test_every_linked_file_exists() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]
    assert links
    assert not [link for link in links if not (ROOT / link).exists()]


def test_every_encoder_and_detector_is_named() -> None:
    from loopscope.detection.registry import detector_info, detector_names
    from loopscope.encoders.catalogue import ENCODERS

    assert all(f"`{info.name}`" in README for info in ENCODERS)
    titles = {name: name if detector_info(name).is_deep else detector_info(name).title for name in detector_names()}
    assert not [name for name, title in titles.items() if not re.search(rf"\b{title}\b", README)]


def test_the_python_example_runs(tmp_path: Path, aisfx_weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a folder of ours, the offline encoder and a quick detector in place of the README's."""
    rng = np.random.default_rng(0)
    for index in range(12):
        sf.write(tmp_path / f"{index}.wav", 0.1 * rng.normal(size=22050), 22050)
    (tmp_path / "broken.wav").write_bytes(b"")
    example = re.findall(r"```python\n(.*?)```", README, re.DOTALL)[0]
    changes = {'"~/Music/Loops"': repr(str(tmp_path)), '"auto"': '"aisfx"', '"AEwRES"': '"pca"', '"local"': '"robust"'}
    for old, new in changes.items():
        assert old in example
        example = example.replace(old, new)
    exec(compile(example, "README", "exec"), {})
    said = capsys.readouterr().out
    assert "is_anomaly" in said
    assert "broken.wav" in said
