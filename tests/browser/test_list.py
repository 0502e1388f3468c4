"""The list as a producer walks it: its orders, its reasons, its chips and its keys."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import synthetic
from tests.browser.driving import audio, box_of, open_explorer, painted, serve, wait_until, wait_until_plays

pytestmark = pytest.mark.browser
N = 400
VIEW = synthetic.with_findings(synthetic.without_some_tempos(synthetic.synthetic_view(N)))
LOOPS = VIEW.loops
LISTEN = LOOPS.sort_values("triage_rank")["loop_id"].tolist()
FAULTY = set(LOOPS.loc[LOOPS["faults"] != 0, "loop_id"])
DURATION = dict(zip(LOOPS["loop_id"], LOOPS["duration_s"], strict=True))
EXPLORER = "window.__loopscope.explorer"


@pytest.fixture(scope="module")
def checked_url(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The harness with loops that have been through the signal checks."""
    script = Path(__file__).with_name("explorer_app.py")
    with serve(script, tmp_path_factory.mktemp("server"), EXPLORER_LOOPS=str(N), EXPLORER_FINDINGS="1") as url:
        yield url


@pytest.fixture
def explorer(page: Page, checked_url: str) -> Page:
    open_explorer(page, checked_url)
    return page


def rows(page: Page) -> list[str]:
    """Ids of the whole list, from its top."""
    ids: list[str] = page.evaluate(
        f"(({{ loops, views }}) => [...views.ranking.rows].map((row) => loops.ids[row]))({EXPLORER})"
    )
    return ids


def drawn(page: Page) -> list[tuple[str, str, str]]:
    """Id, badge and reason of each row that exists as an element, from the top."""
    said: list[list[str]] = page.evaluate(
        f"""() => [...document.querySelectorAll(".ls-option")].map((node) => [
            {EXPLORER}.loops.ids[Number(node.dataset.row)],
            node.querySelector(".ls-badge").textContent,
            node.querySelector(".ls-reason").textContent])"""
    )
    return [(loop_id, badge, reason) for loop_id, badge, reason in said]


def selected(page: Page) -> str:
    loop_id: str = page.evaluate(f"{EXPLORER}.session.selectedId")
    return loop_id


def summary(page: Page) -> str:
    return page.locator(".ls-summary").inner_text()


def chip(page: Page, badge: str) -> Any:
    return page.locator(".ls-badge-chip", has_text=badge)


def scroll_top(page: Page) -> float:
    top: float = page.evaluate("document.querySelector('.ls-scroller').scrollTop")
    return top


def expected(column: str, ascending: bool) -> list[str]:
    """Ids by a column, unknown ones last, equal ones in the order of listening."""
    by_ear = LOOPS.sort_values("triage_rank")
    return by_ear.sort_values(column, ascending=ascending, kind="stable", na_position="last")["loop_id"].tolist()


def test_the_list_stands_in_the_order_that_is_chosen_and_the_row_clicked_sounds(explorer: Page) -> None:
    orders = {
        ("Listen first", ""): LISTEN,
        ("Score", "Most first"): expected("score", False),
        ("Newest", "Newest first"): expected("modified", False),
        ("Name", "A to Z"): expected("name", True),
        ("Name", "Z to A"): expected("name", False),
        ("BPM", "Slow first"): expected("bpm", True),
        ("BPM", "Fast first"): expected("bpm", False),
    }
    assert explorer.get_by_role("combobox", name="Order of the list").input_value() == "listen"
    for (order, way), ids in orders.items():
        explorer.get_by_role("combobox", name="Order of the list").select_option(order)
        button = explorer.locator(".ls-way")
        if way and button.inner_text() != way:
            button.click()
        assert not way or button.inner_text() == way
        wait_until(lambda ids=ids: rows(explorer) == ids, f"{order}, {way}")
        assert [loop_id for loop_id, _, _ in drawn(explorer)[:9]] == ids[:9]
        explorer.locator(".ls-option[aria-posinset='4']").click()
        wait_until_plays(explorer, ids[3])
        explorer.keyboard.press("ArrowDown")
        wait_until_plays(explorer, ids[4])
    assert set(expected("bpm", False)[-40:]) == set(LOOPS.loc[LOOPS["bpm"].isna(), "loop_id"])


