"""Filters, search, order, lasso and named views: set once, they outlive whatever comes to the page or takes it away."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import watched_page
from tests.browser.driving import (
    at_rest,
    audio,
    choose,
    free_port,
    open_filters,
    painted,
    serve,
    wait_until,
    wait_until_plays,
)
from tests.browser.panel_app import N_LOOPS, OUTLIER
from tests.browser.test_adoption import WATCH_AUDIO

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]
SLOW = 60_000  # milliseconds; for a busy machine
APP = Path(__file__).with_name("filters_app.py")
EXPLORER = "window.__loopscope.explorer"

SET = """() => {
    const { session, views } = window.__loopscope.explorer;
    const { focus, loops } = session;
    const inside = focus.lasso && [...focus.lasso].flatMap((value, row) => value ? [loops.ids[row]] : []).sort();
    return {
        search: views.filters.search.value, words: focus.words, categories: [...focus.categories],
        ranges: JSON.stringify([...focus.ranges]), unknown: [...focus.unknown], kinds: [...focus.kinds],
        unsure: focus.unsure, marked: [...focus.marked], noted: focus.noted, badges: [...focus.badges],
        mode: views.ranking.mode, lasso: inside, selected: session.selectedId, count: focus.count,
        chips: [...document.querySelectorAll(".ls-chip")].map((chip) => chip.textContent),
    };
}"""


class Studio:
    """The app on one port with one home, to be stopped and started again."""

    def __init__(self, place: Path) -> None:
        self.home, self.pack, self.port = place / "home", place / "pack", free_port()
        self.home.mkdir()
        self.pack.mkdir()

    def start(self) -> Any:
        return serve(APP, self.home, self.port, FILTERS_PACK=str(self.pack))


@pytest.fixture(scope="module")
def studio(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Studio:
    return Studio(tmp_path_factory.mktemp("filters"))


@pytest.fixture(scope="module")
def opened(browser: Browser, studio: Studio) -> Iterator[Page]:
    """One sitting: the tests of this file follow each other on the same page."""
    with studio.start() as url, watched_page(browser) as page:
        page.set_default_timeout(15_000)
        page.goto(url)
        shown(page)
        yield page


def shown(page: Page) -> None:
    """The explorer is whole, and no run of Python goes on."""
    page.wait_for_selector(".ls-root[data-complete]", timeout=SLOW)
    at_rest(page)


def held(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate(SET)
    return found


def chips(page: Page) -> list[str]:
    return page.locator(".ls-chip").all_inner_texts()


def tick(panel: Locator, text: str) -> Locator:
    """The box to tick beside these words."""
    return panel.get_by_role("checkbox", name=re.compile(f"^{text}"))


def play(page: Page) -> dict[str, Any]:
    """Click a row of the list, and wait until it sounds."""
    page.locator(".ls-option").nth(1).click()
    return wait_until_plays(page, page.evaluate(f"{EXPLORER}.session.selectedId"))


def version(page: Page) -> str:
    shown: str = page.evaluate(f"{EXPLORER}.version")
    return shown


def sounds_on(page: Page, playing: dict[str, Any]) -> None:
    now = audio(page)
    assert (now["loopId"], now["startedAt"], now["playing"]) == (playing["loopId"], playing["startedAt"], True)
    assert page.evaluate("window.heardGaps") == []


def test_each_choice_says_what_it_gives_and_what_holds_stands_above_the_list(opened: Page) -> None:
    panel = open_filters(opened)
    clicks = tick(panel, "Clicks")
    assert clicks.locator("xpath=..").inner_text().split() == ["Clicks", "1"]
    clicks.check()
    wait_until(lambda: chips(opened) == ["Fault: Clicks"], "one chip a filter")
    assert opened.locator(".ls-option .ls-name").all_inner_texts() == [OUTLIER]
    tick(panel, "Nothing found").check()
    wait_until(lambda: chips(opened) == ["Fault: Clicks, Nothing found"], "any of these kinds")
    tick(panel, "Unmarked").check()
    assert tick(panel, "Keep").locator("xpath=..").inner_text().split() == ["Keep", "0"]
    assert panel.get_by_role("combobox", name="Folder").count() == 0, "there is one folder only"
    opened.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    assert chips(opened) == ["Fault: Clicks, Nothing found", "Mark: Unmarked"], "Esc closes the panel and no more"
    expect(opened.get_by_role("button", name="Filters (2)")).to_be_focused()
    opened.get_by_role("button", name="Remove filter: Mark: Unmarked").click()
    assert chips(opened) == ["Fault: Clicks, Nothing found"]
    open_filters(opened)
    opened.mouse.click(5, 5)
    expect(panel).to_be_hidden()
    assert opened.evaluate("document.documentElement.scrollHeight - innerHeight") <= 0, "the panel scrolls nothing"


def test_on_a_narrow_screen_the_panel_is_a_sheet_of_full_width(opened: Page) -> None:
    opened.set_viewport_size({"width": 390, "height": 800})
    panel = open_filters(opened)
    box = panel.bounding_box()
    assert box and (box["x"], box["width"], round(box["y"] + box["height"])) == (0, 390, 800)
    touched = panel.locator("label.ls-tick:visible, button:visible, input:not([type=checkbox]):visible")
    heights = touched.evaluate_all("nodes => nodes.map((node) => [node.outerHTML, node.offsetHeight])")
    rem = opened.evaluate("parseFloat(getComputedStyle(document.documentElement).fontSize)")
    assert [name for name, height in heights if height < 2 * rem] == []
    panel.get_by_role("button", name="Done").click()
    expect(panel).to_be_hidden()
    opened.set_viewport_size({"width": 1440, "height": 1000})
    at_rest(opened)


def test_metadata_that_arrives_changes_no_filter_no_selection_and_not_the_sound(opened: Page) -> None:
    opened.get_by_role("searchbox").fill("bass_120")
    tick(open_filters(opened), "Unmarked").check()
    opened.keyboard.press("Escape")
    opened.evaluate(f"{EXPLORER}.views.ranking.setMode('border')")
    playing = play(opened)
    at_rest(opened)
    before = held(opened)
    assert (before["count"], before["mode"]) == (N_LOOPS - 2, "border"), "all but the two with hostile names"
    first = version(opened)
    opened.evaluate(f"window.known = {EXPLORER}")
    opened.evaluate(WATCH_AUDIO)
    opened.get_by_role("button", name="Listen to all").click()
    wait_until(lambda: version(opened) != first, "what was heard has come", 60)
    expect(opened.get_by_role("button", name="Listen to all")).to_be_hidden(timeout=SLOW)
    at_rest(opened)
    assert held(opened) == before
    assert opened.evaluate(f"window.known === {EXPLORER} && window.known.root.isConnected")
    sounds_on(opened, playing)


def test_a_range_says_how_many_are_unknown_and_keeps_them_where_that_is_wanted(opened: Page) -> None:
    opened.get_by_role("searchbox").fill("")
    panel = open_filters(opened)
    unknown = opened.evaluate(
        f"{EXPLORER}.loops.names.filter((_, row) => Number.isNaN({EXPLORER}.loops.number('bpm', row)))"
    )
    tempo = panel.get_by_role("group", name="Tempo in BPM")
    tempo.get_by_label("Tempo in BPM to").fill("130")
    wait_until(lambda: "Tempo: up to 130 BPM" in chips(opened), "a chip for the range")
    without = held(opened)["count"]
    if not unknown:  # all were heard: the tick has nothing to say
        assert tempo.get_by_role("checkbox").count() == 0
    else:
        tempo.get_by_role("checkbox", name=f"keep {len(unknown)} unknown").check()
        assert held(opened)["count"] == without + len(unknown)
        assert "Tempo: up to 130 BPM or unknown" in chips(opened)
    opened.keyboard.press("Escape")


def test_another_model_and_the_plain_table_and_back_leave_all_as_it_was(opened: Page) -> None:
    playing = play(opened)
    opened.evaluate(
        """() => {
            const { session, views } = window.__loopscope.explorer;
            const lasso = Uint8Array.from(session.loops.ids, (_, row) => Number(row % 8 === 0));
            session.narrow({ lasso });
            views.scatter.onLasso(lasso);
        }"""
    )
    at_rest(opened)
    before = held(opened)
    assert len(before["lasso"]) == 3
    first = version(opened)
    opened.evaluate("clearInterval(window.hearing)")
    opened.evaluate(WATCH_AUDIO)
    choose(opened, "Model", "mahalanobis")
    wait_until(lambda: version(opened) != first, "the other model", 30)
    at_rest(opened)
    assert held(opened) == before
    sounds_on(opened, playing)
    opened.get_by_text("Plain table").click()
    opened.wait_for_selector(".ls-scroller", state="detached", timeout=SLOW)
    opened.wait_for_timeout(6000)  # the explorer has forgotten itself
    opened.get_by_text("Linked views").click()
    shown(opened)
    wait_until(lambda: held(opened) == before, "as it was left")


def test_a_model_trained_elsewhere_finds_all_as_it_was(opened: Page) -> None:
    before = held(opened)
    nav = opened.get_by_test_id("stSidebarNav")
    nav.get_by_role("link", name="Elsewhere").click()
    opened.get_by_role("button", name="Train again").click()
    expect(opened.get_by_text("3 models")).to_be_visible(timeout=SLOW)
    opened.wait_for_timeout(5500)
    nav.get_by_role("link", name="Explore").click()
    shown(opened)
    wait_until(lambda: held(opened) == before, "as it was left")


def test_a_reload_right_after_a_change_loses_nothing(opened: Page) -> None:
    opened.get_by_role("searchbox").fill("bass")
    painted(opened)
    opened.wait_for_timeout(150)  # typed, and not posted
    before = held(opened)
    assert before["words"] == ["bass"]
    opened.route("**/ls/view/**", lambda route: None)  # what is posted as the page goes comes too late
    opened.reload()
    shown(opened)
    opened.unroute("**/ls/view/**")
    wait_until(lambda: held(opened) == before, "as it was left")


def test_views_have_names_and_two_tabs_share_them(opened: Page) -> None:
    panel = open_filters(opened)
    panel.get_by_label("Save view as").fill("Clicks or clean")
    panel.get_by_role("button", name="Save view").click()
    expect(panel.get_by_text("“Clicks or clean” is saved.")).to_be_visible()
    before = held(opened)
    panel.get_by_role("button", name="Clear filters").click()
    opened.evaluate(f"{EXPLORER}.views.ranking.setMode('similar')")
    wait_until(lambda: held(opened)["mode"] == "similar" and not chips(opened), "nothing of it is left")
    panel.get_by_role("button", name="Clicks or clean", exact=True).click()
    wait_until(lambda: held(opened)["mode"] == "border", "the order comes back")
    without_lasso = {"lasso": None, "count": held(opened)["count"], "chips": chips(opened)}
    assert held(opened) == before | without_lasso
    with opened.context.new_page() as other:
        other.goto(opened.url)
        shown(other)
        names = open_filters(other).locator(".ls-saved-list")
        assert names.inner_text().strip() == "Clicks or clean"
        panel.get_by_label("Save view as").fill("Second")
        opened.keyboard.press("Enter")
        wait_until(lambda: "Second" in names.inner_text(), "the other tab hears of it")
        other.get_by_role("button", name="Delete the saved view Clicks or clean").click()
        expect(other.get_by_role("button", name="Delete the saved view Second")).to_be_focused()
        wait_until(lambda: "clean" not in panel.locator(".ls-saved-list").inner_text(), "and this one of that")
    panel.get_by_label("Save view as").fill("long " * 12)
    opened.evaluate(f"{EXPLORER}.views.keeper.named.views.push({{ name: 'x'.repeat(12000) }})")
    opened.keyboard.press("Enter")
    expect(panel.locator(".ls-saved [role=status]")).to_contain_text(
        "was not saved, because saved views take at most 12 kB"
    )
    opened.evaluate(f"{EXPLORER}.views.keeper.named.views.pop()")
    opened.keyboard.press("Escape")


def test_all_of_it_outlives_the_server(browser: Browser, tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    with studio.start() as url, watched_page(browser) as page:
        page.goto(url)
        shown(page)
        panel = open_filters(page)
        tick(panel, "Clicks").check()
        panel.get_by_label("Save view as").fill("Clicks")
        page.keyboard.press("Enter")
        with page.expect_response(lambda said: "/ls/view/" in said.url and '"none"' in (said.request.post_data or "")):
            tick(panel, "Unmarked").check()
        before = held(page)
        page.goto("about:blank")
    studio.port = free_port()  # another origin: what the browser itself kept is not there
    with studio.start() as url, watched_page(browser) as page:
        page.goto(url)
        shown(page)
        assert held(page) == before
        assert open_filters(page).locator(".ls-saved-list").inner_text().strip() == "Clicks"
