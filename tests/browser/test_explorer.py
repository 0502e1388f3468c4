"""The explorer as finger, ear and eye meet it: which loop sounds, what a drag costs, what survives a rerun."""

import itertools
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page

from tests.browser import synthetic
from tests.browser.driving import (
    at_rest,
    audio,
    box_of,
    enlarge,
    heard,
    open_explorer,
    open_filters,
    painted,
    plot_pixels,
    wait_until,
    wait_until_plays,
)

pytestmark = pytest.mark.browser
N = 400
VIEW = synthetic.synthetic_view(N)
scores = VIEW.loops["score"].to_numpy()
IDS = VIEW.loops["loop_id"].to_numpy()
RANKING = IDS[np.argsort(-scores)]  # most anomalous first
THRESHOLD = float(np.percentile(scores, 95))


@pytest.fixture
def explorer(page: Page, explorer_url: str) -> Page:
    open_explorer(page, explorer_url)
    return page


def summary(page: Page) -> str:
    """What the list says of itself."""
    return page.locator(".ls-summary").inner_text()


def points_in(page: Page, colour: str) -> int:
    """How many points of the scatter have a colour of the theme."""
    count: int = page.evaluate(
        """(name) => {
            const context = document.createElement("canvas").getContext("2d");
            context.fillStyle = window.__loopscope.explorer.session.theme[name];
            context.fillRect(0, 0, 1, 1);
            const wanted = [...context.getImageData(0, 0, 1, 1).data].map((value) => value / 255);
            const drawn = document.querySelector(".ls-scatter .ls-plot").data[0].marker.color;
            return drawn.filter((colour) => wanted.every((value, i) => Math.abs(colour[i] - value) < 0.01)).length;
        }""",
        colour,
    )
    return count


def isolated_rows(page: Page, distance: float = 3.0) -> list[int]:
    """Rows whose point has no other within `distance` pixels, so that a click there can only mean them."""
    pixels = np.array(plot_pixels(page, "scatter", *VIEW.coordinates[:, :2].T.tolist()))
    gaps = np.linalg.norm(pixels[:, None] - pixels[None], axis=2) + np.diag(np.full(N, np.inf))
    return np.flatnonzero(gaps.min(axis=1) > distance).tolist()


def click_scatter(page: Page, row: int) -> None:
    x, y = VIEW.coordinates[row, :2].tolist()
    page.mouse.click(*plot_pixels(page, "scatter", [x], [y])[0])


def bars(page: Page) -> list[dict[str, Any]]:
    """Bars of the histogram as Plotly holds them: edges in score units."""
    found: list[dict[str, Any]] = page.evaluate(
        """() => {
            const plot = document.querySelector(".ls-histogram .ls-plot");
            const { log } = window.__loopscope.explorer.views.histogram;
            const { x, width } = plot.data[1];
            const score = (u) => (log ? 10 ** u : u);
            return x.map((centre) => ({ centre, edges: [score(centre - width / 2), score(centre + width / 2)] }));
        }"""
    )
    return found


def in_bar(bar: dict[str, Any]) -> list[str]:
    """Ids of a bar, most anomalous first; rows on the very edge of two bars are nobody's."""
    low, high = bar["edges"]
    inside = (scores > low * (1 + 1e-9)) & (scores < high * (1 - 1e-9))
    return [loop_id for loop_id in RANKING if loop_id in set(IDS[inside])]


def click_bar(page: Page, bar: dict[str, Any]) -> None:
    page.mouse.click(*plot_pixels(page, "histogram", [bar["centre"]], [0.7])[0])  # within the lowest of bars


def bands(page: Page) -> list[tuple[float, list[str]]]:
    """Bands of the heatmap: their middle on the rank axis, and their ids by rank."""
    edges = page.evaluate("Array.from(document.querySelector('.ls-heatmap .ls-plot').data[0].y)")
    return [((a + b) / 2, RANKING[int(a - 0.5) : int(b - 0.5)].tolist()) for a, b in itertools.pairwise(edges)]


def click_band(page: Page, middle: float, dimension: int = 7) -> None:
    page.mouse.click(*plot_pixels(page, "heatmap", [dimension], [middle])[0])


def drag_threshold(page: Page, steps: int, pixels: float) -> None:
    """Pull the handle sideways and let go."""
    painted(page)  # the handle is where the drag before left it
    box = box_of(page, ".ls-handle")
    x, y = box["x"] + box["width"] / 2, box["y"] + 12
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(1, steps + 1):
        page.mouse.move(x + pixels * step / steps, y)
    page.mouse.up()