def test_badges_follow_the_handle_while_no_row_moves_and_chips_filter_once_it_rests(explorer: Page) -> None:
    def interesting(threshold: float) -> set[str]:
        return set(LOOPS.loc[LOOPS["score"] > threshold, "loop_id"]) - FAULTY

    def threshold() -> float:
        value: float = explorer.evaluate(f"{EXPLORER}.session.threshold")
        return value

    order, before = rows(explorer), drawn(explorer)
    for loop_id, badge, reason in before:
        assert (badge == "Faulty") == (loop_id in FAULTY)
        assert badge != "Faulty" or reason == "clipped 13 %"
        assert badge != "Interesting" or reason.startswith("stands out m")
    best = LOOPS.loc[LOOPS["score"].idxmax(), "loop_id"]
    assert (best, "Interesting", "stands out most") in before
    flagged = int((LOOPS["score"] > threshold()).sum())
    assert summary(explorer) == f"{N} loops · {flagged} flagged"
    chip(explorer, "Interesting").click()
    wait_until(lambda: set(rows(explorer)) == interesting(threshold()), "only what is interesting")
    held = rows(explorer)
    box = box_of(explorer, ".ls-handle")
    x, y = box["x"] + box["width"] / 2, box["y"] + 12
    explorer.mouse.move(x, y)
    explorer.mouse.down()
    explorer.mouse.move(x + 25, y)
    painted(explorer)
    assert rows(explorer) == held
    assert {badge for _, badge, _ in drawn(explorer)} == {"Interesting", "Normal"}, "fewer stand out now"
    counts = set()
    for step in range(1, 11):
        explorer.mouse.move(x - 17 * step, y)
        painted(explorer)
        counts.add(chip(explorer, "Interesting").inner_text())
        assert rows(explorer) == held, "no row comes, goes or moves under the hand"
    assert len(counts) > 2
    assert chip(explorer, "Interesting").inner_text() == f"Interesting {len(interesting(threshold()))}"
    assert chip(explorer, "Faulty").inner_text() == f"Faulty {len(FAULTY)}"
    explorer.mouse.up()
    wait_until(lambda: set(rows(explorer)) == interesting(threshold()), "the filter follows once the hand is off")
    flagged = int((LOOPS["score"] > threshold()).sum())
    shown = len(interesting(threshold()))
    assert summary(explorer) == f"{shown} of {N} loops · {shown} of {flagged} flagged"
    chip(explorer, "Interesting").click()
    wait_until(lambda: rows(explorer) == order, "in the same order as before")
    explorer.get_by_role("combobox", name="Order of the list").select_option("Score")
    wait_until(lambda: drawn(explorer)[0][0] == best, "the best first")
    for loop_id, badge, _ in drawn(explorer):
        assert (badge == "Interesting") == (loop_id in interesting(threshold()))


def test_the_list_is_walked_with_keys_alone(explorer: Page) -> None:
    press = explorer.keyboard.press
    page_top = "document.querySelector('[data-testid=stMain]').scrollTop"
    before = explorer.evaluate(page_top)
    hint = explorer.locator(".ls-hint")
    expect(hint).to_be_visible()
    press("ArrowDown")
    wait_until_plays(explorer, LISTEN[0])
    press("PageDown")
    place = LISTEN.index(selected(explorer))
    screenful = explorer.evaluate(
        f"(({{ scroller, anchor }}) => scroller.clientHeight / anchor.row)({EXPLORER}.views.ranking)"
    )
    assert screenful - 2 <= place <= screenful
    wait_until_plays(explorer, LISTEN[place])
    press("End")
    assert selected(explorer) == LISTEN[-1]
    painted(explorer)
    expect(explorer.locator(".ls-option[aria-selected=true]")).to_be_in_viewport()
    press("PageDown")
    assert selected(explorer) == LISTEN[-1], "the list ends here"
    expect(hint).to_be_visible()
    press("Home")
    assert selected(explorer) == LISTEN[0]
    expect(hint).to_be_hidden()
    assert explorer.evaluate(page_top) == before, "the page stays where it is"
    first = wait_until_plays(explorer, LISTEN[0])
    wait_until(lambda: audio(explorer)["position"] > 0.2, "it has played a while")
    press("Enter")
    wait_until(lambda: audio(explorer)["startedAt"] != first["startedAt"], "Enter plays it anew")
    explorer.evaluate(
        f"""() => {{
            const {{ engine }} = {EXPLORER};
            const seek = engine.seek.bind(engine);
            window.jumped = [];
            engine.seek = (to) => {{ window.jumped.push(to - engine.position()); seek(to); }};
        }}"""
    )
    press("Shift+ArrowRight")
    press("Shift+ArrowLeft")
    length = DURATION[LISTEN[0]]
    jumps = [jump % length for jump in explorer.evaluate("window.jumped")]
    assert jumps == pytest.approx([length / 8, 7 * length / 8], abs=0.02)
    press("ArrowRight")
    wait_until(lambda: selected(explorer) != LISTEN[0], "the most similar loop")
    press("ArrowLeft")
    wait_until(lambda: selected(explorer) == LISTEN[0], "back")


