"""Where a loop is odd, said without its model's networks; moments of other loops that sound like it usually does."""

import gzip
import json
import subprocess
import sys
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loopscope.analysis.moments import HEARD_S, MomentFinder, Moments, moments_of
from loopscope.analysis.scoring import score_library
from loopscope.detection.curves import CurveMaker
from loopscope.detection.patch_bank import PatchBank
from loopscope.detection.restored import RestoredDetector
from loopscope.detection.saved import load_model, save_model
from loopscope.embeddings import EmbeddingSet
from loopscope.library.tables import make_library
from loopscope.store import FileKey, FileRow
from loopscope.ui.components import store
from loopscope.ui.explorer import packing
from loopscope.ui.explorer.view import ExplorerView, explorer_view
from loopscope.ui.projects.contents import Contents
from loopscope.ui.projects.project import Project
from tests.browser.synthetic import synthetic_view
from tests.test_local_detector import AT, ODD, embeddings, fitted, heard

STEP = 0.1
VIEW = synthetic_view(60)
LENGTH = round(HEARD_S / STEP)


def walks(n: int = 12, n_patches: int = 40) -> dict[str, np.ndarray]:
    """Loops that go through one tune of 20 sounds twice, each from another place on, each a bit different."""
    rng = np.random.default_rng(0)
    tune = 3 * rng.normal(size=(20, 8))
    return {
        f"loop{i}": (np.roll(np.tile(tune, (2, 1)), -i, axis=0) + 0.1 * rng.normal(size=(n_patches, 8))).astype("f2")
        for i in range(n)
    }


def maker(of_loop: dict[str, np.ndarray], seconds: float = STEP) -> CurveMaker:
    values = np.concatenate(list(of_loop.values()))
    starts = np.cumsum([0, *map(len, of_loop.values())])
    numbers = np.arange(len(of_loop)) + 1000  # nobody's own number: in this test nothing is compared with itself
    return CurveMaker(PatchBank.of(values, starts, numbers, np.random.default_rng(1)), 0.4, "made-up", seconds)


def asked(of_loop: dict[str, np.ndarray], loop_id: str, curves: CurveMaker | None = None) -> Moments | None:
    def read(ids: Collection[str], patch_id: str) -> dict[str, np.ndarray]:
        return {i: of_loop[i] for i in ids if i in of_loop}

    return moments_of(loop_id, curves or maker(walks()), read, [other for other in of_loop if other != loop_id])


@pytest.mark.parametrize("at", [0, 17, 39])
def test_the_oddest_moment_stands_beside_the_same_place_of_the_tune(at: int) -> None:
    """Also at the edges of a loop, where half a second around it is half a second inside."""
    of_loop = walks()
    of_loop["loop3"][at] += np.float16(5)
    found = asked(of_loop, "loop3")
    assert found is not None
    assert found.at_s == pytest.approx((at + 0.5) * STEP)
    assert found.odd == found.curve.max() > 5 > 3 * np.median(found.curve)
    assert f"Listen here: {found.at_s:.1f} s, {found.odd:.0f} times" in found.sentence
    assert len(found.beside) == 3 and len({moment.loop_id for moment in found.beside}) == 3
    for moment in found.beside:
        place = moment.at_s / STEP - 0.5
        assert (place + int(moment.loop_id[4:])) % 20 == pytest.approx((at + 3) % 20)  # where the tune is just there


def test_the_same_recording_under_another_name_is_nothing_to_compare_with() -> None:
    of_loop = walks()
    of_loop["loop3"][17] += np.float16(5)
    of_loop["copy"] = of_loop["loop3"].copy()
    found = asked(of_loop, "loop3")
    assert found is not None and "copy" not in {moment.loop_id for moment in found.beside}


def test_short_unknown_and_foreign_patches_say_nothing_wrong() -> None:
    of_loop = walks()
    of_loop["short"] = of_loop["loop1"][:2]
    found = asked(of_loop, "short")
    assert found is not None and len(found.curve) == 2 and len(found.beside) == 3
    longer = asked(of_loop, "loop1")
    assert longer is not None and "short" not in {moment.loop_id for moment in longer.beside}
    assert asked(of_loop, "unknown") is None
    of_loop["foreign"] = np.zeros((9, 5), np.float16)
    assert asked(of_loop, "foreign") is None
    assert asked(of_loop, "loop1") is not None
    assert asked(of_loop, "loop1", maker(walks(), seconds=0.0)) is None, "a model that does not know how long they are"


@pytest.mark.parametrize(
    "wrong", [{"bank": np.zeros((60, 31, 12))}, {"bank_numbers": np.zeros(3)}, {"typical": np.array([0.0])}]
)
def test_a_state_that_is_not_its_own_is_refused(wrong: dict[str, Any]) -> None:
    bank, typical = maker(walks()).bank, np.array([0.4])
    state = {"bank": bank.patches, "bank_numbers": bank.owner, "typical": typical}
    assert CurveMaker.restored(state, "made-up", STEP).typical == 0.4
    with pytest.raises(ValueError, match="compare"):
        CurveMaker.restored({**state, **wrong}, "made-up", STEP)