def test_a_hundred_random_clicks_each_sound_the_loop_that_was_clicked(explorer: Page) -> None:
    rng = random.Random(7)
    rows = isolated_rows(explorer)
    flagged = [row for row in rows if scores[row] > THRESHOLD]
    normal = [row for row in rows if scores[row] <= THRESHOLD]
    assert len(flagged) >= 10 and len(normal) >= 10, "both colours must be clickable"
    full = [bar for bar in bars(explorer) if in_bar(bar)]
    shown = bands(explorer)
    chances: list[Callable[[], str]] = []

    def point(choices: list[int]) -> str:
        row = rng.choice(choices)
        click_scatter(explorer, row)
        return str(IDS[row])

    def bar() -> str:
        chosen = rng.choice(full)
        click_bar(explorer, chosen)
        return in_bar(chosen)[0]

    def band() -> str:
        middle, ids = rng.choice(shown)
        click_band(explorer, middle, rng.randrange(synthetic.N_DIMENSIONS))
        return ids[0]

    chances = [lambda: point(flagged), lambda: point(normal), bar, band]
    for turn in range(100):
        if explorer.locator(".ls-chip").count():
            explorer.get_by_role("button", name="Clear all").click()
            wait_until(lambda: summary(explorer).startswith(f"{N} loops"), "everything is in focus")
            painted(explorer)
        expected = chances[turn % 4]()
        state = wait_until_plays(explorer, expected)
        assert state["url"].endswith(f"/{expected}")


def test_a_bar_says_which_loop_plays_and_cycles_through_its_loops(explorer: Page) -> None:
    bar = next(bar for bar in bars(explorer) if 3 <= len(in_bar(bar)) <= 6)
    ids = in_bar(bar)
    for turn in range(len(ids) + 1):
        click_bar(explorer, bar)
        wait_until_plays(explorer, ids[turn % len(ids)])
        place = f"playing {turn % len(ids) + 1} of {len(ids)}"
        wait_until(lambda place=place: place in summary(explorer), place)
    assert explorer.locator(".ls-option").count() == len(ids), "the list narrows to the bar"


def test_the_bar_under_the_threshold_handle_can_be_clicked(explorer: Page) -> None:
    bar = next(bar for bar in bars(explorer) if bar["edges"][0] < THRESHOLD < bar["edges"][1])
    before = heard(explorer)["percentile"]
    click_bar(explorer, bar)
    wait_until_plays(explorer, in_bar(bar)[0])
    assert explorer.evaluate("window.__loopscope.explorer.session.percentile") == before, "a click pulls nothing"


def test_clicking_the_same_point_again_replays_it(explorer: Page) -> None:
    row = isolated_rows(explorer)[0]
    click_scatter(explorer, row)
    first = wait_until_plays(explorer, IDS[row])
    wait_until(lambda: audio(explorer)["position"] > 0.2, "it has played a while")
    click_scatter(explorer, row)
    wait_until(lambda: audio(explorer)["startedAt"] != first["startedAt"], "a new start")
    wait_until_plays(explorer, IDS[row])


def test_dragging_the_threshold_recolours_and_recounts_without_a_byte_to_the_server(
    page: Page, explorer_url: str
) -> None:
    frames: list[int] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda data: frames.append(len(data))))
    open_explorer(page, explorer_url)
    row = isolated_rows(page)[0]
    click_scatter(page, row)
    playing = wait_until_plays(page, IDS[row])
    wait_until(lambda: heard(page)["selected"] == IDS[row], "Python hears the selection")
    at_rest(page)
    enlarge(page, "histogram")
    at_rest(page)
    frames.clear()
    box = box_of(page, ".ls-handle")
    room = box_of(page, ".ls-pictures")
    x, y = box["x"] + box["width"] / 2, box["y"] + 12
    page.mouse.move(x, y)
    page.mouse.down()
    counts, colours, tops = set(), set(), set()
    for step in range(20):
        page.mouse.move(x - 180 - 7 * step, y)  # over the gap, through the bulk
        painted(page)
        counts.add(page.locator(".ls-flagged-count").inner_text())
        colours.add(page.locator(".ls-histogram .bars .point path[style*='fill: rgb(200, 80, 10)']").count())
        tops.add(page.locator(".ls-option[data-badge=interesting]").count())
    during = list(frames)
    assert box_of(page, ".ls-pictures") == room, "what is said of the threshold moves nothing"
    page.mouse.up()
    assert not during, f"{sum(during)} bytes went to the server while dragging"
    assert len(counts) > 8 and len(colours) > 5 and len(tops) > 1
    settled = wait_until(lambda: heard(page)["percentile"] != 95.0 and heard(page), "Python hears the release")
    flagged = int((scores > settled["threshold"]).sum())
    assert page.locator(".ls-flagged-count").inner_text() == f"{flagged} of {N} flagged"
    assert settled["threshold"] == pytest.approx(np.percentile(scores, settled["percentile"]))
    now = audio(page)
    assert (now["loopId"], now["startedAt"], now["playing"]) == (playing["loopId"], playing["startedAt"], True)


