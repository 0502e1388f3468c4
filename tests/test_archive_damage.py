"""An archive that a disk, a network or somebody damaged: one sentence names file and remedy, nothing is lost."""

import io
import json
import uuid
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loopscope.archive.manifest import FOLDER_KEY, MANIFEST, Archive, make_archive, open_archive
from loopscope.archive.parts import part_bytes, part_name
from loopscope.archive.place import Place
from loopscope.archive.score import rank_parts
from loopscope.cli.main import main
from loopscope.errors import DataError

F, N = 64, 30
HALF = json.dumps({"format": 1, "encoder_id": "tiny-1", "n_features": F})[:20].encode()


@pytest.fixture(params=["file", "memory"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Archive:
    """Of two folders with a part each."""
    made = make_archive(
        Place.of(tmp_path / "archive" if request.param == "file" else f"memory://{uuid.uuid4()}"), "tiny-1", F
    )
    for name in ("one", "two"):
        ids = [f"{name}{number}" for number in range(N)]
        X = np.random.default_rng(len(name) + ord(name[0])).normal(size=(N, F))
        paths = [f"/{name}/{loop_id}.wav" for loop_id in ids]
        made.write_part(part_name(ids), part_bytes(ids, paths, X, "tiny-1", {}))
        made = made.with_listing(f"/{name}", ids, paths)
    return made


def table(columns: dict[str, object], metadata: dict[bytes, bytes] | None = None) -> bytes:
    content = io.BytesIO()
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata or {}), content)
    return content.getvalue()


def said(archive: Archive, capfd: pytest.CaptureFixture[str], *words: str) -> str:
    """The one line of a command that refuses it."""
    capfd.readouterr()
    assert main([*words, archive.place.address]) == 2
    line = capfd.readouterr().err.strip()
    assert len(line.splitlines()) == 1 and "defect" not in line, line
    return line


@pytest.mark.parametrize("words", [["index"], ["analyse", "--detector", "knn", "--embeddings"]])
@pytest.mark.parametrize(
    "content",
    [HALF, b"", b"[]", b"[" * 100_000, b"\xff\xfe", b'{"format": 1, "encoder_id": "tiny-1", "n_features": 1e400}'],
    ids=["half", "empty", "a list", "deep", "no text", "endless"],
)
def test_a_manifest_that_does_not_read_is_named_and_putting_it_right_loses_nothing(
    archive: Archive, content: bytes, words: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    manifest = archive.place.below(MANIFEST)
    whole = manifest.read()
    manifest.write(content)
    line = said(archive, capfd, *words)
    assert f"The manifest of {archive.place.shown} does not read" in line
    manifest.write(whole)
    assert open_archive(archive.place).present[0].n_loops == 2 * N


@pytest.mark.parametrize(("encoder_id", "n_features"), [("other-9", F), ("tiny-1", F + 1)])
def test_a_manifest_of_another_encoder_does_not_ask_for_the_parts_to_be_removed(
    archive: Archive, encoder_id: str, n_features: int, capfd: pytest.CaptureFixture[str]
) -> None:
    Archive(archive.place, encoder_id, n_features).save()
    line = said(archive, capfd, "index")
    assert f"of {encoder_id} ({n_features} features), by its parts of tiny-1 ({F})" in line
    assert line.endswith(f"put the {MANIFEST} right, or move the parts away.")


def test_a_listing_that_names_no_folder_is_named(archive: Archive, capfd: pytest.CaptureFixture[str]) -> None:
    """Its loops would be missing without a word."""
    listings = archive.place.below("files")
    listing = listings.below(listings.names()[0])
    for content in (table({"a": [1]}), table({"loop_id": ["x"], "path": ["y"]}, {FOLDER_KEY: b"\xff\xfe"})):
        listing.write(content)
        line = said(archive, capfd, "index")
        assert line == f"loopscope: {listing.shown} names no folder; remove it and index its folder again."


def test_embeddings_that_changed_on_the_way_are_not_believed(archive: Archive) -> None:
    """Not compressed, and any bits are numbers: without a checksum they would rank as they are."""
    parts = archive.place.below("parts")
    part = parts.below(parts.names()[0])
    whole = part.read()
    at = len(whole) // 3
    part.write(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    with pytest.raises(DataError, match=r"cannot be read .*remove it or name another") as error:
        rank_parts(open_archive(archive.place).parts, "knn")
    assert str(error.value).startswith(part.shown)
    part.write(whole)
    assert rank_parts(open_archive(archive.place).parts, "knn").table().num_rows == 2 * N
