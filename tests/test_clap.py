"""Our CLAP against laion-clap's own code with the same random weights, through the file a user would give."""

import weakref
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from loopscope.checkpoints import CLAP_FUSION, CLAP_MUSIC, load_weights
from loopscope.encoders.base import load_encoder
from loopscope.encoders.clap import SAMPLE_RATE, make_fusion, make_music
from loopscope.encoders.processor import has_bfloat16
from loopscope.encoders.runtime import Precision, Runtime, best_device
from loopscope.encoders.windowed import WindowedEncoder
from loopscope.threads import one_thread
from tests import laion_reference
from tests.golden.clips import plucked

SHORT_S = (0.4, 4.9, 10.0)
LONG_S = (10.02, 10.03, 11.0, 28.0)


def cosine(a: Any, b: Any) -> float:
    return float(torch.nn.functional.cosine_similarity(torch.as_tensor(a), torch.as_tensor(b)).min())


def save_as_published(module: Any, path: Path) -> Path:
    """What laion-clap's training leaves: both towers under `module.`, numpy scalars, the optimiser."""
    state = {f"module.{name}": value for name, value in module.model.state_dict().items()}
    state["module.text_branch.encoder.weight"] = torch.zeros(1000, 1000)
    rest = {"epoch": np.int64(45), "name": "a run", "best": np.float64(0.25), "scaler": {"scale": 1.0}}
    torch.save({**rest, "state_dict": state, "optimizer": {"state": {0: {"exp_avg": torch.zeros(10)}}}}, path)
    return path


@pytest.fixture(scope="module", autouse=True)
def single_threaded() -> Iterator[None]:
    """Networks this size gain little from a second thread, and on a busy machine wait for it."""
    with one_thread():
        yield


@pytest.fixture(scope="module")
def laion() -> Any:
    return laion_reference.clap_module("HTSAT-tiny", enable_fusion=True)