def test_the_overlay_paints_what_the_plot_shows_after_release(explorer: Page) -> None:
    """The live figure and the settled one agree: as many flagged pixels within a few per cent."""
    count = """() => {
        const canvas = document.querySelector(".ls-overlay");
        if (canvas.hidden) return 0;
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        let painted = 0;
        for (let i = 3; i < data.length; i += 4) if (data[i] > 100) painted += 1;
        return painted;
    }"""
    enlarge(explorer, "histogram")
    painted(explorer)
    box = box_of(explorer, ".ls-handle")
    x, y = box["x"] + box["width"] / 2, box["y"] + 12
    explorer.mouse.move(x, y)
    explorer.mouse.down()
    explorer.mouse.move(x - 150, y, steps=5)
    painted(explorer)
    few = explorer.evaluate(count)
    explorer.mouse.move(x - 230, y, steps=5)
    painted(explorer)
    many = explorer.evaluate(count)
    assert many > few > 0
    explorer.mouse.up()
    wait_until(lambda: explorer.evaluate("document.querySelector('.ls-overlay').hidden"), "the overlay goes")
    flagged = explorer.evaluate("window.__loopscope.explorer.session.flagged")
    assert points_in(explorer, "flagged") == flagged > 20


def test_pan_selection_and_sound_survive_twenty_drags_and_five_reruns(explorer: Page) -> None:
    explorer.evaluate(
        """() => {
            const root = document.querySelector(".ls-root");
            window.left = 0;
            const watch = () => { if (!root.isConnected) window.left += 1; };
            new MutationObserver(watch).observe(document.body, { childList: true, subtree: true });
        }"""
    )
    start, end = plot_pixels(explorer, "scatter", [0, 2], [6, 8])
    explorer.mouse.move(*start)
    explorer.mouse.down()
    explorer.mouse.move(*end, steps=4)
    explorer.mouse.up()
    view = "[...document.querySelector('.ls-scatter .ls-plot').layout.xaxis.range]"
    row = isolated_rows(explorer)[3]
    click_scatter(explorer, row)
    playing = wait_until_plays(explorer, IDS[row])
    panned = explorer.evaluate(view)
    for turn in range(20):
        drag_threshold(explorer, 4, -40 if turn % 2 else 40)
    at_rest(explorer)
    for _ in range(5):
        before = heard(explorer)["runs"]
        explorer.get_by_role("button", name="Rerun").click()
        wait_until(lambda b=before: heard(explorer)["runs"] > b, "a rerun")
    now = audio(explorer)
    assert explorer.evaluate("window.left") == 0, "the explorer left the page: what the hand did then was lost"
    assert explorer.evaluate(view) == panned
    assert explorer.evaluate("window.__loopscope.explorer.session.selectedId") == IDS[row]
    assert (now["loopId"], now["startedAt"], now["playing"]) == (IDS[row], playing["startedAt"], True)
    assert explorer.locator(".ls-ring").is_visible()


def test_a_threshold_set_in_python_moves_the_handle_and_keeps_the_sound(explorer: Page) -> None:
    explorer.keyboard.press("ArrowDown")
    playing = wait_until_plays(explorer, RANKING[0])
    explorer.get_by_role("button", name="Threshold 90 from Python").click()
    flagged = int((scores > np.percentile(scores, 90)).sum())
    wait_until(
        lambda: explorer.locator(".ls-flagged-count").inner_text() == f"{flagged} of {N} flagged", "90th percentile"
    )
    assert explorer.locator(".ls-handle").get_attribute("aria-valuenow") == "90.00"
    assert audio(explorer)["startedAt"] == playing["startedAt"]
    drag_threshold(explorer, 4, 40)
    wait_until(lambda: heard(explorer)["percentile"] > 90, "the next drag counts again")


