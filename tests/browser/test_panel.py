"""The panel in a real browser: an outlier is selected, heard, compared by ear, seen with its marks, and taken away."""

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import watched_page
from tests.browser.driving import audio, box_of, bytes_at, open_explorer, open_takeaway, wait_until, wait_until_plays
from tests.browser.panel_app import CLICKS_S, FORMULA, MARKUP, N_LOOPS, OUTLIER
from tests.exported import read_csv

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
LONG = 60_000  # milliseconds; a busy machine is slow


@pytest.fixture(scope="module")
def opened(browser: Browser, panel_url: str) -> Iterator[Page]:
    """One sitting: the tests of this file follow each other on the same page."""
    with watched_page(browser) as page:
        open_explorer(page, panel_url)
        yield page


@pytest.fixture
def panel(opened: Page) -> Page:
    """The page with all loops in focus and the outlier selected and explained."""
    page = opened
    if page.locator(".ls-chip").count():
        page.get_by_role("button", name="Clear all").click()
    page.locator(".ls-scroller").evaluate("list => { list.scrollTop = 0; }")
    page.get_by_role("option").filter(has_text=OUTLIER).click()
    expect(page.locator(".ls-card[data-role=selected]")).to_contain_text(OUTLIER, timeout=LONG)
    return page


def loops(page: Page) -> dict[str, Any]:
    """name → loop_id and whether it is flagged, as the browser holds them; and what is selected."""
    held: dict[str, Any] = page.evaluate(
        """() => {
            const { loops, session } = window.__loopscope.explorer;
            const ids = Object.fromEntries(loops.names.map((name, row) => [name, loops.ids[row]]));
            const flagged = loops.ids.filter((_, row) => session.isFlagged(row));
            return { ids, flagged, selected: session.selectedId };
        }"""
    )
    return held


def play(page: Page, role: str) -> str:
    """Press the play button of a loop to compare; its loop_id."""
    button = page.locator(f".ls-card[data-role={role}] button[data-loop]")
    button.click()
    return str(button.get_attribute("data-loop"))


def assert_sounds(page: Page, loop_id: str) -> None:
    """What flows to the speakers is this loop, and its address serves the very bytes that loop_id names."""
    state = wait_until_plays(page, loop_id)
    body = bytes_at(state["url"])
    assert hashlib.blake2b(body, digest_size=16).hexdigest() == loop_id


def test_the_outlier_is_heard_beside_its_nearest_normal_loop_and_stays_selected(panel: Page) -> None:
    outlier = loops(panel)["ids"][OUTLIER]
    assert_sounds(panel, outlier)
    normal = play(panel, "nearest-normal")
    assert_sounds(panel, normal)
    assert normal not in loops(panel)["flagged"] and normal != outlier
    assert loops(panel)["selected"] == outlier
    expect(panel.locator(".ls-now")).to_contain_text("You hear for comparison")
    assert_sounds(panel, play(panel, "most-central"))
    assert_sounds(panel, play(panel, "selected"))
    expect(panel.locator(".ls-now")).not_to_contain_text("You hear for comparison")
    a_click_at_either_tempo_goes_with_it(panel)
    play(panel, "selected")
    wait_until(lambda: not audio(panel)["playing"], "the same button stops the sound")


def a_click_at_either_tempo_goes_with_it(panel: Page) -> None:
    """Where its name says another tempo than is heard; the sound goes on where it is."""
    since, tempi = audio(panel)["startedAt"], panel.get_by_role("group", name="Metronome")
    for label, bpm in (("120 BPM", 120), ("118 BPM", 118)):
        tempi.get_by_role("button", name=label).click()
        assert (audio(panel)["click"], audio(panel)["startedAt"]) == (bpm, since)
        expect(tempi.locator("[aria-pressed=true]")).to_have_text(label)
    tempi.get_by_role("button", name="118 BPM").click()
    assert (audio(panel)["click"], audio(panel)["playing"]) == (None, True)


