"""A ranking that fills in: what the hand, the ear and the eye are on stays while the data changes around them."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from tests.browser import synthetic
from tests.browser.driving import (
    at_rest,
    audio,
    box_of,
    heard,
    open_filters,
    painted,
    plot_pixels,
    serve,
    wait_until,
    wait_until_plays,
)
from tests.browser.stages_app import STAGES

pytestmark = pytest.mark.browser
N = 400
VIEWS = [synthetic.staged_view(N, stage, STAGES) for stage in range(STAGES + 1)]


@pytest.fixture(scope="module")
def stages_url(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve(Path(__file__).with_name("stages_app.py"), tmp_path_factory.mktemp("server")) as url:
        yield url


def open_stage(page: Page, url: str, stage: int) -> None:
    page.goto(f"{url}/?stage={stage}")
    page.wait_for_selector(".ls-root[data-complete]", timeout=30_000)
    at_rest(page)


def announce(page: Page, version: str) -> None:
    """What status.js says once the server has this version."""
    page.evaluate(
        """(version) => document.dispatchEvent(new CustomEvent("loopscope:pulse", { detail: {
            task: null, generation: 0, notice: null,
            explorer: { version, provisional: true, project: "the project" } } }))""",
        version,
    )


def shown(page: Page) -> str | None:
    return page.locator(".ls-root").get_attribute("data-version")


def go_to(page: Page, stage: int) -> None:
    announce(page, f"synthetic-{stage}")
    wait_until(lambda: shown(page) == f"synthetic-{stage}", f"stage {stage}")


def scored_at(stage: int) -> int:
    return int(VIEWS[stage].scored.sum())


def ranking_at(stage: int) -> list[str]:
    """Ids as the list shows them: by score, then those without one by name."""
    loops = VIEWS[stage].loops
    scored = loops.dropna(subset="score").sort_values("score", ascending=False)
    return [*scored["loop_id"], *loops[loops["score"].isna()].sort_values("name")["loop_id"]]


def first_listed(page: Page, count: int) -> list[str]:
    ids: list[str] = page.evaluate(
        """(count) => {
            const { loops } = window.__loopscope.explorer;
            const rows = [...document.querySelectorAll(".ls-option")].map((node) => Number(node.dataset.row));
            return rows.slice(0, count).map((row) => loops.ids[row]);
        }""",
        count,
    )
    return ids


def under(page: Page, x: float, y: float) -> dict[str, Any]:
    """The loop of the list at a place on the screen, and where its row begins."""
    found: dict[str, Any] = page.evaluate(
        """([x, y]) => {
            const option = document.elementFromPoint(x, y)?.closest(".ls-option");
            const { loops } = window.__loopscope.explorer;
            return option && { id: loops.ids[Number(option.dataset.row)], top: option.getBoundingClientRect().top };
        }""",
        [x, y],
    )
    return found


def row_height(page: Page) -> int:
    """Of the list, in CSS pixels."""
    height: int = page.evaluate("window.__loopscope.explorer.views.ranking.anchor.row")
    return height


def scroll_list(page: Page, pixels: int) -> None:
    page.evaluate("(pixels) => { document.querySelector('.ls-scroller').scrollTop = pixels; }", pixels)
    painted(page)


def test_loops_without_a_score_are_listed_by_name_and_play(page: Page, stages_url: str) -> None:
    open_stage(page, stages_url, 0)
    by_name = ranking_at(0)
    assert first_listed(page, 10) == by_name[:10]
    assert page.get_by_text("Figures appear once eight loops are scored.").locator("visible=true").count() == 3
    assert page.locator(".ls-option .ls-reason").first.inner_text() == "not scored yet"
    assert page.locator(".ls-option .ls-badge").first.inner_text() == "", "nobody knows yet whether it is normal"
    assert page.get_by_role("button", name="Normal").inner_text() == "Normal 0"
    assert page.get_by_role("slider", name="Sensitivity").is_disabled()
    assert "as soon as" in (page.locator(".ls-threshold").get_attribute("title") or "")
    page.locator(".ls-option").nth(2).click()
    wait_until_plays(page, by_name[2])
    page.keyboard.press("ArrowDown")
    wait_until_plays(page, by_name[3])
    assert "not scored yet" in page.locator(".ls-now").inner_text()
    page.keyboard.press("ArrowRight")  # nothing is near to it yet
    page.keyboard.press("b")
    page.keyboard.press("k")
    assert page.evaluate("window.__loopscope.explorer.session.selectedId") == by_name[3]
    assert page.evaluate("[...window.__loopscope.explorer.session.marks]") == [[by_name[3], "keep"]]
    page.get_by_role("searchbox").fill("guitar take_000")
    wait_until(lambda: page.locator(".ls-summary").inner_text() == f"50 of {N} loops", "the search")
    page.get_by_role("searchbox").press("Escape")
    page.keyboard.press("Escape")
    go_to(page, 2)
    for figure in ("histogram", "scatter", "heatmap"):
        page.wait_for_selector(f".ls-{figure}[data-drawn]")
    assert not page.get_by_text("Figures appear once eight loops are scored.").locator("visible=true").count()
    assert audio(page)["loopId"] == by_name[3]
    assert page.get_by_role("slider", name="Sensitivity").is_enabled()


def test_a_partly_scored_list_has_the_ranking_first_and_says_that_it_is_provisional(
    page: Page, stages_url: str
) -> None:
    open_stage(page, stages_url, 3)
    ranking, scored = ranking_at(3), scored_at(3)
    assert first_listed(page, 10) == ranking[:10]
    words = f"provisional: nearest-neighbour distance · {scored} of {N} scored"
    assert page.locator(".ls-provisional:visible").inner_text() == words
    assert f" of {scored} flagged" in page.locator(".ls-flagged-count").inner_text()
    assert page.evaluate("document.querySelector('.ls-scatter .ls-plot').data[0].x.length") == scored
    assert page.evaluate("document.querySelector('.ls-histogram .ls-plot').data[0].y.reduce((a, b) => a + b)") == scored
    scroll_list(page, row_height(page) * scored)
    assert set(ranking[scored : scored + 8]) <= set(first_listed(page, 40))
    page.get_by_role("combobox", name="Order of the list").select_option("Border")
    few = f"{scored} of {N} loops"
    wait_until(lambda: page.locator(".ls-summary").inner_text().startswith(few), "only what has a score")
    page.get_by_role("button", name="Next stage").click()
    wait_until(lambda: shown(page) == "synthetic-4", "a rerun that speaks of the next version", 15)
    assert page.locator("h2.ls-spoken").inner_text() == "stage 4"
    for _ in range(2):
        at_rest(page)
        page.get_by_role("button", name="Next stage").click()
    wait_until(lambda: shown(page) == f"synthetic-{STAGES}", "all are scored", 15)
    assert page.locator(".ls-provisional").is_hidden()


WATCH_AUDIO = """() => {
    const { engine } = window.__loopscope.explorer;
    const { context } = engine.unlock();
    window.heardGaps = [];
    let before = null;
    window.hearing = setInterval(() => {
        const now = { clock: context.currentTime, state: engine.state(), wall: performance.now() };
        if (!now.state.playing) window.heardGaps.push("silent");
        if (before && now.state.startedAt !== before.state.startedAt) window.heardGaps.push("started anew");
        if (before) {
            const went = now.clock - before.clock;
            if (went < (now.wall - before.wall) / 1000 - 0.25) window.heardGaps.push(`the clock stood: ${went}`);
        }
        before = now;
    }, 20);
}"""


def test_sound_text_selection_zoom_and_the_row_under_the_pointer_stay_through_five_versions(
    page: Page, stages_url: str
) -> None:
    open_stage(page, stages_url, 1)
    search = page.get_by_role("searchbox")
    page.locator(".ls-option").nth(1).click()
    chosen = ranking_at(1)[1]
    playing = wait_until_plays(page, chosen)
    corners = plot_pixels(page, "scatter", [0, 1], [0, 1])
    page.mouse.move(*corners[0])
    page.mouse.down()
    page.mouse.move(*corners[1], steps=4)
    page.mouse.up()
    zoom = """JSON.stringify(["xaxis", "yaxis"].map((axis) =>
        document.querySelector(".ls-scatter .ls-plot").layout[axis].range))"""
    panned = page.evaluate(zoom)
    search.fill("take_000")
    wait_until(lambda: f"100 of {N} loops" in page.locator(".ls-summary").inner_text(), "the search")
    search.evaluate("(input) => input.setSelectionRange(2, 4)")
    scroll_list(page, 2 * row_height(page))
    box = box_of(page, ".ls-scroller")
    x, y = box["x"] + 60, box["y"] + 170
    page.mouse.move(x, y)
    painted(page)
    before = under(page, x, y)
    wait_until(lambda: heard(page)["selected"] == chosen, "Python hears the selection")
    wait_until(lambda: heard(page)["filtered"], "and what is in focus")
    at_rest(page)
    runs = heard(page)["runs"]
    page.evaluate("() => { window.known = document.querySelector('.ls-root'); }")
    page.evaluate(WATCH_AUDIO)
    for stage in range(2, 7):
        go_to(page, stage)
        painted(page)
        assert under(page, x, y) == before, f"the row under the pointer at stage {stage}"
    caret = search.evaluate("(input) => [input.value, input.selectionStart, input.selectionEnd]")
    assert caret == ["take_000", 2, 4]
    assert page.evaluate("document.activeElement.type") == "search"
    assert page.evaluate("window.__loopscope.explorer.session.selectedId") == chosen
    assert f"100 of {N} loops" in page.locator(".ls-summary").inner_text()
    assert page.evaluate(zoom) == panned
    assert page.evaluate("window.known === document.querySelector('.ls-root') && window.known.isConnected")
    assert heard(page)["runs"] == runs, "no rerun of Python"
    now = audio(page)
    assert (now["loopId"], now["startedAt"], now["playing"]) == (chosen, playing["startedAt"], True)
    assert page.evaluate("window.heardGaps") == []


def test_a_list_at_its_top_stays_there_and_shows_the_new_ranking(page: Page, stages_url: str) -> None:
    open_stage(page, stages_url, 1)
    page.mouse.move(5, 5)
    for stage in (2, 5):
        go_to(page, stage)
        painted(page)
        assert page.evaluate("document.querySelector('.ls-scroller').scrollTop") == 0
        assert first_listed(page, 8) == ranking_at(stage)[:8]


def test_figures_that_nobody_zoomed_show_all_and_zoom_that_leads_nowhere_goes(page: Page, stages_url: str) -> None:
    open_stage(page, stages_url, 1)
    ends = "[...document.querySelector('.ls-scatter .ls-plot').layout.xaxis.range]"
    for stage in (2, 5):
        go_to(page, stage)
        x = VIEWS[stage].coordinates[VIEWS[stage].scored, 0]
        low, high = page.evaluate(ends)
        assert low < x.min() and high > x.max()
    page.evaluate(
        "window.Plotly.relayout(document.querySelector('.ls-scatter .ls-plot'), { 'xaxis.range': [100, 200] })"
    )
    go_to(page, 3)
    low, high = page.evaluate(ends)
    assert low < 0 < high < 100


def test_the_row_under_the_pointer_stays_though_it_becomes_the_first(page: Page, stages_url: str) -> None:
    open_stage(page, stages_url, 2)
    rises = min(range(1, 12), key=lambda place: ranking_at(4).index(ranking_at(2)[place]) - place)
    box = box_of(page, ".ls-scroller")
    x, y = box["x"] + 60, box["y"] + row_height(page) * rises + 20
    page.mouse.move(x, y)
    painted(page)
    before = under(page, x, y)
    assert before["id"] == ranking_at(2)[rises]
    for stage in (4, 3, 5):
        go_to(page, stage)
        painted(page)
        assert under(page, x, y) == before
    page.mouse.move(5, 5)
    painted(page)
    options = page.locator(".ls-option").first
    assert options.bounding_box(), "the list has no blank room left"
    tops = page.evaluate("[...document.querySelectorAll('.ls-option')].map((node) => parseFloat(node.style.top))")
    assert min(tops) % row_height(page) == 0


def test_an_order_that_was_chosen_holds_through_versions(page: Page, stages_url: str) -> None:
    open_stage(page, stages_url, 2)
    page.get_by_role("combobox", name="Order of the list").select_option("Score")
    page.get_by_role("button", name="Most first").click()
    scored = scored_at(2)
    wait_until(lambda: first_listed(page, 5) == ranking_at(2)[:scored][::-1][:5], "the least first")
    scroll_list(page, 5 * row_height(page))
    box = box_of(page, ".ls-scroller")
    x, y = box["x"] + 60, box["y"] + 2.5 * row_height(page)
    page.mouse.move(x, y)
    painted(page)
    before = under(page, x, y)
    assert before["id"] == ranking_at(2)[:scored][::-1][7]
    for stage in (3, 5):
        go_to(page, stage)
        painted(page)
        assert under(page, x, y) == before, f"the row under the pointer at stage {stage}"
        rows = "(({ loops, views }) => [...views.ranking.rows].map((row) => loops.ids[row]))(__loopscope.explorer)"
        scored = scored_at(stage)
        assert page.evaluate(rows)[:scored] == ranking_at(stage)[:scored][::-1]
    assert page.get_by_role("button", name="Least first").is_visible()


def test_the_selected_row_stays_where_it_is_to_be_seen(page: Page, stages_url: str) -> None:
    open_stage(page, stages_url, 2)
    scroll_list(page, 10 * row_height(page))
    page.locator(".ls-option[aria-posinset='13']").click()
    page.mouse.move(5, 5)
    place = "document.querySelector('.ls-option[aria-selected=true]').getBoundingClientRect().top"
    before = page.evaluate(place)
    for stage in (3, 4):
        go_to(page, stage)
        painted(page)
        assert page.evaluate(place) == before


def test_a_version_that_comes_while_a_finger_is_down_waits(page: Page, stages_url: str) -> None:
    open_stage(page, stages_url, 2)
    box = box_of(page, ".ls-scroller")
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    with page.expect_response(lambda response: response.url.endswith("synthetic-3/latents")):
        announce(page, "synthetic-3")
    page.wait_for_timeout(1500)
    assert shown(page) == "synthetic-2", "it was fetched, and waits"
    page.mouse.up()
    assert shown(page) == "synthetic-2"
    wait_until_plays(page, ranking_at(2)[1])
    wait_until(lambda: shown(page) == "synthetic-3", "the finger is off")
    page.evaluate("document.dispatchEvent(new CompositionEvent('compositionstart'))")
    announce(page, "synthetic-4")
    page.wait_for_timeout(1500)
    assert shown(page) == "synthetic-3", "text is being composed"
    page.evaluate("document.dispatchEvent(new CompositionEvent('compositionend'))")
    wait_until(lambda: shown(page) == "synthetic-4", "it is written")


def test_a_version_that_is_gone_is_dropped_and_the_next_one_taken(browser: Browser, stages_url: str) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    open_stage(page, stages_url, 2)
    announce(page, "synthetic-99")
    page.wait_for_timeout(1000)
    assert shown(page) == "synthetic-2"
    go_to(page, 4)
    context.close()
    assert not faults


def test_lasso_filters_and_menus_stay_and_new_levels_appear(page: Page, stages_url: str) -> None:
    open_stage(page, stages_url, 1)
    key = open_filters(page).get_by_role("combobox", name="Key")
    assert key.locator("option").count() == 4, "any, and three of the four keys"
    key.select_option("Em")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Box", exact=True).click()
    area = box_of(page, ".ls-scatter .nsewdrag")
    page.mouse.move(area["x"] + 0.1 * area["width"], area["y"] + 0.1 * area["height"])
    page.mouse.down()
    page.mouse.move(area["x"] + 0.7 * area["width"], area["y"] + 0.9 * area["height"], steps=8)
    page.mouse.up()
    in_focus = """(({ loops, focus }) =>
        loops.ids.filter((_, row) => focus.has(row)).sort())(window.__loopscope.explorer.session)"""
    wait_until(lambda: page.locator(".ls-chip").count() == 2, "the key and the lasso")
    before = page.evaluate(in_focus)
    assert len(before) > 1
    at_rest(page)
    page.locator(".ls-scatter summary").click()
    for stage in (2, 3):
        go_to(page, stage)
    assert page.evaluate(in_focus) == before
    assert page.locator(".ls-scatter details").get_attribute("open") is not None
    open_filters(page)
    assert key.input_value() == "Em"
    assert key.locator("option").count() == 5


def test_python_hears_the_lasso_by_the_rows_of_the_version_it_speaks_of(page: Page, stages_url: str) -> None:
    open_stage(page, stages_url, 2)
    page.evaluate(
        """() => {
            const { views, session } = window.__loopscope.explorer;
            const lasso = new Uint8Array(400).fill(1, 380, 383);
            session.narrow({ lasso });
            views.scatter.onLasso(lasso);
        }"""
    )
    inside = [ranking_at(2)[399 - row] for row in (380, 381, 382)]
    wait_until(lambda: heard(page)["lasso"], "Python hears it")
    at_rest(page)
    go_to(page, 3)  # and Python follows; then it is the first to speak of the next one
    for stage in (3, 4):
        said = heard(page)["lasso"]
        page.get_by_role("button", name="Next stage").click()
        wait_until(
            lambda said=said: heard(page)["lasso"] != said, "it is said anew, for the version of Python's run", 20
        )
        bits = np.frombuffer(base64.b64decode(heard(page)["lasso"]), np.uint8)
        rows = np.flatnonzero(np.unpackbits(bits, bitorder="little"))
        assert sorted(rows) == sorted(N - 1 - ranking_at(stage).index(loop_id) for loop_id in inside)
        at_rest(page)


def test_the_view_comes_back_as_it_was_left(page: Page, stages_url: str) -> None:
    open_stage(page, stages_url, STAGES)
    page.get_by_role("searchbox").fill("guitar")
    panel = open_filters(page)
    panel.get_by_role("combobox", name="Key").select_option("A")
    panel.get_by_label("Tempo in BPM from").fill("90")
    panel.get_by_role("button", name="Done").click()
    page.get_by_label("Autoplay").uncheck()
    page.get_by_label("Component on the y axis").select_option("3")
    page.get_by_role("combobox", name="Order of the list").select_option("Border")
    corners = plot_pixels(page, "scatter", [0, 1], [0, 1])
    page.mouse.move(*corners[0])
    page.mouse.down()
    page.mouse.move(*corners[1], steps=4)
    page.mouse.up()
    heat = box_of(page, ".ls-heatmap .nsewdrag")
    page.mouse.move(heat["x"] + 200, heat["y"] + 20)
    page.mouse.down()
    page.mouse.move(heat["x"] + 210, heat["y"] + 120, steps=4)
    page.mouse.up()
    painted(page)
    with page.expect_response(lambda answer: "/ls/view/" in answer.url):
        scroll_list(page, 7 * row_height(page))
    page.wait_for_timeout(1500)  # the last change has been posted too
    state = """() => {
        const { session, views } = window.__loopscope.explorer;
        const ranges = ["xaxis", "yaxis"].map((axis) =>
            document.querySelector(".ls-scatter .ls-plot").layout[axis].range.map((end) => end.toFixed(6)));
        return JSON.stringify([session.focus.words, [...session.focus.categories], [...session.focus.ranges],
            session.autoplay, session.focus.count, ranges,
            views.heatmap.span, views.scatter.axes.shown, views.ranking.mode, views.ranking.topId]);
    }"""
    before = page.evaluate(state)
    page.goto(f"{page.url}&again=1")
    page.wait_for_selector(".ls-root[data-complete]", timeout=30_000)
    after = wait_until(lambda: page.evaluate(state), "")
    assert after == before
    assert page.get_by_role("searchbox").input_value() == "guitar"
    panel = open_filters(page)
    assert panel.get_by_role("combobox", name="Key").input_value() == "A"
    assert panel.get_by_label("Tempo in BPM from").input_value() == "90"
    page.keyboard.press("Escape")
    assert not page.get_by_label("Autoplay").is_checked()
    page.get_by_role("searchbox").focus()
    page.get_by_role("button", name="Clear all").click()
    with page.expect_request(lambda request: "/ls/view/" in request.url) as said:
        page.get_by_label("Autoplay").check()
    assert said.value.post_data_json["search"] == "" and said.value.post_data_json["autoplay"] is True


def test_the_address_names_the_selected_loop_and_python_does_not_run_for_it(page: Page, stages_url: str) -> None:
    open_stage(page, stages_url, STAGES)
    page.evaluate("window.__loopscope.explorer.views.wire.sendSelection.cancel()")
    runs = heard(page)["runs"]
    chosen = ranking_at(STAGES)[2]
    page.evaluate("history.replaceState(history.state, '', location.href + '&other=1')")
    page.evaluate(
        """(id) => {
            const { session, views } = window.__loopscope.explorer;
            session.select(session.loops.row(id));
            views.wire.sendSelection.cancel(); // what Python would run for all the same
        }""",
        chosen,
    )
    address = wait_until(lambda: chosen in (at := page.evaluate("location.search")) and at, "the address")
    assert address == f"?stage={STAGES}&other=1&loop={chosen}"
    page.wait_for_timeout(1000)
    assert heard(page)["runs"] == runs
    page.reload()
    page.wait_for_selector(".ls-root[data-complete]", timeout=30_000)
    assert page.evaluate("window.__loopscope.explorer.session.selectedId") == chosen