def test_a_change_of_theme_keeps_sound_selection_and_zoom(explorer: Page) -> None:
    row = isolated_rows(explorer)[1]
    click_scatter(explorer, row)
    playing = wait_until_plays(explorer, IDS[row])
    view = "JSON.stringify(document.querySelector('.ls-scatter .ls-plot').layout.xaxis.range)"
    colour = "document.querySelector('.ls-scatter .ls-plot').layout.font.color"
    before, light = explorer.evaluate(view), explorer.evaluate(colour)
    explorer.emulate_media(color_scheme="dark")
    wait_until(lambda: explorer.locator(".ls-root").get_attribute("data-theme") == "dark", "the dark theme")
    wait_until(lambda: explorer.evaluate(colour) != light, "the figure is drawn again")
    painted(explorer)
    assert explorer.evaluate(view) == before
    assert audio(explorer)["startedAt"] == playing["startedAt"] and audio(explorer)["playing"]
    assert explorer.locator(".ls-ring").is_visible()


def test_a_click_counts_though_the_list_is_drawn_anew_under_it(explorer: Page) -> None:
    option = explorer.locator(".ls-option").nth(3)
    box = option.bounding_box()
    assert box
    explorer.mouse.move(box["x"] + 40, box["y"] + box["height"] / 2)
    explorer.mouse.down()
    explorer.evaluate("window.__loopscope.explorer.session.emit('marks')")
    painted(explorer)
    explorer.mouse.up()
    wait_until_plays(explorer, RANKING[3])


def test_density_curves_follow_the_width_of_the_window(explorer: Page) -> None:
    widths = """() => [document.querySelector('.ls-densities').getBoundingClientRect().width,
                       document.querySelector('.ls-heatmap .ls-plot')._fullLayout.xaxis._length]"""
    before, _ = explorer.evaluate(widths)
    explorer.set_viewport_size({"width": 1200, "height": 1000})

    def follows() -> bool:
        curves, axis = explorer.evaluate(widths)
        return bool(curves < before and abs(curves - axis) < 2)

    wait_until(follows, "the curves are as wide as the heatmap")


def test_lasso_and_box_tell_python_which_loops(explorer: Page) -> None:
    explorer.get_by_role("button", name="Box", exact=True).click()
    corners = plot_pixels(explorer, "scatter", [-6, -2], [2, -2])
    explorer.mouse.move(*corners[0])
    explorer.mouse.down()
    explorer.mouse.move(*corners[1], steps=8)
    explorer.mouse.up()
    x, y = VIEW.coordinates[:, :2].T
    inside = (x > -6) & (x < -2) & (y > -2) & (y < 2)
    said = wait_until(lambda: heard(explorer)["lassoed"] and heard(explorer), "Python hears the box")
    assert abs(said["lassoed"] - int(inside.sum())) <= 4  # points within a pixel of the edge
    sure = {*IDS[(x > -5.9) & (x < -2.1) & (y > -1.9) & (y < 1.9)]}
    by_score = [i for i in RANKING if i in sure]
    assert [i for i in said["lasso"] if i in sure][:10] == by_score[:10]
    row = next(row for row in isolated_rows(explorer) if inside[row])
    explorer.get_by_role("button", name="Move", exact=True).click()
    click_scatter(explorer, row)
    wait_until(lambda: heard(explorer)["selected"] == IDS[row], "a selection")
    assert heard(explorer)["lassoed"] == said["lassoed"], "the lasso outlives other events"
    explorer.get_by_role("button", name="Clear all").click()
    wait_until(lambda: heard(explorer)["lassoed"] == 0, "Python hears that it is gone")


def test_search_and_filters_narrow_the_list_and_grey_out_the_rest(explorer: Page) -> None:
    explorer.get_by_role("searchbox").fill("guitar take_000")
    expected = [i for i in range(100) if i % 2 == 1]
    wait_until(lambda: summary(explorer).startswith(f"{len(expected)} of {N} loops"), "the search")
    open_filters(explorer).get_by_role("combobox", name="Key").select_option("G")
    explorer.keyboard.press("Escape")
    expected = [i for i in expected if i % 4 == 3]
    wait_until(lambda: summary(explorer).startswith(f"{len(expected)} of {N} loops"), "the key")
    wait_until(lambda: points_in(explorer, "faint") == N - len(expected), "grey points, none gone")
    best = max(expected, key=lambda i: scores[i])
    explorer.locator(".ls-scroller").focus()
    explorer.keyboard.press("ArrowDown")
    wait_until_plays(explorer, IDS[best])
    explorer.keyboard.press("Escape")
    wait_until(lambda: summary(explorer).startswith(f"{N} loops"), "everything back")


