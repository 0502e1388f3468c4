"""What an opening of an archive found out is there for the next one, as long as nothing changed, and harms nobody."""

import io
import json
import logging
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from loopscope.analysis.walk import Plan
from loopscope.archive import kept as kept_module
from loopscope.archive import place as place_module
from loopscope.archive import score
from loopscope.archive.kept import KeptRankings
from loopscope.archive.manifest import Archive, make_archive, open_archive
from loopscope.archive.parts import Parts, part_bytes, part_name
from loopscope.archive.place import Place
from loopscope.archive.score import rank_parts
from loopscope.archive.top import OUTSIDE
from loopscope.config import paths
from loopscope.progress import Progress
from loopscope.ui.projects import archived
from loopscope.ui.projects.archived import rank_archive
from loopscope.ui.projects.project import Project
from loopscope.ui.projects.registry import project_registry
from loopscope.ui.projects.tasks import Task

N_FEATURES = 8
SHOWN = 12


def add_part(archive: Archive, start: int, n: int = 20, seed: int = 0, folder: str = "/gone") -> None:
    """Loops of one folder."""
    X = np.random.default_rng([seed, start]).normal(size=(n, N_FEATURES))
    ids = [f"loop{number:04d}" for number in range(start, start + n)]
    where = [f"{folder}/{start}/{name}.wav" for name in ids]
    extras = {"report": [json.dumps({"findings": []})] * n}
    archive.write_part(part_name(ids), part_bytes(ids, where, X, archive.encoder_id, extras))
    archive.with_listing(f"{folder}/{start}", ids, where)