@pytest.fixture(scope="module")
def published(laion: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_as_published(laion, tmp_path_factory.mktemp("hub") / CLAP_FUSION.filename)


@pytest.fixture(scope="module")
def fusion(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WindowedEncoder]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOOPSCOPE_HOME", str(tmp_path_factory.mktemp("home")))
        yield make_fusion(load_weights(CLAP_FUSION, published), precision="float32")


@pytest.fixture
def same_crops(monkeypatch: pytest.MonkeyPatch) -> None:
    """laion-clap draws a crop from each third; here it draws the first, the middle and the last as we do."""
    picks = (lambda third: third[0], lambda third: third[len(third) // 2], lambda third: third[-1])
    turn = cycle(picks)
    monkeypatch.setattr(np.random, "choice", lambda third: int(next(turn)(third)))


def views_of(encoder: WindowedEncoder, waveform: np.ndarray) -> torch.Tensor:
    return encoder.prepare([waveform], len(waveform))


@pytest.mark.parametrize("duration_s", SHORT_S)
def test_the_spectrogram_of_short_clips_is_laion_claps(laion: Any, fusion: WindowedEncoder, duration_s: float) -> None:
    waveform = plucked(duration_s, SAMPLE_RATE)
    expected = laion_reference.features_of(laion, waveform)["mel_fusion"]
    views = views_of(fusion, waveform)
    assert views.shape == (1, 1001, 64)
    assert float((views - expected[:1]).abs().max()) < 1e-3


@pytest.mark.parametrize("duration_s", LONG_S)
@pytest.mark.usefixtures("same_crops")
def test_the_four_views_of_long_clips_are_laion_claps(laion: Any, fusion: WindowedEncoder, duration_s: float) -> None:
    waveform = plucked(duration_s, SAMPLE_RATE)
    features = laion_reference.features_of(laion, waveform)
    assert bool(features["longer"])
    difference = (views_of(fusion, waveform) - features["mel_fusion"]).abs()
    assert float(difference[1:].max()) < 1e-3
    assert float(difference[0].max()) < 0.01  # the library's own antialiasing places its weights in single precision


@pytest.mark.usefixtures("same_crops")
def test_embeddings_are_laion_claps(laion: Any, fusion: WindowedEncoder) -> None:
    waveforms = [plucked(duration_s, SAMPLE_RATE) for duration_s in (0.4, 4.9, 10.0, 10.005, 28.0)]
    expected = laion_reference.branch_embeddings(laion, [laion_reference.features_of(laion, x) for x in waveforms])
    found = fusion.embed(waveforms)
    assert found.shape == (5, 768)
    assert cosine(found, expected) > 0.999999
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert max(cosine(found[i : i + 1], found[j : j + 1]) for i in range(5) for j in range(i)) < 0.9999


@pytest.mark.skipif(not has_bfloat16(), reason="this processor cannot multiply in bfloat16")
@pytest.mark.usefixtures("same_crops")
def test_reduced_precision_keeps_the_direction(laion: Any, published: Path) -> None:
    waveforms = [plucked(duration_s, SAMPLE_RATE) for duration_s in (0.4, 4.9, 28.0)]
    expected = laion_reference.branch_embeddings(laion, [laion_reference.features_of(laion, x) for x in waveforms])
    encoder = make_fusion(load_weights(CLAP_FUSION, published), precision="bfloat16")
    assert encoder.precision == "bfloat16"
    assert cosine(encoder.embed(waveforms), expected) > 0.999


@pytest.mark.skipif(best_device().type == "cpu", reason="neither CUDA nor MPS on this machine")
@pytest.mark.parametrize("precision", ["float32", "auto"])
def test_a_device_hears_what_the_processor_hears(
    published: Path, precision: Precision, monkeypatch: pytest.MonkeyPatch
) -> None:
    waveforms = [plucked(duration_s, SAMPLE_RATE) for duration_s in (0.4, 4.9, 28.0)]
    weights = load_weights(CLAP_FUSION, published)
    on_device = make_fusion(weights, precision=precision)
    monkeypatch.setattr("loopscope.encoders.runtime.best_device", lambda: torch.device("cpu"))
    on_processor = make_fusion(weights, precision="float32")
    found = on_device.embed(waveforms)
    assert cosine(found, on_processor.embed(waveforms)) > (0.9999 if precision == "float32" else 0.999)
    np.testing.assert_array_equal(found, on_device.embed(waveforms))


def test_a_users_file_gives_the_same_encoder_ever_after(published: Path, fusion: WindowedEncoder) -> None:
    given = load_encoder("clap-fusion", weights_file=published)
    chosen = load_encoder("auto")
    waveform = [plucked(1.0, SAMPLE_RATE)]
    assert given.encoder_id == chosen.encoder_id
    assert fusion.weights_sha256[:12] in given.encoder_id
    assert chosen.notice == ""
    assert cosine(given.embed(waveform), chosen.embed(waveform)) > 0.99999
    assert CLAP_FUSION.stored.stat().st_size < 130e6
    assert not [name for name in load_weights(CLAP_FUSION).tensors if "text" in name]


def test_neither_company_nor_order_changes_an_embedding(fusion: WindowedEncoder) -> None:
    waveforms = [plucked(duration_s, SAMPLE_RATE, seed) for seed, duration_s in enumerate((0.3, 12.0, 2.0, 31.0))]
    together = fusion.embed(waveforms)
    alone = np.concatenate([fusion.embed([waveform]) for waveform in waveforms])
    backwards = fusion.embed(waveforms[::-1])[::-1].copy()
    assert cosine(together, alone) > 0.99999
    assert cosine(together, backwards) > 0.99999
    np.testing.assert_array_equal(together, fusion.embed(waveforms))


def test_a_long_clip_passes_through_in_pieces(fusion: WindowedEncoder) -> None:
    alive, most = [0], [0]

    def gone() -> None:
        alive[0] -= 1

    def pieces(n_seconds: int) -> Iterator[np.ndarray]:
        for second in range(n_seconds):
            piece = plucked(1.0, SAMPLE_RATE, seed=second)
            alive[0] += 1
            most[0] = max(most[0], alive[0])
            weakref.finalize(piece, gone)
            yield piece
            del piece

    n_seconds = 40
    streamed = fusion.prepare(pieces(n_seconds), n_seconds * SAMPLE_RATE)
    assert most[0] <= 3
    assert streamed.shape == (4, 1001, 64)
    whole = np.concatenate(list(pieces(n_seconds)))
    torch.testing.assert_close(streamed, views_of(fusion, whole), atol=1e-3, rtol=0)


def test_gradients_and_chance_play_no_part(fusion: WindowedEncoder) -> None:
    runtime = Runtime(lambda dtype: nn.Sequential(nn.Linear(3, 2), nn.Dropout()).to(dtype), torch.ones(4, 3), "float32")
    assert not runtime.network.training
    assert not any(parameter.requires_grad for parameter in runtime.network.parameters())
    waveform = [plucked(14.0, SAMPLE_RATE)]
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002 - the generator laion-clap draws its crops from
    first = fusion.embed(waveform)
    np.random.seed(2)  # noqa: NPY002
    np.testing.assert_array_equal(first, fusion.embed(waveform))


def test_clap_music_is_laion_claps_and_averages_windows(tmp_path: Path) -> None:
    laion = laion_reference.clap_module("HTSAT-base", enable_fusion=False)
    path = save_as_published(laion, tmp_path / "music.pt")
    encoder = make_music(load_weights(CLAP_MUSIC, path), precision="float32")
    waveforms = [plucked(duration_s, SAMPLE_RATE) for duration_s in (2.2, 10.0)]
    expected = laion_reference.branch_embeddings(laion, [laion_reference.features_of(laion, x) for x in waveforms])
    assert cosine(encoder.embed(waveforms), expected) > 0.9999
    windows = views_of(encoder, plucked(25.0, SAMPLE_RATE))
    assert windows.shape == (3, 1001, 64)
    each = np.concatenate([encoder.forward([window[None]]) for window in windows])
    assert cosine(encoder.forward([windows]), each.mean(0, keepdims=True)) > 0.99999
    assert "mean" in encoder.description