def test_the_whole_audition_and_triage_by_keyboard_alone(explorer: Page) -> None:
    press = explorer.keyboard.press
    press("ArrowDown")
    wait_until_plays(explorer, RANKING[0])
    press("ArrowDown")
    wait_until_plays(explorer, RANKING[1])
    press("ArrowUp")
    wait_until_plays(explorer, RANKING[0])
    press("k")
    wait_until(lambda: heard(explorer)["marks"] == {RANKING[0]: "keep"}, "keep")
    press("k")
    wait_until(lambda: heard(explorer)["marks"] == {}, "the same key takes the mark off")
    press("l")
    press("ArrowDown")
    press("q")
    expected = {RANKING[0]: "love", RANKING[1]: "quarantine"}
    wait_until(lambda: heard(explorer)["marks"] == expected, "marks set in quick succession")
    latents = VIEW.latents.astype(float)
    anchor = int(np.flatnonzero(RANKING[1] == IDS)[0])
    nearest = np.argsort(((latents - latents[anchor]) ** 2).sum(axis=1))[1:3]
    press("ArrowRight")
    wait_until_plays(explorer, IDS[nearest[0]])
    press("ArrowRight")
    wait_until_plays(explorer, IDS[nearest[1]])
    press("ArrowLeft")
    wait_until_plays(explorer, IDS[nearest[0]])
    press("Space")
    wait_until(lambda: not audio(explorer)["playing"], "space stops")
    press("Space")
    wait_until_plays(explorer, IDS[nearest[0]])
    border = [i for i in IDS[np.argsort(np.abs(scores - THRESHOLD))] if i not in expected]
    for loop_id in border[:3]:
        press("b")
        wait_until_plays(explorer, loop_id)
    press("?")
    assert explorer.get_by_role("dialog").is_visible()
    press("Escape")
    wait_until(lambda: not explorer.get_by_role("dialog").is_visible(), "help closes")
    assert heard(explorer)["markLog"] == [
        [RANKING[0], "keep"],
        [RANKING[0], None],
        [RANKING[0], "love"],
        [RANKING[1], "quarantine"],
    ]


def test_every_control_can_be_reached_with_tab_and_shows_that_it_has_the_focus(explorer: Page) -> None:
    explorer.locator(".ls-root input").first.focus()
    reached = set()
    for _ in range(60):
        explorer.keyboard.press("Tab")
        inside, name, outline = explorer.evaluate(
            """() => {
                const node = document.activeElement;
                const label = node.ariaLabel || node.labels?.[0]?.innerText || node.innerText || "";
                return [Boolean(node.closest(".ls-root")), label.trim(), getComputedStyle(node).outlineStyle];
            }"""
        )
        if not inside:
            break
        assert name, "a control without a name"
        assert outline != "none", f"{name} does not show its focus"
        reached.add(name)
    wanted = {"Threshold", "Search names", "Volume", "Autoplay", "Loop", "Match loudness", "Box", "Lasso", "Keep (K)"}
    assert wanted <= reached
    assert {"Loops, Listen first", "Position in the loop", "Next in the list (↓)", "Order of the list"} <= reached


def test_autoplay_and_loop_are_obeyed(explorer: Page) -> None:
    explorer.get_by_label("Autoplay").uncheck()
    explorer.locator(".ls-option").nth(2).click()
    wait_until(lambda: heard(explorer)["selected"] == RANKING[2], "Python hears the selection")
    assert not audio(explorer)["playing"]
    explorer.keyboard.press("Space")
    wait_until_plays(explorer, RANKING[2])
    explorer.get_by_label("Autoplay").check()
    explorer.get_by_label("Loop", exact=True).uncheck()
    index = min(range(N), key=lambda i: (synthetic.duration_s(i), i))
    explorer.evaluate("row => window.__loopscope.explorer.session.audition(row)", row_of(explorer, IDS[index]))
    wait_until_plays(explorer, IDS[index])
    wait_until(lambda: not audio(explorer)["playing"], "a loop of half a second ends", 3)
    explorer.get_by_label("Loop", exact=True).check()
    explorer.locator(".ls-scroller").focus()
    explorer.keyboard.press("Space")
    wait_until_plays(explorer, IDS[index])
    turns, last = 0, 0.0
    while turns < 2:
        position = wait_until(lambda: audio(explorer)["playing"] and audio(explorer)["position"], "it plays on")
        turns, last = turns + (position < last), position
        assert position < 0.5


