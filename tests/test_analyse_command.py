"""`loopscope analyse`, `score`, `similar` and `embed`: what they say is what the library finds, in every format."""

import csv
import io
import json
import os
from pathlib import Path
from urllib.parse import unquote_to_bytes

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from loopscope.analysis.pipeline import analyse_folder
from loopscope.analysis.scoring import fit_detector
from loopscope.analysis.triage import NORMAL, triage_rank
from loopscope.cli.main import main
from loopscope.detection.saved import save_model
from loopscope.embeddings import embed_library
from loopscope.library import scan_folder
from loopscope.library.present import GONE
from tests.golden.clips import plucked
from tests.tiny import Tiny

RATE = 8000
ODD = b"caf\xe9 <b>1.wav"
KNN = ("--encoder", "aisfx", "--detector", "knn")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """24 loops, one of them under a name in invalid UTF-8, and a file that is none; the encoder costs nothing."""
    place = tmp_path / "loops"
    place.mkdir()
    for seed in range(23):
        sf.write(place / f"Bass_{seed:02d}.wav", plucked(0.5, RATE, seed=seed), RATE)
    sf.write(os.fsencode(place) + b"/" + ODD, np.random.default_rng(0).normal(size=RATE).clip(-1, 1), RATE)
    (place / "broken.wav").write_bytes(b"")
    for module in ("analysis.pipeline", "encoders.base"):
        monkeypatch.setattr(f"loopscope.{module}.load_encoder", lambda name, **_: Tiny())
    return place


def said(capfdbinary: pytest.CaptureFixture[bytes], *arguments: object) -> bytes:
    assert main([str(argument) for argument in arguments]) == 0
    out, errors = capfdbinary.readouterr()
    assert errors == b"", errors.decode()
    return out


