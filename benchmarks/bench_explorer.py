"""The explorer in headless Chromium: click to sound, live threshold, first figure, memory; native charts beside it.

Times are milliseconds. "Audible" means that the source node was started on a running audio clock (the explorer) or that
the media element fired `playing` (native). Software rendering: figures are slower here than with a graphics card.
"""

import contextlib
import os
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

from benchmarks.devtools import DevTools, chromium_at
from tests.browser import synthetic
from tests.browser.driving import CHROMIUM, audio, chromium, open_explorer, plot_pixels, serve, wait_until

APP = Path(__file__).parents[1] / "tests" / "browser" / "explorer_app.py"
SIZES = (10_000, 50_000)
CLICKS = 30
AUDITIONS = 200
DRAG_S = 3.0
LOADS = 4

# Notes when the button goes down and when sound starts, for both ways of playing.
STOPWATCH = """() => {
  window.stopwatch = { down: 0, sound: 0 };
  document.addEventListener("pointerdown", () => Object.assign(stopwatch, { down: performance.now(), sound: 0 }), true);
  document.addEventListener("keydown", () => Object.assign(stopwatch, { down: performance.now(), sound: 0 }), true);
  document.addEventListener("playing", () => (stopwatch.sound ||= performance.now()), true);
  window.__loopscope?.explorer.engine.addEventListener("change", () => {
    if (window.__loopscope.audio().playing) stopwatch.sound ||= performance.now();
  });
}"""
TOOK = "stopwatch.sound && stopwatch.sound - stopwatch.down"
NATIVE_DRAWN = """() => {
  const plots = [...document.querySelectorAll(".js-plotly-plot")];
  return plots.length === 3 && plots.every((plot) => plot.querySelector(".xtick"));
}"""

# One pointer event a frame: a driver outside the browser could not keep up. Counts frames in which the count changed.
PULL = """async ([x, reach, seconds]) => {
  const handle = document.querySelector(".ls-handle");
  const start = performance.now();
  let [updates, gap, last, value] = [0, 0, start, ""];
  while (last - start < 1000 * seconds) {
    const clientX = x - (reach / 2) * (1 - Math.cos((last - start) / 300));
    handle.dispatchEvent(new PointerEvent("pointermove", { pointerId: 1, clientX, bubbles: true }));
    await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
    const now = performance.now();
    gap = Math.max(gap, now - last);
    last = now;
    if (handle.getAttribute("aria-valuenow") !== value) updates += 1;
    value = handle.getAttribute("aria-valuenow");
  }
  return { updates, gap };
}"""


def run() -> str:
    """One Markdown section."""
    if not CHROMIUM.exists():
        return f"## Explorer\n\nNot run: {CHROMIUM} is not there."
    busy = os.getloadavg()[0]
    with chromium() as browser:
        sounds, drags, figures = [], [], []
        for n in SIZES:
            with served(n) as url:
                figures.append(first_figures(browser, url, n))
                with opened(browser) as page:
                    open_explorer(page, url)
                    page.evaluate(STOPWATCH)
                    sounds += click_to_sound(page, n)
                    drags.append(drag(page, n))
                if n == SIZES[0]:
                    memory = memory_after_auditions(url)
            with served(n, EXPLORER_NATIVE="1") as url:
                figures.append(native_figures(browser, url, n))
                with opened(browser) as page:
                    sounds.append(native_click_to_sound(page, url, n))
    return "\n".join(
        [
            "## Explorer",
            "",
            "Headless Chromium, software rendering, server and browser on the same machine. Load average, which this",
            f"benchmark alone brings to about 2: {busy:.1f} before, {os.getloadavg()[0]:.1f} after.",
            "",
            f"### From the button going down to sound, {CLICKS} clicks each",
            "",
            "| loops | way | median ms | 90th percentile ms |",
            "|---:|---|---:|---:|",
            *sounds,
            "",
            "### Dragging the threshold",
            "",
            "| loops | updates a second | longest gap ms | websocket bytes while dragging | on release |",
            "|---:|---:|---:|---:|---:|",
            *drags,
            "",
            f"### First figure, ms from the start of navigation (cold once, warm: median of {LOADS - 1})",
            "",
            "| loops | way | cold | warm | warm, without Streamlit's own start |",
            "|---:|---|---:|---:|---:|",
            *figures,
            "",
            "Histogram and scatter are drawn (native: all three charts). Cold: new server and empty browser cache.",
            "",
            "### Memory",
            "",
            memory,
        ]
    )


@contextlib.contextmanager
def served(n: int, **environment: str) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as home, serve(APP, Path(home), EXPLORER_LOOPS=str(n), **environment) as url:
        yield url


