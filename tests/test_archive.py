"""Archives: scored in parts as at once, nothing is heard twice, neighbours are the nearest."""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fsspec
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import soundfile as sf
from fsspec.implementations.memory import MemoryFileSystem

from loopscope.analysis.pipeline import score_table
from loopscope.analysis.scoring import fit_detector
from loopscope.archive import fetched
from loopscope.archive.drift import drift_of
from loopscope.archive.grow import UNWRITTEN, Growth, add_address, add_embeddings, add_folder
from loopscope.archive.manifest import Archive, make_archive, open_archive, parts_at
from loopscope.archive.neighbours import Neighbours, nearest_exactly, neighbours_of
from loopscope.archive.parts import Parts, part_bytes, part_name
from loopscope.archive.place import Place
from loopscope.archive.sample import folders_of, stratified_sample
from loopscope.archive.score import rank_parts
from loopscope.cli.main import main
from loopscope.cli.saved import saved_model
from loopscope.cluster.work import hear
from loopscope.config import paths
from loopscope.detection.base import BaseDetector
from loopscope.detection.saved import list_models
from loopscope.embeddings import EmbeddingSet
from loopscope.errors import Cancelled, DataError, ModelError
from loopscope.faults.file_report import report_of
from loopscope.files import display_name
from loopscope.library import Library, scan_folder
from loopscope.progress import Progress
from tests.buckets import KINDS, bucket_of
from tests.golden.clips import plucked
from tests.tiny import Tiny

N, F = 600, 24
RATE = 8000


def made_up(n: int = N, seed: int = 0) -> np.ndarray:
    """(n, F) float32 that float16 holds exactly, so that parts change nothing; the last row lies far out."""
    X = np.random.default_rng(seed).standard_normal((n, F))
    X[-1] += 8
    return X.astype(np.float16).astype(np.float32)


def ids_of(n: int = N) -> list[str]:
    return [f"{number * 7919 % 99991:05d}" for number in range(n)]


def written(address: object, X: np.ndarray, size: int = 128) -> Place:
    """An archive of these rows in parts, ten folders of equal size."""
    place, ids = Place.of(address), ids_of(len(X))
    archive = make_archive(place, "made-1", X.shape[1])
    for start in range(0, len(X), size):
        some = ids[start : start + size]
        paths = [f"/music/{(start + row) * 10 // len(X)}/{loop_id}.wav" for row, loop_id in enumerate(some)]
        archive.write_part(part_name(some), part_bytes(some, paths, X[start : start + size], "made-1", {}))
    return place


@pytest.mark.parametrize("address", ["{tmp}/archive", "memory://{tmp}/archive"])
def test_parts_are_ranked_as_the_whole_is(address: str, tmp_path: Path) -> None:
    """On a disk and on another file system of fsspec's, by the same code."""
    X = made_up()
    archive = open_archive(written(address.format(tmp=tmp_path), X))
    table = rank_parts(archive.parts, "knn").table().to_pandas()
    scored = fit_detector(EmbeddingSet(tuple(ids_of()), X, "made-1"), "knn")
    expected = score_table(pd.DataFrame({"loop_id": ids_of()}), scored).set_index("loop_id").loc[table["loop_id"]]
    assert table["loop_id"].is_unique and len(table) == N and table["loop_id"][0] == ids_of()[-1]
    assert table["score"].is_monotonic_decreasing
    np.testing.assert_array_equal(table["score"], expected["score"])
    for column in ("percentile", "is_anomaly", "rank", "split"):
        assert list(table[column]) == list(expected[column]), column
    assert [Path(path).stem for path in table["path"]] == list(table["loop_id"])


def test_what_is_learnt_from_a_sample_scores_the_rest_as_new(tmp_path: Path) -> None:
    X = made_up()
    place = written(tmp_path / "archive", X)
    ranking = rank_parts(open_archive(place).parts, "knn", sample=100)
    assert (ranking.splits != "new").sum() == 100
    row = {loop_id: row for row, loop_id in enumerate(ids_of())}
    new = [(loop_id, score) for loop_id, score, split in zip(*columns(ranking), strict=True) if split == "new"]
    expected = ranking.detector.anomaly_scores(X[[row[loop_id] for loop_id, _ in new]], "made-1")
    np.testing.assert_allclose([score for _, score in new], expected, rtol=1e-6)
    again = rank_parts(open_archive(written(tmp_path / "other order", X, size=77)).parts, "knn", sample=100)
    assert ranking.table().equals(again.table()), "how the rows are cut and ordered says nothing"
    other = rank_parts(open_archive(place).parts, "knn", seed=1, sample=100)
    assert set(ranking.detector.loop_ids_) != set(other.detector.loop_ids_)
    with pytest.raises(DataError, match="patches"):
        rank_parts(open_archive(place).parts, preset="local")


def columns(ranking: object) -> tuple[Sequence[object], ...]:
    table = ranking.table()
    return tuple(table.column(name).to_pylist() for name in ("loop_id", "score", "split"))


