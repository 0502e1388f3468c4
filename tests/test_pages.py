"""Every page in Streamlit's own test harness: empty states lead on, and the walk works without a browser."""

import base64
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
from streamlit.testing.v1 import AppTest

from loopscope.analysis.families import Relations
from loopscope.analysis.feedback import Feedback
from loopscope.analysis.report import KindCount
from loopscope.analysis.resemblance import resemblance_of
from loopscope.analysis.scoring import ScoredLoops, StoppedTraining, fit_detector, score_library, train_detector
from loopscope.analysis.triage import FAULTY, INTERESTING, NORMAL
from loopscope.audio import content_hash
from loopscope.config import paths
from loopscope.detection.saved import CARD
from loopscope.detection.thresholds import threshold_at
from loopscope.embeddings import EmbeddingSet, embed_library
from loopscope.encoders import aisfx
from loopscope.encoders.base import Encoder
from loopscope.errors import DataError
from loopscope.exports import UndoReport
from loopscope.faults import add_near_duplicates, check_library
from loopscope.faults.check import STAGE as CHECKING
from loopscope.hearing.riff import CLASSES, STEPS
from loopscope.library import Library, scan_folder
from loopscope.library.tables import reasons_frame
from loopscope.metadata.riffs import RIFF_VERSION, riff_report
from loopscope.progress import EpochReport, Progress
from loopscope.store import ProjectRow, Store
from loopscope.ui.components import printable
from loopscope.ui.explain.panel import DETAILS
from loopscope.ui.explorer.view import display_order, explorer_view
from loopscope.ui.metadata_task import KIND as LISTENING
from loopscope.ui.projects.contents import EncoderNote
from loopscope.ui.projects.copying import COPY
from loopscope.ui.projects.families import FAMILIES
from loopscope.ui.projects.registry import project_registry
from loopscope.ui.projects.tasks import Task
from loopscope.ui.projects.walking import TRAIN, WALK
from loopscope.ui.server.media import media_registry
from loopscope.ui.server.visitors import LOCAL
from loopscope.ui.state import SessionState
from loopscope.ui.views import library as library_view
from loopscope.ui.views import subset_choice
from tests.exported import read_csv

ROOT = Path(__file__).resolve().parents[1]
APP = str(ROOT / "app.py")
RATE = 22050
MODEL, NETWORK = "pca · robust · seed 0", "AEwRES · paper · seed 0"
N_FILES, N_LOOPS = 34, 33
HOSTILE = "<img src=x onerror=alert(1)> *bold* `code` $x$ [a](b).wav"