def test_neither_curve_nor_what_stands_beside_it_needs_a_large_library() -> None:
    look = "import sys, loopscope.analysis.moments; print({'torch', 'sklearn'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True, timeout=120)
    assert run.stdout.strip() == "set()"


def test_the_browser_asks_by_row_and_is_told_by_loop_id() -> None:
    of_loop = dict(zip(VIEW.loops["loop_id"], walks(20).values(), strict=False))
    odd, *others = of_loop
    of_loop[odd][17] += np.float16(5)
    finder = MomentFinder(maker(walks()), lambda ids, _: {i: of_loop[i] for i in ids if i in of_loop}, lambda _: others)
    packed = packing.pack_view(replace(VIEW, moments=finder))
    table = json.loads(gzip.decompress(packed["table"]))
    assert table["moments"]
    said = json.loads(gzip.decompress(packed[f"moments-{table['ids'].index(odd)}"]))
    assert (
        said["step"] == STEP and said["at"] == 1.75 and said["odd"] == max(said["curve"]) and len(said["curve"]) == 40
    )
    found = finder.find(odd)
    assert found is not None
    assert [(moment["id"], moment["at"]) for moment in said["beside"]] == [
        (moment.loop_id, pytest.approx(moment.at_s, abs=1e-3)) for moment in found.beside
    ]
    unheard = next(loop_id for loop_id in VIEW.loops["loop_id"] if loop_id not in of_loop)
    assert json.loads(gzip.decompress(packed[f"moments-{table['ids'].index(unheard)}"])) is None
    for unknown in ("moments-60", "moments--1", "moments-x"):
        assert unknown not in packed


def test_a_loop_of_the_bank_is_not_compared_with_itself() -> None:
    own, curves = heard(), fitted().curves
    whole = fitted().curve(own)
    for row in (0, ODD):
        start, stop = own.starts[row : row + 2]
        np.testing.assert_allclose(curves.curve(own.of(own.loop_ids[row])), whole[start:stop], rtol=1e-4)


def restored() -> RestoredDetector:
    loaded = load_model(save_model(fitted(), "inside", {}), check=False)
    assert isinstance(loaded, RestoredDetector)
    return loaded


def test_a_restored_model_answers_without_its_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = restored()
    monkeypatch.setattr(RestoredDetector, "whole", lambda self: pytest.fail("the networks were built"))
    own = heard().of(heard().loop_ids[ODD])
    assert loaded.curves is not None
    np.testing.assert_array_equal(loaded.curves.curve(own), fitted().curves.curve(own))


def view(without: str = "") -> ExplorerView:
    """Explore on the loops of the local detector, restored from disk, their patches in the store but of one."""
    own, X = heard(), embeddings()
    embedded = EmbeddingSet(own.loop_ids, X, "clap")
    for loop_id, row in zip(own.loop_ids, X, strict=True):
        patches = [] if loop_id == without else [own.of(loop_id)]
        store().put_embeddings([loop_id], "clap", row[None], own.patch_id if patches else None, patches)
    rows = {
        FileKey(f"/music/{loop_id}.wav", 1, row): FileRow("r", loop_id, len(own.of(loop_id)) * STEP)
        for row, loop_id in enumerate(own.loop_ids)
    }
    scored = score_library(embedded, restored())
    contents = Contents(library=make_library(Path("/music"), rows, {}), embeddings=embedded, models={"local": scored})
    return explorer_view(Project(), contents, "local")


def answer(packed: packing.PackedView, loop_id: str) -> Any:
    row = json.loads(gzip.decompress(packed["table"]))["ids"].index(loop_id)
    return json.loads(gzip.decompress(packed[f"moments-{row}"]))


def test_a_project_with_a_restored_model_says_where_its_loops_are_odd() -> None:
    """Beside usual loops; nothing of a loop whose patches were not kept."""
    silent, odd = heard().loop_ids[3], heard().loop_ids[ODD]
    shown = view(without=silent)
    packed = packing.pack_view(shown)
    assert json.loads(gzip.decompress(packed["table"]))["moments"]
    said = answer(packed, odd)
    assert said["step"] == STEP and said["at"] == pytest.approx((AT + 0.5) * STEP) and said["odd"] > 2
    assert len(said["curve"]) == len(heard().of(odd)) and max(said["curve"]) == said["odd"]
    assert len(said["beside"]) == 3
    percentiles = shown.loops.set_index("loop_id")["percentile"]
    for moment in said["beside"]:
        assert moment["id"] not in (odd, silent) and percentiles[moment["id"]] <= 80
        assert 0 < moment["at"] < len(heard().of(moment["id"])) * STEP
    assert answer(packed, silent) is None


def test_a_damaged_model_says_nothing_of_moments_and_breaks_no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = restored()
    broken.restore(broken.fitted, {**broken.state(), "bank": np.zeros((3, 2))})
    monkeypatch.setattr("tests.test_moments.restored", lambda: broken)
    assert view().moments is None


def test_a_model_that_hears_no_moments_is_not_asked() -> None:
    packed = packing.pack_view(VIEW)
    assert not json.loads(gzip.decompress(packed["table"]))["moments"]
    assert "moments-0" not in packed