def test_a_sample_takes_of_every_folder_its_share(tmp_path: Path) -> None:
    parts = open_archive(written(tmp_path / "archive", made_up())).parts
    codes, names = folders_of(parts.paths)
    assert names == [f"/music/{number}/" for number in range(10)]
    chosen = stratified_sample(parts.loop_ids, codes, 100)
    assert chosen.sum() == 100 and set(np.bincount(codes[chosen])) <= {9, 10, 11}


@pytest.mark.parametrize("exact_up_to", [N, 0])
def test_neighbours_are_the_nearest_however_they_are_found(exact_up_to: int, tmp_path: Path) -> None:
    X, home = made_up(), tmp_path / "neighbours"
    parts = open_archive(written(tmp_path / "archive", X)).parts
    if not exact_up_to:
        pytest.importorskip("usearch", reason="the index of neighbours is optional")
    near = neighbours_of(parts, home, exact_up_to=exact_up_to)
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    found, wanted = [], []
    for row in range(0, N, 30):
        ids, distances = near.nearest(ids_of()[row], 10)
        order = [other for other in np.argsort(-(unit @ unit[row]), kind="stable") if other != row][:10]
        found.append(set(ids))
        wanted.append({ids_of()[other] for other in order})
        assert (np.diff(distances) >= 0).all() and len(ids) == 10
        if found[-1] == wanted[-1]:
            np.testing.assert_allclose(distances, 1 - unit[order] @ unit[row], atol=1e-5)
    recall = np.mean([len(a & b) / 10 for a, b in zip(found, wanted, strict=True)])
    assert recall == 1.0 if exact_up_to else recall >= 0.95
    rows, _ = nearest_exactly(parts, near.parts.matrix(np.arange(N) < 3), 1)
    assert list(rows[:, 0]) == [0, 1, 2]
    with pytest.raises(DataError, match="not among these 600"):
        near.nearest("nobody")


def test_an_index_of_neighbours_grows_and_is_made_once(tmp_path: Path) -> None:
    pytest.importorskip("usearch", reason="the index of neighbours is optional")
    X, home = made_up(), tmp_path / "neighbours"
    place = written(tmp_path / "archive", X[:256])
    neighbours_of(open_archive(place).parts, home, exact_up_to=0)
    written(place.path, X)
    seen: list[int] = []
    grown = neighbours_of(open_archive(place).parts, home, lambda report: seen.append(report.total), exact_up_to=0)
    assert set(seen) == {N - 256}, "only what is new"
    assert len(list(home.iterdir())) == 1, "what it grew from is gone"
    ids, _ = grown.nearest(ids_of()[-2], 10)
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    order = [ids_of()[row] for row in np.argsort(-(unit @ unit[-2])) if row != N - 2][:10]
    assert len(set(ids) & set(order)) >= 9
    seen.clear()
    neighbours_of(open_archive(place).parts, home, lambda report: seen.append(report.total), exact_up_to=0)
    assert not seen


@pytest.mark.parametrize(("n_before", "n_now"), [(N, N - 20), (N - 20, N), (N, 40)])
def test_an_index_of_neighbours_is_true_though_files_went_or_came_back(
    n_before: int, n_now: int, tmp_path: Path
) -> None:
    pytest.importorskip("usearch", reason="the index of neighbours is optional")
    X, home = made_up(), tmp_path / "neighbours"
    archive, ids = open_archive(written(tmp_path / "archive", X)), ids_of()

    def near_when(n: int) -> Neighbours:
        parts, _ = archive.with_listing("/music", ids[:n], [f"/music/{loop_id}.wav" for loop_id in ids[:n]]).present
        return neighbours_of(parts, home, lambda report: seen.append(report.total), exact_up_to=0)

    seen: list[int] = []
    near_when(n_before)
    made = list(seen)
    near = near_when(n_now)
    assert seen == made, "no vector is new"
    with pytest.raises(DataError, match=f"not among these {n_now}"):
        near.nearest(ids[n_now] if n_now < N else "nobody")
    unit = X[:n_now] / np.linalg.norm(X[:n_now], axis=1, keepdims=True)
    for row in (0, n_now - 1):
        order = [ids[other] for other in np.argsort(-(unit @ unit[row]), kind="stable") if other != row][:30]
        found, _ = near.nearest(ids[row], 30)
        assert set(found) <= set(ids[:n_now]) and len(set(found) & set(order)) >= 27