@pytest.fixture
def archive(tmp_path: Path, loopscope_home: Path, monkeypatch: pytest.MonkeyPatch) -> Archive:
    monkeypatch.setattr(archived, "FIRST", SHOWN)
    made = make_archive(Place.of(tmp_path / "archive"), "tiny-1", N_FEATURES)
    for start in (0, 20):
        add_part(made, start)
    return made


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What was done at openings: "fit", and "score" with the number of loops."""
    done: list[str] = []
    fit = score.fit_detector

    def fitted(*args: object, **options: object) -> object:
        done.append("fit")
        return fit(*args, **options)  # type: ignore[arg-type]

    def told(stage: str, n: int, total: int, **options: str) -> Progress:
        if n == total:
            done.append(f"score {total}")
        return Progress(stage, n, total, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(score, "fit_detector", fitted)
    monkeypatch.setattr(score, "Progress", told)
    yield done
    project_registry().end()


def opened(archive: Archive, owner: str = "local", detector: str = "knn", seed: int = 0) -> Project:
    """By somebody who has not opened it before."""
    plan = Plan(detector=detector, seed=seed)
    project = Project.new(owner, Path(archive.place.path), plan, project_registry().store)
    rank_archive(project, project_registry().store, Task("Ranking"), None)
    return project


def again(project: Project) -> Project:
    """The same project, with the model that it has."""
    label = project.active
    detector = project.contents.models[label].detector
    rank_archive(project, project_registry().store, Task("Ranking"), detector, label)
    return project


def what_is_shown(project: Project) -> tuple[object, ...]:
    now = project.contents
    assert now.library is not None and now.archived is not None and now.embeddings is not None
    assert now.metadata is not None and now.faults is not None
    scored = now.models[project.active]
    counts = now.archived.counts
    return (
        scored.scores.to_dict("records"),
        str(now.library.loops.to_dict("records")),
        (now.library.silent, now.library.roots),
        now.embeddings.loop_ids,
        *(array.tolist() for array in (scored.latents, now.embeddings.X, counts.scores, scored.reference_scores)),
        {name: part.tolist() for name, part in scored.components.items()},
        (counts.n_shown, counts.n_folders, counts.n_learnt, counts.n_faulty, now.faults.to_dict("records")),
        str(now.metadata.table.to_dict("records")),
    )


def kept_files(archive: Archive) -> list[Path]:
    return sorted(Path(archive.place.path).glob("rankings/*"))


@pytest.mark.parametrize("detector", ["knn", "pca"])
def test_the_second_opening_neither_learns_nor_scores_and_shows_the_same(
    archive: Archive, work: list[str], detector: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = opened(archive, detector=detector)
    assert work == ["fit"] and [file.suffix for file in kept_files(archive)] in ([".model", ".npz"], [".npz", ".model"])
    work.clear()
    expected = what_is_shown(first)
    monkeypatch.setattr(Parts, "chunks", lambda *_: pytest.fail("the parts were read again"))
    assert what_is_shown(opened(archive, detector=detector)) == expected
    assert what_is_shown(again(first)) == expected
    silent = opened(archive, "browser:stranger", detector).contents.library.silent  # type: ignore[union-attr]
    assert set(silent.values()) == {OUTSIDE}, "what a stranger may hear is asked anew"
    assert not work


def test_another_detector_seed_or_code_has_another_ranking(
    archive: Archive, work: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(archive)
    opened(archive, detector="pca")
    assert work == ["fit", "fit"]
    opened(archive, seed=1)
    assert work == ["fit"] * 3
    monkeypatch.setattr(kept_module, "_code", lambda: "another")
    opened(archive)
    assert work == ["fit"] * 4


def test_a_part_that_changed_is_learnt_and_scored_anew(archive: Archive, work: list[str]) -> None:
    first = opened(archive)
    before = what_is_shown(first)
    work.clear()
    add_part(archive, 20, seed=1)  # the same loops, heard otherwise
    other = opened(archive)
    assert work == ["fit"] and what_is_shown(other) != before
    work.clear()
    detector = first.contents.models[first.active].detector
    parts, where = open_archive(archive.place).present
    again(first)
    expected = rank_parts(parts, "knn", model=detector, paths=where).table(first=SHOWN)
    assert set(first.contents.models[first.active].scores["loop_id"]) == set(expected["loop_id"].to_pylist())
    assert [file.suffix for file in kept_files(archive)].count(".npz") == 2, "what is out of date goes"


def test_of_an_archive_that_grew_a_known_model_scores_only_what_is_new(
    archive: Archive, work: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    first = opened(archive)
    detector = first.contents.models[first.active].detector
    add_part(archive, 40, 30)
    again(first)
    work.clear()
    add_part(archive, 70, 5)
    with caplog.at_level(logging.INFO):
        again(first)
    assert work == ["score 5"]
    assert "70 of 75 loops keep their scores" in caplog.text
    assert first.notice is not None and first.notice.text.startswith("5 loops are new and scored now"), "a page says so"
    parts, where = open_archive(archive.place).present
    counts = first.contents.archived
    assert counts is not None
    whole = np.sort(rank_parts(parts, "knn", model=detector, paths=where).scores)
    np.testing.assert_allclose(counts.counts.scores, whole, rtol=1e-6)


@pytest.mark.parametrize("damage", ["empty", "half", "flipped", "pickle", "other", "noise"])
def test_a_kept_file_that_does_not_read_is_computed_again_with_a_line_in_the_log(
    archive: Archive, work: list[str], damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    expected = what_is_shown(opened(archive))
    for file in kept_files(archive):
        content = file.read_bytes()
        flipped = bytearray(content)
        flipped[len(content) // 2] ^= 0xFF
        stream = io.BytesIO()
        np.savez(stream, about=np.array([{}], object))  # which needs pickle
        other = io.BytesIO()
        with zipfile.ZipFile(other, "w") as packed:
            packed.writestr("card.json", "{}")
        damaged = {
            "empty": b"",
            "half": content[: len(content) // 2],
            "flipped": bytes(flipped),
            "pickle": stream.getvalue(),
            "other": other.getvalue(),
            "noise": np.random.default_rng(0).bytes(5000),
        }
        file.write_bytes(damaged[damage])
    work.clear()
    with caplog.at_level(logging.WARNING):
        assert what_is_shown(opened(archive)) == expected
    assert work == ["fit"] and "it is computed again" in caplog.text
    work.clear()
    assert what_is_shown(opened(archive)) == expected
    assert not work, "what was computed again is kept again"


def test_beside_an_archive_that_nobody_may_write_to_it_is_kept_on_this_machine(
    archive: Archive, work: list[str]
) -> None:
    Path(archive.place.path, "rankings").write_text("no folder")  # which keeps root from writing too
    expected = what_is_shown(opened(archive))
    assert len([*(paths().cache / "rankings").glob("*/*")]) == 2
    work.clear()
    assert what_is_shown(opened(archive)) == expected and not work


def test_what_came_while_it_was_ranked_is_not_said_to_be_ranked(
    archive: Archive, work: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    grown, rank = [], archived.rank_parts

    def ranked(*args: object, **options: object) -> object:
        found = rank(*args, **options)  # type: ignore[arg-type]
        if not grown:
            grown.append(add_part(archive, 40))
        return found

    monkeypatch.setattr(archived, "rank_parts", ranked)
    opened(archive)
    assert not kept_files(archive)
    other = opened(archive).contents.archived
    assert other is not None and len(other.counts.scores) == 60


def test_nothing_is_kept_where_nobody_tells_versions_apart(
    archive: Archive, work: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place_module, "version_of", lambda info: "")
    opened(archive)
    opened(archive)
    assert work == ["fit", "fit"] and not kept_files(archive)


def test_kept_rankings_do_not_pile_up(archive: Archive, work: list[str]) -> None:
    for seed in range(kept_module.MOST + 2):
        project = Project.new(
            "local", Path(archive.place.path), Plan(detector="knn", seed=seed), project_registry().store
        )
        rank_archive(project, project_registry().store, Task("Ranking"), None)
    assert [file.suffix for file in kept_files(archive)].count(".model") == kept_module.MOST
    assert [file.suffix for file in kept_files(archive)].count(".npz") <= kept_module.MOST


OPEN = """
import sys
from pathlib import Path
from loopscope.analysis.walk import Plan
from loopscope.store import Store
from loopscope.ui.projects.archived import rank_archive
from loopscope.ui.projects.project import Project
from loopscope.ui.projects.tasks import Task
with Store(Path(sys.argv[2])) as store:
    print("ready", flush=True)
    sys.stdin.readline()
    project = Project.new("local", Path(sys.argv[1]), Plan(detector="knn"), store)
    rank_archive(project, store, Task("Ranking"), None)
    print(project.contents.archived.counts.scores.sum())
"""


def test_two_processes_that_open_it_at_once_leave_one_ranking_that_reads(
    archive: Archive, work: list[str], tmp_path: Path
) -> None:
    both = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN, archive.place.path, str(tmp_path / f"{number}.sqlite3")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    for process in both:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in both:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    said = [process.communicate(timeout=120)[0] for process in both]
    assert said[0] == said[1] and [process.returncode for process in both] == [0, 0]
    names = [file.name for file in kept_files(archive)]
    assert len(names) == 2 and not any(name.startswith(".") for name in names)
    kept = KeptRankings(open_archive(archive.place), 50_000)
    model = kept.model(("knn", "robust", 0))
    assert model is not None and (shown := kept.ranking(model)) is not None and len(shown.scores) == 40
