"""How tests and benchmarks start servers and drive the explorer."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Locator, Page, TimeoutError, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
MODEL_SHOWN = """() => {
    const { root, newest } = window.__loopscope.explorer;
    return root.dataset.version === newest.version && !newest.provisional;
}"""
START_LIMIT_S, STOP_LIMIT_S = 120.0, 20.0


@contextlib.contextmanager
def serve(script: Path, home: Path, port: int = 0, **environment: str) -> Iterator[str]:
    """Run `streamlit run script` on a port (0: a free one) until the block ends; yields its address.

    Its log: home/server.log.
    """
    port = port or free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "streamlit", "run", str(script), f"--server.port={port}", "--server.headless=true"]
    known = {"LOOPSCOPE_HOME": str(home), "PYTHONPATH": str(ROOT), "PYTHONFAULTHANDLER": "1"}
    variables = {**os.environ, **known, **environment}
    log = home / "server.log"
    with log.open("wb") as output:
        server = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=output, stderr=subprocess.STDOUT)
        try:
            _wait_for(url, server, log)
            yield url
        finally:
            server.terminate()
            _wait_for_end(server, log)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """The machine's own Chromium, headless, until the block ends."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


def _wait_for_end(server: "subprocess.Popen[bytes]", log: Path) -> None:
    try:
        server.wait(STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        server.send_signal(signal.SIGABRT)  # Python's fault handler writes down what every thread is doing
        server.wait()
        said = log.read_text(errors="replace")
        raise RuntimeError(f"the server did not stop when told to:\n{said[-20_000:]}") from None


def _wait_for(url: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError):
            if urllib.request.urlopen(f"{url}/_stcore/health", timeout=2).status == 200:
                return
        time.sleep(0.1)
    raise RuntimeError(f"the server did not start:\n{log.read_text(errors='replace')}")


def open_explorer(page: Page, url: str) -> None:
    """Go to the harness and wait until all figures are drawn."""
    page.goto(url)
    page.wait_for_selector(".ls-root[data-complete]", timeout=60_000)


def audio(page: Page) -> dict[str, Any]:
    """What the explorer's audio engine does now."""
    state: dict[str, Any] = page.evaluate("window.__loopscope.audio()")
    return state


def heard(page: Page) -> dict[str, Any]:
    """What Python heard, as the harness prints it."""
    said: dict[str, Any] = json.loads(page.locator("[data-testid=stText]").inner_text())
    return said


def wait_until(condition: Callable[[], Any], what: str, limit_s: float = 10.0) -> Any:
    """Poll until the condition holds; its value. Ever less often: asking takes time from what is waited for."""
    started = time.monotonic()
    while (waited := time.monotonic() - started) < limit_s:
        if value := condition():
            return value
        time.sleep(min(0.03 + waited / 20, 0.3))
    raise AssertionError(f"not within {limit_s} s: {what}")


def painted(page: Page) -> None:
    """Wait until what was asked for before this call is on the screen: the second animation frame from now."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


_RESTS = """() => {
    const app = document.querySelector("[data-testid=stApp]");
    const rests = app?.dataset.testScriptState === "notRunning" && !document.querySelector("[data-stale=true]");
    window.restsSince = rests ? (window.restsSince ?? performance.now()) : null;
    return rests && performance.now() - window.restsSince > 500;
}"""


def at_rest(page: Page, limit_s: float = 120.0) -> None:
    """Wait until the script has run to its end and nothing on the page is left over from the run before.

    For half a second: between a task's end and the run that takes its result over, the page seems to rest as well, and
    a click then is lost.
    """
    page.evaluate("window.restsSince = null")
    page.wait_for_function(_RESTS, timeout=1000 * limit_s, polling=50)


def press(page: Page, name: str) -> None:
    """Press a button of the page once it is whole: while a run goes on, those of the page before are still there."""
    at_rest(page)
    page.get_by_test_id("stMain").get_by_role("button", name=name, exact=True).first.click()


def choose(page: Page, label: str, option: str) -> None:
    """Choose in a select box. Its list closes by itself where the page still moves: then it is opened again."""
    found = page.get_by_role("option", name=option).first

    def is_chosen() -> bool:
        if not found.is_visible():
            page.get_by_label(label, exact=True).click()
        with contextlib.suppress(TimeoutError):
            found.click(timeout=2000)
            return True
        return False

    wait_until(is_chosen, f"{option} is chosen", limit_s=60)


def open_filters(page: Page) -> Locator:
    """The panel with the filters, opened where it is not."""
    panel = page.get_by_role("dialog", name="Filters")
    if not panel.is_visible():
        page.get_by_role("button", name=re.compile(r"^Filters( \(\d+\))?$")).click()
    panel.wait_for()
    return panel


def box_of(page: Page, selector: str) -> dict[str, float]:
    """Where an element is on the screen, once it is there."""
    box: dict[str, float] = wait_until(lambda: page.locator(selector).bounding_box(), f"{selector} is on the screen")
    return box


def bytes_at(url: str) -> bytes:
    """What an address answers, on a connection of its own: an idle one may be closed just as it is used again."""
    with urllib.request.urlopen(url, timeout=30) as answer:
        content: bytes = answer.read()
        return content


def enlarge(page: Page, figure: str) -> None:
    """Make a figure the large one."""
    button = page.locator(f".ls-{figure} .ls-enlarge")
    if button.is_visible():
        button.click()
    painted(page)


def wait_until_plays(page: Page, loop_id: str) -> dict[str, Any]:
    """Wait until this loop sounds: its source is started, its position moves, its level is above silence."""

    def sounds() -> dict[str, Any] | None:
        before = audio(page)
        if before["loopId"] != loop_id or not before["playing"]:
            return None
        painted(page)
        after = audio(page)
        moved = after["loopId"] == loop_id and after["position"] != before["position"]
        return after if moved and after["level"] > 1e-4 else None

    try:
        return wait_until(sounds, "")
    except AssertionError:
        raise AssertionError(f"{loop_id} should sound, but the audio is {audio(page)}") from None


def plot_pixels(page: Page, figure: str, xs: list[float], ys: list[float]) -> list[tuple[float, float]]:
    """Page coordinates of data coordinates of a figure, from Plotly's own axes; of the map, of principal components."""
    points: list[tuple[float, float]] = page.evaluate(
        """([figure, xs, ys]) => {
            const { axes } = figure === "scatter" ? window.__loopscope.explorer.views.scatter : {};
            const placed = (axis, value) => axes ? axes.placeOf(axis, value) : value;
            const plot = document.querySelector(`.ls-${figure} .ls-plot`);
            const { xaxis, yaxis } = plot._fullLayout;
            const box = plot.getBoundingClientRect();
            const [left, top] = [box.left + xaxis._offset, box.top + yaxis._offset];
            return xs.map((x, i) => [left + xaxis.d2p(placed(0, x)), top + yaxis.d2p(placed(1, ys[i]))]);
        }""",
        [figure, xs, ys],
    )
    return points


def open_takeaway(page: Page) -> None:
    """Unfold the lists at the foot of the page, which are made only then."""
    page.get_by_text("Take a list away").click(timeout=30_000)
