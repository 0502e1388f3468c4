"""The server goes away while Explore is open, and comes back: that is said, and no mark or note is lost or feigned."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from loopscope.store import Mark, Store
from tests.browser.driving import ROOT, at_rest, free_port, open_takeaway, serve, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
APP = ROOT / "tests" / "browser" / "whole_app.py"
SLOW = 90_000  # milliseconds; for a busy machine
EXPLORER = "window.__loopscope.explorer"
QUEUED = "Object.keys(localStorage).filter((key) => key.startsWith('loopscope.outbox.')).length"
TASK = {"title": "Demo library", "text": "2 of 4 · Embedding", "share": 0.42, "stopping": False, "cancellable": True}


class Studio:
    """The app on one port with one home, to be started and stopped at will."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.database = self.home / "data" / "loopscope.sqlite3"
        self.database.parent.mkdir(parents=True)
        self._port = free_port()

    def start(self) -> AbstractContextManager[str]:
        return serve(APP, self.home, self._port, APP_LOOPS="60")

    def marks(self) -> dict[str, Mark]:
        with Store(self.database) as store:
            return store.get_marks()

    def pulse(self, **said: Any) -> None:
        """What the pulse says from now on."""
        file = self.database.with_name("pulse.json")
        file.with_suffix(".new").write_text(json.dumps({"generation": 1, **said}))
        file.with_suffix(".new").rename(file)


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page whose console may complain: its server goes away. Errors that nobody caught still fail the test."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    yield page
    context.close()
    assert not faults


def open_explore(page: Page, url: str) -> None:
    page.goto(url)
    page.wait_for_selector(".ls-root[data-complete]", timeout=SLOW)
    at_rest(page)


def option(page: Page, place: int) -> Any:
    return page.locator(".ls-option").nth(place)


def ids(page: Page) -> list[str]:
    """As the list shows them."""
    listed: list[str] = page.evaluate(f"Array.from({EXPLORER}.views.ranking.rows, (row) => {EXPLORER}.loops.ids[row])")
    return listed


def note(page: Page) -> Any:
    return page.get_by_role("textbox", name="Note", exact=True)


def state_of_note(page: Page) -> Any:
    return page.locator(".ls-note-state")


def banner(page: Page) -> Any:
    return page.locator(".ls-banner")


def mark_as_list_shows(page: Page, place: int) -> str:
    """The classes of the mark in the list."""
    shown: str = option(page, place).locator(".ls-mark").get_attribute("class")
    return shown


def test_marks_and_a_note_outlive_a_server_that_stops(page: Page, studio: Studio) -> None:
    with studio.start() as url:
        open_explore(page, url)
        option(page, 0).click()
        expect(note(page)).to_be_visible(timeout=SLOW)
        at_rest(page)
        first, second, third = ids(page)[:3]
        with page.expect_response(lambda answer: "/ls/pulse/" in answer.url):
            pass
    stopped = time.monotonic()
    expect(banner(page)).to_contain_text("No connection", timeout=3000)
    assert time.monotonic() - stopped < 3.2
    for place, keys in ((0, "k"), (1, "qk"), (2, "l")):
        option(page, place).click()
        for key in keys:
            page.keyboard.press(key)
    note(page).fill("two clicks")
    expect(state_of_note(page)).to_have_text("Not saved yet (no connection)")
    wait_until(lambda: page.evaluate(QUEUED) == 5, "four marks and a note wait in the browser")
    for place in range(3):
        assert "ls-is-pending" in mark_as_list_shows(page, place)
        expect(option(page, place)).to_contain_text("mark not saved yet")
    expect(page.locator(".ls-marks button[aria-pressed=true]")).to_have_attribute("title", "Love (L): not saved yet")
    assert studio.marks() == {}
    page.wait_for_timeout(8000)
    expect(page.get_by_role("dialog")).to_have_count(0)  # Streamlit's own would cover what still works
    expect(note(page)).to_have_value("two clicks")
    expect(note(page)).to_be_focused()
    with studio.start():
        expect(page.locator(".ls-notice")).to_have_text("3 marks and 1 note saved now.", timeout=SLOW)
        expect(banner(page)).to_be_empty()
        saved = studio.marks()
        assert {loop_id: mark.mark for loop_id, mark in saved.items()} == {first: "keep", second: "keep", third: "love"}
        assert [loop_id for loop_id, mark in saved.items() if mark.note] == [first]
        assert saved[first].note == "two clicks"
        assert saved[first].updated_at >= max(saved[second].updated_at, saved[third].updated_at), "in order"
        assert page.evaluate(QUEUED) == 0
        open_takeaway(page)
        expect(page.get_by_role("radio", name="Kept (2)")).to_be_visible(timeout=SLOW)
        assert not any("ls-is-pending" in mark_as_list_shows(page, place) for place in range(3))
        page.goto("about:blank")


def test_marks_survive_a_reload_while_the_server_is_away(page: Page, studio: Studio) -> None:
    with studio.start() as url:
        open_explore(page, url)
        loop_id = ids(page)[0]
    option(page, 0).click()
    page.keyboard.press("l")
    assert page.evaluate(QUEUED) == 1
    page.goto("about:blank")
    with studio.start() as url:
        open_explore(page, url)
        wait_until(lambda: studio.marks().get(loop_id), "saved by the page that was opened later", 30)
        assert studio.marks()[loop_id].mark == "love"
        assert page.evaluate(f"{EXPLORER}.session.markOf({EXPLORER}.loops.row('{loop_id}'))") == "love"
        expect(page.locator(".ls-notice")).to_have_text("1 mark saved now.")
        page.goto("about:blank")


