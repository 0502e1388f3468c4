"""The same embeddings from a cluster of two processes, and one sentence where there can be none."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from loopscope.embeddings import embed_library
from loopscope.encoders.aisfx import load
from loopscope.errors import Cancelled, EncoderError
from loopscope.library import Library, scan_folder
from loopscope.store import Store
from tests.golden.clips import plucked

distributed = pytest.importorskip("distributed", reason="the Dask engine is optional")


@pytest.fixture
def library(tmp_path: Path) -> Library:
    for number in range(20):
        (tmp_path / "loops").mkdir(exist_ok=True)
        soundfile.write(tmp_path / "loops" / f"{number:02d}.wav", plucked(0.5, 44_100, seed=number), 44_100)
    library = scan_folder(tmp_path / "loops")
    (tmp_path / "loops" / "07.wav").unlink()
    return library


@pytest.fixture
def client() -> Iterator[Any]:
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.mark.slow
def test_a_cluster_gives_the_same_embeddings_and_reasons(
    aisfx_weights: object, library: Library, client: Any, tmp_path: Path
) -> None:
    encoder = load()
    here = embed_library(library, encoder)
    with Store(tmp_path / "test.sqlite3") as store:
        there = embed_library(library, encoder, store, engine="dask")
        assert len(store.get_embeddings(there.loop_ids, encoder.encoder_id)) == 19
    assert len(client.scheduler_info()["workers"]) == 2, "the client in force was used and left open"
    assert here.loop_ids == there.loop_ids
    np.testing.assert_allclose(here.X, there.X, atol=1e-4)
    assert list(here.rejected["path"]) == list(there.rejected["path"])
    with pytest.raises(Cancelled):
        embed_library(library, encoder, engine="dask", should_stop=lambda: True)


def test_without_the_package_the_remedy_is_named(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)

    class Any8:
        encoder_id, sample_rate, n_features, description, notice = "any", 8000, 8, "", ""

        def embed(self, waveforms: Any) -> np.ndarray:
            return np.zeros((len(waveforms), 8), np.float32)

    with pytest.raises(EncoderError, match="pip install distributed"):
        embed_library(library, Any8(), engine="dask")
