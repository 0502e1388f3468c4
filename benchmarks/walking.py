"""Driving the app's pages in a browser while watching the server's time and memory."""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from playwright.sync_api import Browser, Page, expect

from tests.browser.driving import choose

LONG = 600_000  # milliseconds


def server(url: str) -> Path:
    """The folder in /proc of the process that was given this port."""
    wanted = f"--server.port={url.rpartition(':')[2]}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if wanted in (folder / "cmdline").read_bytes().split(b"\0"):
                return folder
    raise RuntimeError(f"no process serves {url}")


def memory_mb(url: str, kind: str = "VmRSS") -> float:
    status = (server(url) / "status").read_text(encoding="ascii")
    return int(status.split(f"{kind}:")[1].split()[0]) / 1024


def cpu_s(url: str) -> float:
    fields = (server(url) / "stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Walk:
    """One page; `rows` grow with every step."""

    def __init__(self, page: Page, url: str) -> None:
        self.rows: list[str] = []
        self.page, self.url = page, url
        self._received: list[int] = []
        self._cpu = 0.0
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        session.on(
            "Network.webSocketFrameReceived",
            lambda frame: self._received.append(len(frame["response"]["payloadData"]) * 3 // 4),
        )

    @classmethod
    def in_new_page(cls, browser: Browser, url: str) -> Self:
        """In a browser session of its own."""
        page = browser.new_context(viewport={"width": 1440, "height": 1000}).new_page()
        page.goto(url)
        return cls(page, url)

    @contextlib.contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Times what happens in the block until Streamlit is idle."""
        self.begin()
        started = time.perf_counter()
        yield
        self.idle()
        self.row(what, time.perf_counter() - started)

    def begin(self) -> None:
        self._received.clear()
        self._cpu = cpu_s(self.url)

    def row(self, what: str, seconds: float) -> None:
        wire, cpu = sum(self._received) / 1e6, cpu_s(self.url) - self._cpu
        self.rows.append(f"| {what} | {seconds:.1f} | {cpu:.1f} | {wire:.2f} | {memory_mb(self.url):,.0f} |")

    def idle(self) -> None:
        """Nothing runs; a run is shown a moment after it began."""
        self.page.wait_for_timeout(200)
        expect(self.page.get_by_test_id("stStatusWidget")).to_have_count(0, timeout=LONG)

    def press(self, name: str) -> None:
        self.page.get_by_test_id("stMain").get_by_role("button", name=name, exact=True).first.click()

    def visit(self, name: str) -> None:
        self.page.get_by_test_id("stSidebarNav").get_by_role("link", name=name).click()
        expect(self.page.get_by_role("heading", name=name, exact=True)).to_be_visible(timeout=LONG)

    def choose(self, detector: str) -> None:
        """Say on the first screen what is to be trained."""
        self.idle()
        self.page.get_by_text("Advanced: encoder, detector, seed").click()
        choose(self.page, "Detector", detector)
        self.idle()

    def analyse(self, folder: Path, detector: str) -> None:
        """From the first screen through the whole walk, to the Explore page with the model's ranking."""
        self.choose(detector)
        self.begin_walk(folder)
        self.until_trained(detector)

    def begin_walk(self, folder: Path) -> None:
        """Choose the folder; Explore opens with its list."""
        self.page.get_by_label("Path").fill(str(folder))
        self.press("Analyse")
        self.page.wait_for_selector(".ls-root[data-ready]", timeout=LONG)

    def until_trained(self, detector: str) -> None:
        """The sidebar names the model, as the page is drawn anew with it."""
        model = self.page.get_by_test_id("stSidebar").get_by_text(f"Model: {detector}", exact=False)
        expect(model).to_be_visible(timeout=LONG)
        self.idle()