def write_pack(folder: Path) -> Path:
    """Twenty-four short plucks of bass, one copy, nine of guitar, one broken file, one name made to hurt."""
    time_s = np.arange(RATE // 2) / RATE
    for instrument, count, hertz, decay, key in (("Bass", 24, 55, 6, "Em"), ("Guitar", 9, 220, 3, "A")):
        (folder / instrument).mkdir(parents=True)
        for index in range(count):
            tone = np.sin(2 * np.pi * hertz * 2 ** (index / 12) * time_s) * np.exp(-decay * time_s)
            name = HOSTILE if (instrument, index) == ("Bass", 0) else f"{instrument}_{100 + index}_{key}.wav"
            sf.write(folder / instrument / name, 0.7 * tone, RATE)
    (folder / "copy.wav").write_bytes((folder / "Bass" / "Bass_101_Em.wav").read_bytes())
    (folder / "broken.wav").write_bytes(b"this is not audio")
    return folder


@pytest.fixture
def pack(walked: "Walked", monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of `write_pack`, allowed; no test writes into it."""
    monkeypatch.setenv("LOOPSCOPE_ROOTS", str(walked.folder.parent))
    return walked.folder


@pytest.fixture(autouse=True)
def _nothing_runs_on(loopscope_home: Path) -> Iterator[None]:
    """Work that a test began ends with it."""
    yield
    project_registry().end()


@dataclass(frozen=True)
class Walked:
    """What the pages would have made of the pack, up to a fitted model; sessions share it, nothing in it changes."""

    folder: Path
    library: Library
    encoder: Encoder
    embeddings: EmbeddingSet
    faults: pd.DataFrame
    scored: ScoredLoops


@pytest.fixture(scope="module")
def walked(fetched_aisfx: Path, tmp_path_factory: pytest.TempPathFactory) -> Walked:
    """The walk by function calls, once for all sessions that begin behind it."""
    folder = write_pack(tmp_path_factory.mktemp("roots") / "Pack")
    library = scan_folder(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOOPSCOPE_HOME", str(tmp_path_factory.mktemp("home")))
        encoder = aisfx.load(fetched_aisfx)
    embeddings = embed_library(library, encoder)
    faults = add_near_duplicates(check_library(library), library, embeddings)
    return Walked(folder, library, encoder, embeddings, faults, fit_detector(embeddings, "pca"))


def start(page: str | None = None) -> AppTest:
    at = AppTest.from_file(APP, default_timeout=60)
    at.run()
    if page is not None:
        at.switch_page(f"pages/{page}.py").run()
    return at


def finish_tasks(at: AppTest, seconds: float = 240) -> None:
    """Reruns until no task of the project runs, and once more."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(0.1)
        running = state_of(at).project.tasks.any_running()
        at.run()
        assert not at.exception
        if not running:
            return
    raise AssertionError("the task did not end")


def state_of(at: AppTest) -> SessionState:
    state: SessionState = at.session_state["loopscope"]
    return state


def texts(at: AppTest) -> str:
    parts = [*at.markdown, *at.caption, *at.info, *at.warning, *at.error, *at.subheader, *at.header]
    return "\n".join(str(element.value) for element in parts)


@pytest.mark.parametrize(
    ("page", "says"),
    [
        (None, "demo library"),
        ("embed", "choose a folder first"),
        ("train", "choose a folder first"),
        ("explore", "choose a folder first"),
        ("compare", "choose a folder first"),
        ("diagnostics", "Diagnostics"),
    ],
)
def test_an_empty_session_is_told_what_to_do_next(page: str | None, says: str) -> None:
    at = start(page)
    assert not at.exception
    assert says in texts(at) + " ".join(button.label for button in at.button)


def test_a_folder_outside_the_roots_is_refused_with_a_way_to_allow_it(
    pack: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    at = start()
    at.text_input(key="path").set_value(str(outside))
    next(button for button in at.button if button.label == "Analyse").click().run()
    assert any("outside" in error.value for error in at.error)
    assert state_of(at).library is None
    at.button(key="allow").click().run()
    assert state_of(at).allowed == (outside.resolve(),)


def test_a_checkpoint_is_looked_for_below_the_roots_only_and_nothing_begins_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for folder in (inside, outside):
        folder.mkdir()
        (folder / "clap.pt").write_bytes(b"weights")
    (inside / "link.pt").symlink_to(outside / "clap.pt")
    monkeypatch.setenv("LOOPSCOPE_ROOTS", str(inside))
    at = start()
    at.radio(key="encoder-name").set_value("clap-fusion").run()
    refused = [outside / "clap.pt", outside / "absent.pt", inside / "link.pt", inside / ".." / "outside" / "clap.pt"]
    for typed in (*refused, "clap.pt", "~nobody-of-that-name/clap.pt", "/a\0b", f"/{'a' * 5000}"):
        assert "inside the folders this app may open" in said_of_checkpoint(at, str(typed), inside), typed
    for typed in (inside, inside / "absent.pt", inside / ("a" * 300)):
        assert "No checkpoint file at" in said_of_checkpoint(at, str(typed), inside), typed
    at.radio(key="encoder-name").set_value("aisfx").run()
    monkeypatch.setattr(library_view, "start_walk", lambda *_, **__: None)
    assert not said_of_checkpoint(at, "", inside), "another encoder takes none"
    assert state_of(at).project.memory.plan.weights_file is None


def said_of_checkpoint(at: AppTest, typed: str, folder: Path) -> str:
    """The error as a folder is to be analysed with this checkpoint."""
    if typed:
        at.text_input(key="weights-file").set_value(typed)
    at.text_input(key="path").set_value(str(folder))
    next(button for button in at.button if button.label == "Analyse").click().run()
    assert not at.exception
    assert not state_of(at).project.tasks.any_running()
    return " ".join(error.value for error in at.error)


def test_the_browser_opens_folders_and_scans_the_one_in_view(pack: Path) -> None:
    at = start()
    opened = next(button for button in at.button if button.label.startswith("Pack"))
    assert str(N_FILES + 1) in opened.label, "all files, also the broken one"
    opened.click().run()
    at.selectbox(key="detector-name").set_value("pca").run()
    at.button(key="scan-here").click().run()
    finish_tasks(at)
    library = state_of(at).library
    assert library is not None
    assert len(library.loops) == N_FILES
    assert library.loops["loop_id"].nunique() == N_LOOPS
    assert [Path(path).name for path in library.rejected["path"]] == ["broken.wav"]


@pytest.mark.slow
def test_the_walk_without_a_browser(pack: Path, aisfx_weights: Path) -> None:
    at = start()
    at.session_state["loopscope"].browsed = pack
    at.run()
    at.radio(key="encoder-name").set_value("aisfx").run()
    at.selectbox(key="preset-name").set_value("paper").run()
    at.button(key="scan-here").click().run()
    finish_tasks(at)
    assert state_of(at).embeddings is not None
    at.switch_page("pages/train.py").run()
    at.selectbox(key="detector-name").set_value("pca").run()
    at.selectbox(key="preset-name").set_value("robust").run()
    at.button(key="train-start").click().run()
    finish_tasks(at)
    assert list(state_of(at).models) == [NETWORK, MODEL]
    assert state_of(at).active == MODEL, "the newest model is in view"
    at.switch_page("pages/explore.py").run()
    at.segmented_control(key="explore-view").set_value("plain").run()
    assert not at.exception
    assert_explore_shows(at, state_of(at).models[MODEL], percentile=95.0)
    at.selectbox(key="explore-model").set_value(NETWORK).run()
    assert_explore_shows(at, state_of(at).models[NETWORK], percentile=95.0)
    at.switch_page("pages/compare.py").run()
    assert not at.exception
    assert "Where they disagree" in texts(at)


def assert_explore_shows(at: AppTest, scored: ScoredLoops, percentile: float) -> None:
    """The ranking is that of the scores, the flags those above the threshold, the list to take away the flagged files.

    The copy is a file of its own in that list and not in the ranking of loops.
    """
    library = state_of(at).library
    assert library is not None
    scores = scored.scores.set_index("loop_id")["score"].sort_values(ascending=False)
    threshold = threshold_at(scored.reference_scores, percentile)
    flagged = scores[scores > threshold]
    assert f"**{len(flagged)} of {N_LOOPS} flagged**" in texts(at)
    take(at, "Flagged")
    ranking, takeaway = (next(t.value for t in at.dataframe if column in t.value) for column in ("split", "bpm_source"))
    shown_names = library.unique.set_index("loop_id").loc[scores.index, "name"]
    assert ranking["name"].tolist() == [printable(name) for name in shown_names]
    assert ranking["rank"].tolist() == list(range(1, N_LOOPS + 1))
    np.testing.assert_allclose(ranking["score"], scores)
    assert ranking["is_anomaly"].sum() == len(flagged)
    files = library.loops[library.loops["loop_id"].isin(flagged.index)]
    assert takeaway["is_anomaly"].all()
    assert sorted(takeaway["path"]) == sorted(map(printable, files["path"]))
    choices = at.segmented_control(key="takeaway-list").options
    assert f"Flagged ({len(files)})" in choices and f"All ({N_FILES})" in choices


def take(at: AppTest, name: str) -> pd.DataFrame:
    """The table of a list to take away."""
    for key, value in {"takeaway-open": True, "takeaway-list": name}.items():
        at.session_state[key] = state_of(at).choices[key] = value  # the page takes the second where it begins
    at.run()
    assert not at.exception
    return next((t.value for t in at.dataframe if "bpm_source" in t.value), pd.DataFrame())


def trained(walked: Walked, page: str = "train") -> AppTest:
    """A session behind the whole walk, with a model of pca, on one of the pages."""
    at = start()
    state = state_of(at)
    note = EncoderNote(walked.encoder.encoder_id, walked.encoder.description, walked.encoder.notice)
    state.project.update(library=walked.library, embeddings=walked.embeddings, encoder=note, faults=walked.faults)
    state.project.add_model(MODEL, walked.scored)
    state.look()
    at.switch_page(f"pages/{page}.py").run()
    assert not at.exception
    return at


def n_flagged(at: AppTest) -> int:
    return int(next(part for part in texts(at).split("**") if f"of {N_LOOPS} flagged" in part).split()[0])


def test_the_plain_view_recounts_with_the_slider(walked: Walked) -> None:
    at = trained(walked, "explore")
    at.session_state["explore-view"] = "plain"
    at.run()
    at.slider(key="plain-threshold").set_value(0.0).run()
    low = n_flagged(at)
    at.slider(key="plain-threshold").set_value(100.0).run()
    assert low > 30 > n_flagged(at)
    at.switch_page("pages/library.py").run()
    at.switch_page("pages/explore.py").run()
    assert state_of(at).percentile == 100.0, "the threshold survives a page switch"


def test_the_selected_loop_is_explained_and_a_hostile_name_stays_text(walked: Walked) -> None:
    at = trained(walked)
    scores = state_of(at).model.scores  # type: ignore[union-attr]
    library = state_of(at).library
    assert library is not None
    hostile = library.unique.loc[library.unique["name"] == HOSTILE, "loop_id"].item()
    at.session_state["loopscope"].selected = hostile
    at.switch_page("pages/explore.py").run()
    assert not at.exception
    rank = int((scores["score"] > scores.loc[scores["loop_id"] == hostile, "score"].item()).sum()) + 1
    assert f"Rank {rank} of {N_LOOPS}" in texts(at)
    assert "<img src=x" not in texts(at).replace("\\<img", ""), "names are escaped before they reach Markdown"


def test_why_says_how_far_marks_moved_a_loop_and_which(walked: Walked) -> None:
    at = trained(walked, "explore")
    view = explorer_view(state_of(at).project, state_of(at).seen, MODEL)
    ids, names = list(view.loops["loop_id"]), list(view.loops["name"])
    before, feedback = view.loops["triage_rank"].to_numpy(), Feedback(view.loops, resemblance_of(walked.embeddings))
    marked, row = next(
        (loop_id, row)
        for loop_id in ids
        for row in np.flatnonzero(feedback.taught({loop_id: "quarantine"}).ranks < before)
        if feedback.taught({loop_id: "quarantine"}).because[row] == 0 and ids[row] != loop_id
    )
    with Store.default() as store:
        store.set_mark(marked, "quarantine")
    assert view.lessons is not None
    taught = view.lessons.taught()  # as the browser would have asked for it
    state_of(at).selected = ids[row]
    at.run()
    assert not at.exception
    like = names[ids.index(taught.marked[taught.because[row]])]
    said = (
        f"Your marks moved it up from place {before[row]} to {taught.ranks[row]}: it sounds like {like}, which you quar"
    )
    assert said in texts(at).replace("\\", "")
    state_of(at).project.remember(view={"learns": False})
    at.run()
    assert "Your marks moved" not in texts(at)


def test_what_is_quarantined_is_left_out_of_a_training_in_one_click_and_scored_as_new(walked: Walked) -> None:
    at = trained(walked)
    assert "train-without" not in [button.key for button in at.button]
    out = list(walked.embeddings.loop_ids[:3])
    with Store.default() as store:
        store.set_marks(dict.fromkeys(out, "quarantine"))
    at.selectbox(key="detector-name").set_value("pca").run()
    at.button(key="train-without").click().run()
    finish_tasks(at)
    state = state_of(at)
    assert state.active == f"{MODEL} · without 3 quarantined loops"
    assert state.model is not None
    assert not set(out) & set(state.model.detector.loop_ids_)
    assert sorted(state.model.scores["loop_id"]) == sorted(walked.embeddings.loop_ids)
    assert set(state.model.scores["loop_id"][state.model.is_new]) == set(out)
    at.switch_page("pages/explore.py").run()
    assert not at.exception and "differs from" not in texts(at)
    assert "has not learnt from" not in texts(at), "nobody is urged to take them in again"


def test_a_note_stays_with_the_sound_and_goes_into_the_table(walked: Walked) -> None:
    at = trained(walked)
    library = state_of(at).library
    assert library is not None
    copied = library.loops.loc[library.loops["name"] == "copy.wav", "loop_id"].item()
    at.session_state["loopscope"].selected = copied
    at.switch_page("pages/explore.py").run()
    sent = next(
        json.loads(element.proto.json) for element in at.get("bidi_component") if '"longest"' in element.proto.json
    )
    published = media_registry().outbox(sent["token"])
    assert published is not None and (sent["id"], sent["value"]) == (copied, "")
    take, loops = published
    assert copied in loops
    take("note", copied, "= a <b>click</b> at the end")
    at.run()
    assert not at.exception
    assert any("= a <b>click</b> at the end" in element.proto.json for element in at.get("bidi_component"))
    with Store.default() as store:
        assert store.get_marks()[copied].note == "= a <b>click</b> at the end"
    assert "2 files with this content" in texts(at)
    assert all(name in at.text[0].value for name in ("copy.wav", "Bass_101_Em.wav"))


def test_listening_fills_what_names_leave_open(walked: Walked) -> None:
    at = trained(walked, "explore")
    metadata = state_of(at).metadata
    assert metadata is not None and len(metadata.missing) == N_LOOPS
    at.button(key="listen-start").click().run()
    finish_tasks(at)
    metadata = state_of(at).metadata
    assert metadata is not None and not metadata.missing
    assert "listen-start" not in [button.key for button in at.button]
    assert set(metadata.table["bpm_source"]) == {"name", ""}, "half a second has no tempo by ear"


def test_a_tempo_that_is_wrong_is_put_right_in_details_and_taken_back(walked: Walked) -> None:
    at = trained(walked)
    row = walked.library.loops[walked.library.loops["name"] == "Bass_102_Em.wav"].iloc[0]
    at.session_state["loopscope"].selected = row["loop_id"]
    at.switch_page("pages/explore.py")
    at.session_state[DETAILS] = True
    at.run()

    def said(bpm: str, key: str) -> str:
        for field, text in (("BPM", bpm), ("Key", key)):
            next(entry for entry in at.text_input if entry.label == field).set_value(text)
        next(button for button in at.button if button.label == "Save").click().run()
        assert not at.exception
        return texts(at).replace("\\", "")

    def exported() -> list[object]:
        table = take(at, "All").set_index("name")
        return table.loc["Bass_102_Em.wav", ["bpm", "bpm_source", "key", "key_source"]].tolist()

    assert "102 BPM (from its name)" in texts(at).replace("\\", "")
    said("quick", "")
    assert [error.value.replace("\\", "") for error in at.error] == [
        "'quick' is no tempo; give beats per minute from 20 to 400, as 117.5."
    ]
    assert "104.5 BPM (yours; 102 from its name), key Gbm (yours; Em from its name)" in said("104,5", "gb minor")
    assert exported() == [104.5, "user", "Gbm", "user"]
    shown = explorer_view(state_of(at).project, state_of(at).seen, MODEL).loops.set_index("name")
    assert shown.loc["Bass_102_Em.wav", ["bpm", "key"]].tolist() == [104.5, "Gbm"]
    at.button(key="correct-undo").click().run()
    assert "102 BPM (from its name)" in texts(at).replace("\\", "") and exported() == [102.0, "name", "Em", "name"]


def families_shown(at: AppTest, kind: str, where: str = "This folder") -> pd.DataFrame:
    """The list as the browser gets it; empty where there is none."""
    for key, value in {"families-open": True, "families-kind": kind, "families-where": where}.items():
        at.session_state[key] = state_of(at).choices[key] = value
    at.run()
    assert not at.exception
    sent = [json.loads(element.proto.json) for element in at.get("bidi_component") if '"members"' in element.proto.json]
    return pd.DataFrame(sent[0]["members"]) if sent else pd.DataFrame()


def families_saved(at: AppTest) -> pd.DataFrame:
    """The list as it is taken away."""
    (links,) = [
        json.loads(element.proto.json)["links"]
        for element in at.get("bidi_component")
        if "families-downloads" in element.proto.json
    ]
    address = next(link["address"] for link in links if link["label"] == "CSV")
    _, _, token, slot = address.split("/")
    published = media_registry().file(token, slot)
    assert published is not None
    return read_csv(published[2]())


def test_the_others_of_a_family_are_quarantined_and_taken_back(walked: Walked) -> None:
    at = trained(walked, "explore")
    state = state_of(at)
    loop_ids = walked.embeddings.loop_ids
    near = (np.array([0, 3]), np.array([1, 4]), np.array([0.999, 0.98]))
    state.project.update(relations=Relations(loop_ids, near, ((loop_ids[5], loop_ids[6], 3),), n_riffs=2))

    with Store.default() as store:
        riff = riff_report(np.ones((CLASSES, STEPS), np.uint8))
        store.put_reports("measurements", dict.fromkeys(loop_ids[5:8], riff), RIFF_VERSION)

    def shown(kind: str) -> pd.DataFrame:
        return families_shown(at, kind)

    exact = shown("Exact copies")
    assert sorted(exact["name"]) == ["Bass_101_Em.wav", "copy.wav"] and exact["keep"].sum() == 1
    assert "families-quarantine" not in [button.key for button in at.button], "they share one mark"
    assert "families-start" not in [button.key for button in at.button], "copies are known without a search"
    assert len(shown("Same riff")) == 2
    assert "families-start" in [button.key for button in at.button], "a third riff was heard since"
    assert len(shown("Near copies")) == 2
    at.slider(key="families-cosine").set_value(0.975).run()
    table = shown("Near copies")
    assert len(table) == 4 and table["family"].max() == 2
    with Store.default() as store:
        store.set_mark(loop_ids[3], "love")
        store.set_mark(loop_ids[4], "love")
        at.run()
        at.button(key="families-quarantine").click().run()
        marks = {loop_id: mark.mark for loop_id, mark in store.get_marks().items()}
        assert sorted(marks.values()) == ["love", "love", "quarantine"], "what has a mark keeps it"
        assert set(marks) - {loop_ids[3], loop_ids[4]} < {loop_ids[0], loop_ids[1]}
        at.button(key="families-undo").click().run()
        assert not at.exception and set(store.get_marks()) == {loop_ids[3], loop_ids[4]}


def test_what_other_folders_have_of_this_one_is_said_listed_heard_and_taken_away(
    walked: Walked, tmp_path: Path
) -> None:
    ids, X = walked.embeddings.loop_ids, walked.embeddings.X
    names = walked.library.unique.set_index("loop_id")["name"]
    copied, alike, longer = (str(loop_id) for loop_id in ids[5:8])
    old = tmp_path / "Old pack"
    old.mkdir()
    (old / "same.wav").write_bytes(walked.library.path_of(copied).read_bytes())
    for name, source, seconds in (("nearly.wav", alike, 0.4), ("longer.wav", longer, 2.0), ("better.wav", copied, 2.5)):
        sound, rate = sf.read(walked.library.path_of(source))
        sf.write(old / name, 0.5 * np.resize(sound, int(seconds * rate)), rate)
    with Store.default() as store:
        there = scan_folder(old, store)
        by_name = there.loops.set_index("name")["loop_id"]
        made = {"nearly.wav": alike, "longer.wav": longer, "better.wav": copied}
        rows = X[[ids.index(source) for source in made.values()]]
        store.put_embeddings([by_name[name] for name in made], walked.embeddings.encoder_id, rows)
        for owner in (LOCAL, "browser:stranger"):
            store.put_project(ProjectRow(f"of {owner}", owner, str(old), "Old pack", 0.0, {}))
        store.put_project_files(f"of {LOCAL}", dict(zip(there.loops["path"], there.loops["loop_id"], strict=True)))
        store.put_project(ProjectRow("an archive", LOCAL, str(tmp_path), "Archive", 0.0, {}))
    at = trained(walked, "explore")
    state_of(at).project.id = "this"
    state_of(at).project.name = "Pack"
    assert families_shown(at, "Exact copies", "All my folders").empty
    assert "2 other folders of yours can be asked" in texts(at)
    at.button(key="elsewhere-start").click().run()
    finish_tasks(at)
    exact = families_shown(at, "Exact copies", "All my folders")
    said = texts(at).replace("\\", "")
    assert "Of the 33 loops here your other folders have 1 as an exact copy and 2 as near copies already." in said
    assert "Asked: 4 loops in 1 other folder." in said
    assert "1 folder had nothing to be asked: it is an archive, or its analysis has not ended." in said
    assert exact[["name", "folder", "keep", "here"]].to_numpy().tolist() == [
        ["same.wav", "Old pack", True, False],
        [names[copied], "Pack/Bass", False, True],
    ]
    assert exact["address"].tolist() == [f"?project=of+{LOCAL}&loop={copied}", ""]
    assert "families-quarantine" not in [button.key for button in at.button], "they share one mark"
    near = families_shown(at, "Near copies", "All my folders")
    kept = near[near["keep"]].set_index("name")
    assert set(kept.index) == {"longer.wav", "better.wav", names[alike]} and kept.loc["longer.wav", "why"] == "2 s"
    token = next(json.loads(e.proto.json)["token"] for e in at.get("bidi_component") if '"members"' in e.proto.json)
    sound = media_registry().sound(token, by_name["nearly.wav"])
    assert sound is not None and content_hash(sound) == by_name["nearly.wav"]
    table = families_saved(at)
    assert table["is_here"].tolist() == (~table["folder"].isin(["Old pack"])).tolist() and len(table) == 6
    assert "1 loop here lies in another folder, too" in texts(at), "its mark would be on that file as well"
    at.button(key="families-quarantine").click().run()
    with Store.default() as store:
        assert set(store.get_marks()) == {longer}, "what lies elsewhere is not marked from here"
        at.button(key="families-undo").click().run()
        assert not store.get_marks()
        store.delete_project(f"of {LOCAL}")
    assert families_shown(at, "Near copies", "All my folders").empty, "it was forgotten"
    assert media_registry().sound(token, by_name["nearly.wav"]) is None
    assert "Of the 33 loops here your other folders have none yet." in texts(at).replace("\\", "")


def test_what_failed_or_was_left_is_said_where_no_list_is_taken_away(walked: Walked) -> None:
    at = trained(walked, "explore")
    project = state_of(at).project
    at.session_state["families-open"] = state_of(at).choices["families-open"] = True

    def ended(kind: str, work: Callable[[Task], object]) -> None:
        task = project.tasks.start(kind, "At it", work)
        deadline = time.monotonic() + 120
        while task.running and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not task.running

    def fail(task: Task) -> None:
        raise DataError(f"{task.title} and failed.")

    for kind in (FAMILIES, LISTENING, COPY):
        at.run()
        assert not at.error
        ended(kind, fail)
        at.run()
        assert [error.value.replace("\\", "") for error in at.error] == ["At it and failed."], kind
    ended(COPY, lambda task: UndoReport(0, reasons_frame([("/some/b.wav", "Another file has its name.")])))
    for _ in range(2):
        at.run()
        assert "One file was left as it was:" in texts(at), "until something else is taken back"
        assert any("Another file has its name." in t.value.to_string() for t in at.dataframe)


def test_who_plays_the_same_riff_is_named_here_and_in_the_owner_s_other_folders(walked: Walked) -> None:
    chosen, higher = walked.library.unique.loc[walked.library.unique["folder"] == "Guitar", "loop_id"].iloc[:2]
    riff = (np.random.default_rng(0).random((CLASSES, STEPS)) ** 4 * 255).astype(np.uint8)
    moved = {chosen: 0, higher: 3, "f" * 32: -2, "e" * 32: 5}
    with Store.default() as store:
        reports = {loop_id: riff_report(np.roll(riff, up, axis=0)) for loop_id, up in moved.items()}
        store.put_reports("measurements", reports, RIFF_VERSION)
        for owner, loop_id in ((LOCAL, "f" * 32), ("browser:stranger", "e" * 32)):
            store.put_project(ProjectRow(f"of {owner}", owner, "/gone", f"Beats of {owner}", 0.0, {}))
            store.put_project_files(f"of {owner}", {f"/gone/old {loop_id[0]}.wav": loop_id})
    at = trained(walked, "explore")
    state = state_of(at)
    state.project.id = "this"
    state.selected = str(chosen)
    at.run()
    (shown,) = [json.loads(element.proto.json) for element in at.get("bidi_component") if '"kin"' in element.proto.json]
    names = walked.library.unique.set_index("loop_id")["name"]
    said = {entry["name"]: (entry["note"].split(" · ")[0], bool(entry["address"])) for entry in shown["kin"]}
    assert said == {names[higher]: ("+3 semitones", False), "old f.wav": ("−2 semitones", True)}, "no stranger's"
    (address,) = [entry["address"] for entry in shown["kin"] if entry["address"]]
    assert address == f"?project=of+{LOCAL}&loop={'f' * 32}"


def test_one_instrument_gets_a_model_of_its_own(walked: Walked) -> None:
    at = trained(walked)
    at.selectbox(key="train-subset").set_value("instrument guitar").run()
    at.selectbox(key="detector-name").set_value("pca").run()
    at.button(key="train-start").click().run()
    finish_tasks(at)
    state = state_of(at)
    assert state.active == "pca · robust · seed 0 · instrument guitar"
    assert state.model is not None and state.library is not None
    names = state.library.unique.set_index("loop_id")["name"]
    assert {names[loop_id] for loop_id in state.model.scores["loop_id"]} == {
        f"Guitar_{100 + i}_A.wav" for i in range(9)
    }
    at.button(key="save-model").click().run()
    (file,) = paths().models.glob(f"*/{CARD}")
    card = json.loads(file.read_text())
    assert (card["data"]["subset"], card["data"]["loops"]) == ("instrument guitar", 9)
    assert "marks" not in card["data"]
    with Store.default() as opened:
        opened.set_marks(dict.fromkeys(state.model.scores["loop_id"].iloc[:2], "quarantine"))
        opened.set_mark(state.model.scores["loop_id"].iloc[2], "keep")
    at.button(key="delete-model").click().run()
    at.button(key="save-model").click().run()
    assert not at.exception
    assert "Saved with 3 marks on its loops (1 kept, 2 quarantined), the last of 20" in texts(at)
    at.switch_page("pages/explore.py").run()
    assert not at.exception
    at.switch_page("pages/library.py").run()
    titles = [json.loads(element.proto.json).get("title") for element in at.get("bidi_component")]
    assert "Instruments · 33 of 33 loops" in titles


def test_compare_judges_the_model_of_a_part_by_the_labels_of_that_part(walked: Walked) -> None:
    at = trained(walked)
    state = state_of(at)
    guitar = walked.library.unique.loc[walked.library.unique["folder"] == "Guitar", "loop_id"]
    part = replace(fit_detector(walked.embeddings.select(list(guitar)), "pca"), subset="instrument guitar")
    state.project.add_model("part", part)
    state.look()
    rows = ["path,label", "Guitar/Guitar_100_A.wav,anomaly", "Guitar/Guitar_101_A.wav,normal"]
    rows += ["Bass/Bass_101_Em.wav,normal", "Bass/Bass_102_Em.wav,anomaly", "copy.wav,anomaly"]
    labels = walked.folder / "labels.csv"
    try:
        labels.write_text("\n".join(rows))
        at.switch_page("pages/compare.py").run()
    finally:
        labels.unlink()
    assert not at.exception
    said = texts(at).replace("\\", "")
    assert "3 loops are marked or labelled, 2 of them as odd" in said
    assert "1 loop is labelled both normal and anomaly" in said and "not counted" in said
    assert "part: 1 of the 3 labelled loops has no score from this model and is not counted" in said
    table = next(t.value for t in at.dataframe if "auroc" in t.value)
    assert table.loc[table["category"] == "all", ["model", "n"]].to_numpy().tolist() == [[MODEL, 2], ["part", 1]]
    beside = next(t.value for t in at.dataframe if "precision_at_20" in t.value)
    assert set(beside["score"]) == {MODEL, "part"} and "On 2 loops that all of them score" in said


def test_compare_judges_by_the_odd_loops_of_one_category(walked: Walked) -> None:
    at = trained(walked)
    state = state_of(at)
    state.project.add_model("other", fit_detector(walked.embeddings, "knn"))
    state.look()
    rows = ["path,label,category", "Guitar/Guitar_100_A.wav,anomaly,click", "Guitar/Guitar_101_A.wav,normal,"]
    rows += ["Bass/Bass_101_Em.wav,normal,", "Bass/Bass_103_Em.wav,anomaly,hum"]
    labels = walked.folder / "labels.csv"
    try:
        labels.write_text("\n".join(rows))
        at.switch_page("pages/compare.py").run()
        assert at.selectbox(key="beside-category").options == ["all", "click", "hum"]
        assert "On 4 loops that all of them score" in texts(at)
        at.selectbox(key="beside-category").set_value("hum").run()
        assert not at.exception and "On 3 loops that all of them score" in texts(at)
        labels.write_text("\n".join(rows).replace("hum", "pop"))
        at.run()
    finally:
        labels.unlink()
    assert not at.exception
    assert at.selectbox(key="beside-category").value == "all" and "On 4 loops that all of them score" in texts(at)


def test_a_part_of_the_folder_is_chosen_before_the_walk(pack: Path) -> None:
    at = start()
    at.session_state["loopscope"].browsed = pack
    at.run()
    at.selectbox(key="detector-name").set_value("pca").run()
    at.selectbox(key="walk-subset").set_value("instrument bass").run()
    at.button(key="scan-here").click().run()
    finish_tasks(at)
    state = state_of(at)
    assert state.active == "pca · robust · seed 0 · instrument bass"
    assert state.model is not None and len(state.model.scores) == 24
    at.switch_page("pages/library.py").run()
    assert at.selectbox(key="walk-subset").value == "instrument bass", "the choice is kept"


@pytest.mark.parametrize(
    ("typed", "subset"),
    [
        ("all loops", ""),
        (" ", ""),
        (None, ""),
        ("Instrument bass", "instrument bass"),
        ("Bass", "instrument bass"),
        ("/My Pack/Subs/", "folder My Pack/Subs"),
        ("Folder Subs", "folder Subs"),
    ],
)
def test_what_was_typed_for_a_part_is_understood(
    typed: str | None, subset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subset_choice, "session", lambda: SessionState(choices={"walk-subset": typed}))
    assert subset_choice.subset_ahead() == subset


def test_a_model_is_trained_again_on_its_own_part(walked: Walked) -> None:
    at = trained(walked, "explore")
    own, _ = guest(walked)
    older = walked.embeddings.select(own.scores["loop_id"].tolist()[:8])
    grown = score_library(walked.embeddings.select(own.scores["loop_id"].tolist()), fit_detector(older, "knn").detector)
    state_of(at).project.add_model(
        "knn · robust · seed 0 · instrument guitar", replace(grown, subset="instrument guitar")
    )
    at.run()
    assert "1 new loop is scored by the present model, which has not learnt from it" in texts(at)
    at.button(key="retrain").click().run()
    finish_tasks(at)
    model = state_of(at).model
    assert model is not None and model.subset == "instrument guitar" and model.detector.name == "knn"
    assert len(model.scores) == 9 and not model.is_new.any()


def test_another_model_can_be_trained_while_only_the_checks_of_the_walk_go_on(walked: Walked) -> None:
    at = trained(walked)
    project = state_of(at).project
    has_model, checks, over = threading.Event(), threading.Event(), threading.Event()

    def walk_on(task: Task) -> None:
        task.on_progress(Progress("Training", 1, 2))
        has_model.wait(60)
        task.on_progress(Progress(CHECKING, 1, 2))
        checks.set()
        over.wait(60)

    project.tasks.start(WALK, "Analysing", walk_on)
    at.run()
    assert at.button(key="train-start").disabled, "the walk trains"
    has_model.set()
    assert checks.wait(60)
    at.selectbox(key="detector-name").set_value("knn").run()
    assert not at.button(key="train-start").disabled, "only the checks go on"
    at.button(key="train-start").click().run()
    training = project.tasks.get(TRAIN)
    deadline = time.monotonic() + 120
    while training is not None and training.running and time.monotonic() < deadline:
        time.sleep(0.05)
    assert training is not None and training.done, training
    assert project.tasks.running(WALK) and project.active == "knn · robust · seed 0"
    over.set()
    finish_tasks(at)


def test_a_stopped_training_is_kept_or_discarded_by_its_button(walked: Walked) -> None:
    at = trained(walked)
    project = state_of(at).project
    epochs: list[EpochReport] = []
    stopped = train_detector(walked.embeddings, "AE", on_epoch=epochs.append, should_stop=lambda: len(epochs) > 1)
    assert isinstance(stopped, StoppedTraining)
    known = list(project.contents.models)
    for key, kept in (("drop-stopped", known), ("keep-stopped", [*known, "AE (unfinished)"])):
        project.update(stopped=("AE", stopped))
        at.run()
        assert "AE was stopped and is not kept" in texts(at)
        at.button(key=key).click().run()
        finish_tasks(at)
        assert not at.exception
        assert list(project.contents.models) == kept
        assert "was stopped and is not kept" not in texts(at)


def test_a_saved_model_scores_the_same_loops_again_and_can_be_deleted(walked: Walked) -> None:
    at = trained(walked)
    at.button(key="save-model").click().run()
    assert not at.error
    at.run()
    at.button(key="use-model").click().run()
    assert not at.exception
    label = state_of(at).active
    assert label is not None and label.endswith("(saved)")
    models = state_of(at).models
    first, again = models["pca · robust · seed 0"], models[label]
    both = first.scores.merge(again.scores, on="loop_id", validate="one_to_one")
    assert len(both) == N_LOOPS
    assert both["score_x"].equals(both["score_y"]), "its out-of-fold scores, not new ones"
    assert both["split_x"].equals(both["split_y"])
    at.button(key="delete-model").click().run()
    assert "No model is saved yet" in texts(at)


def test_a_new_folder_drops_what_was_computed_from_the_old_one(walked: Walked, pack: Path) -> None:
    at = trained(walked)
    at.switch_page("pages/library.py").run()
    at.session_state["loopscope"].browsed = pack / "Bass"
    at.run()
    at.selectbox(key="detector-name").set_value("knn").run()
    at.button(key="scan-here").click().run()
    finish_tasks(at)
    state = state_of(at)
    assert state.library is not None and len(state.library.loops) == 24
    assert list(state.models) == ["knn · robust · seed 0"]
    assert state.embeddings is not None and set(state.embeddings.loop_ids) == set(state.library.loops["loop_id"])


def test_the_report_of_a_folder_leads_to_the_loops_of_a_kind(walked: Walked) -> None:
    at = trained(walked, "library")
    assert re.search(r"of 33 loops\*\* without a fault", texts(at))
    project = state_of(at).project
    project.remember_view({"at": 1, "search": "bass", "kinds": ["Clicks"], "named": {"at": 1, "views": []}})
    chips = at.pills(key="report-Worth knowing")
    assert "Duplicate · 1" in chips.options
    chips.set_value(KindCount("duplicate", 1, 0)).run()
    assert not at.exception
    assert at.selectbox(key="explore-model").value == MODEL, "Explore is open"
    view = project.memory.view
    assert view is not None and view["kinds"] == ["Duplicate"] and not view["unsure"] and "search" not in view
    assert view["at"] > time.time() * 1000 - 60_000 and view["named"] == {"at": 1, "views": []}


def guest(walked: Walked) -> tuple[ScoredLoops, ScoredLoops]:
    """The guitars by a model of their own, and by one of the basses."""
    loops = walked.library.unique
    basses, guitars = (
        walked.embeddings.select(loops.loc[loops["folder"] == folder, "loop_id"].tolist())
        for folder in ("Bass", "Guitar")
    )
    return fit_detector(guitars, "knn"), score_library(guitars, fit_detector(basses, "knn").detector)


@pytest.mark.parametrize("page", ["explore", "train"])
def test_a_pack_says_what_stands_out_among_itself_and_against_another_library(walked: Walked, page: str) -> None:
    own, other = guest(walked)
    at = trained(walked, page)
    project = state_of(at).project
    project.update(models={})
    project.add_model("Bass · knn · folder Low (saved)", other)
    at.run()
    assert re.search(r"Against the library of Bass, folder Low: \d of 9 stands? out", texts(at))
    assert [button.label for button in at.button if button.key == "train-own"], "the other half is offered"
    project.add_model("knn · robust · seed 0", own)
    at.run()
    switch = at.segmented_control(key="pack-switch")
    assert [re.sub(r"\d", "n", option.content) for option in switch.proto.options] == [
        "Among themselves: n of n stands out",
        "Against the library of Bass, folder Low: n of n stand out",
    ]
    assert state_of(at).active == switch.value == "knn · robust · seed 0"
    switch.set_value("Bass · knn · folder Low (saved)").run()
    assert state_of(at).active == "Bass · knn · folder Low (saved)"
    assert not re.search(r"\\{2,}", texts(at)), "escaped once"
    assert not at.exception


def test_the_threshold_that_marks_speak_for_is_offered_and_taken_only_when_asked(walked: Walked) -> None:
    at = trained(walked, "compare")
    assert "marked-threshold" not in [button.key for button in at.button]
    scores = walked.scored.scores.sort_values("score")
    with Store.default() as store:
        store.set_marks(dict.fromkeys(scores["loop_id"].iloc[5:9], "keep"))
        store.set_marks(dict.fromkeys(scores["loop_id"].iloc[-4:], "quarantine"))
    at.run()
    assert not at.exception
    assert "Your 8 marks are parted best at a threshold of" in texts(at)
    assert state_of(at).percentile == 95.0, "nothing is set unasked"
    at.button(key="marked-threshold").click().run()
    taken = threshold_at(walked.scored.reference_scores, state_of(at).percentile)
    assert scores["score"].iloc[8] < taken < scores["score"].iloc[-4]
    assert at.button(key="marked-threshold").disabled


def test_marks_on_a_library_carry_over_to_a_pack_that_its_model_scores(walked: Walked) -> None:
    _, other = guest(walked)
    at = trained(walked, "explore")
    loops = walked.library.unique
    pack = replace(walked.library, loops=walked.library.loops[walked.library.loops["folder"] == "Guitar"])
    guitars = walked.embeddings.select(list(other.scores["loop_id"]))
    project = state_of(at).project
    project.update(library=pack, embeddings=guitars, models={}, metadata=None)
    label = project.add_model("Bass · knn (saved)", other)
    bass = loops.loc[loops["folder"] == "Bass", "loop_id"].iloc[5]
    with Store.default() as store:
        store.set_mark(bass, "quarantine")
        lessons = explorer_view(project, project.contents, label).lessons
        assert lessons is not None and lessons.name, "the mark is known"
        assert not lessons.taught().marked, "its embedding is not"
        store.put_embeddings([bass], guitars.encoder_id, walked.embeddings.select([bass]).X)
    project.update()
    lessons = explorer_view(project, project.contents, label).lessons
    assert lessons is not None and lessons.taught().marked == (bass,)
    assert (lessons.taught().shift > 0).all()
    at.run()
    assert not at.exception


def test_a_model_that_comes_while_explore_is_open_stays_in_view(walked: Walked) -> None:
    at = trained(walked, "explore")
    at.run()
    state_of(at).project.add_model("later", walked.scored)
    at.run()
    assert state_of(at).active == at.selectbox(key="explore-model").value == "later"
    at.selectbox(key="explore-model").set_value(MODEL).run()
    assert state_of(at).active == MODEL


def test_every_list_can_be_taken_away_as_it_stands_on_the_screen(walked: Walked) -> None:
    at = trained(walked, "explore")
    assert not [t for t in at.dataframe if "bpm_source" in t.value], "nothing is made while nobody looks"
    ids = list(walked.library.unique["loop_id"])
    with Store.default() as store:
        for loop_id, mark in zip(ids, ("love", "keep", "quarantine", "quarantine"), strict=False):
            store.set_mark(loop_id, mark)
    assert set(take(at, "Loved")["mark"]) == {"love"} and set(take(at, "Kept")["mark"]) == {"keep"}
    assert set(take(at, "Quarantined")["mark"]) == {"quarantine"}
    for list_name, attribute in (("Filtered now", "filtered"), ("Lasso", "lasso")):
        assert take(at, list_name).empty
        say_explorer(at, attribute, inside=[3, 30])
        rows = take(at, list_name)
        shown = explorer_view(state_of(at).project, state_of(at).seen, MODEL).loops
        wanted = shown["loop_id"].iloc[display_order(shown)[[3, 30]]]
        assert set(rows["path"]) <= set(map(printable, walked.library.loops["path"]))
        files = walked.library.loops[walked.library.loops["loop_id"].isin(wanted)]
        assert sorted(rows["path"]) == sorted(map(printable, files["path"]))
    listen = take(at, "Listen first")
    assert listen["triage_rank"].is_monotonic_increasing and NORMAL not in set(listen["triage"])
    everything = take(at, "All")
    assert len(everything) == N_FILES
    lessons = explorer_view(state_of(at).project, state_of(at).seen, MODEL).lessons
    assert lessons is not None
    shown = explorer_view(state_of(at).project, state_of(at).seen, MODEL).loops
    rank = dict(zip(map(printable, shown["name"]), lessons.taught().ranks, strict=True))
    of_copy = rank["Bass_101_Em.wav"]
    assert everything["triage_rank"].tolist() == [rank.get(name, of_copy) for name in everything["name"]]
    assert (everything["triage_rank"] != everything["rank_unmarked"]).any(), "marks moved some"
    state_of(at).project.remember(view={"learns": False})  # the switch of the list
    unmoved = take(at, "All")
    assert "rank_unmarked" not in unmoved
    assert unmoved["triage_rank"].tolist() == everything["rank_unmarked"].tolist()


def test_the_groups_in_a_list_follow_the_threshold_and_the_order_does_not(walked: Walked) -> None:
    at = trained(walked, "explore")
    orders, interesting = [], []
    for percentile in (100.0, 50.0):
        state_of(at).project.set_percentile(MODEL, percentile)
        rows = take(at, "All").sort_values("path")
        orders.append(rows["triage_rank"].tolist())
        interesting.append((rows["triage"] == INTERESTING).tolist())
        assert interesting[-1] == ((rows["triage"] != FAULTY) & rows["is_anomaly"]).tolist()
    assert orders[0] == orders[1]
    assert sum(interesting[0]) < sum(interesting[1])


def say_explorer(at: AppTest, event: str, inside: list[int]) -> None:
    """The browser commits rows of the view that is shown."""
    shown = explorer_view(state_of(at).project, state_of(at).seen, MODEL)
    rows = np.zeros(len(shown.loops), np.uint8)
    rows[inside] = 1
    bits = base64.b64encode(np.packbits(rows, bitorder="little").tobytes()).decode()
    at.session_state["explorer"] = {event: {"value": bits, "version": shown.version, "serial": 1}}
    at.run()


def test_a_list_is_copied_and_taken_back_and_undo_outlives_the_page(
    walked: Walked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = trained(walked, "explore")
    monkeypatch.setenv("LOOPSCOPE_ROOTS", str(tmp_path))
    rows = take(at, "Flagged")
    at.text_input(key="copy-to").set_value(str(tmp_path / "to check")).run()
    assert not at.exception
    at.button(key="copy-go").click().run()
    finish_tasks(at)
    copied = list((tmp_path / "to check").rglob("*.wav"))
    assert sorted(path.name for path in copied) == sorted(Path(path).name for path in rows["path"])
    at.switch_page("pages/train.py").run()
    at.switch_page("pages/explore.py").run()
    assert take(at, "Flagged")["path"].tolist() == rows["path"].tolist()
    at.button(key="copy-undo").click().run()
    finish_tasks(at)
    assert not list(tmp_path.rglob("*.wav"))
    assert not [button for button in at.button if button.key == "copy-undo"]


def test_a_folder_that_a_move_left_empty_still_offers_to_take_it_back(walked: Walked, tmp_path: Path) -> None:
    at = trained(walked, "explore")
    project = state_of(at).project
    undo = tmp_path / "loopscope-undo.jsonl"
    undo.touch()
    project.update(library=replace(walked.library, loops=walked.library.loops.iloc[:0]), metadata=None)
    project.remember(undo_files=(str(undo),))
    at.run()
    assert not at.exception
    assert at.button(key="copy-undo").label == "Undo"
