"""Loops of another folder in a real browser: asked for, listed, heard on the page of this one, or said why not."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Browser, Locator, Page, expect

from loopscope.library import scan_folder
from loopscope.store import ProjectRow, Store
from tests.browser import synthetic
from tests.browser.driving import ROOT, at_rest, audio, bytes_at, press, serve, wait_until, wait_until_plays
from tests.browser.whole_app import embedding_of

pytestmark = pytest.mark.browser
SLOW = 90_000  # milliseconds; for a busy machine
RATE, TONES = 44_100, {"shelved.wav": 1320.0, "changed since.wav": 1760.0, "gone since.wav": 2200.0}
EXPLORER = "window.__loopscope.explorer"
LOUDEST_HZ = f"""() => {{
    const {{ analyser }} = {EXPLORER}.engine;
    const levels = new Float32Array(analyser.frequencyBinCount);
    analyser.getFloatFrequencyData(levels);
    return (levels.indexOf(Math.max(...levels)) * analyser.context.sampleRate) / analyser.fftSize;
}}"""


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Its console may say that a loop cannot be fetched. Errors that nobody caught still fail the test."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    faults: list[str] = []
    context.on("weberror", lambda error: faults.append(str(error.error)))
    yield context.new_page()
    context.close()
    assert not faults


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """Another folder of the same person: loops that sound like one of the pack to the encoder, to an ear higher."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    time = np.arange(2 * RATE) / RATE
    for name, pitch in TONES.items():
        soundfile.write(folder / name, 0.3 * np.sin(2 * np.pi * pitch * time), RATE)
    return folder


@pytest.fixture
def url(browser: Browser, shelf: Path, tmp_path: Path) -> Iterator[str]:
    """The app on forty short tones, after the other folder was analysed."""
    home, pack = tmp_path / "home", tmp_path / "pack"
    database = home / "data" / "loopscope.sqlite3"
    for folder in (pack, database.parent):
        folder.mkdir(parents=True)
    first = synthetic.write_tones(pack)[0]
    with Store(database) as store:
        here = scan_folder(pack, store).loops.set_index("path")["loop_id"]
        there = scan_folder(shelf, store).loops
        asked = embedding_of(here[str(first)])
        near = asked * np.linspace(1.0, 2.0, len(there))[:, None]
        store.put_embeddings(list(there["loop_id"]), "synthetic", near.astype(np.float32))
        store.put_project(ProjectRow("shelf", "local", str(shelf), "Shelf", 0.0, {}))
        store.put_project_files("shelf", dict(zip(there["path"], there["loop_id"], strict=True)))
    with serve(ROOT / "tests" / "browser" / "whole_app.py", home, APP_FOLDER=str(pack), APP_PROJECT="pack") as address:
        yield address


def member(page: Page, name: str) -> Locator:
    return page.locator(".ls-member").filter(has_text=name)


def test_a_loop_of_another_folder_sounds_here_and_one_that_changed_or_is_gone_says_so(
    page: Page, url: str, shelf: Path
) -> None:
    page.goto(url)
    page.wait_for_selector(".ls-root[data-complete]", timeout=SLOW)
    page.locator(".ls-option").filter(has_not_text="tone000").nth(3).click()
    selected = page.evaluate(f"{EXPLORER}.session.selectedId")
    wait_until_plays(page, selected)
    at_rest(page)
    page.get_by_text("Families", exact=True).click()
    page.get_by_role("radio", name="All my folders").click(timeout=SLOW)
    (shelf / "gone since.wav").unlink()
    press(page, "Ask my other folders")
    page.wait_for_selector(".ls-member", timeout=SLOW)
    at_rest(page)
    expect(page.get_by_test_id("stMain")).to_contain_text("1 file elsewhere that is alike is left out", timeout=SLOW)
    assert page.locator(".ls-member").count() == 3, "the pack's own, and two elsewhere"

    guest = member(page, "shelved.wav")
    expect(guest.locator(".ls-place")).to_have_text("Shelf")
    guest.get_by_role("button").click()
    loop_id = str(guest.get_by_role("button").get_attribute("data-loop"))
    state = wait_until_plays(page, loop_id)
    assert hashlib.blake2b(bytes_at(state["url"]), digest_size=16).hexdigest() == loop_id
    wait_until(lambda: abs(page.evaluate(LOUDEST_HZ) - TONES["shelved.wav"]) < 50, "its own pitch is what is heard")
    expect(guest.get_by_role("button")).to_have_attribute("aria-pressed", "true")
    assert page.evaluate(f"{EXPLORER}.session.selectedId") == selected
    expect(page.locator(".ls-now")).to_contain_text("You hear for comparison: shelved.wav")
    guest.get_by_role("button").click()
    wait_until(lambda: not audio(page)["playing"], "the same button stops the sound")
    expect(page.locator(".ls-now")).not_to_contain_text("You hear")

    soundfile.write(shelf / "changed since.wav", np.zeros(RATE), RATE)
    member(page, "changed since.wav").get_by_role("button").click()
    expect(page.locator(".ls-now")).to_contain_text("changed since.wav: No sound: its file has changed")
    assert not audio(page)["playing"] and page.evaluate(f"{EXPLORER}.session.selectedId") == selected
    own = member(page, "tone000.wav")
    loop_id = str(own.get_by_role("button", name="Play").get_attribute("data-loop"))
    own.get_by_role("button", name="Play").click()
    wait_until_plays(page, loop_id)
    own.get_by_role("button", name="tone000.wav", exact=True).click()
    wait_until(lambda: page.evaluate(f"{EXPLORER}.session.selectedId") == loop_id, "its name selects it")
    page.goto("about:blank")