def test_analyse_says_what_the_library_finds(folder: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    analysis = analyse_folder(folder, Tiny(), detector="knn")
    table = triage_rank(analysis.table, analysis.faults)
    record = json.loads(said(capfdbinary, "analyse", folder, *KNN, "--json"))
    assert [row["loop_id"] for row in record["rows"]] == list(table["loop_id"])
    np.testing.assert_allclose([row["score"] for row in record["rows"]], table["score"])
    assert [Path(row["path"]).name for row in record["rejected"]] == ["broken.wav"]
    assert (record["detector"], record["encoder"], record["threshold_percentile"]) == ("knn", "tiny-1", 95)
    lines = said(capfdbinary, "analyse", folder, *KNN).splitlines()
    shown = table[table["triage"] != NORMAL]
    assert lines == [
        f"{row.path}: {row.triage}: {row.reason}".encode("utf-8", "surrogateescape") for row in shown.itertuples()
    ]


def test_every_file_that_analyse_writes_holds_every_path(
    folder: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    odd = os.fsencode(folder) + b"/" + ODD
    written = {}
    for ending in ("csv", "json", "parquet", "html", "m3u8"):
        out = tmp_path / f"list.{ending}"
        assert said(capfdbinary, "analyse", folder, *KNN, "--percentile", 50, "--out", out) == b""
        written[ending] = out.read_bytes()
    rows = list(csv.DictReader(io.StringIO(written["csv"].decode("utf-8-sig"))))
    frame = pd.read_parquet(io.BytesIO(written["parquet"]))
    listed = json.loads(written["json"])["rows"]
    for of in ([row["path"] for row in rows], list(frame["path"]), [row["path"] for row in listed]):
        assert len(of) == 24
        assert odd in {unquote_to_bytes(path.removeprefix("file://")) for path in of}
    assert {row["folder"] for row in rows} == set(frame["folder"]) == {row["folder"] for row in listed}
    assert {row["library"] for row in rows} == set(frame["library"]) == {str(folder)} != {row["folder"] for row in rows}
    np.testing.assert_allclose([float(row["score"]) for row in rows], frame["score"])
    assert b"<b>1" not in written["html"] and b"&lt;b&gt;1" in written["html"] and b"http" not in written["html"]
    assert written["m3u8"].startswith(b"#EXTM3U\n")


@pytest.mark.parametrize("command", ["analyse", "score", "embed"])
def test_a_file_that_cannot_be_written_is_said_before_anything_is_computed(
    command: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model = ["--model", "none"] if command == "score" else []
    assert main([command, str(tmp_path / "no folder"), *model, "--out", "list.xls"]) == 2
    out, errors = capfd.readouterr()
    assert out == "" and "list.xls" in errors and ".parquet" in errors.replace(" parquet", ".parquet")


@pytest.mark.parametrize("wrong", [("--encoder", "vggish"), ("--detector", "svm"), ("--preset", "loud")])
def test_a_wrong_name_is_said_before_anything_is_computed(
    wrong: tuple[str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["analyse", str(tmp_path / "no folder"), *wrong]) == 2
    out, errors = capfd.readouterr()
    assert out == "" and wrong[1] in errors and "choose one of" in errors


def test_score_is_by_the_saved_model(folder: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    detector = fit_detector(embed_library(scan_folder(folder), Tiny()), "knn").detector
    save_model(detector, "house", {})
    new = tmp_path / "new"
    new.mkdir()
    for seed in range(3):
        sf.write(new / f"{seed}.wav", plucked(0.5, RATE, seed=100 + seed), RATE)
    record = json.loads(said(capfdbinary, "score", new, "--model", "house", "--json"))
    wanted = detector.anomaly_scores(embed_library(scan_folder(new), Tiny()).X)
    assert sorted(row["score"] for row in record["rows"]) == pytest.approx(sorted(wanted))
    assert {row["split"] for row in record["rows"]} == {"new"}
    assert main(["score", str(new), "--model", "other"]) == 2
    assert b"There is no saved model 'other'" in capfdbinary.readouterr()[1]


def test_a_model_is_meant_by_its_name_and_no_folder_of_the_user_is_moved(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    detector = fit_detector(embed_library(scan_folder(folder), Tiny()), "knn").detector
    elsewhere = save_model(detector, "other", {}, tmp_path / "models of mine")
    save_model(detector, "house", {})
    own = tmp_path / "work" / "house"
    own.mkdir(parents=True)
    (own / "card.json").write_text("{}", encoding="utf-8")
    monkeypatch.chdir(own.parent)
    assert json.loads(said(capfdbinary, "score", folder, "--model", "house", "--json"))["detector"] == "knn"
    assert json.loads(said(capfdbinary, "score", folder, "--model", elsewhere, "--json"))["detector"] == "knn"
    assert main(["score", str(folder), "--model", "./house"]) == 2
    assert b"The model house does not read" in capfdbinary.readouterr()[1]
    assert main(["score", str(folder), "--model", ".."]) == 2
    assert b"There is no saved model '..'" in capfdbinary.readouterr()[1]
    assert [str(path.relative_to(own.parent)) for path in sorted(own.parent.rglob("*"))] == ["house", "house/card.json"]


def test_similar_finds_the_nearest_and_not_the_file_itself(
    folder: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    elsewhere = tmp_path / "elsewhere.wav"
    elsewhere.write_bytes((folder / "Bass_03.wav").read_bytes())
    beside = folder / "Bass_03.wav"
    rows = json.loads(said(capfdbinary, "similar", beside, "-n", 4, "--json"))["rows"]
    assert len(rows) == 4 and "Bass_03.wav" not in {row["name"] for row in rows}
    assert [row["distance"] for row in rows] == sorted(row["distance"] for row in rows)
    assert json.loads(said(capfdbinary, "similar", elsewhere, "--in", folder, "-n", 4, "--json"))["rows"] == rows
    lines = said(capfdbinary, "similar", beside, "-n", 30).splitlines()
    assert len(lines) == 23 and any(ODD in line for line in lines), "names as they are"
    assert main(["similar", str(folder / "broken.wav")]) == 2
    assert capfdbinary.readouterr()[1] == b"loopscope: The file is empty (0 bytes).\n"


def test_similar_everywhere_looks_at_all_that_was_embedded_and_is_as_it_was(
    folder: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    asked = folder / "Bass_03.wav"
    moved = tmp_path / "another folder"
    moved.mkdir()
    for name in ("Bass_01.wav", "Bass_02.wav"):
        (folder / name).rename(moved / name)
    for place in (folder, moved):
        said(capfdbinary, "embed", place, "--out", tmp_path / "out.parquet", "--json")
    whole = json.loads(said(capfdbinary, "similar", asked, "--in", tmp_path, "-n", 40, "--json"))["rows"]
    everywhere = json.loads(said(capfdbinary, "similar", asked, "--everywhere", "-n", 40, "--json"))["rows"]
    assert {row["path"] for row in everywhere} == {row["path"] for row in whole} and len(whole) > 20
    assert [row["distance"] for row in everywhere] == pytest.approx([row["distance"] for row in whole], abs=1e-6)
    (moved / "Bass_01.wav").unlink()
    record = json.loads(said(capfdbinary, "similar", asked, "--everywhere", "-n", 40, "--json"))
    assert [row for row in everywhere if row not in record["rows"]] == [
        row for row in everywhere if row["path"] == str(moved / "Bass_01.wav")
    ]
    assert record["rejected"] == [{"path": str(moved / "Bass_01.wav"), "reason": GONE}]
    assert main(["similar", str(asked), "--everywhere"]) == 0
    assert b"1 embedded file left out: gone, or changed since; --json names them." in capfdbinary.readouterr()[1]
    assert main(["similar", str(asked), "--everywhere", "--in", str(folder)]) == 2


def test_embed_writes_one_row_a_loop(folder: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    out = tmp_path / "embeddings.parquet"
    record = json.loads(said(capfdbinary, "embed", folder, "--out", out, "--json"))
    frame = pd.read_parquet(out)
    embeddings = embed_library(scan_folder(folder), Tiny())
    assert list(frame["loop_id"]) == list(embeddings.loop_ids) and set(frame["encoder_id"]) == {"tiny-1"}
    np.testing.assert_array_equal(np.stack(list(frame["embedding"])), embeddings.X)
    assert (record["loops"], record["features"], len(record["rejected"])) == (24, 16, 1)


def test_a_cluster_is_named_by_its_address(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    distributed = pytest.importorskip("distributed", reason="the Dask engine is optional")
    out = tmp_path / "embeddings.parquet"
    one_worker = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
    with distributed.LocalCluster(protocol="tcp", **one_worker) as cluster:
        said(capfdbinary, "embed", folder, "--cluster", cluster.scheduler_address, "--out", out)
        assert cluster.scheduler.transition_counter > 0, "it did the work"
    here = embed_library(scan_folder(folder), Tiny())
    np.testing.assert_array_equal(np.stack(list(pd.read_parquet(out)["embedding"])), here.X)
    monkeypatch.setattr("loopscope.embeddings.cluster.CONNECT_S", 0.2)
    assert main(["embed", str(folder), "--cluster", cluster.scheduler_address, "--out", str(out)]) == 2
    nothing, errors = capfdbinary.readouterr()
    assert nothing == b"" and errors.startswith(b"loopscope: No Dask cluster answers at tcp://")
    assert errors.count(b"\n") == 1
