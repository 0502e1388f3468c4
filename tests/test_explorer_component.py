"""What Python sends to the explorer, and what it makes of what comes back. The browser's side: tests/browser."""

import base64
import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from loopscope.analysis.triage import TITLES
from loopscope.errors import DataError
from loopscope.faults import faults_frame
from loopscope.library.tables import make_library
from loopscope.store import FileKey, FileRow
from loopscope.ui.explorer import packing
from loopscope.ui.explorer.view import ExplorerView, display_order, explorer_view
from loopscope.ui.projects.contents import Contents
from loopscope.ui.projects.project import Project
from tests.browser.synthetic import loop_id, staged_view, synthetic_view, with_findings
from tests.test_triage import finding

N = 60
VIEW = synthetic_view(N)


def page() -> None:
    import streamlit as st

    from loopscope.ui.explorer.component import explorer
    from tests.browser.synthetic import synthetic_view

    state = st.session_state
    marks = state.setdefault("marks", {})
    event = explorer(
        synthetic_view(60),
        key="explorer",
        percentile=state.get("percentile", 95.0),
        selected=None,
        marks=marks,
        notes=state.get("notes", []),
    )
    state["event"] = event


@pytest.fixture
def app() -> AppTest:
    return AppTest.from_function(page).run(timeout=60)


def say(app: AppTest, **states: Any) -> Any:
    """What the page gets when the browser commits these states."""
    app.session_state["explorer"] = states
    app.run(timeout=60)
    assert not app.exception
    return app.session_state["event"]


def data_of(app: AppTest) -> dict[str, Any]:
    sent: dict[str, Any] = json.loads(app.get("bidi_component")[0].proto.json)
    return sent


def test_before_anything_happens_the_page_gets_back_what_it_gave(app: AppTest) -> None:
    event = app.session_state["event"]
    assert (event.selected, event.percentile, event.lasso) == (None, 95.0, ())
    assert event.threshold == pytest.approx(np.percentile(VIEW.loops["score"], 95))


def test_what_travels_with_a_rerun_is_small_and_names_no_file(app: AppTest) -> None:
    proto = app.get("bidi_component")[0].proto
    assert len(proto.json) + len(proto.js_content) + len(proto.css_content) < 2500
    assert data_of(app)["version"] == VIEW.version
    assert "wav" not in proto.json


def test_a_commit_counts_once_and_the_pages_own_value_after_it(app: AppTest) -> None:
    committed = {"value": 90.0, "serial": 1}
    assert say(app, percentile=committed).percentile == 90.0
    app.session_state["percentile"] = 80.0  # the page moved it since
    assert say(app, percentile=committed).percentile == 80.0
    assert say(app, percentile={"value": 90.0, "serial": 2}).percentile == 90.0


def test_what_is_sent_has_heard_what_it_acknowledges(app: AppTest) -> None:
    say(app, percentile={"value": 90.0, "serial": 5}, selected={"value": loop_id(2), "serial": 6})
    sent = data_of(app)
    assert (sent["percentile"], sent["selected"], sent["acknowledged"]) == (90.0, loop_id(2), 6)


def test_a_percentile_from_outside_the_scale_is_brought_back(app: AppTest) -> None:
    assert say(app, percentile={"value": 1e9, "serial": 1}).percentile == 100.0


def test_marks_that_are_said_to_be_saved_come_back_with_the_acknowledgement(app: AppTest) -> None:
    app.session_state["marks"] = {loop_id(3): "love"}
    say(app, changed={"value": None, "serial": 17})
    assert (data_of(app)["acknowledged"], data_of(app)["marks"]) == (17, {loop_id(3): "love"})


def test_the_newest_commit_of_any_kind_is_acknowledged(app: AppTest) -> None:
    say(app, changed={"value": None, "serial": 4}, selected={"value": loop_id(2), "serial": 6})
    assert data_of(app)["acknowledged"] == 6
    say(app, percentile={"value": 90.0, "serial": 9})
    assert data_of(app)["acknowledged"] == 9
    say(app, lasso={"value": None, "serial": 11}, percentile={"value": 91.0, "serial": "no number"})
    assert data_of(app)["acknowledged"] == 11