def test_typing_filters_and_the_arrow_goes_to_the_first_hit(explorer: Page) -> None:
    press = explorer.keyboard.press
    search = explorer.get_by_role("searchbox")
    hits = [i for i in LISTEN if LOOPS.loc[LOOPS["loop_id"] == i, "name"].iloc[0].startswith("guitar_take_001")]
    press("End")
    painted(explorer)
    assert scroll_top(explorer) > 0
    press("/")
    explorer.keyboard.type("guitar take_001")
    press("ArrowDown")  # before the list had the time to follow
    wait_until_plays(explorer, hits[0])
    assert rows(explorer) == hits and scroll_top(explorer) == 0
    assert explorer.evaluate("document.activeElement.className") == "ls-scroller"
    press("ArrowDown")
    wait_until_plays(explorer, hits[1])
    press("End")
    painted(explorer)
    press("/")
    assert search.evaluate("(node) => node.selectionEnd - node.selectionStart") == len("guitar take_001")
    explorer.keyboard.type("bass take_002")
    wait_until(lambda: len(rows(explorer)) == 50 and scroll_top(explorer) == 0, "live, and from its top")
    press("Escape")
    assert explorer.evaluate("document.activeElement.className") == "ls-scroller"
    assert search.input_value() == "bass take_002" and len(rows(explorer)) == 50
    press("Escape")
    wait_until(lambda: rows(explorer) == LISTEN, "the second one clears the filters")
    press("/")
    explorer.keyboard.type("nothing like it")
    playing = selected(explorer)
    press("Enter")
    assert (selected(explorer), rows(explorer)) == (playing, [])
    assert explorer.evaluate("document.activeElement.type") == "search", "there is nowhere to go"


def test_the_hint_is_gone_once_it_was_closed_and_what_is_not_kept_is_no_fault(explorer: Page, checked_url: str) -> None:
    explorer.get_by_role("button", name="Close the hint").click()
    expect(explorer.locator(".ls-hint")).to_be_hidden()
    open_explorer(explorer, checked_url)
    expect(explorer.locator(".ls-hint")).to_be_hidden()
    explorer.add_init_script("Object.defineProperty(window, 'localStorage', { get() { throw new Error('no'); } })")
    open_explorer(explorer, checked_url)
    expect(explorer.locator(".ls-hint")).to_be_visible()
    explorer.get_by_role("button", name="Close the hint").click()
    expect(explorer.locator(".ls-hint")).to_be_hidden()


def test_rows_and_player_have_room_at_every_width_and_size_of_text(explorer: Page) -> None:
    explorer.locator(".ls-option").nth(2).click()
    wait_until_plays(explorer, LISTEN[2])
    for width, limit_rem in ((1440, 4.5), (1000, 4.5), (390, 5.0)):
        explorer.set_viewport_size({"width": width, "height": 844})
        painted(explorer)
        rem = explorer.evaluate("parseFloat(getComputedStyle(document.documentElement).fontSize)")
        assert box_of(explorer, ".ls-player")["height"] <= limit_rem * rem
        words = [explorer.locator(f".ls-player .{part}") for part in ("ls-title", "ls-badge", "ls-reason")]
        for word in words:
            box = word.bounding_box()
            assert box and box["x"] >= 0 and box["x"] + box["width"] <= width
        assert [words[0].inner_text(), words[1].inner_text()] == [
            LOOPS.loc[LOOPS["loop_id"] == LISTEN[2], "name"].iloc[0],
            "Faulty" if LISTEN[2] in FAULTY else "Interesting",
        ]
    explorer.get_by_role("button", name="How to play").click()
    expect(explorer.get_by_label("Autoplay")).to_be_visible()
    explorer.keyboard.press("Escape")
    expect(explorer.get_by_label("Autoplay")).to_be_hidden()
    explorer.set_viewport_size({"width": 1440, "height": 844})
    explorer.evaluate("() => { document.querySelector('.ls-scroller').scrollTop = 30 * 41; }")
    painted(explorer)
    top = explorer.evaluate(f"{EXPLORER}.views.ranking.topId")
    explorer.evaluate("() => { document.documentElement.style.fontSize = '24px'; }")
    wait_until(lambda: explorer.evaluate(f"{EXPLORER}.views.ranking.anchor.row") == 66, "rows grow with the text")
    painted(explorer)
    assert explorer.evaluate(f"{EXPLORER}.views.ranking.topId") == top == LISTEN[30]
    tops = explorer.evaluate("[...document.querySelectorAll('.ls-option')].map((node) => node.offsetTop)")
    assert set(np.diff(tops)) == {66}
    assert explorer.locator(".ls-option").first.evaluate("(node) => node.scrollHeight <= node.clientHeight")