def row_of(page: Page, loop_id: str) -> int:
    row: int = page.evaluate("id => window.__loopscope.explorer.loops.row(id)", loop_id)
    return row


def play(page: Page, loop_id: str) -> dict[str, Any]:
    page.evaluate("row => window.__loopscope.explorer.session.audition(row)", row_of(page, loop_id))
    return wait_until_plays(page, loop_id)


def test_dragging_over_the_waveform_loops_that_part_and_a_click_jumps(explorer: Page) -> None:
    explorer.keyboard.press("ArrowDown")  # a real key press wakes the audio
    loop = next(i for i in range(N) if synthetic.duration_s(i) == 3.0)
    play(explorer, IDS[loop])
    box = box_of(explorer, ".ls-waveform")
    y = box["y"] + box["height"] / 2
    explorer.mouse.move(box["x"] + 0.5 * box["width"], y)
    explorer.mouse.down()
    explorer.mouse.move(box["x"] + 0.6 * box["width"], y, steps=5)
    explorer.mouse.up()
    assert audio(explorer)["region"] == pytest.approx([1.5, 1.8], abs=0.02)
    positions = []
    for _ in range(15):
        positions.append(audio(explorer)["position"])
        painted(explorer)
    assert min(positions) >= 1.48 and max(positions) <= 1.82 and len(set(positions)) > 5
    explorer.mouse.click(box["x"] + 0.1 * box["width"], y)
    state = audio(explorer)
    assert state["region"] is None and 0.25 < state["position"] < 0.6


def test_long_files_are_streamed_by_a_media_element(explorer: Page) -> None:
    explorer.keyboard.press("ArrowDown")
    long = next(i for i in range(N) if synthetic.duration_s(i) == synthetic.LONG_FILE_S)
    assert play(explorer, IDS[long])["kind"] == "element"
    assert play(explorer, RANKING[0])["kind"] == "buffer"


def test_loudness_is_matched_unless_switched_off(explorer: Page) -> None:
    """Tones of 0.05 and 0.25 are 14 dB apart as files; matched, their levels come within 2 dB."""
    explorer.keyboard.press("ArrowDown")

    def decibels(loop: int) -> float:
        play(explorer, IDS[loop])
        levels = []
        for _ in range(25):
            levels.append(audio(explorer)["level"] ** 2)
            painted(explorer)
        return float(10 * np.log10(np.mean(levels)))

    quiet, loud = 20, 24
    assert synthetic.amplitude(loud) == pytest.approx(5 * synthetic.amplitude(quiet))
    matched = decibels(loud) - decibels(quiet)
    explorer.get_by_label("Match loudness").uncheck()
    plain = decibels(loud) - decibels(quiet)
    assert abs(matched) < 2.0
    assert plain == pytest.approx(14.0, abs=2.0)


def test_leaving_the_page_stops_the_sound(explorer: Page) -> None:
    explorer.keyboard.press("ArrowDown")
    wait_until_plays(explorer, RANKING[0])
    explorer.evaluate("window.kept = window.__loopscope.explorer.engine")
    at_rest(explorer)
    explorer.get_by_text("Show", exact=True).click()
    wait_until(lambda: not explorer.evaluate("window.kept.playing"), "the sound stops", 30)
    assert explorer.locator(".ls-root").count() == 0


def test_the_newest_of_many_quick_requests_wins(explorer: Page) -> None:
    explorer.keyboard.press("ArrowDown")
    rows = [row_of(explorer, loop_id) for loop_id in RANKING[40:60]]
    explorer.evaluate("rows => rows.forEach((row) => window.__loopscope.explorer.session.audition(row))", rows)
    wait_until_plays(explorer, RANKING[59])
    wait_until(lambda: heard(explorer)["selected"] == RANKING[59], "Python hears the newest")
    every = "ids => Promise.all(ids.map((id) => window.__loopscope.explorer.engine.cache.get(id))).then(() => true)"
    assert explorer.evaluate(every, list(RANKING[40:60])), "every sound that was asked for has come"
    painted(explorer)
    assert audio(explorer)["loopId"] == RANKING[59]
    assert explorer.evaluate("window.__loopscope.explorer.session.selectedId") == RANKING[59]


