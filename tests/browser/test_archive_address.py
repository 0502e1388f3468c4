"""An archive whose loops lie at an address, in a real browser: a click fetches the sound, and only what was indexed."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile
from playwright.sync_api import Browser, Page, expect

from loopscope.archive.grow import add_address
from loopscope.archive.place import Place
from loopscope.archive.sounds import CHANGED
from loopscope.audio import content_hash
from tests.browser.driving import ROOT, at_rest, audio, choose, press, serve, wait_until, wait_until_plays
from tests.buckets import bucket_of
from tests.golden.clips import plucked
from tests.tiny import Tiny

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
SLOW = 120_000  # milliseconds; for a busy machine
RATE, N = 22_050, 12
NAME = "bass {:03d} #é.wav"
HEARD, OTHER = 3, 7


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[str]:
    """Of S3's stand-in, with twelve loops in it and the archive of them; one is another sound since."""
    with bucket_of("s3") as bucket:
        for seed in range(N):
            written(bucket, seed, seed, tmp_path)
        add_address(Place.of(f"{bucket}/archive"), f"{bucket}/loops", Tiny(), everything=False)
        written(bucket, OTHER, 99, tmp_path)
        yield bucket


def written(bucket: str, number: int, seed: int, folder: Path) -> None:
    made = folder / "made.wav"
    soundfile.write(made, plucked(1.0, RATE, seed=seed), RATE)
    Place.of(bucket).below("loops", NAME.format(number)).write(made.read_bytes())


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


def test_a_click_plays_what_lies_at_an_address_unless_it_is_another_sound_by_now(
    page: Page, bucket: str, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with serve(ROOT / "app.py", home) as url:
        page.goto(url)
        at_rest(page)
        page.get_by_text("Advanced: encoder, detector, seed").click()
        choose(page, "Detector", "knn")
        at_rest(page)
        page.get_by_label("Path").fill(f"{bucket}/archive")
        press(page, "Analyse")
        page.wait_for_selector(".ls-root[data-ready]", timeout=2 * SLOW)
        expect(page.get_by_text(f"{N} loops in 1 folder")).to_be_visible(timeout=SLOW)
        at_rest(page)
        rows = page.locator(".ls-option")
        expect(rows).to_have_count(N)
        assert "No sound" not in " ".join(rows.all_inner_texts()), "nobody knows before it is asked for"
        rows.filter(has_text=NAME.format(HEARD)).click()
        loop_id = wait_until(lambda: page.evaluate("window.__loopscope.explorer.session.selectedId"), "it is selected")
        wait_until_plays(page, loop_id)
        [kept] = home.rglob(f"{loop_id}.wav")
        assert kept.read_bytes() == Place.of(bucket).below("loops", NAME.format(HEARD)).read()
        page.screenshot(path=os.environ.get("ARCHIVE_SHOT", str(tmp_path / "archive.png")))
        rows.filter(has_text=NAME.format(OTHER)).click()
        wait_until(lambda: CHANGED in page.locator(".ls-explorer").inner_text(), "the player says why", SLOW / 1000)
        assert not audio(page)["playing"]
        assert all(content_hash(file) == file.stem for file in kept.parent.glob("[0-9a-f]*.wav")), (
            "nothing else is kept"
        )
