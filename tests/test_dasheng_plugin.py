"""The plug-in in the tree: found by its entry point, its network that of the package dasheng by random weights."""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from loopscope.checkpoints.stored import Weights
from loopscope.encoders import catalogue
from loopscope.encoders.base import load_encoder
from loopscope.encoders.conformance import breaches_of
from loopscope.errors import WeightsError
from tests.golden.clips import plucked
from tests.golden.make_dasheng import GOLDEN, SAMPLE_RATE, SIZE, random_weights

FOLDER = Path(__file__).resolve().parents[1] / "plugins" / "dasheng"


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The plug-in as pip installs it: its module on the path, and a card with the entry points of its pyproject."""
    project = tomllib.loads((FOLDER / "pyproject.toml").read_text())["project"]
    card = tmp_path / "loopscope_dasheng-1.dist-info"
    card.mkdir()
    (card / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = project["entry-points"].items()
    lines = [f"[{group}]\n" + "".join(f"{name} = {of}\n" for name, of in names.items()) for group, names in groups]
    (card / "entry_points.txt").write_text("".join(lines))
    for place in (FOLDER, tmp_path):
        monkeypatch.syspath_prepend(str(place))
    catalogue.plugins.cache_clear()
    yield import_module("loopscope_dasheng.network")
    catalogue.plugins.cache_clear()
    for name in ("loopscope_dasheng", "loopscope_dasheng.network"):
        sys.modules.pop(name, None)


def small(plugin: Any) -> torch.nn.Module:
    network: torch.nn.Module = plugin.Dasheng(SIZE["embed_dim"], SIZE["depth"], SIZE["num_heads"])
    return network


def small_encoder(plugin: Any) -> Any:
    network = small(plugin)
    counters = {name: value for name, value in network.state_dict().items() if name.endswith("num_batches_tracked")}
    tensors = random_weights({name: tuple(value.shape) for name, value in network.state_dict().items()}) | counters
    return plugin.make_encoder(Weights(tensors, "0" * 64), lambda: small(plugin), "float32")


def test_dasheng_gives_the_numbers_of_its_own_package(plugin: Any) -> None:
    golden = json.loads(GOLDEN.read_text())
    found = small_encoder(plugin).embed([plucked(seconds, SAMPLE_RATE) for seconds in golden["durations_s"]])
    np.testing.assert_allclose(found, golden["embeddings"], atol=2e-4)


def test_its_name_is_known_without_pytorch_and_its_weights_are_still_to_be_fetched(tmp_path: Path) -> None:
    """Encoders are listed where nobody has asked for one yet."""
    look = "import sys; from loopscope_dasheng import INFO; print(INFO.ready, 'torch' in sys.modules)"
    here = os.environ | dict.fromkeys(("LOOPSCOPE_HOME", "HF_HOME", "HF_HUB_CACHE"), str(tmp_path))
    here["PYTHONPATH"] = os.pathsep.join(map(str, (FOLDER, FOLDER.parents[1])))
    command = [sys.executable, "-c", look]
    found = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60, env=here)
    assert found.stdout.split() == ["False", "False"]


def test_dasheng_keeps_the_contract_of_encoders(plugin: Any) -> None:
    assert breaches_of(small_encoder(plugin)) == []


@pytest.mark.parametrize("layout", ["hub", "original"])
def test_dasheng_is_chosen_by_its_name_and_reads_both_published_layouts(
    layout: str, plugin: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with torch.device("meta"):
        full = {name: tuple(value.shape) for name, value in plugin.Dasheng().state_dict().items()}
    assert {name: full[name] for name in plugin.CHECKPOINT.signature} == plugin.CHECKPOINT.signature
    assert "dasheng-base" in {info.name for info in catalogue.known_encoders()}
    tensors = {name: value.contiguous() for name, value in small(plugin).state_dict().items()}
    monkeypatch.setattr(plugin, "Dasheng", partial(plugin.Dasheng, *SIZE.values()))
    width = SIZE["embed_dim"]
    signature = {"patch_embed.proj.weight": (width, 1, 64, 4), "norm.weight": (width,)}
    monkeypatch.setattr(plugin, "CHECKPOINT", replace(plugin.CHECKPOINT, signature=signature))
    if layout == "hub":
        file = tmp_path / "model.safetensors"
        save_file({f"encoder.{name}": value for name, value in tensors.items()}, file)
    else:
        file = tmp_path / "dasheng_base.pt"
        torch.save(
            {"model": {**tensors, "front_end.0.spectrogram.window": torch.ones(512)}, "config": {"depth": 3}}, file
        )
    encoder = load_encoder("dasheng-base", file)
    assert encoder.encoder_id.startswith("dasheng-base-1-")
    assert encoder.embed([plucked(0.5, SAMPLE_RATE)]).shape == (1, width)


def test_weights_of_another_model_are_one_sentence(plugin: Any, tmp_path: Path) -> None:
    save_file({"encoder.norm.weight": torch.ones(3)}, tmp_path / "model.safetensors")
    with pytest.raises(WeightsError, match="does not hold the weights of dasheng-base"):
        load_encoder("dasheng-base", tmp_path / "model.safetensors")
