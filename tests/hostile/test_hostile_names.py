"""Names in invalid UTF-8, of folders and files, go through every stage and page: no table needs a path to be text."""

import csv
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from loopscope.analysis import walk as analysis
from loopscope.analysis.pipeline import analyse_folder, left_out, listing_table, score_table
from loopscope.analysis.subsets import in_subset, loops_of
from loopscope.analysis.triage import triage_rank
from loopscope.analysis.walk import Plan
from loopscope.detection.evaluation import label_loops, read_labels
from loopscope.exports import csv_bytes, execute, json_bytes, m3u8_bytes, plan_copy
from loopscope.exports.undo import undo
from loopscope.library import changes
from loopscope.metadata.collect import known_metadata, measure_metadata
from loopscope.store import Store
from loopscope.ui.projects import walking
from loopscope.ui.projects.contents import EncoderNote
from loopscope.ui.projects.registry import project_registry
from loopscope.ui.projects.walking import start_walk
from loopscope.ui.state import SessionState
from tests.golden.clips import plucked
from tests.hostile.sounds import encoded
from tests.hostile.walked import RATE, Bands, Ended, assert_every_file_ended, walk_as_the_app
from tests.test_projects import analysed, finish, registry, reopened

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("library", "embed", "train", "explore", "compare", "diagnostics")
MODEL = "pca · robust · seed 0"


def raw(name: bytes) -> str:
    return os.fsdecode(name)


def write_pack(folder: Path) -> Path:
    """Twenty-six loops and a copy, half of them below a folder, broken ones too; every other name is no valid UTF-8."""
    inner = folder / raw(b"d\xe9j\xe0 Bass")
    try:
        inner.mkdir(parents=True)
    except OSError:
        pytest.skip("this file system takes valid UTF-8 only")
    for number in range(26):
        name = raw(b"%02d caf\xe9 \xff.wav" % number) if number % 2 else f"{number:02d} bass.wav"
        sound = plucked(0.2 + 0.01 * number, RATE, seed=number)
        ((inner if number < 13 else folder) / name).write_bytes(encoded(sound[:, None], RATE))
    (folder / raw(b"copy \xfe.wav")).write_bytes((folder / "14 bass.wav").read_bytes())
    (folder / raw(b"broken \xe9.wav")).write_bytes(b"text")
    (inner / raw(b"broken \xe8.wav")).write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pack(tmp_path_factory.mktemp("roots") / raw(b"p\xe4ck"))


@pytest.fixture(scope="module")
def ended(pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """The walk of the app, one file gone between scan and embedding."""
    victim = pack / raw(b"25 caf\xe9 \xff.wav")

    class Witness(Ended):
        def on_library(self, *found: object) -> None:
            super().on_library(*found)  # type: ignore[arg-type]
            victim.unlink()

    told = Witness()
    with Store(tmp_path_factory.mktemp("home") / "store.sqlite3") as store:
        analysis.walk(pack, Plan(detector="pca"), store, told, load=lambda *_: Bands())
        assert told.library is not None
        told.metadata = measure_metadata(told.library.loops, store)
    return told


def test_the_walk_ends_with_a_score_or_a_reason_for_every_name(tmp_path: Path) -> None:
    folder = write_pack(tmp_path / raw(b"p\xe4ck"))
    assert_every_file_ended(folder, walk_as_the_app(folder, tmp_path))
    with Store(tmp_path / "headless.sqlite3") as store:
        found = analyse_folder(folder, Bands(), "pca", store=store)
    assert len(found.table) == 27 and len(found.rejected) == 2


def test_every_table_of_one_walk_takes_any_path(ended: Ended, tmp_path: Path) -> None:
    library, embeddings, scored, faults = ended.library, ended.embeddings, ended.scored, ended.faults
    assert library is not None and embeddings is not None and scored is not None and ended.metadata is not None
    assert {Path(path).name for path in left_out(library, embeddings)["path"]} == {
        raw(b"25 caf\xe9 \xff.wav"),
        raw(b"broken \xe9.wav"),
        raw(b"broken \xe8.wav"),
    }
    ranked = triage_rank(score_table(library.loops, scored), faults)
    assert len(ranked) == 26 and len(listing_table(library, faults)) == 27
    with Store(tmp_path / "store.sqlite3") as store:
        known = known_metadata(library.loops, store)
    updated = known.updated(ended.metadata)
    assert sorted(updated.table["path"]) == sorted(library.loops["path"])
    loops = loops_of(library, updated.table, embeddings.loop_ids)
    assert len(in_subset(loops, "d\\xe9j\\xe0 bass")) == 13
    assert changes.changes_between(dict.fromkeys(library.loops["path"], ""), library).changed
    for content in (csv_bytes(ranked), json_bytes(ranked), m3u8_bytes(ranked)):
        assert content.decode()
    copied = execute(plan_copy(ranked, tmp_path / "copies", root=library.root))
    names = {os.fsencode(path.name) for path in (tmp_path / "copies").rglob("*.wav")}
    assert names == {os.fsencode(Path(path).name) for path in ranked["path"]}
    assert undo(copied).left.empty


def test_labels_join_files_beside_names_that_are_no_text(ended: Ended, tmp_path: Path) -> None:
    library, embeddings = ended.library, ended.embeddings
    assert library is not None and embeddings is not None
    with (tmp_path / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("path", "label"), ("14 bass.wav", "anomaly"), ("16 bass.wav", "normal")])
    labels = read_labels(tmp_path / "labels.csv")
    data = label_loops(library.loops, library.root, labels, embeddings.loop_ids, embeddings.X)
    ids = library.loops.set_index("name")["loop_id"]
    assert dict(zip(data.loop_ids, data.labels, strict=True)) == {ids["14 bass.wav"]: 1, ids["16 bass.wav"]: 0}