@contextlib.contextmanager
def opened(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    yield context.new_page()
    context.close()


def first_figures(browser: Browser, url: str, n: int) -> str:
    """Cold once, then reloads in the same browser context."""
    times, own = [], []
    with opened(browser) as page:
        for _ in range(LOADS):
            open_explorer(page, url)
            marks = page.evaluate(
                "Object.fromEntries(performance.getEntriesByType('mark').map((mark) => [mark.name, mark.startTime]))"
            )
            times.append(marks["loopscope:ready"])
            own.append(marks["loopscope:ready"] - marks["loopscope:mounted"])
    warm, without = statistics.median(times[1:]), statistics.median(own[1:])
    return f"| {n:,} | explorer | {times[0]:.0f} | {warm:.0f} | {without:.0f} |"


def native_figures(browser: Browser, url: str, n: int) -> str:
    times = []
    with opened(browser) as page:
        for _ in range(LOADS):
            page.goto(url)
            page.wait_for_function(NATIVE_DRAWN, timeout=120_000)
            times.append(page.evaluate("performance.now()"))
    return f"| {n:,} | three native charts | {times[0]:.0f} | {statistics.median(times[1:]):.0f} | – |"


def click_to_sound(page: Page, n: int) -> list[str]:
    """Cold: loops and files that were never asked for. Warm: the pointer rested on the point before the click."""
    view = synthetic.synthetic_view(n)
    short = [i for i in range(synthetic.N_FILES) if synthetic.duration_s(i) < synthetic.LONG_FILE_S]
    outside = view.loops["score"].to_numpy().argsort()[::-1][: n // 20]
    by_file = {int(row) % synthetic.N_FILES: int(row) for row in outside}
    cold = [by_file[i] for i in short if i in by_file][:CLICKS]
    page.mouse.click(5, 5)  # the audio context wakes at a first click anywhere in real use
    page.keyboard.press("ArrowDown")
    wait_until(lambda: audio(page)["playing"], "the first sound")
    forget = "window.__loopscope.explorer.engine.cache.clear()"
    rows = []
    for way in ("click, cold", "click, pointer rested"):
        times = []
        for row in cold:
            page.evaluate(forget)
            x, y = view.coordinates[row, :2].tolist()
            place = plot_pixels(page, "scatter", [x], [y])[0]
            if way == "click, pointer rested":
                page.mouse.move(*place)
                page.wait_for_timeout(350)
            page.mouse.click(*place)
            times.append(wait_until(lambda: page.evaluate(TOOK), way))
            page.mouse.move(place[0], 5)
            page.wait_for_timeout(350)
        rows.append(line(n, f"explorer, {way}", times))
    times = []
    for _ in range(CLICKS):
        page.keyboard.press("ArrowDown")
        times.append(wait_until(lambda: page.evaluate(TOOK), "the key"))
        page.wait_for_timeout(350)
    return [*rows, line(n, "explorer, arrow key", times)]


def native_click_to_sound(page: Page, url: str, n: int) -> str:
    view = synthetic.synthetic_view(n)
    page.goto(url)
    page.wait_for_function(NATIVE_DRAWN, timeout=120_000)
    page.evaluate(STOPWATCH)
    rng = random.Random(3)
    outside = view.loops["score"].to_numpy().argsort()[::-1][: n // 20]
    times: list[float] = []
    while len(times) < CLICKS:
        row = int(rng.choice(outside))
        x, y = page.evaluate(
            """([x, y]) => {
                const plot = document.querySelectorAll(".js-plotly-plot")[1];
                const { xaxis, yaxis } = plot._fullLayout;
                const box = plot.getBoundingClientRect();
                return [box.left + xaxis._offset + xaxis.d2p(x), box.top + yaxis._offset + yaxis.d2p(y)];
            }""",
            view.coordinates[row, :2].tolist(),
        )
        page.mouse.move(x, y)
        page.wait_for_timeout(350)
        page.mouse.click(x, y)
        with contextlib.suppress(AssertionError):  # the point that was selected already: a click takes it off
            times.append(wait_until(lambda: page.evaluate(TOOK), "native sound", limit_s=4))
        page.wait_for_timeout(350)
    return line(n, "native chart and st.audio, pointer rested", times)


def line(n: int, way: str, times: list[float]) -> str:
    return f"| {n:,} | {way} | {statistics.median(times):.0f} | {statistics.quantiles(times, n=10)[-1]:.0f} |"


def drag(page: Page, n: int) -> str:
    """Take the handle with the mouse, pull it to and fro and count the frames that show it elsewhere."""
    sent: list[int] = []
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    for event in ("Network.webSocketFrameSent", "Network.webSocketFrameReceived"):
        session.on(event, lambda frame: sent.append(len(frame["response"]["payloadData"])))
    page.wait_for_timeout(1500)
    box: Any = page.locator(".ls-handle").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + 12
    page.mouse.move(x, y)
    page.mouse.down()
    sent.clear()
    reach = min(200, 0.8 * (x - page.locator(".ls-histogram .nsewdrag").bounding_box()["x"]))  # type: ignore[index]
    frames = page.evaluate(PULL, [x, reach, DRAG_S])
    during = sum(sent)
    page.mouse.up()
    page.wait_for_timeout(1500)
    return f"| {n:,} | {frames['updates'] / DRAG_S:.0f} | {frames['gap']:.0f} | {during} | {sum(sent) - during} |"


def memory_after_auditions(url: str) -> str:
    """Growth of the page's process over many auditions, once its cache of decoded loops is full."""
    with chromium_at(url) as page:
        wait_until(lambda: all_drawn(page), "figures", 60)
        audition(page, 100)
        before = page.resident_mib()
        audition(page, AUDITIONS)
        after = page.resident_mib()
        held = page.evaluate("window.__loopscope.audio().clips")
    return (
        f"{AUDITIONS} auditions with the cache of decoded loops full ({held['clips']} loops, "
        f"{held['bytes'] / 2**20:.0f} MiB): the page's process went from {before:.0f} to {after:.0f} MiB "
        f"({100 * (after / before - 1):+.1f} %)."
    )


def all_drawn(page: DevTools) -> bool:
    with contextlib.suppress(RuntimeError):  # between two documents there is nobody to ask
        return bool(page.evaluate("Boolean(document.querySelector('.ls-root[data-complete]'))"))
    return False


def audition(page: DevTools, times: int) -> None:
    for _ in range(times):
        page.press("ArrowDown")
        time.sleep(0.06)