def test_its_marks_stand_where_the_clicks_are(panel: Page) -> None:
    panel.wait_for_selector(".st-key-explain-sound .js-plotly-plot .main-svg", timeout=LONG)
    marks = panel.evaluate(
        """() => {
            const { data } = document.querySelector(".st-key-explain-sound .js-plotly-plot");
            const clicks = data.find((trace) => trace.name === "Clicks");
            return Array.from(clicks?._inputArray ?? clicks?.x ?? []);
        }"""
    )
    np.testing.assert_allclose(marks, CLICKS_S, atol=0.01)
    expect(panel.locator(".st-key-explain").get_by_text("Faulty", exact=True)).to_be_visible()
    the_oddest_moment_is_looped_by_one_key(panel)
    panel.get_by_text("Details", exact=True).click()
    expect(panel.get_by_text("4 bars of 2.00 s", exact=False)).to_be_visible()


def the_oddest_moment_is_looped_by_one_key(panel: Page) -> None:
    """Half a second around a click, by the audio clock; beside it the same place of a loop without one."""
    outlier, at = loops(panel)["ids"][OUTLIER], odd_at(panel)
    assert min(abs(at - click) for click in CLICKS_S) < 0.1
    expect(panel.locator(".st-key-explain")).to_contain_text(f"Listen here: {at:.1f} s", timeout=LONG)
    panel.locator(".ls-scroller").focus()
    panel.keyboard.press("h")
    region = wait_until(lambda: audio(panel)["region"], "a part is looped")
    assert region == pytest.approx([at - 0.25, at + 0.25])
    wait_until_plays(panel, outlier)
    positions = [audio(panel)["position"] for _ in range(40) if not panel.wait_for_timeout(40)]
    assert all(region[0] <= position <= region[1] for position in positions)
    assert np.any(np.diff(positions) < 0), "it begins again within the 1.6 s"
    compared = panel.get_by_role("button", name="Compare with").first
    other = str(compared.get_attribute("data-id"))
    compared.click()
    wait_until_plays(panel, other)
    assert other != outlier and audio(panel)["region"][1] - audio(panel)["region"][0] == pytest.approx(0.5)
    panel.locator(".ls-scroller").focus()
    panel.keyboard.press("h")
    wait_until_plays(panel, outlier)
    panel.keyboard.press("h")
    wait_until(lambda: audio(panel)["region"] is None, "the whole loop plays")
    wait_until_plays(panel, outlier)


def odd_at(panel: Page) -> float:
    """Seconds, as the player says them."""
    here = panel.locator(".ls-here")
    expect(here).to_contain_text(re.compile(r"Listen here: [\d.]+ s"), timeout=LONG)
    return float(panel.evaluate("() => window.__loopscope.explorer.views.player.moments.found.at"))


def test_a_similar_loop_sounds_and_its_name_selects_it(panel: Page) -> None:
    row = panel.locator(".ls-like").nth(1)
    similar = str(row.locator("button[data-loop]").get_attribute("data-loop"))
    row.locator("button[data-loop]").click()
    assert_sounds(panel, similar)
    name = row.locator(".ls-link").inner_text()
    row.locator(".ls-link").click()
    assert loops(panel)["selected"] == similar
    expect(panel.locator(".ls-card[data-role=selected]")).to_contain_text(name, timeout=LONG)
    expect(panel.locator(".ls-near:visible").first).to_be_visible(timeout=LONG)  # similar loops are ringed on the map


