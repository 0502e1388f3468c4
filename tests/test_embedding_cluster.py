"""A cluster finds what one machine does, though a worker is killed; one sentence where there can be none."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile

from loopscope.analysis.pipeline import analyse_folder
from loopscope.analysis.walk import Plan, WalkEvents, walk
from loopscope.archive.grow import add_address, add_folder
from loopscope.archive.manifest import open_archive
from loopscope.archive.place import Place
from loopscope.archive.score import rank_parts
from loopscope.cluster.spread import CLUSTER_VARIABLE, described
from loopscope.embeddings import cluster as engine
from loopscope.embeddings import embed_library
from loopscope.encoders.aisfx import load
from loopscope.errors import Cancelled, EncoderError
from loopscope.faults import check_library
from loopscope.library import Library, scan_folder
from loopscope.metadata.collect import known_metadata
from loopscope.progress import Progress
from loopscope.store import Store
from tests.buckets import bucket_of
from tests.golden.clips import plucked
from tests.tiny import Slow, Tiny

distributed = pytest.importorskip("distributed", reason="the Dask engine is optional")
RATE = 8000


@pytest.fixture
def library(tmp_path: Path) -> Library:
    for number in range(20):
        (tmp_path / "loops").mkdir(exist_ok=True)
        soundfile.write(tmp_path / "loops" / f"{number:02d}.wav", plucked(0.5, 44_100, seed=number), 44_100)
    library = scan_folder(tmp_path / "loops")
    (tmp_path / "loops" / "07.wav").unlink()
    return library


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """80 loops in which the encoder that costs nothing hears a difference."""
    for number in range(80):
        (tmp_path / "many").mkdir(exist_ok=True)
        sound = plucked(0.2, RATE, seed=number)
        sound[-1] = 0  # the stand-in for Google's store loses a carriage return at the end of a file
        soundfile.write(tmp_path / "many" / f"Bass_120bpm_{number:02d}.wav", sound, RATE)
    return tmp_path / "many"


@pytest.fixture(scope="module")
def buckets() -> Iterator[dict[str, str]]:
    """Workers are told where they are as they start."""
    with bucket_of("s3") as s3, bucket_of("gs") as gs:
        yield {"s3": s3, "gs": gs}


@pytest.fixture(scope="module")
def cluster(buckets: dict[str, str]) -> Iterator[Any]:
    with distributed.LocalCluster(n_workers=3, threads_per_worker=1, dashboard_address=None) as cluster:
        yield cluster


@pytest.fixture
def client(cluster: Any) -> Iterator[Any]:
    with distributed.Client(cluster) as client:
        client.wait_for_workers(3, timeout=60)
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
    assert len(client.scheduler_info()["workers"]) == 3, "the client in force was used and left open"
    assert here.loop_ids == there.loop_ids
    np.testing.assert_allclose(here.X, there.X, atol=1e-4)
    assert list(here.rejected["path"]) == list(there.rejected["path"])
    with pytest.raises(Cancelled):
        embed_library(library, encoder, engine="dask", should_stop=lambda: True)


@pytest.mark.slow
def test_a_cluster_that_loses_a_worker_gives_the_same_table(
    client: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ids and order bit for bit; findings and measurements came with the embeddings."""
    with Store(tmp_path / "here.sqlite3") as store:
        here = analyse_folder(folder, Tiny(), "knn", store=store)
    killed: list[int] = []

    def kill_one(report: Progress) -> None:
        if report.stage == "Embedding" and 0 < report.done < report.total and not killed:
            busy = [worker for worker, keys in client.processing().items() if keys]
            killed.append(client.run(os.getpid, workers=busy[:1])[busy[0]])
            os.kill(killed[0], signal.SIGKILL)

    with Store(tmp_path / "there.sqlite3") as store:
        seen: list[Progress] = []
        there = analyse_folder(folder, Slow(), "knn", engine="dask", store=store, on_progress=kill_one)
        monkeypatch.setattr("loopscope.faults.check.report_of", lambda *_: pytest.fail("it was checked already"))
        check_library(there.library, store, seen.append)
        assert not known_metadata(there.library.loops, store).missing
    assert killed, "a worker was killed in the middle"
    assert list(there.table["loop_id"]) == list(here.table["loop_id"])
    np.testing.assert_allclose(there.table["score"], here.table["score"], atol=1e-5)
    assert list(there.table["rank"]) == list(here.table["rank"])
    assert there.faults.drop(columns="times").equals(here.faults.drop(columns="times"))