def test_two_that_make_one_index_of_neighbours_at_once_both_have_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of either all files are on the disk before the index is there by its name."""
    pytest.importorskip("usearch", reason="the index of neighbours is optional")
    home, fsync = tmp_path / "neighbours", os.fsync
    parts = open_archive(written(tmp_path / "archive", made_up())).parts
    flushed: list[bool] = []

    def watched(descriptor: int) -> None:
        flushed.append((home / parts.digest).is_dir())
        fsync(descriptor)

    def meanwhile(_: Progress) -> None:
        if not (home / parts.digest).is_dir():
            neighbours_of(parts, home, exact_up_to=0)

    monkeypatch.setattr("loopscope.files.os.fsync", watched)
    near = neighbours_of(parts, home, meanwhile, exact_up_to=0)
    assert flushed == [False, False, True, True], "index and loop_ids of the second that began, then of the first"
    assert [folder.name for folder in home.iterdir()] == [parts.digest] and len(near.nearest(ids_of()[0])[0]) == 10


N_PACKS, PACK = 20, 40


def archive_of_packs(address: Path, packs: dict[str, np.ndarray]) -> Archive:
    """Packs of loops, each (n, 6) coordinates of what is heard, as indexed folders in alphabetical order."""
    rng = np.random.default_rng(1)
    heard = np.concatenate(list(packs.values()))
    X = heard @ rng.standard_normal((6, F)) + 0.1 * rng.standard_normal((len(heard), F))
    ids = ids_of(len(X))
    archive, start = open_archive(written(address, X.astype(np.float16).astype(np.float32))), 0
    for folder, rows in packs.items():
        some = ids[start : start + len(rows)]
        archive = archive.with_listing(folder, some, [f"{folder}/{loop_id}.wav" for loop_id in some])
        start += len(rows)
    return archive


def learnt_from(archive: Archive, n: int, encoder_id: str = "made-1") -> BaseDetector:
    """A model of the first n loops that were written."""
    ids = archive.parts.loop_ids.to_pylist()
    chosen = np.isin(ids, ids_of(archive.parts.n_loops)[:n])
    learnt = tuple(np.asarray(ids)[chosen].tolist())
    return fit_detector(EmbeddingSet(learnt, archive.parts.matrix(chosen), encoder_id), "knn").detector


def test_a_folder_is_held_against_the_folders_that_a_model_learnt_from(tmp_path: Path) -> None:
    """Packs are clusters: new loops like those of one of them, and a new pack among them, are nothing unusual."""
    rng = np.random.default_rng(0)
    packs = {
        f"/{number:02}": centre + 0.3 * rng.standard_normal((PACK, 6))
        for number, centre in enumerate(rng.standard_normal((N_PACKS, 6)))
    }
    packs["/like"] = packs["/03"].mean(axis=0) + 0.3 * rng.standard_normal((PACK, 6))
    packs["/among"] = 0.5 * rng.standard_normal(6) + 0.3 * rng.standard_normal((PACK, 6))
    packs["/off"] = 4 + 0.3 * rng.standard_normal((3 * PACK, 6))
    archive = archive_of_packs(tmp_path / "archive", packs)
    drifts = {drift.folder: drift for drift in drift_of(archive, learnt_from(archive, N_PACKS * PACK))}
    assert {name: drifts[name].differs for name in ("/like", "/among", "/off", "/03")} == {
        **{"/like": False, "/among": False, "/off": True, "/03": None},
    }
    assert drifts["/like"].sentence().startswith("no farther from what the model learnt from than the 20 folders")
    assert drifts["/off"].sentence().startswith("farther from what the model learnt from than the 20 folders")
    assert drifts["/off"].difference.n == PACK, "as many loops as its folders have"


def test_of_few_folders_the_distance_is_told_and_nothing_promised(tmp_path: Path) -> None:
    """Of three: one that was learnt from, one like it, and one that is shifted by a standard deviation."""
    rng = np.random.default_rng(0)
    packs = {folder: rng.standard_normal((300, 6)) for folder in ("/learnt", "/like", "/other")}
    packs["/other"] += 1
    archive = archive_of_packs(tmp_path / "archive", packs)
    learnt, like, other = drift_of(archive, learnt_from(archive, 300))
    assert [(drift.folder, drift.n_loops, drift.n_new) for drift in (learnt, like, other)] == [
        *(("/learnt", 300, 0), ("/like", 300, 300), ("/other", 300, 300)),
    ]
    assert learnt.difference is None and "too few to compare" in learnt.sentence()
    assert like.sentence().startswith("no farther from what the model learnt from than random parts")
    assert other.sentence().startswith("farther from what the model learnt from than random parts")
    assert {drift.differs for drift in (learnt, like, other)} == {None}
    with pytest.raises(ModelError, match="made-2"):
        drift_of(archive, learnt_from(archive, 300, "made-2"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Nine loops, one of them under a name in invalid UTF-8, a copy of one, and a file that is none."""
    place = tmp_path / "loops"
    for seed in range(8):
        write_loop(place / f"Bass_{seed}_120bpm.wav", seed)
    shutil.copyfile(place / "Bass_0_120bpm.wav", place / "copy.wav")
    sf.write(os.fsencode(place) + b"/caf\xe9.wav", plucked(0.5, RATE, seed=99), RATE)
    (place / "broken.wav").write_bytes(b"")
    return place


