"""What assets/explorer/plotly-internals.js takes from Plotly without its promise, and how an upgrade would break it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import plotly
import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import watched_page
from tests.browser.driving import ROOT

pytestmark = pytest.mark.browser
PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
INTERNALS = ROOT / "assets" / "explorer" / "plotly-internals.js"

DRAW = """async () => {
    const plot = document.body.appendChild(document.createElement("div"));
    const layout = { width: 500, height: 400, margin: { l: 60, t: 30, r: 40, b: 50 }, showlegend: false,
        barmode: "overlay", xaxis: { range: [0, 10] }, yaxis: { type: "log", range: [0, 2] } };
    const bar = { type: "bar", x: [1, 2, 3], y: [10, 0, 30] };
    await Plotly.newPlot(plot, [{ ...bar, visible: false }, bar, { ...bar, x: [4, 5, 6] }], layout);
    window.plot = plot;
}"""


@pytest.fixture(scope="module")
def drawn(browser: Browser) -> Iterator[Page]:
    """A page with bars of one to six on a linear and a logarithmic axis, and the internals as `internals`."""
    with watched_page(browser) as page:
        draw(page)
        yield page


def draw(page: Page) -> None:
    page.set_content("<!doctype html><body style='margin: 0'></body>")
    page.add_script_tag(path=PLOTLY)
    source = INTERNALS.read_text(encoding="utf-8")
    page.evaluate(
        "async (source) => { window.internals = await import(URL.createObjectURL("
        "new Blob([source], { type: 'text/javascript' }))); }",
        source,
    )
    page.evaluate(DRAW)


def ask(page: Page, expression: str, broken: str) -> Any:
    """The value of an expression; where it cannot be had, the one sentence that says what the upgrade broke."""
    said = page.evaluate(f"() => {{ try {{ return [{expression}]; }} catch (error) {{ return String(error); }} }}")
    assert isinstance(said, list), upgrade(f"{broken} ({said})")
    return said[0]


def upgrade(broken: str) -> str:
    return f"Plotly {plotly.__version__} broke assets/explorer/plotly-internals.js: {broken}."


def test_axes_place_values_in_pixels(drawn: Page) -> None:
    broken = "_fullLayout.xaxis/yaxis no longer have _offset, _length, d2p and p2d as they were"
    x = ask(drawn, "(({ start, length, end }) => [start, length, end])(internals.xAxis(plot))", broken)
    y = ask(drawn, "(({ start, length, end }) => [start, length, end])(internals.yAxis(plot))", broken)
    assert x == [60, 400, 460] and y == [30, 320, 350], upgrade(broken)
    pixels = "[internals.xAxis(plot).pixel(2.5), internals.yAxis(plot).pixel(10)]"
    assert ask(drawn, pixels, broken) == pytest.approx([160, 190]), upgrade(broken)
    values = "[internals.xAxis(plot).value(160), internals.yAxis(plot).value(190)]"
    assert ask(drawn, values, broken) == pytest.approx([2.5, 10]), upgrade(broken)


def test_drawn_traces_have_their_defaults(drawn: Page) -> None:
    broken = "_fullData no longer holds every trace, those that show with their x"
    traces = ask(drawn, "internals.drawnTraces(plot).map(({ x, visible }) => [Array.from(x ?? []), visible])", broken)
    assert traces == [[[], False], [[1, 2, 3], True], [[4, 5, 6], True]], upgrade(broken)


def test_bars_of_shown_traces_are_svg_paths_that_know_their_place(drawn: Page) -> None:
    broken = ".barlayer .trace.bars .point no longer holds one node per bar with __data__.p and a path"
    places = "internals.barsOf(plot, 1).map(({ at, path }) => [at, path?.tagName ?? null])"
    bars = ask(drawn, places, broken)
    assert [at for at, _ in bars] == [4, 5, 6], upgrade(broken)
    assert bars[0][1] == bars[2][1] == "path", upgrade(broken)
    colours = """(() => {
        const { path } = internals.barsOf(plot, 0)[0];
        path.style.fill = "rgb(1, 2, 3)";
        return getComputedStyle(path).fill;
    })()"""
    assert ask(drawn, colours, broken) == "rgb(1, 2, 3)", upgrade(broken)
    assert ask(drawn, "internals.barsOf(plot, 2).length", broken) == 0, upgrade("hidden traces have nodes now")


def test_the_plot_area_hears_clicks_and_nothing_around_it_does(drawn: Page) -> None:
    broken = "the node over the plot area is no longer .nsewdrag, or does not cover it"
    box = "internals.plotArea(plot).getBoundingClientRect()"
    area = f"(({{ left, top, width, height }}) => [left, top, width, height])({box})"
    assert ask(drawn, area, broken) == [60, 30, 400, 320], upgrade(broken)
    drawn.evaluate(
        "() => { window.over = []; addEventListener('click', (e) => over.push(internals.overPlotArea(e))); }"
    )
    drawn.mouse.click(200, 200)
    drawn.mouse.click(20, 20)
    assert drawn.evaluate("over") == [True, False], upgrade(broken)


def test_no_other_file_reaches_into_plotly() -> None:
    inner = ("_fullLayout", "_fullData", "_offset", "_length", "__data__", ".d2p", ".p2d", "nsewdrag", "barlayer")
    sources = {
        file.name: file.read_text(encoding="utf-8") for file in INTERNALS.parent.glob("*.js") if file != INTERNALS
    }
    assert len(sources) > 30
    assert not [(name, word) for name, source in sources.items() for word in inner if word in source]