def test_a_lasso_comes_back_as_ids_most_anomalous_first_and_only_for_its_version(app: AppTest) -> None:
    order = display_order(VIEW.loops)
    inside = np.zeros(N, np.uint8)
    inside[[2, 7, 40, 59]] = 1
    bits = base64.b64encode(np.packbits(inside, bitorder="little").tobytes()).decode()
    event = say(app, lasso={"value": bits, "version": VIEW.version, "serial": 1})
    assert event.lasso == tuple(VIEW.loops["loop_id"].iloc[order[[59, 40, 7, 2]]])
    assert say(app, lasso={"value": bits, "version": "another", "serial": 2}).lasso == ()
    assert say(app, lasso={"value": "no base64!", "version": VIEW.version, "serial": 3}).lasso == ()
    assert say(app, lasso={"value": None, "version": VIEW.version, "serial": 4}).lasso == (), "it was cleared"


def test_what_is_in_focus_comes_back_as_ids_and_none_where_nothing_is_filtered(app: AppTest) -> None:
    assert app.session_state["event"].filtered is None
    order = display_order(VIEW.loops)
    inside = np.zeros(N, np.uint8)
    inside[[0, 33]] = 1
    bits = base64.b64encode(np.packbits(inside, bitorder="little").tobytes()).decode()
    event = say(app, filtered={"value": bits, "version": VIEW.version, "serial": 1})
    assert event.filtered == tuple(VIEW.loops["loop_id"].iloc[order[[33, 0]]]) and event.lasso == ()
    nothing = base64.b64encode(bytes(-(-N // 8))).decode()
    assert say(app, filtered={"value": nothing, "version": VIEW.version, "serial": 2}).filtered == (), "none is left"
    for serial, value in enumerate((None, "no base64!", 7, ""), 3):
        assert say(app, filtered={"value": value, "version": VIEW.version, "serial": serial}).filtered is None
    assert say(app, filtered={"value": bits, "version": "another", "serial": 9}).filtered is None


def test_what_is_no_id_or_number_of_this_view_is_passed_over(app: AppTest) -> None:
    assert say(app, selected={"value": "no such loop", "serial": 1}).selected is None
    assert say(app, percentile={"value": "high", "serial": 2}).percentile == 95.0
    assert say(app, percentile={"value": 50.0, "version": "another model", "serial": 3}).percentile == 95.0


def test_what_is_no_commit_is_passed_over(app: AppTest) -> None:
    event = say(app, selected=loop_id(5), percentile=50.0, lasso=[loop_id(5)], changed=[loop_id(5)])
    assert (event.selected, event.percentile, event.lasso) == (None, 95.0, ())


def unpack_arrays(blob: bytes) -> dict[str, np.ndarray]:
    """The inverse of `pack_arrays`, as the browser does it."""
    start = 4 + int.from_bytes(blob[:4], "little")
    header = json.loads(blob[4:start])
    return {
        name: np.frombuffer(
            blob, packing.DTYPES[entry["dtype"]], int(np.prod(entry["shape"], dtype=int)), start + entry["offset"]
        ).reshape(entry["shape"])
        for name, entry in header.items()
    }


def test_arrays_survive_packing() -> None:
    arrays = {
        "a": np.arange(5, dtype=np.float64),
        "b": np.arange(6, dtype=np.float32).reshape(2, 3),
        "c": np.array([1, 2, 3], np.uint8),
        "d": np.array([], np.int32),
    }
    unpacked = unpack_arrays(packing.pack_arrays(arrays))
    assert list(unpacked) == list(arrays)
    for name, array in arrays.items():
        assert unpacked[name].dtype == array.dtype
        np.testing.assert_array_equal(unpacked[name], array)


def blobs(view: ExplorerView) -> tuple[dict[str, Any], dict[str, np.ndarray], dict[str, np.ndarray]]:
    packed = {name: gzip.decompress(blob) for name, blob in packing.pack_view(view).items()}
    return (
        json.loads(packed["table"]),
        unpack_arrays(packed["points"]),
        unpack_arrays(packed["latents"]),
    )


def test_every_number_stays_with_its_loop_when_rows_are_sorted() -> None:
    table, points, latents = blobs(VIEW)
    assert np.all(np.diff(points["scores"]) >= 0)
    loops = VIEW.loops.set_index("loop_id")
    rows = {loop: row for row, loop in enumerate(VIEW.loops["loop_id"])}
    for place, loop in enumerate(table["ids"]):
        expected = loops.loc[loop]
        assert table["names"][place] == expected["name"]
        assert points["scores"][place] == expected["score"]
        assert points["validation"][place] == (expected["split"] == "validation")
        assert table["levels"]["folder"][points["code:folder"][place]] == expected["folder"]
        np.testing.assert_array_equal(points["coordinates"][:, place], VIEW.coordinates[rows[loop]])
        np.testing.assert_array_equal(latents["latents"][:, place], VIEW.latents[rows[loop]])


def test_the_order_of_the_table_changes_nothing() -> None:
    shuffled = np.random.default_rng(3).permutation(N)
    view = replace(
        VIEW,
        loops=VIEW.loops.iloc[shuffled],
        coordinates=VIEW.coordinates[shuffled],
        latents=VIEW.latents[shuffled],
    )
    for first, second in zip(blobs(VIEW)[1:], blobs(view)[1:], strict=True):
        for name in first:
            np.testing.assert_array_equal(first[name], second[name])
    assert blobs(VIEW)[0] == blobs(view)[0]


def test_neighbours_are_renumbered_with_the_rows() -> None:
    distances = ((VIEW.latents[:, None] - VIEW.latents[None]) ** 2).sum(axis=2) + np.diag(np.full(N, np.inf))
    nearest = np.argsort(distances, axis=1)[:, :4]
    packed = packing.pack_view(replace(VIEW, neighbours=lambda row: nearest[row]))
    shown = json.loads(gzip.decompress(packed["table"]))["ids"]
    ids = VIEW.loops["loop_id"].to_numpy()
    for row, loop in enumerate(ids):
        answer = unpack_arrays(gzip.decompress(packed[f"near-{shown.index(loop)}"]))["rows"]
        assert [shown[i] for i in answer] == list(ids[nearest[row]])
    for unknown in (f"near-{N}", "near--1", "near-x", "near-", "near-\u0661", f"near-{'9' * 5000}", "other"):
        assert unknown not in packed
    assert "near-0" not in packing.pack_view(VIEW), "the browser finds them itself"


def test_findings_order_and_times_stay_with_their_loop_when_rows_are_sorted() -> None:
    view = with_findings(VIEW)
    table, points, _ = blobs(view)
    loops = view.loops.set_index("loop_id")
    kinds = list(TITLES)
    assert table["faultKinds"] == [TITLES[kind] for kind in kinds]
    assert {points[name].dtype for name in ("faults", "suspicions", "listen")} == {np.dtype(np.int32)}
    assert points["modified"].dtype == np.float64
    for place, loop in enumerate(table["ids"]):
        expected = loops.loc[loop]
        assert table["briefs"][place] == expected["brief"]
        assert points["listen"][place] == expected["triage_rank"]
        assert points["modified"][place] == expected["modified"]
        found = [kinds[bit] for bit in range(len(kinds)) if points["faults"][place] >> bit & 1]
        assert found == (["clipping"] if expected["brief"] == "clipped 13 %" else [])
        perhaps = [kinds[bit] for bit in range(len(kinds)) if points["suspicions"][place] >> bit & 1]
        assert ("hum" in perhaps) == ("hum" in expected["fault_kinds"])
    assert sorted(points["listen"]) == list(range(1, N + 1))
    assert {"clipped 13 %", "perhaps hum at 50 Hz", "2 identical files", ""} == set(table["briefs"])


def test_what_nobody_found_out_is_left_out() -> None:
    table, points, _ = blobs(VIEW)
    assert not {"briefs", "faultKinds"} & set(table)
    assert not {"faults", "suspicions", "listen", "modified"} & set(points)


def made(names: dict[str, str], **contents: Any) -> ExplorerView:
    """What Explore shows of files below /music: relative path -> loop_id, changed a second after each other."""
    rows = {
        FileKey(f"/music/{name}", 1, i * 10**9): FileRow("r", loop, 1.0) for i, (name, loop) in enumerate(names.items())
    }
    library = make_library(Path("/music"), rows, {})
    return explorer_view(Project(), Contents(library=library, **contents), "")


def test_without_scores_and_checks_there_is_an_order_all_the_same() -> None:
    table, points, _ = blobs(made({"b.wav": "2", "A.wav": "3", "c.wav": "1"}))
    listen = dict(zip(table["names"], points["listen"].tolist(), strict=True))
    assert listen == {"A.wav": 1, "b.wav": 2, "c.wav": 3}
    assert table["briefs"] == ["", "", ""] and not points["faults"].any() and not points["suspicions"].any()


def test_checks_alone_make_an_order_and_a_brief() -> None:
    found = [finding("2", 0.9), finding("1", 0.3, "suspect", "hum")]
    table, points, _ = blobs(made({"a.wav": "3", "b.wav": "1", "c.wav": "2"}, faults=faults_frame(found)))
    by_id = dict(zip(table["ids"], zip(points["listen"].tolist(), table["briefs"], strict=True), strict=True))
    assert by_id == {"2": (1, "click of 2"), "1": (2, "perhaps hum of 1"), "3": (3, "")}


def test_a_loop_is_as_new_as_the_youngest_of_its_copies() -> None:
    table, points, _ = blobs(made({"a/kick.wav": "1", "snare.wav": "2", "z/kick.wav": "1"}))
    assert dict(zip(table["names"], points["modified"].tolist(), strict=True)) == {"kick.wav": 2.0, "snare.wav": 1.0}


def test_which_loops_have_a_note_is_said(app: AppTest) -> None:
    app.session_state["notes"] = [loop_id(4)]
    say(app, changed={"value": None, "serial": 3})
    assert data_of(app)["notes"] == [loop_id(4)]


def test_wide_inputs_are_cut_to_the_dimensions_that_vary_most() -> None:
    rng = np.random.default_rng(1)
    spread = np.full(300, 0.1)
    spread[[5, 100, 299]] = 3.0
    table, _, latents = blobs(replace(VIEW, latents=(spread * rng.normal(size=(N, 300))).astype(np.float32)))
    assert len(table["dimensions"]) == packing.HEATMAP_DIMENSIONS == len(latents["latents"])
    assert {5, 100, 299} <= set(table["dimensions"]) and table["totalDimensions"] == 300


def test_loops_without_a_score_come_first_from_z_to_a_and_the_others_by_score() -> None:
    view = staged_view(N, stage=2, stages=6)
    table, points, latents = blobs(view)
    unscored = table["unscored"]
    assert 0 < unscored < N and unscored == int(np.isnan(view.loops["score"]).sum())
    assert np.isnan(points["scores"][:unscored]).all() and np.all(np.diff(points["scores"][unscored:]) >= 0)
    assert table["names"][:unscored] == sorted(table["names"][:unscored], reverse=True)
    assert np.isnan(points["coordinates"][:, :unscored]).all() and np.isnan(latents["latents"][:, :unscored]).all()
    assert (
        np.isfinite(points["coordinates"][:, unscored:]).all() and np.isfinite(latents["latents"][:, unscored:]).all()
    )
    assert len(points["reference"]) == N - unscored
    assert table["title"] == view.title


def test_names_are_sorted_as_they_are_read_and_equal_ones_by_id() -> None:
    loops = VIEW.loops.head(4).assign(name=["b", "A", "a", "B"], loop_id=["4", "2", "1", "3"], score=np.nan)
    assert loops["loop_id"].iloc[display_order(loops)].tolist() == ["4", "3", "2", "1"]


def test_where_nothing_is_scored_yet_the_loops_travel_all_the_same() -> None:
    table, points, latents = blobs(staged_view(N, stage=0, stages=6))
    assert table["unscored"] == N == len(points["durations"])
    assert len(points["reference"]) == 0
    assert latents["latents"].shape == (0, N) and table["dimensions"] == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"loops": VIEW.loops.drop(columns="score")}, "score"),
        ({"loops": VIEW.loops.assign(loop_id="same")}, "twice"),
        ({"coordinates": VIEW.coordinates[:-1]}, "59"),
        ({"loops": VIEW.loops.assign(score=np.inf)}, "infinite"),
        ({"coordinates": np.full_like(VIEW.coordinates, np.nan)}, "coordinates is not finite"),
        ({"reference_scores": np.array([])}, "reference"),
    ],
)
def test_what_cannot_be_shown_is_refused_with_the_reason(change: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        replace(VIEW, **change)