def test_a_lasso_with_notes_becomes_a_csv_that_reads_back(panel: Page) -> None:
    dialogs: list[str] = []
    panel.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    panel.get_by_role("textbox", name="Note").fill('=HYPERLINK("x") <b>two clicks</b>')
    panel.get_by_role("textbox", name="Note").blur()
    plot = panel.locator(".ls-scatter .ls-plot")
    panel.locator(".ls-scatter").get_by_role("button", name="Box").click()
    plot.scroll_into_view_if_needed()
    box = box_of(panel, ".ls-scatter .ls-plot")
    panel.mouse.move(box["x"] + 56, box["y"] + 12)
    panel.mouse.down()
    panel.mouse.move(box["x"] + box["width"] - 16, box["y"] + box["height"] - 48, steps=6)
    panel.mouse.up()
    open_takeaway(panel)
    panel.get_by_role("radio", name=f"Lasso ({N_LOOPS})").click(timeout=LONG)
    expect(panel.get_by_text(f"{N_LOOPS} files · threshold", exact=False)).to_be_visible(timeout=LONG)
    expect(panel.locator(".ls-figure-root:not([data-drawn])")).to_have_count(0, timeout=LONG)  # nothing moves any more
    with panel.expect_download(timeout=LONG) as download:
        panel.get_by_role("link", name="CSV (all columns)").click()
    assert re.fullmatch(r".+ · Lasso · \d{4}-\d\d-\d\d\.csv", download.value.suggested_filename)
    content = Path(download.value.path()).read_bytes()
    table = read_csv(content)
    held = loops(panel)
    assert dict(zip(table["name"], table["loop_id"], strict=True)) == held["ids"]
    assert set(table.loc[table["is_anomaly"], "loop_id"]) == set(held["flagged"])
    assert table.set_index("name").loc[OUTLIER, "note"] == '=HYPERLINK("x") <b>two clicks</b>'
    assert {"triage", "reason", "bpm", "bpm_source", "key", "loop_structure", "model", "encoder"} <= set(table.columns)
    cells = [cell for row in csv.reader(io.StringIO(content.decode("utf-8-sig"))) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "@", "+"))]
    assert all(number(cell) for cell in cells if cell.startswith("-"))
    assert not dialogs


def number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("name", [MARKUP, FORMULA])
def test_a_hostile_name_is_only_text(panel: Page, name: str) -> None:
    dialogs: list[str] = []
    panel.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    panel.get_by_role("option").filter(has_text=name).click()
    expect(panel.locator(".ls-card[data-role=selected]")).to_contain_text(name, timeout=LONG)
    assert_sounds(panel, loops(panel)["ids"][name])
    assert panel.locator("img[src='x']").count() == 0
    assert not dialogs


def test_the_plain_view_compares_with_native_players(page: Page, panel_url: str) -> None:
    open_explorer(page, panel_url)
    page.get_by_role("option").filter(has_text=OUTLIER).click()
    expect(page.locator(".ls-card[data-role=selected]")).to_contain_text(OUTLIER, timeout=LONG)
    page.get_by_role("radio", name="Plain table").click()
    expect(page.get_by_text("Nearest normal", exact=False)).to_be_visible(timeout=LONG)
    expect(page.locator("audio")).to_have_count(4, timeout=LONG)  # the view's own and three to compare


def test_what_is_filtered_now_is_taken_away_as_it_stands_in_the_list(panel: Page) -> None:
    panel.get_by_role("searchbox").first.fill("Em_1")
    wait_until(lambda: panel.evaluate("window.__loopscope.explorer.session.focus.active"), "the list is filtered")
    inside = panel.evaluate(
        """() => {
            const { loops, focus } = window.__loopscope.explorer.session;
            return loops.ids.filter((_, row) => focus.has(row));
        }"""
    )
    assert 0 < len(inside) < N_LOOPS
    if not panel.get_by_role("radio", name="Filtered now").is_visible():
        open_takeaway(panel)
    panel.get_by_role("radio", name=f"Filtered now ({len(inside)})").click(timeout=LONG)
    expect(panel.get_by_text(f"{len(inside)} files · threshold", exact=False)).to_be_visible(timeout=LONG)
    with panel.expect_download(timeout=LONG) as download:
        panel.get_by_role("link", name="JSON").click()
    assert re.fullmatch(r".+ · Filtered now · \d{4}-\d\d-\d\d\.json", download.value.suggested_filename)
    whole = json.loads(Path(download.value.path()).read_bytes())
    assert {row["loop_id"] for row in whole["rows"]} == set(inside)
    assert {"model", "threshold", "encoder", "made_at", "list"} <= set(whole)
    panel.get_by_role("searchbox").first.fill("")
    expect(panel.get_by_role("radio", name="Filtered now (0)")).to_be_visible(timeout=LONG)