def test_a_note_is_saved_while_typing_and_no_rerun_takes_a_letter(page: Page, studio: Studio) -> None:
    text = "k and q and l are letters here, l and b too"
    with studio.start() as url:
        open_explore(page, url)
        option(page, 0).click()
        expect(note(page)).to_be_visible(timeout=SLOW)
        at_rest(page)
        loop_id = ids(page)[0]
        note(page).click()
        for i, letter in enumerate(text):
            page.keyboard.press(letter if letter != " " else "Space")
            if i % 8 == 4:
                page.evaluate(f"{EXPLORER}.views.wire.tellSaved()")  # a rerun in the middle of a word
                page.wait_for_timeout(700)
        expect(note(page)).to_have_value(text)
        expect(state_of_note(page)).to_have_text("Saved", timeout=SLOW)
        wait_until(lambda: studio.marks()[loop_id].note == text, "the whole note")
        assert studio.marks()[loop_id].mark is None, "its letters marked nothing"
        option(page, 1).click()
        expect(note(page)).to_have_value("", timeout=SLOW)
        option(page, 0).click()
        expect(note(page)).to_have_value(text, timeout=SLOW)
        page.goto("about:blank")


def test_a_full_disk_is_said_and_nothing_shows_as_saved(page: Page, studio: Studio) -> None:
    full = {"status": 507, "json": {"acknowledged": [], "refused": [], "error": "The disk is full; make room."}}
    with studio.start() as url:
        open_explore(page, url)
        page.route("**/ls/outbox/**", lambda route: route.fulfill(**full))
        option(page, 0).click()
        expect(note(page)).to_be_visible(timeout=SLOW)
        page.keyboard.press("k")
        note(page).fill("x")
        expect(state_of_note(page)).to_have_text("Not saved yet (The disk is full; make room.)")
        at_rest(page)
        assert "ls-is-pending" in mark_as_list_shows(page, 0)
        page.unroute("**/ls/outbox/**")
        expect(state_of_note(page)).to_have_text("Saved", timeout=SLOW)
        wait_until(lambda: "ls-is-pending" not in mark_as_list_shows(page, 0), "the mark is saved")
        page.goto("about:blank")


def test_the_panel_shows_the_task_cancels_it_and_says_a_notice_once(page: Page, studio: Studio) -> None:
    studio.pulse(task=TASK)
    with studio.start() as url:
        open_explore(page, url)
        task = page.locator(".ls-task")
        expect(task).to_contain_text("2 of 4 · Embedding")
        expect(task.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "42")
        studio.pulse(task=TASK, notice={"id": 3, "text": "AEwRES is ready: 21 stand out"})  # it does not stay for long
        expect(page.locator(".ls-notice")).to_have_text("AEwRES is ready: 21 stand out", timeout=SLOW)
        assert page.evaluate("document.activeElement === document.body"), "it takes no focus"
        expect(page.locator(".ls-notice")).to_have_count(0, timeout=15_000)
        task.get_by_role("button", name="Cancel").click()
        expect(task.get_by_role("button")).to_have_text("Stopping…")
        expect(page.get_by_text("cancel 'Demo library'")).to_be_visible(timeout=SLOW)
        studio.pulse(task=None, notice={"id": 3, "text": "AEwRES is ready: 21 stand out"})
        expect(task).to_be_hidden()
        at_rest(page)
        page.reload()
        open_explore(page, url)
        page.wait_for_timeout(2000)
        expect(page.locator(".ls-notice")).to_have_count(0)
        page.goto("about:blank")


def test_python_draws_again_when_the_generation_rises_but_not_under_a_hand(page: Page, studio: Studio) -> None:
    studio.pulse()
    with studio.start() as url:
        open_explore(page, url)
        refreshed = page.get_by_text("refresh True")
        page.locator(".ls-scroller").hover()
        page.mouse.down()
        studio.pulse(generation=2)
        page.wait_for_timeout(3000)
        expect(refreshed).to_have_count(0)
        page.mouse.up()
        expect(refreshed).to_be_visible(timeout=SLOW)
        at_rest(page)
        runs: Callable[[], Any] = lambda: page.evaluate("window.runs")  # noqa: E731
        page.evaluate(
            """() => {
                window.runs = 0;
                const app = document.querySelector("[data-testid=stApp]");
                const seen = () => { if (app.dataset.testScriptState === "running") window.runs += 1; };
                new MutationObserver(seen).observe(app, { attributes: true });
            }"""
        )
        page.wait_for_timeout(3000)
        assert runs() == 0, "a generation that was drawn asks for no other run"
        page.goto("about:blank")


def test_a_page_that_nobody_touches_comes_back_with_the_server(page: Page, studio: Studio) -> None:
    """Streamlit connects again by itself but runs nothing before it is asked, so the page would wait for good."""
    with studio.start() as url:
        open_explore(page, url)
    expect(banner(page)).to_contain_text("No connection", timeout=3000)
    page.wait_for_timeout(6000)  # until Streamlit's first attempts have failed
    with studio.start():
        with page.expect_response(lambda answer: "/ls/pulse/" in answer.url and answer.ok, timeout=60_000):
            pass
        expect(option(page, 0)).to_be_visible()
