"""Explore at every size: list, pictures and "Why?" are where a producer looks for them, and nothing overlaps."""

import itertools
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import watched_page
from tests.browser.driving import at_rest, box_of, enlarge, open_explorer, painted, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
FIGURES = (".ls-histogram", ".ls-scatter", ".ls-heatmap")
LIST, WHY, PLAYER = ".ls-ranking", ".st-key-explain", ".ls-player"
WIDE, TWO_COLUMNS, ONE_COLUMN, PHONE = (1440, 900), (900, 800), (700, 900), (390, 844)
ZOOMED = (720, 450)  # 1440 x 900 at 200 %
REM = 15.0  # CSS pixels, as the theme sets it


@pytest.fixture(scope="module")
def opened(browser: Browser, panel_url: str) -> Iterator[Page]:
    """One sitting, with a loop selected."""
    with watched_page(browser) as page:
        open_explorer(page, panel_url)
        page.locator(".ls-option").first.click()
        page.wait_for_selector(".st-key-explain-sound [data-drawn]", timeout=60_000)
        yield page


@pytest.fixture
def explore(opened: Page) -> Page:
    """The page, wide, with its own font and the pictures to be seen."""
    opened.evaluate("document.documentElement.style.fontSize = ''")
    resize(opened, WIDE)
    enlarge(opened, "scatter")
    return opened


def resize(page: Page, size: tuple[int, int]) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.locator("[data-testid=stMain]").evaluate("main => { main.scrollTop = 0; }")
    at_rest(page)
    painted(page)


def assert_apart(page: Page, parts: tuple[str, ...]) -> None:
    """No two of these overlap, and all lie in the window."""
    boxes = {part: box_of(page, part) for part in parts}
    window = page.viewport_size
    assert window is not None
    for part, box in boxes.items():
        assert box["x"] >= 0 and box["x"] + box["width"] <= window["width"] + 1, f"{part} leaves the window sideways"
        assert box["y"] >= 0 and box["y"] + box["height"] <= window["height"] + 1, f"{part} leaves the window: {box}"
    for (one, a), (other, b) in itertools.combinations(boxes.items(), 2):
        beside = a["x"] + a["width"] <= b["x"] + 1 or b["x"] + b["width"] <= a["x"] + 1
        above = a["y"] + a["height"] <= b["y"] + 1 or b["y"] + b["height"] <= a["y"] + 1
        assert beside or above, f"{one} {a} overlaps {other} {b}"


def assert_no_sideways_scroll(page: Page) -> None:
    overhang = page.evaluate(
        """() => Math.max(...[document.documentElement, document.querySelector("[data-testid=stMain]")]
            .map((node) => node.scrollWidth - node.clientWidth))"""
    )
    assert overhang <= 0, f"the page is {overhang} px wider than the window"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_list_pictures_why_and_player_are_seen_at_once_where_there_is_room(explore: Page, theme: str) -> None:
    explore.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    wait_until(lambda: explore.locator(".ls-explorer").get_attribute("data-theme") == theme, theme)
    assert_apart(explore, (LIST, *FIGURES, WHY, PLAYER))
    assert_no_sideways_scroll(explore)
    assert box_of(explore, LIST)["height"] > 25 * REM
    assert box_of(explore, PLAYER)["height"] <= 4.5 * REM, "the player is one row"
    assert box_of(explore, PLAYER)["width"] > 60 * REM, "over the whole desk"


def test_any_picture_grows_by_one_click_and_the_choice_is_kept(explore: Page) -> None:
    for figure in ("histogram", "heatmap", "scatter", "histogram"):
        enlarge(explore, figure)
        areas = {name: box_of(explore, name)["width"] * box_of(explore, name)["height"] for name in FIGURES}
        assert max(areas, key=areas.__getitem__) == f".ls-{figure}"
        assert_apart(explore, (LIST, *FIGURES, WHY, PLAYER))
        width, drawn = (
            explore.locator(f".ls-{figure} {part}").first.bounding_box() for part in (".ls-plot", ".main-svg")
        )
        assert width is not None and drawn is not None
        assert drawn["width"] == pytest.approx(width["width"], abs=1), "the figure fills the room it got"
    explore.reload()
    explore.wait_for_selector(".ls-root[data-complete]", timeout=60_000)
    assert explore.locator(".ls-pictures").get_attribute("data-large") == "histogram"
    explore.locator(".ls-option").first.click()
    explore.wait_for_selector(".st-key-explain-sound [data-drawn]", timeout=60_000)


def test_with_less_room_pictures_and_why_share_a_place(explore: Page) -> None:
    for size in (TWO_COLUMNS, ONE_COLUMN, PHONE):
        resize(explore, size)
        explore.get_by_role("tab", name="Pictures").click()
        assert explore.locator(WHY).is_hidden()
        assert all(explore.locator(figure).is_visible() for figure in FIGURES)
        explore.get_by_role("tab", name="Why?").click()
        assert explore.locator(WHY).is_visible()
        assert not any(explore.locator(figure).is_visible() for figure in FIGURES)
        assert_no_sideways_scroll(explore)
        explore.get_by_role("tab", name="Why?").press("ArrowLeft")
        assert all(explore.locator(figure).is_visible() for figure in FIGURES)
    resize(explore, TWO_COLUMNS)
    assert_apart(explore, (LIST, *FIGURES, PLAYER))


def test_on_a_phone_the_list_comes_first_and_the_player_stays_in_reach(explore: Page) -> None:
    for size in (PHONE, ZOOMED):
        resize(explore, size)
        assert_no_sideways_scroll(explore)
        top = box_of(explore, LIST)["y"]
        assert all(box_of(explore, figure)["y"] > top for figure in FIGURES)
        for scrolled in (0, 300):
            explore.locator("[data-testid=stMain]").evaluate("(main, to) => { main.scrollTop = to; }", scrolled)
            player = box_of(explore, PLAYER)
            assert player["y"] + player["height"] <= size[1] + 1 and player["y"] > size[1] / 2, "at the foot"
            assert player["height"] <= 6.5 * REM


def test_a_larger_font_moves_things_and_hides_none(explore: Page) -> None:
    explore.evaluate("document.documentElement.style.fontSize = '20px'")
    resize(explore, WIDE)
    assert_no_sideways_scroll(explore)
    assert_apart(explore, (LIST, PLAYER))
    shown = WHY if explore.locator(".ls-panes").is_hidden() else FIGURES[0]
    assert explore.locator(shown).is_visible()
    name = explore.locator(".ls-option .ls-name").first
    assert name.evaluate("node => parseFloat(getComputedStyle(node).fontSize)") > 15, "sizes follow the font"


def test_details_are_one_level_below(explore: Page) -> None:
    panel = explore.locator(WHY)
    assert not panel.get_by_text("What makes up the score").count()
    panel.get_by_text("Details", exact=True).click()
    panel.get_by_text("What makes up the score").wait_for(timeout=60_000)