def write_loop(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sf.write(path, plucked(0.5, RATE, seed=seed), RATE)


class Counting(Tiny):
    """Says how many loops it was given."""

    def __init__(self) -> None:
        self.n_heard = 0

    def embed(self, waveforms: Sequence[np.ndarray]) -> np.ndarray:
        self.n_heard += len(waveforms)
        return super().embed(waveforms)


def test_an_archive_hears_only_what_is_new(folder: Path, tmp_path: Path) -> None:
    place, encoder = Place.of(tmp_path / "archive"), Counting()
    first = add_folder(place, scan_folder(folder), encoder)
    assert (first.n_new, first.n_known, first.n_gone, encoder.n_heard) == (9, 0, 0, 9)
    assert [Path(path).name for path in first.rejected["path"]] == ["broken.wav"]
    (folder / "Bass_1_120bpm.wav").rename(folder / "renamed.wav")
    (folder / "Bass_2_120bpm.wav").unlink()
    write_loop(folder / "more" / "new.wav", 50)
    second = add_folder(place, scan_folder(folder), encoder)
    assert (second.n_new, second.n_known, second.n_gone, encoder.n_heard) == (1, 8, 2, 10)
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(folder, elsewhere)
    assert add_folder(place, scan_folder(elsewhere), encoder).n_new == 0 and encoder.n_heard == 10
    archive = open_archive(place)
    parts, paths = archive.present
    assert archive.parts.n_loops == 10 and parts.n_loops == 9, "what is gone is kept, and not ranked"
    by_id = dict(zip(parts.loop_ids.to_pylist(), paths.to_pylist(), strict=True))
    listed = scan_folder(folder).unique
    assert set(by_id) == set(listed["loop_id"])
    assert by_id[listed.set_index("name")["loop_id"]["renamed.wav"]].endswith("/renamed.wav")
    library = scan_folder(folder)
    X = Tiny().embed([waveform(library, loop_id) for loop_id in parts.loop_ids.to_pylist()])
    np.testing.assert_allclose(np.concatenate(list(parts.chunks())), X, rtol=1e-3, atol=1e-6)


def in_memory(folder: Path) -> str:
    """The address of a copy, less what has no name in UTF-8."""
    Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.wav")).unlink(missing_ok=True)
    fsspec.filesystem("memory").put(str(folder), "/unwritten", recursive=True)
    return "memory://unwritten"


@pytest.mark.parametrize(
    "add",
    [
        lambda place, folder: add_folder(place, scan_folder(folder), Tiny()),
        lambda place, folder: add_address(place, in_memory(folder), Tiny()),
    ],
)
def test_loops_whose_part_a_worker_wrote_elsewhere_are_listed_and_come_in_the_next_time(
    add: Callable[[Place, Path], Growth], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loopscope.archive.grow.batch_size", lambda n, n_workers, largest: 3)
    place, write, lost = Place.of(tmp_path / "archive"), Archive.write_part, []

    def write_but_one(archive: Archive, name: str, content: bytes) -> None:
        if lost:
            write(archive, name, content)
        lost.append(name)

    with monkeypatch.context() as patched:
        patched.setattr(Archive, "write_part", write_but_one)
        grown = add(place, folder)
    told = grown.rejected[grown.rejected["reason"] == UNWRITTEN]
    ids = scan_folder(folder).unique.set_index("name")["loop_id"]
    assert 0 < grown.n_new == grown.archive.parts.n_loops < len(ids)
    unwritten = {ids[display_name(Path(path).name)] for path in told["path"]}
    assert unwritten == set(ids) - set(grown.archive.parts.loop_ids.to_pylist())
    again = add(place, folder)
    assert again.n_new == len(unwritten) and not (again.rejected["reason"] == UNWRITTEN).any()


@pytest.fixture(params=KINDS)
def elsewhere(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """The address of a copy of the folder, less what has no name in UTF-8."""
    Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.wav")).unlink()
    with bucket_of(request.param) as bucket:
        fsspec.filesystem(request.param).put(str(folder), f"{bucket}/loops", recursive=True)
        yield f"{bucket}/loops"


def test_loops_at_an_address_are_fetched_heard_and_known_again(
    elsewhere: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Into an archive at an address, too; a run that was stopped goes on where it was."""
    home = Place.of(elsewhere)
    place, encoder, brought = Place.of(f"{elsewhere} archive"), Counting(), []
    monkeypatch.setattr("loopscope.archive.grow.LARGEST_HERE", 2)
    monkeypatch.setattr("loopscope.archive.grow.batch_size", lambda n, n_workers, largest: largest)
    for module in ("archive.grow", "threads"):
        monkeypatch.setattr(f"loopscope.{module}.n_cores", lambda: 1)  # one batch after the other
    real = fetched._brought
    monkeypatch.setattr(
        "loopscope.archive.fetched._brought", lambda *given: brought.append(given[0].name) or real(*given)
    )
    with pytest.raises(Cancelled):
        add_address(place, elsewhere, encoder, should_stop=lambda: len(brought) > 5)
    before = len(open_archive(place).parts.paths)
    assert before == 4 and not open_archive(place).folders
    n_brought, n_heard = len(brought), encoder.n_heard
    first = add_address(place, elsewhere, encoder)
    assert len(brought) - n_brought == 10 - before, "what has its part is not fetched again"
    assert encoder.n_heard - n_heard == 8 - before
    assert (first.n_new, first.n_known, first.n_gone) == (8 - before, before, 0)
    assert [path.rsplit("/", 1)[1] for path in first.rejected["path"]] == ["broken.wav"]
    parts, paths = open_archive(place).present
    assert {path.rsplit("/", 1)[0] for path in paths.to_pylist()} == {elsewhere}
    here = add_folder(Place.of(tmp_path / "here"), scan_folder(folder), Tiny()).archive.parts
    assert set(parts.loop_ids.to_pylist()) == set(here.loop_ids.to_pylist())
    for column in ("report", "metadata"):
        found, expected = (
            dict(zip(some.loop_ids.to_pylist(), some.column(column).to_pylist(), strict=True)) for some in (parts, here)
        )
        assert found == expected, "names and folders say there what they say here"
    rows = [np.argsort(some.loop_ids.to_pylist()) for some in (parts, here)]
    X = [np.concatenate(list(some.chunks()))[order] for some, order in zip((parts, here), rows, strict=True)]
    np.testing.assert_array_equal(*X)
    brought.clear()
    write_loop(tmp_path / "new.wav", 77)
    home.system.put(str(tmp_path / "new.wav"), home.below("Bass_1_120bpm.wav").path)
    home.system.rm(home.below("Bass_2_120bpm.wav").path)
    second = add_address(place, elsewhere, encoder)
    assert sorted(brought) == ["Bass_1_120bpm.wav", "broken.wav"] and second.n_gone == 1
    assert (second.n_new, second.n_known, open_archive(place).present[0].n_loops) == (1, 6, 7)
    with pytest.raises(DataError, match="no sound file"):
        add_address(place, f"{elsewhere}/nowhere", encoder)


def test_a_file_elsewhere_that_cannot_be_fetched_or_leads_out_is_left_out(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = fsspec.filesystem("memory")
    address, outside = f"memory://{tmp_path}/odd", tmp_path / "outside.wav"
    for name in ("good.wav", "gone.wav", ".hidden/x.wav", "x/../../../outside.wav"):
        system.pipe_file(f"{tmp_path}/odd/{name}", (folder / "copy.wav").read_bytes())
    real = type(system).get_file

    def get_file(self: Any, source: str, target: str, **options: Any) -> None:
        if source.endswith("gone.wav"):
            raise ConnectionResetError("the line was cut")
        real(self, source, target, **options)

    monkeypatch.setattr(type(system), "get_file", get_file)
    grown = add_address(Place.of(tmp_path / "archive"), address, Tiny(), everything=False)
    assert grown.archive.present[1].to_pylist() == [f"{address}/good.wav"]
    assert grown.rejected["reason"].tolist() == [
        "It cannot be fetched (ConnectionResetError, the line was cut); check access."
    ]
    assert not outside.exists()


def test_a_file_that_cannot_be_fetched_now_keeps_its_loop(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither is it gone, nor forgotten; once it comes again it is heard, and what is the same is not."""
    system, place, encoder = fsspec.filesystem("memory"), Place.of(tmp_path / "archive"), Counting()
    address = f"memory://{tmp_path}/cut"
    for number in range(3):
        system.pipe_file(f"{tmp_path}/cut/{number}.wav", (folder / f"Bass_{number}_120bpm.wav").read_bytes())
    add = partial(add_address, place, address, encoder, everything=False)
    add()
    before = set(open_archive(place).present[0].loop_ids.to_pylist())
    system.pipe_file(f"{tmp_path}/cut/1.wav", (folder / "Bass_3_120bpm.wav").read_bytes())
    system.rm(f"{tmp_path}/cut/2.wav")
    real = fetched._copied

    def cut(*_: object) -> bool:
        raise ConnectionResetError("the line was cut")

    monkeypatch.setattr("loopscope.archive.fetched._copied", cut)
    grown = add()
    assert (grown.n_new, grown.n_known, grown.n_gone, len(grown.rejected)) == (0, 2, 1, 1)
    assert set(grown.archive.present[0].loop_ids.to_pylist()) < before
    monkeypatch.setattr("loopscope.archive.fetched._copied", real)
    assert (add().n_new, encoder.n_heard, open_archive(place).present[0].n_loops) == (1, 4, 2)


def test_what_has_no_version_is_fetched_again_and_not_heard_again(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By workers of a cluster neither, who are not told what other folders hold: the archive does not grow by it."""
    system, place, encoder = fsspec.filesystem("memory"), Place.of(tmp_path / "archive"), Counting()
    system.pipe_file(f"{tmp_path}/plain/a.wav", (folder / "copy.wav").read_bytes())
    monkeypatch.setattr("loopscope.archive.fetched.version_of", lambda info: "")

    def results_of(work: Any, batches: Any, *given: Any, **options: Any) -> Iterator[Any]:
        encoder, _, should_stop = given
        yield from (work(batch, encoder, should_stop=should_stop, **options) for batch in batches)

    monkeypatch.setattr("loopscope.archive.grow.results_of", results_of)
    monkeypatch.setattr("loopscope.archive.grow.n_workers", lambda: 1)
    for _ in range(2):
        add_address(place, f"memory://{tmp_path}/plain", encoder, everything=False, engine="dask")
    assert encoder.n_heard == 1 and len(open_archive(place).parts._every_id) == 1


def test_of_unknown_size_no_more_comes_than_a_file_may_have(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system, content = fsspec.filesystem("memory"), (folder / "copy.wav").read_bytes()
    system.pipe_file("/unknown/a.wav", content)
    file = fetched.RemoteFile(Place(system, "/unknown/a.wav"), "a.wav", None, "")
    monkeypatch.setattr("loopscope.archive.fetched.PIECE", 64)
    monkeypatch.setattr("loopscope.archive.fetched.LARGEST_FILE", len(content))
    assert fetched._brought(file, tmp_path / "whole.wav") == "" and (tmp_path / "whole.wav").read_bytes() == content
    monkeypatch.setattr("loopscope.archive.fetched.LARGEST_FILE", len(content) - 1)
    assert "It is larger than" in fetched._brought(file, tmp_path / "half.wav")
    assert not (tmp_path / "half.wav").exists()


class NoCredentialsError(Exception):
    """No OSError, as what packages of file systems raise."""


class Locked(MemoryFileSystem):
    """A file system for which nobody has the key."""

    protocol = "locked"

    def _refused(self, *_: object, **__: object) -> None:
        raise NoCredentialsError("Unable to locate credentials")

    info = ls = cat_file = _open = pipe_file = makedirs = find = _refused


def test_an_archive_at_an_address_without_a_key_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nor is it taken for an empty one and written over."""
    place = Place(Locked(skip_instance_cache=True), "/bucket/archive")
    says = r"cannot be (read|written) .NoCredentialsError, Unable to locate credentials.; check address and access"
    for work in (
        partial(make_archive, place, "made-1", F),
        place.names,
        place.read,
        partial(place.write, b""),
        place.open_parquet().__enter__,
        lambda: Parts((place,), "made-1", F).digest,
    ):
        with pytest.raises(DataError, match=says):
            work()
    monkeypatch.setattr("loopscope.archive.place.fsspec.core.url_to_fs", lambda address: (place.system, "/bucket"))
    for command in (["index", "locked://bucket"], ["analyse", "--embeddings", "locked://bucket"]):
        assert main(command) == 2
        said = capfd.readouterr().err
        assert "check address and access" in said and "defect" not in said
    monkeypatch.setattr("loopscope.archive.place.fsspec.core.url_to_fs", place.system._refused)
    with pytest.raises(DataError, match="NoCredentialsError"):
        Place.of("locked://bucket")


def test_names_at_a_web_address_are_those_that_people_read_and_lead_nowhere_else() -> None:
    odd = ("Bass%20120bpm.wav", "%2Fetc%2Fx.wav", "a%2F..%2F..%2Fx.wav", "a%2F%2Fx.wav", "readme.txt")
    listed = {f"http://host/loops/{name}": {"name": name, "size": None} for name in odd}
    system = SimpleNamespace(invalidate_cache=lambda: None, find=lambda path, detail: listed)
    (file,) = fetched.files_at(Place(system, "http://host/loops"))
    assert (file.name, file.place.path, file.version) == ("Bass 120bpm.wav", "http://host/loops/Bass%20120bpm.wav", "")
    assert file.size_bytes is None


def test_what_is_fetched_at_once_is_few_files_and_little_more_than_a_gigabyte() -> None:
    sizes = [2**20] * 5 + [2**30] * 2 + [0] * 4
    place = Place.of("memory://bucket")
    files = [fetched.RemoteFile(place, str(number), size, "") for number, size in enumerate(sizes)]
    batches = list(fetched.batches_of(files, 4))
    assert [file for batch in batches for file in batch] == files
    assert [len(batch) for batch in batches] == [4, 2, 4, 1]
    assert list(fetched.batches_of([], 4)) == []
    unknown = [replace(file, size_bytes=None) for file in files]
    assert [len(batch) for batch in fetched.batches_of(unknown, 100)] == [5, 5, 1]


def test_two_that_index_at_once_lose_nothing(folder: Path, tmp_path: Path) -> None:
    """Whoever begins first and ends last knows the other's folder, and counts as new what is its own."""
    place, beside = Place.of(tmp_path / "archive"), tmp_path / "beside"
    for seed in range(60, 63):
        write_loop(beside / f"{seed}.wav", seed)

    class Meanwhile(Counting):
        def embed(self, waveforms: Sequence[np.ndarray]) -> np.ndarray:
            if not self.n_heard:
                add_folder(place, scan_folder(beside), Tiny(), everything=False)
            return super().embed(waveforms)

    grown = add_folder(place, scan_folder(folder), Meanwhile(), everything=False)
    assert (grown.n_new, grown.archive.present[0].n_loops) == (9, 12)
    assert open_archive(place).folders == (str(beside), str(folder))


def test_listings_of_before_they_named_their_folder_still_count(tmp_path: Path) -> None:
    archive = open_archive(written(tmp_path / "archive", made_up(20))).with_listing("/music", ids_of(20)[:5], ["x"] * 5)
    (listing,) = (tmp_path / "archive" / "files").iterdir()
    pq.write_table(archive.listing("/music").replace_schema_metadata(None), listing)
    manifest = tmp_path / "archive" / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "folders": ["/music"]}))
    found = open_archive(archive.place)
    assert found.folders == ("/music",) and found.present[0].n_loops == 5


def test_who_stops_an_index_waits_for_one_loop_and_loses_few(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[object] = []
    monkeypatch.setattr("loopscope.cluster.work.report_of", lambda *given: checked.append(given) or report_of(*given))
    library = scan_folder(folder)
    with pytest.raises(Cancelled):
        hear(library, Tiny(), should_stop=lambda: bool(checked))
    assert len(checked) == 1
    row, sizes = library.loops.iloc[0], []
    many = replace(library, loops=pd.DataFrame([{**row, "loop_id": str(number)} for number in range(1000)]))
    monkeypatch.setattr("loopscope.archive.grow.n_cores", lambda: 1)
    monkeypatch.setattr(
        "loopscope.archive.grow.write_heard", lambda batch, *_: sizes.append(len(batch.loops)) or (len(batch.loops), [])
    )
    add_folder(Place.of(tmp_path / "archive"), many, Tiny())
    assert sum(sizes) == 1000 and max(sizes) <= 64


def waveform(library: Library, loop_id: str) -> np.ndarray:
    samples, _ = sf.read(os.fsencode(library.path_of(loop_id)), dtype="float32")
    return samples


def test_parts_hold_what_the_checks_and_the_ear_found(folder: Path, tmp_path: Path) -> None:
    place = Place.of(tmp_path / "archive")
    add_folder(place, scan_folder(folder), Tiny())
    table = pq.read_table(place.below("parts").path).to_pandas()
    assert set(table.columns) == {"loop_id", "path", "embedding", "file", "report", "metadata"}
    assert {json.loads(text)["tempo_bpm"] for text in table["report"]} == {120.0, None}
    assert {json.loads(text)["bpm"] for text in table["metadata"]} >= {120.0}
    assert all(json.loads(text)["duration_s"] == 0.5 for text in table["file"])
    assert sum(path.startswith("file://") and path.endswith("caf%E9.wav") for path in table["path"]) == 1


def test_embeddings_made_elsewhere_come_in_once(tmp_path: Path) -> None:
    X = made_up(20)
    frame = pd.DataFrame({"loop_id": ids_of(20), "embedding": list(X.astype(np.float64))})
    frame.to_parquet(tmp_path / "theirs.parquet")
    place = Place.of(tmp_path / "archive")
    assert add_embeddings(place, tmp_path / "theirs.parquet").n_new == 20
    again = add_embeddings(place, tmp_path / "theirs.parquet")
    assert (again.n_new, again.n_known) == (0, 20)
    parts, paths = open_archive(place).present
    assert parts.loop_ids.to_pylist() == ids_of(20) and set(paths.to_pylist()) == {""}
    np.testing.assert_array_equal(np.concatenate(list(parts.chunks())), X)


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        ({"loop_id": ["a"]}, "no column embedding"),
        ({"loop_id": ["a", None], "embedding": [[1.0], [2.0]]}, "no loop_id"),
        ({"loop_id": ["a", "b"], "embedding": [[1.0], [1.0, 2.0]]}, "other than 1 values"),
        ({"loop_id": ["a"], "embedding": [[float("inf")]]}, "NaN or infinity"),
        ({"loop_id": ["a"], "embedding": [[1e6]]}, "float16"),
        ({"loop_id": ["a"], "embedding": ["text"]}, "lists of floats"),
        ({"loop_id": ["a", "b"], "embedding": [[1.0], [2.0]], "encoder_id": ["x", "y"]}, "a file an encoder"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_is_none_of_ours_is_one_sentence(
    frame: dict[str, object] | None, says: str, tmp_path: Path
) -> None:
    file = tmp_path / "theirs.parquet"
    if frame is None:
        file.write_bytes(b"PAR1 nonsense")
    else:
        pd.DataFrame(frame).to_parquet(file)
    with pytest.raises(DataError, match=says):
        add_embeddings(Place.of(tmp_path / "archive"), file)
    with pytest.raises(DataError):
        rank_parts(parts_at(file))


def test_another_encoder_and_another_format_are_one_sentence(tmp_path: Path) -> None:
    place = written(tmp_path / "archive", made_up(20))
    with pytest.raises(DataError, match="is of made-1"):
        make_archive(place, "other-1", F)
    (tmp_path / "archive" / "manifest.json").write_text('{"format": 2}', encoding="utf-8")
    with pytest.raises(DataError, match="update loopscope"):
        open_archive(place)
    (tmp_path / "archive" / "manifest.json").write_text("[]", encoding="utf-8")
    with pytest.raises(DataError, match="does not read"):
        open_archive(place)
    with pytest.raises(DataError, match="no archive"):
        open_archive(Place.of(tmp_path))
    with pytest.raises(DataError, match="no Parquet file"):
        parts_at(tmp_path / "nowhere")


def test_the_command_grows_ranks_and_finds(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr("loopscope.encoders.base.load_encoder", lambda name, **_: Tiny())
    archive, out = str(tmp_path / "archive"), tmp_path / "ranked.parquet"

    def said(*arguments: str) -> bytes:
        assert main(list(arguments)) == 0, capfdbinary.readouterr()[1]
        return capfdbinary.readouterr()[0]

    record = json.loads(said("index", archive, str(folder), "--no-checks", "--json"))
    assert (record["loops"], record["new"], len(record["rejected"])) == (9, 9, 1)
    assert b"9 loops of tiny-1" in said("index", archive)
    said("index", archive, str(folder), "--checks")
    assert open_archive(Place.of(archive)).parts.column("report").to_pylist() == [""] * 9
    assert b"Of loops that are new: look for faults" in b" ".join(said("index", "--help").split()), "which says so"
    analyse = ("analyse", "--embeddings", archive, "--detector", "knn")
    record = json.loads(said(*analyse, "--json"))
    assert (record["loops"], record["learnt_from"], len(record["rows"])) == (9, 9, 9)
    said(*analyse, "--out", str(out))
    assert pq.read_table(out).column("loop_id").to_pylist() == [row["loop_id"] for row in record["rows"]]
    said(*analyse, "--save", "label")
    drift = json.loads(said("index", archive, "--model", "label", "--json"))["drift"]
    assert drift == [
        {"folder": str(folder), "n_loops": 9, "n_new": 0, "n_learnt": 0, "difference": None, "differs": None}
    ]
    assert b"0 of 9 loops are new to the model" in said("index", archive, "--model", "label")
    beside = str(folder / "Bass_3_120bpm.wav")
    rows = json.loads(said("similar", beside, "--in", archive, "-n", "3", "--json"))["rows"]
    own = scan_folder(folder).unique.set_index("path")["loop_id"][beside]
    assert json.loads(said("similar", own, "--in", archive, "-n", "3", "--json"))["rows"] == rows
    assert len(rows) == 3 and own not in {row["loop_id"] for row in rows}
    assert rows[0]["distance"] <= rows[1]["distance"] <= rows[2]["distance"]
    assert main([*analyse, "--model", "label", "--save", "again"]) == 2
    assert b"--model learns nothing" in capfdbinary.readouterr()[1]
    monkeypatch.setattr("loopscope.archive.score.stratified_sample", lambda ids, *_: np.arange(len(ids)) < 8)
    said(*analyse, "--save", "sampled")
    (card,) = (paths().models / "sampled").glob("card.json")
    assert json.loads(card.read_text())["data"]["loops"] == 8, "what it learnt from, not what it ranked"
    assert main(["analyse", str(folder), "--save", "label"]) == 2
    assert b"--save goes with --embeddings" in capfdbinary.readouterr()[1]
    for wrong in (["analyse"], ["analyse", str(folder), "--embeddings", archive]):
        assert main(wrong) == 2
        assert b"Name either a FOLDER" in capfdbinary.readouterr()[1]
    assert main([*analyse, "--out", "list.csv"]) == 2
    assert b"does not end in .parquet" in capfdbinary.readouterr()[1]


def test_the_command_learns_a_model_anew_when_told(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """From folders that came since, too, with the same detector; the model of before stays beside it."""
    archive = str(tmp_path / "archive")
    written(archive, made_up(200))

    def said(*arguments: str) -> bytes:
        assert main(list(arguments)) == 0, capfdbinary.readouterr()[1]
        return capfdbinary.readouterr()[0]

    said("analyse", "--embeddings", archive, "--detector", "mahalanobis", "--seed", "3", "--save", "label")
    X = 5 + made_up(100, seed=1)
    place = Place.of(archive)
    place.below("parts").below(part_name(["more"])).write(
        part_bytes([f"more{row}" for row in range(100)], ["/more/x.wav"] * 100, X, "made-1", {})
    )
    said("index", archive, "--model", "label")
    assert len(list_models()) == 1, "nothing is learnt untold"
    record = json.loads(said("index", archive, "--model", "label", "--refit", "--json"))
    assert record["learnt_from"] == 300 and "drift" in record
    known = list_models()
    assert known["name"].tolist() == ["label", "label"]
    newest = saved_model("label")
    assert (newest.name, newest.preset, newest.seed, len(newest.scores_)) == ("mahalanobis", "robust", 3, 300)
    assert b"label has learnt anew from 300 loops" in said("index", archive, "--model", "label", "--refit")
    assert main(["index", archive, "--refit"]) == 2 and b"name it with --model" in capfdbinary.readouterr()[1]
    assert main(["index", archive, "--model", str(known["path"][0]), "--refit"]) == 2
    assert b"name a model by what loopscope models calls it" in capfdbinary.readouterr()[1]


def test_similar_looks_into_an_archive_at_an_address_and_into_folders_with_a_manifest_of_their_own(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    pytest.importorskip("usearch", reason="the index of neighbours is optional")
    monkeypatch.setattr("loopscope.encoders.base.load_encoder", lambda name, **_: Tiny())
    monkeypatch.setattr("loopscope.archive.neighbours.neighbours_of", partial(neighbours_of, exact_up_to=0))
    monkeypatch.setenv("LOOPSCOPE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    foreign = b'{"name": "A pack"}'
    (folder / "manifest.json").write_bytes(foreign)
    address = f"memory://{tmp_path}/archive"
    assert main(["index", address, str(folder), "--no-checks"]) == 0, capfdbinary.readouterr()[1]
    capfdbinary.readouterr()
    found = []
    for where in (address, str(folder)):
        assert main(["similar", str(folder / "Bass_3_120bpm.wav"), "--in", where, "-n", "3", "--json"]) == 0
        found.append([row["loop_id"] for row in json.loads(capfdbinary.readouterr()[0])["rows"]])
    assert found[0] == found[1] and len(found[0]) == 3
    assert {path.name for path in tmp_path.iterdir()} == {"loops", "home"}, "the index lies in the cache"
    assert main(["index", str(folder), str(folder)]) == 2 and b"does not read" in capfdbinary.readouterr()[1]
    assert (folder / "manifest.json").read_bytes() == foreign, "and no archive takes its place"