@pytest.mark.slow
def test_workers_write_parts_that_a_restart_does_not_write_again(client: Any, folder: Path, tmp_path: Path) -> None:
    place, library = Place.of(tmp_path / "archive"), scan_folder(folder)
    calls = 0

    def stopped() -> bool:
        nonlocal calls
        calls += 1
        return calls > 2

    with pytest.raises(Cancelled):
        add_folder(place, library, Slow(), engine="dask", should_stop=stopped)
    before = set(place.below("parts").names())
    grown = add_folder(place, library, Tiny(), engine="dask")
    assert before and before < set(place.below("parts").names()), "what was done is left as it is"
    assert grown.n_known > 0 and grown.n_new + grown.n_known == 80
    alone = add_folder(Place.of(tmp_path / "alone"), library, Tiny())
    tables = [pq.read_table(of.archive.place.below("parts").path).to_pandas() for of in (grown, alone)]
    there, here = (table.set_index("loop_id").sort_index() for table in tables)
    assert there.index.equals(here.index)
    np.testing.assert_array_equal(np.stack(there["embedding"]), np.stack(here["embedding"]))
    assert list(there["report"]) == list(here["report"]) and list(there["metadata"]) == list(here["metadata"])
    addressed = add_address(Place.of(tmp_path / "fetched"), folder.as_uri(), Tiny(), engine="dask", everything=False)
    assert sorted(addressed.archive.parts.loop_ids.to_pylist()) == list(here.index), "workers fetch what has an address"
    assert set(addressed.archive.present[1].to_pylist()) == {str(path) for path in folder.iterdir()}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["s3", "gs"])
def test_a_cluster_that_loses_a_worker_before_a_bucket_gives_the_same_table(
    client: Any, buckets: dict[str, str], kind: str, folder: Path, tmp_path: Path
) -> None:
    """Loops and archive lie in the bucket; ids bit for bit, whoever fetched and wrote them."""
    bucket = buckets[kind]
    here = add_folder(Place.of(tmp_path / "here"), scan_folder(folder), Tiny(), everything=False).archive
    fsspec.filesystem(kind).put(str(folder), f"{bucket}/loops", recursive=True)
    killed: list[int] = []

    def kill_one(report: Progress) -> None:
        if 0 < report.done < report.total and not killed:
            busy = [worker for worker, keys in client.processing().items() if keys]
            killed.append(client.run(os.getpid, workers=busy[:1])[busy[0]])
            os.kill(killed[0], signal.SIGKILL)

    place = Place.of(f"{bucket}/archive")
    grown = add_address(place, f"{bucket}/loops", Slow(), engine="dask", everything=False, on_progress=kill_one)
    assert killed, "a worker was killed in the middle"
    assert (grown.n_new, len(grown.rejected)) == (80, 0)
    tables = []
    for archive in (here, open_archive(place)):
        parts, paths = archive.present
        tables.append(rank_parts(parts, "knn", paths=paths).table())
    assert tables[1]["loop_id"].to_pylist() == tables[0]["loop_id"].to_pylist()
    np.testing.assert_allclose(tables[1]["score"], tables[0]["score"], atol=1e-5)
    assert tables[1]["rank"].to_pylist() == tables[0]["rank"].to_pylist()
    assert set(tables[1]["path"].to_pylist()) == {f"{bucket}/loops/{path.name}" for path in folder.iterdir()}


@pytest.mark.slow
def test_the_walk_of_the_app_uses_the_cluster_that_is_named(
    cluster: Any, library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CLUSTER_VARIABLE, cluster.scheduler_address)
    asked: list[str] = []
    original = engine.results_of
    monkeypatch.setattr(
        "loopscope.cluster.spread.results_of", lambda *given, **options: asked.append("") or original(*given, **options)
    )
    with Store(tmp_path / "test.sqlite3") as store:
        walk(library.root, Plan(detector="knn"), store, WalkEvents(), load=lambda *_: Tiny())
        assert len(store.get_embeddings(library.unique["loop_id"], "tiny-1")) == 19
    assert len(asked) == 1
    lines = described(cluster.scheduler_address)
    assert "3 workers" in lines[0] and len(lines) == 4


@pytest.mark.slow
def test_workers_that_are_not_as_they_must_be_are_one_sentence(
    client: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Asked of real workers, which are as they must be; this machine is what differs."""
    engine.check_workers(client, [str(tmp_path)])
    with pytest.raises(EncoderError, match=r"cannot see .*nowhere; mount it"):
        engine.check_workers(client, [str(tmp_path), str(tmp_path / "nowhere")])
    with monkeypatch.context() as patched:
        patched.setattr(engine, "versions", lambda: {"loopscope": "9.9"})
        patched.setattr(
            client, "run", lambda ask, *given, **_: {"tcp://w": {"loopscope": "0.1"}} if given == () else {}
        )
        with pytest.raises(EncoderError, match=r"has loopscope 0\.1, this machine 9\.9"):
            engine.check_workers(client)
        patched.setattr(client, "run", lambda ask, *given, **_: {"tcp://w": None})
        with pytest.raises(EncoderError, match="has no loopscope"):
            engine.check_workers(client)


def test_a_cluster_without_workers_or_that_is_not_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    empty = {"n_workers": 0, "processes": False, "dashboard_address": ":0"}
    with distributed.LocalCluster(protocol="tcp", **empty) as cluster, distributed.Client(cluster) as client:
        with pytest.raises(EncoderError, match="has no workers; start some: dask worker tcp://"):
            engine.check_workers(client)
        address = cluster.scheduler_address
    monkeypatch.setattr(engine, "CONNECT_S", 0.2)
    (said,) = described(address)
    assert said.startswith(f"No Dask cluster answers at {address}") and said.endswith("start its scheduler.")


def test_without_the_package_the_remedy_is_named(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(EncoderError, match="pip install distributed"):
        embed_library(library, Tiny(), engine="dask")
