"""A table before there is a model, and with so few loops that there never is one."""

import os
from pathlib import Path

import numpy as np
import pytest

from loopscope.analysis.pipeline import listing_table, score_table
from loopscope.analysis.projection import project
from loopscope.analysis.provisional import provisional_ranking
from loopscope.analysis.scoring import fit_detector, score_library
from loopscope.analysis.subsets import EVERYTHING, subsets
from loopscope.analysis.triage import FAULTY, NORMAL, TRIAGE_COLUMNS, triage_rank
from loopscope.detection.base import BaseDetector
from loopscope.embeddings import EmbeddingSet
from loopscope.exports.tables import csv_bytes, m3u8_bytes
from loopscope.faults import add_near_duplicates, faults_frame
from loopscope.library import Library, library_statistics
from loopscope.library.tables import make_library
from loopscope.store import FileKey, FileRow
from tests.test_detectors import fast, loops
from tests.test_triage import finding


def library_of(names: dict[str, str]) -> Library:
    """Files below /music, relative path -> loop_id."""
    rows = {FileKey(f"/music/{name}", 1, 1): FileRow("reader", loop_id, 1.0) for name, loop_id in names.items()}
    return make_library(Path("/music"), rows, {})


LIBRARY = library_of({"z/amen.wav": "3", "a/kick.wav": "1", "a/snare.wav": "2", "b/kick copy.wav": "1"})


def test_without_checks_the_files_are_listed_by_name() -> None:
    table = listing_table(LIBRARY)
    assert table["name"].tolist() == ["amen.wav", "kick.wav", "kick copy.wav", "snare.wav"]
    assert table["rank"].tolist() == table["triage_rank"].tolist() == [1, 2, 2, 3]
    assert table[["score", "percentile"]].isna().all(axis=None)
    assert not table["is_anomaly"].any()
    assert set(table["triage"]) == {NORMAL}


def test_faults_alone_decide_what_is_heard_first() -> None:
    faults = faults_frame([finding("2", 0.9), finding("1", 0.3, "suspect", "hum")])
    table = listing_table(LIBRARY, faults)
    assert table["loop_id"].tolist() == ["2", "1", "1", "3"]
    assert table["triage"].tolist() == [FAULTY, NORMAL, NORMAL, NORMAL]
    assert table["reason"].iloc[0] == "click of 2. Not scored by the detector."
    assert table["fault_kinds"].tolist()[:2] == ["Clicks", "Mains hum"]


def test_its_columns_are_those_of_a_ranked_table() -> None:
    X = loops(12)
    library = library_of({f"{i:02d}.wav": str(i) for i in range(12)})
    scored = fit_detector(EmbeddingSet(tuple(map(str, range(12))), X, "some-encoder"), "knn")
    ranked = triage_rank(score_table(library.loops, scored), faults_frame([]))
    listed = listing_table(library)
    assert list(listed.columns) == list(ranked.columns)
    for name in ("score", "percentile", "is_anomaly", "rank", *TRIAGE_COLUMNS):
        assert listed[name].dtype == ranked[name].dtype, name


def test_names_that_are_no_text_are_listed_ranked_and_exported() -> None:
    names = [b"caf\xe9.wav", b"\xff.wav", b"\xff\xfe copy.wav", b"plain.wav"]
    library = library_of({os.fsdecode(name): loop_id for name, loop_id in zip(names, "1223", strict=True)})
    faults = faults_frame([finding("2", 0.9)])
    listed = listing_table(library, faults)
    assert [os.fsencode(Path(path).name) for path in listed["path"]] == [names[1], names[2], names[0], names[3]]
    again = triage_rank(listed, faults)
    assert again["path"].tolist() == listed["path"].tolist()
    assert csv_bytes(listed)
    assert m3u8_bytes(listed)


@pytest.mark.parametrize("n", range(8))
def test_a_folder_of_few_loops_is_listed_checked_and_has_neighbours(n: int) -> None:
    ids = tuple(str(i) for i in range(n))
    library = library_of({f"{loop_id}.wav": loop_id for loop_id in ids})
    embeddings = EmbeddingSet(ids, loops(8)[:n], "some-encoder")
    faults = add_near_duplicates(faults_frame([finding("0", 0.9)]), library, embeddings)
    table = listing_table(library, faults)
    assert table["loop_id"].tolist() == list(ids)
    assert provisional_ranking(embeddings) is None
    assert len(library_statistics(library.loops)) == 10
    parts = library.unique[["loop_id", "folder"]].assign(instrument=None)
    assert subsets(parts) == {EVERYTHING: ids}
    assert csv_bytes(table)


@pytest.fixture(scope="module")
def detector() -> BaseDetector:
    return fast("AEwRES", "robust").fit(loops(40), [f"old{i}" for i in range(40)], "some-encoder")


@pytest.mark.parametrize("n", range(1, 8))
def test_few_loops_are_scored_by_the_model_of_another_folder(n: int, detector: BaseDetector) -> None:
    ids = tuple(str(i) for i in range(n))
    scored = score_library(EmbeddingSet(ids, loops(8, seed=1)[:n], "some-encoder"), detector)
    library = library_of({f"{loop_id}.wav": loop_id for loop_id in ids})
    table = triage_rank(score_table(library.loops, scored), faults_frame([]))
    assert sorted(table["rank"]) == list(range(1, n + 1))
    assert scored.projection.coordinates.shape[0] == n
    assert np.isfinite(project(scored.latents, reference=detector.latents_).coordinates).all()


def test_equal_names_keep_the_order_of_the_scan() -> None:
    library = library_of({"a/loop.wav": "9", "b/loop.wav": "1", "c/loop.wav": "5"})
    assert listing_table(library)["loop_id"].tolist() == ["9", "1", "5"]
