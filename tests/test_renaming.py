"""Wrong names are proposed to be put right, in their own style, and a renaming that is taken back restores all."""

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pandas as pd
import pytest
import soundfile

from loopscope.analysis.walk import Plan
from loopscope.config import paths
from loopscope.exports.renaming import plan_renames, propose_names
from loopscope.faults import faults_frame
from loopscope.faults.base import Fault
from loopscope.faults.limits import AT_MOST_SUSPECT
from loopscope.library import Library, scan_folder
from loopscope.metadata.collect import known_metadata
from loopscope.metadata.respelling import respelled
from loopscope.store import Store
from loopscope.store.records import Correction
from loopscope.ui.projects import copying
from loopscope.ui.projects.project import Project
from loopscope.ui.projects.tasks import Task
from loopscope.ui.server.visitors import LOCAL
from loopscope.ui.state import SessionState
from loopscope.ui.views import renames

NAMES = ("Bass_120_Em.wav", "deep/Bass_120_Em.wav", "deep/Bass_118_Em.wav", "Pad_90_C.wav", "120.wav")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store.sqlite3") as opened:
        yield opened


@pytest.fixture
def project(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> Project:
    folder = tmp_path / "pack"
    (folder / "deep").mkdir(parents=True)
    for pitch, name in enumerate(NAMES, 1):
        soundfile.write(folder / name, 0.3 * np.sin(np.arange(4000) * pitch / 40), 8000)
    project = Project.new("local", folder, Plan(), store)
    library = scan_folder(folder, store)
    project.update(library=library, metadata=known_metadata(library.loops, store))
    monkeypatch.setattr(copying, "start_walk", lambda *_, **__: project.say("walked"))
    return project


def found(*loop_ids: str, strength: float = AT_MOST_SUSPECT) -> list[dict[str, object]]:
    """As if these were heard at 118 BPM and said 120."""
    fault = Fault("other_tempo", strength, (), "suspect", "Its name says 120 BPM.", "118 BPM, not 120")
    return [{"loop_id": loop_id, **fault.row} for loop_id in loop_ids]


def ids_of(project: Project) -> dict[str, str]:
    library = project.contents.library
    assert library is not None
    names = [Path(path).relative_to(library.root).as_posix() for path in library.loops["path"]]
    return dict(zip(names, library.loops["loop_id"], strict=True))


def finished(task: Task) -> None:
    deadline = time.monotonic() + 120
    while task.running and time.monotonic() < deadline:
        time.sleep(0.01)
    assert task.state == "done", task.error


@pytest.mark.parametrize(
    ("stem", "bpm", "key", "becomes"),
    [
        ("Bass_120_Em", 118.0, None, "Bass_118_Em"),
        ("Bass_120_Em", 117.98, "F#m", "Bass_118_F#m"),
        ("bass080A", 90.0, None, "bass090A"),
        ("Loop 120 - 120 BPM", 118.0, None, "Loop 120 - 118 BPM"),
        ("120bpm", 117.5, None, "117.5bpm"),
        ("VEH2 Vocal Loops 174 BPM C# Minor 08", None, "Dm", "VEH2 Vocal Loops 174 BPM Dm 08"),
        ("DHC_124_Fm_BassLoop_01", 62.0, "Abm", "DHC_62_Abm_BassLoop_01"),
        ("Bass_120_Em", 120.0, "Em", "Bass_120_Em"),
        ("Bass_120_Em", 117.5, None, None),  # a bare number is whole
        ("Amen Break", 118.0, None, None),
        ("Amen Break 165 BPM", None, "Em", None),
    ],
)
def test_a_name_says_another_tempo_or_key_in_its_own_style_or_stays(
    stem: str, bpm: float | None, key: str | None, becomes: str | None
) -> None:
    assert respelled(stem, bpm, key) == becomes


def test_only_what_is_certain_or_what_the_user_says_is_proposed(project: Project, store: Store) -> None:
    ids, library = ids_of(project), project.contents.library
    assert library is not None
    store.set_correction(ids["Pad_90_C.wav"], Correction(key="Am"))
    store.set_correction(ids["120.wav"], Correction(118.0))  # a name that says no tempo
    metadata = known_metadata(library.loops, store).table
    doubtful = found(ids["deep/Bass_120_Em.wav"], strength=0.3)
    faults = faults_frame([*found(ids["Bass_120_Em.wav"], ids["deep/Bass_118_Em.wav"]), *doubtful])
    proposed = propose_names(metadata, faults)
    assert proposed["name"].tolist() == ["Bass_118_Em.wav", "Pad_90_Am.wav"]
    assert proposed["why"].tolist() == ["its length and its attacks fit 118 BPM", "you say Am"]
    others = propose_names(metadata, faults, "corrected to")
    assert others["why"].tolist()[1] == "corrected to Am"


def test_a_renaming_that_is_taken_back_restores_names_and_marks(project: Project, store: Store) -> None:
    before, library = ids_of(project), project.contents.library
    assert library is not None and project.contents.metadata is not None
    wrong = (before["Bass_120_Em.wav"], before["deep/Bass_120_Em.wav"])
    for loop_id in wrong:
        store.set_mark(loop_id, "love", "the one")
    plan = plan_renames(propose_names(project.contents.metadata.table, faults_frame(found(*wrong))), library.root)
    assert plan.is_renaming and ids_of(project) == before, "nothing has happened yet"
    finished(copying.start_copy(project, store, plan))
    after = ids_of(project)
    renamed = {"Bass_118_Em.wav": wrong[0], "deep/Bass_118_Em (2).wav": wrong[1]}
    assert renamed.items() <= after.items() and set(after.values()) == set(before.values()), "nobody's name is taken"
    assert project.notice is not None and project.notice.text == "2 files renamed"
    assert {store.get_marks()[loop_id].mark for loop_id in wrong} == {"love"}
    (undo_file,) = copying.undo_files(project)
    finished(copying.start_undo(project, store, undo_file))
    assert ids_of(project) == before
    assert {(mark.mark, mark.note) for mark in store.get_marks().values()} == {("love", "the one")}


def test_a_name_that_is_taken_meanwhile_keeps_no_other_from_its_own(project: Project, store: Store) -> None:
    before, library = ids_of(project), project.contents.library
    assert library is not None and project.contents.metadata is not None
    proposed = propose_names(
        project.contents.metadata.table, faults_frame(found(before["Bass_120_Em.wav"], before["deep/Bass_120_Em.wav"]))
    )
    plan = plan_renames(proposed, library.root)
    somebodys = plan.items[0].target
    somebodys.write_bytes(plan.items[0].source.read_bytes())
    task = copying.start_copy(project, store, plan)
    finished(task)
    left = copying.left_by(task)
    assert left["path"].tolist() == [str(plan.items[0].source)] and "exists already" in left["reason"].iloc[0]
    assert project.notice is not None and project.notice.text == "1 file renamed, 1 left as they were"
    assert plan.items[0].source.exists() and plan.items[1].target.exists()
    undoing = copying.start_undo(project, store, copying.undo_files(project)[0])
    finished(undoing)
    assert copying.left_by(undoing).empty and plan.items[1].source.exists()
    assert somebodys.exists(), "it was never ours"


def test_a_link_keeps_its_name(project: Project) -> None:
    library = project.contents.library
    assert library is not None and project.contents.metadata is not None
    real = library.root / "120.wav"
    link = library.root / "Link_120_Em.wav"
    link.symlink_to(real)
    plan = plan_renames(pd.DataFrame({"path": [str(link)], "name": ["Link_118_Em.wav"], "why": [""]}), library.root)
    assert not plan.items
    assert plan.skipped["reason"].tolist() == ["It is a link; rename the file it leads to."]


def test_names_are_put_right_by_whom_the_files_belong_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOPSCOPE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(renames, "roots", lambda: (tmp_path / "allowed",))

    def may(owner: str, root: Path) -> bool:
        state = SimpleNamespace(project=SimpleNamespace(owner=owner))
        return renames._may_rename(cast(SessionState, state), cast(Library, SimpleNamespace(root=root)))

    for owner, others in ((LOCAL, True), ("browser:somebody", False)):
        assert not may(owner, paths().demo), "it is everybody's"
        assert may(owner, tmp_path / "allowed" / "pack") and may(owner, paths().uploads / "token" / "pack")
        assert may(owner, tmp_path / "elsewhere") is others


def test_findings_that_rest_on_a_name_are_looked_for_again_once_it_is_another(
    project: Project, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    walks: list[bool] = []
    monkeypatch.setattr(copying, "start_walk", lambda project, store, *, compute: walks.append(compute))
    library, metadata = project.contents.library, project.contents.metadata
    assert library is not None and metadata is not None
    proposed = propose_names(metadata.table, faults_frame(found(ids_of(project)["Bass_120_Em.wav"])))
    finished(copying.start_copy(project, store, plan_renames(proposed, library.root)))
    assert len(walks) == 1
    finished(copying.start_undo(project, store, copying.undo_files(project)[0]))
    assert len(walks) == 2