def test_an_explorer_that_streamlit_takes_off_and_puts_back_goes_on_as_if_nothing_happened(explorer: Page) -> None:
    """Streamlit unmounts and remounts a component when two fragment reruns overlap; here its parent does so by hand."""
    row = isolated_rows(explorer)[2]
    click_scatter(explorer, row)
    playing = wait_until_plays(explorer, IDS[row])
    explorer.locator(".ls-scroller").focus()
    explorer.evaluate("document.querySelector('.ls-scroller').scrollTop = 4200")
    painted(explorer)
    explorer.evaluate(
        """() => {
            const { root, component } = window.__loopscope.explorer;
            const address = document.querySelector("link[href$='/explorer.css']").href;
            const parent = root.parentElement;
            window.moved = import(address.replace("explorer.css", "main.js")).then(({ mount }) => {
                const first = mount(component, window.__loopscope.explorer.addresses.base);
                first();
                window.absent = !root.isConnected;
                const next = parent.parentElement.appendChild(document.createElement("div"));
                mount({ ...component, parentElement: next }, window.__loopscope.explorer.addresses.base);
                setTimeout(() => (window.passed = true), 1000); // runs after all that leaving had put off to later
            });
            return window.moved;
        }"""
    )
    assert explorer.evaluate("window.absent")
    assert explorer.locator(".ls-root").count() == 1
    wait_until(lambda: explorer.evaluate("window.passed"), "the moment at which a page that was left falls silent")
    now = audio(explorer)
    assert (now["loopId"], now["startedAt"], now["playing"]) == (IDS[row], playing["startedAt"], True)
    assert explorer.evaluate("document.querySelector('.ls-scroller').scrollTop") == 4200
    assert explorer.evaluate("document.activeElement.className") == "ls-scroller"
    click_scatter(explorer, isolated_rows(explorer)[4])
    wait_until_plays(explorer, IDS[isolated_rows(explorer)[4]])


@pytest.mark.parametrize("figure", ["histogram", "scatter", "heatmap"])
def test_every_figure_can_be_taken_away(explorer: Page, figure: str) -> None:
    explorer.keyboard.press("ArrowDown")
    starts = {"PNG": b"\x89PNG", "SVG": b"<svg", "HTML": b"<!doctype html>"}
    enlarge(explorer, figure)
    for format_, start in starts.items():
        explorer.locator(f".ls-{figure} summary").click()
        with explorer.expect_download() as download:
            explorer.get_by_role("button", name=f"Download as {format_}").click()
        path = download.value.path()
        assert download.value.suggested_filename == f"loopscope-{figure}.{format_.lower()}"
        assert path.read_bytes().startswith(start)
    fresh = explorer.context.new_page()  # the HTML stands on its own
    fresh.set_content(path.read_text(encoding="utf-8"))
    fresh.wait_for_selector("#figure .xtick")
    assert fresh.evaluate("document.querySelector('#figure').layout.shapes.length") >= 1, "marks of the page come along"


def test_similar_and_border_lists_are_in_the_order_they_promise(explorer: Page) -> None:
    def listed() -> list[str]:
        rows = explorer.locator(".ls-option").evaluate_all("nodes => nodes.map((node) => Number(node.dataset.row))")
        return [explorer.evaluate("row => window.__loopscope.explorer.loops.ids[row]", row) for row in rows[:12]]

    order = explorer.get_by_role("combobox", name="Order of the list")
    order.select_option("Border")
    wait_until(lambda: listed() == IDS[np.argsort(np.abs(scores - THRESHOLD))][:12].tolist(), "the border queue")
    order.select_option("Score")
    wait_until(lambda: listed() == RANKING[:12].tolist(), "the ranking again")
    explorer.locator(".ls-option").nth(4).click()
    wait_until_plays(explorer, RANKING[4])
    order.select_option("Similar")
    latents = VIEW.latents.astype(float)
    distance = ((latents - latents[IDS.tolist().index(RANKING[4])]) ** 2).sum(axis=1)
    wait_until(lambda: listed() == IDS[np.argsort(distance)][:12].tolist(), "nearest first, the loop itself on top")


def test_the_threshold_moves_by_keyboard_and_python_hears_where_it_rests(explorer: Page) -> None:
    handle = explorer.locator(".ls-handle")
    handle.focus()
    for _ in range(3):
        explorer.keyboard.press("ArrowLeft")
    explorer.keyboard.press("PageDown")
    wait_until(lambda: handle.get_attribute("aria-valuenow") == "93.70", "the handle follows at the next frame")
    flagged = int((scores > np.percentile(scores, 93.7)).sum())
    assert explorer.locator(".ls-flagged-count").inner_text() == f"{flagged} of {N} flagged"
    wait_until(lambda: heard(explorer)["percentile"] == 93.7, "Python hears the keys")
    assert not audio(explorer)["playing"], "arrow keys on the handle do not audition"
    explorer.get_by_role("button", name="Back to 95").click()
    wait_until(lambda: heard(explorer)["percentile"] == 95.0, "the paper's percentile")