def app_at(ended: Ended, page: str) -> AppTest:
    """A session behind the walk, on one of the pages."""
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    state: SessionState = at.session_state["loopscope"]
    state.project.update(
        library=ended.library,
        embeddings=ended.embeddings,
        encoder=EncoderNote("bands-1", "bands", ""),
        faults=ended.faults,
        metadata=ended.metadata,
    )
    assert ended.scored is not None
    state.project.add_model(MODEL, ended.scored)
    state.look()
    return at.switch_page(f"pages/{page}.py").run()


@pytest.fixture
def _nothing_runs_on(pack: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("LOOPSCOPE_ROOTS", str(pack.parent))
    yield
    project_registry().end()


@pytest.mark.usefixtures("_nothing_runs_on")
@pytest.mark.parametrize("page", PAGES)
def test_every_page_shows_names_that_are_no_text(ended: Ended, page: str) -> None:
    at = app_at(ended, page)
    assert not at.exception, at.exception
    assert ended.library is not None
    if page == "library":
        assert any("broken \\xe9.wav" in table.value.to_string() for table in at.dataframe)
    if page == "explore":
        at.session_state["explore-view"] = "plain"
        at.session_state["takeaway-open"] = at.session_state["loopscope"].choices["takeaway-open"] = True
        names = ended.library.loops.set_index("name")["loop_id"]
        at.session_state["loopscope"].selected = names["15 caf\\xe9 \\xff.wav"]
        at.run()
        assert not at.exception, at.exception
        assert any("15 caf\\xe9" in table.value.to_string() for table in at.dataframe)


@pytest.mark.usefixtures("_nothing_runs_on")
def test_a_project_with_such_names_is_walked_kept_and_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_pack(tmp_path / raw(b"p\xe4ck"))
    monkeypatch.setattr(walking, "loaded_encoder", lambda *_: Bands())
    project = analysed(folder, Plan(detector="pca"))
    assert project.contents.library is not None
    assert len(project.contents.library.loops) == 27 and len(project.contents.models) == 1
    (folder / raw(b"23 caf\xe9 \xff.wav")).unlink()
    (folder / raw(b"21 caf\xe9 \xff.wav")).rename(folder / raw(b"moved \xff.wav"))
    again = reopened(project.id)
    assert again.contents.library is not None and len(again.contents.models) == 1  # from the disk
    finish(start_walk(again, registry().store))
    assert len(again.contents.library.loops) == 26
    assert sorted(os.fsencode(path) for path in again.contents.library.loops["path"]) == sorted(
        os.fsencode(path) for path in folder.rglob("*.wav") if "broken" not in path.name
    )
    failures = again.tasks.failures()
    assert not failures, failures


@pytest.mark.usefixtures("_nothing_runs_on")
def test_a_folder_of_such_a_name_is_listed_opened_and_analysed(pack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walking, "loaded_encoder", lambda *_: Bands())
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    at.session_state["loopscope"].browsed = pack.parent
    at.run()
    next(button for button in at.button if "xe4ck" in button.label).click().run()
    assert not at.exception, at.exception
    assert any("xe9j" in button.label for button in at.button), "the folder in it is listed"
    at.selectbox(key="detector-name").set_value("pca").run()
    at.button(key="scan-here").click().run()
    state: SessionState = at.session_state["loopscope"]
    finish(state.project.tasks.get(walking.WALK))
    at.run()
    assert not at.exception, at.exception
    assert state.project.contents.models
    at.switch_page("pages/library.py").run()
    assert not at.exception, at.exception
    another = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()  # shows it as one to continue
    assert not another.exception, another.exception
