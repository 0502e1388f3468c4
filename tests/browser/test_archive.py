"""An archive in a real browser: `loopscope app ARCHIVE` shows its most anomalous loops, which play where they can."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile
from playwright.sync_api import Browser, Page, expect

from loopscope.archive.grow import add_folder
from loopscope.archive.place import Place
from loopscope.config import FOLDER_VARIABLE
from loopscope.library import scan_folder
from loopscope.store import Store
from tests.browser.driving import ROOT, at_rest, audio, serve, wait_until, wait_until_plays
from tests.golden.clips import plucked
from tests.tiny import Tiny

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
SLOW = 120_000  # milliseconds; for a busy machine
RATE = 22_050
SHOWN = 12
FEW = f"from loopscope.archive import shown\nshown.FIRST = {SHOWN}\n"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Of 24 loops that are at hand and 16 whose folder is gone."""
    place = tmp_path / "archive"
    for folder, seeds in ((tmp_path / "here", range(24)), (tmp_path / "gone", range(24, 40))):
        folder.mkdir()
        for seed in seeds:
            soundfile.write(folder / f"bass_{seed:03d}.wav", plucked(1.0, RATE, seed=seed), RATE)
        add_folder(Place.of(place), scan_folder(folder), Tiny(), everything=False)
    (tmp_path / "gone").rename(tmp_path / "moved")
    (tmp_path / "sitecustomize.py").write_text(FEW)  # Python runs it at its start
    return place


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Its console may say that a loop cannot be fetched. Errors that nobody caught still fail the test."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    faults: list[str] = []
    context.on("weberror", lambda error: faults.append(str(error.error)))
    page = context.new_page()
    yield page
    context.close()
    assert not faults


def test_an_archive_is_explored_heard_and_marked(page: Page, archive: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    variables = {FOLDER_VARIABLE: str(archive), "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    with serve(ROOT / "app.py", home, **variables) as url:
        page.goto(url)
        page.wait_for_selector(".ls-root[data-ready]", timeout=2 * SLOW)
        counts = page.get_by_text("Here are the 12 most anomalous; 28 are not shown")
        expect(counts).to_be_visible(timeout=SLOW)
        assert "40 loops in 2 folders" in counts.inner_text()
        at_rest(page)
        rows = page.locator(".ls-option")
        expect(rows).to_have_count(SHOWN)
        silent = [row for row in range(SHOWN) if "its file is gone" in rows.nth(row).inner_text()]
        folders = page.evaluate(
            "(() => { const { loops } = window.__loopscope.explorer;"
            " const rows = [...document.querySelectorAll('.ls-option')].map((one) => Number(one.dataset.row));"
            " return rows.map((row) => loops.category('folder', row)); })()"
        )
        assert silent == [row for row, folder in enumerate(folders) if folder.startswith("gone")]
        assert 0 < len(silent) < SHOWN
        audible = next(row for row in range(SHOWN) if row not in silent)
        rows.nth(audible).click()
        loop_id = wait_until(lambda: page.evaluate("window.__loopscope.explorer.session.selectedId"), "it is selected")
        wait_until_plays(page, loop_id)
        page.keyboard.press("k")
        stored = Store(home / "data" / "loopscope.sqlite3")
        wait_until(lambda: stored.get_marks([loop_id]), "the mark is kept")
        stored.close()
        rows.nth(silent[0]).click()
        wait_until(
            lambda: "it was moved or deleted" in page.locator(".ls-explorer").inner_text(), "the player says why"
        )
        assert not audio(page)["playing"]
        expect(page.get_by_test_id("stMain").get_by_text("This loop cannot be drawn")).to_be_visible(timeout=SLOW)
        page.screenshot(path=os.environ.get("ARCHIVE_SHOT", str(tmp_path / "archive.png")))
        page.reload()
        expect(counts).to_be_visible(timeout=SLOW)
        page.wait_for_selector(".ls-root[data-ready]", timeout=2 * SLOW)
        expect(page.locator(".ls-mark-keep")).to_have_count(1)