MAP_AXIS = """(k) => {
    const { scatter } = window.__loopscope.explorer.views;
    const axis = scatter.plot._fullLayout[k ? "yaxis" : "xaxis"];
    const numbers = (axis.ticktext ?? []).map((text) => Number(text.replace("−", "-")));
    const named = numbers.map((value, i) => [axis.d2p(axis.tickvals[i]), value]);
    const [low, high] = axis.range.map((end) => axis.d2p(end));
    return { named: named.filter(([at]) => at >= Math.min(low, high) && at <= Math.max(low, high)),
             length: axis._length, title: axis.title.text };
}"""


def middle_half(page: Page) -> float:
    """Share of the map's height that the middle half of the loops has."""
    ys = np.array(plot_pixels(page, "scatter", *VIEW.coordinates[:, :2].T.tolist()))[:, 1]
    return float(np.subtract(*np.percentile(ys, [75, 25])) / page.evaluate(MAP_AXIS, 1)["length"])


def test_far_loops_leave_the_others_room_on_the_map_and_its_ticks_name_coordinates(explorer: Page) -> None:
    y = VIEW.coordinates[:, 1].astype(float)
    low, high = np.percentile(y, [25, 75])
    assert np.ptp(y) > 10 * (high - low), "these loops stretch a linear axis"
    compressed = middle_half(explorer)
    assert not explorer.evaluate(MAP_AXIS, 0)["named"], "two groups of loops share the other one evenly"
    named = explorer.evaluate(MAP_AXIS, 1)["named"]
    pixels = np.array(plot_pixels(explorer, "scatter", [0.0] * len(named), [value for _, value in named]))[:, 1]
    np.testing.assert_allclose(pixels - pixels[0], [at - named[0][0] for at, _ in named], atol=0.5)
    assert len(named) >= 4
    explorer.get_by_role("button", name="asinh axes").click()
    painted(explorer)
    linear = middle_half(explorer)
    assert linear < 0.1 and compressed > 2 * linear
    row = isolated_rows(explorer)[3]
    click_scatter(explorer, row)
    wait_until_plays(explorer, IDS[row])
    explorer.get_by_role("button", name="linear axes").click()
    painted(explorer)
    assert middle_half(explorer) == pytest.approx(compressed)


def test_zoomed_in_an_asinh_axis_names_what_is_shown(explorer: Page) -> None:
    before = explorer.evaluate(MAP_AXIS, 1)["named"]
    explorer.evaluate(
        "window.Plotly.relayout(document.querySelector('.ls-scatter .ls-plot'), { 'yaxis.range': [-0.1, 0.3] })"
    )
    painted(explorer)
    named = explorer.evaluate(MAP_AXIS, 1)["named"]
    assert len(named) >= 4 and len({value for _, value in named} - {value for _, value in before}) >= 3


LATE_ANSWERS = """async () => {
    const { explorer } = window.__loopscope;
    const { loops, session, plotly } = explorer;
    const { histogram, scatter, heatmap } = explorer.views;
    let answer;
    loops.near.clear();
    loops.askNear = () => new Promise((resolve) => (answer = resolve));
    const row = (session.selected + 2) % loops.n;
    session.select(row);
    while (!answer) await new Promise(requestAnimationFrame); // asked for once the selection rests
    const repainted = [histogram, scatter, heatmap].map((chart) => chart.repaint());
    const drawn = scatter.draw(plotly);
    session.setPercentile(60); // painted in the next frame
    explorer.close();
    answer([row ? 0 : 1]);
    await Promise.all([...repainted, drawn]);
    session.select(row ? 0 : 1);
    session.setPercentile(70, { settled: true });
    await new Promise((done) => setTimeout(done, 400));
    return [histogram, scatter, heatmap].filter(({ plot }) => plot.data).length;
}"""


def test_answers_on_their_way_to_an_explorer_that_was_closed_touch_no_figure(explorer: Page) -> None:
    """As when the server stops while a question is out; the page's console stays empty, which its fixture sees."""
    at_rest(explorer)
    assert explorer.evaluate(LATE_ANSWERS) == 0, "every figure is taken apart in the end"
