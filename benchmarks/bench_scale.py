"""A made-up library of 50,000 loops in the real app: scan, every page in a browser, memory, many page switches.

Seconds are those of the wall clock, and beside them the processor time of the server alone, which does not depend on
what else the machine does; megabytes are what the websocket brings to the page; memory is the server's, resident.
Embeddings and findings are in the database already (see `made_up`).
"""

import tempfile
import time
from pathlib import Path
from statistics import median

from playwright.sync_api import expect

from benchmarks.made_up import FILES_A_SHELF, fill, write_files
from benchmarks.sessions import three_at_once
from benchmarks.walking import LONG, Walk, memory_mb
from loopscope.checkpoints import AISFX, fetch
from loopscope.encoders.base import load_encoder
from loopscope.library import scan_folder
from loopscope.store import Store
from tests.browser.driving import CHROMIUM, ROOT, chromium, serve

N_LOOPS = 50_000
SWITCHES, WARMING = 200, 60
DETECTORS = ("mahalanobis", "pca")


def run() -> str:
    """One Markdown section."""
    if not CHROMIUM.exists():
        return f"## Scale\n\nNot run: {CHROMIUM} is not there."
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        scans = prepare(home)
        with chromium() as browser:
            with serve(ROOT / "app.py", home, HF_HUB_OFFLINE="1", LOOPSCOPE_ROOTS=name) as url:
                walk = WholeWalk.in_new_page(browser, url)
                walk.all_pages(home / "loops")
                leak = walk.switch_pages()
                peak = memory_mb(url, "VmHWM")
            with serve(ROOT / "app.py", home, HF_HUB_OFFLINE="1", LOOPSCOPE_ROOTS=name) as url:
                shelves = sorted(folder for folder in (home / "loops").iterdir() if folder.is_dir())
                apart = three_at_once(browser, url, home, shelves[:3], FILES_A_SHELF)
    return "\n".join(
        [
            "## Scale",
            "",
            f"{N_LOOPS:,} made-up loops of 0.1 s, embedded before, in the app and headless Chromium on one machine.",
            "",
            "| what | seconds | server CPU s | MB to the page | server memory MB |",
            "|---|---:|---:|---:|---:|",
            *scans,
            *walk.rows,
            "",
            f"The server's memory was at most {peak:,.0f} MB, with two models fitted. {leak}",
            "",
            apart,
        ]
    )


def prepare(home: Path) -> list[str]:
    """Files, two scans, and what a first embedding would have left in the database."""
    weights = home / "cache" / "weights" / AISFX.stored.name
    source = fetch(AISFX)
    weights.parent.mkdir(parents=True)
    weights.symlink_to(source)
    encoder = load_encoder("aisfx")
    write_files(home / "loops", N_LOOPS)
    rows = []
    with Store(home / "data" / "loopscope.sqlite3") as store:
        for what in ("first", "again"):
            started = time.perf_counter()
            library = scan_folder(home / "loops", store)
            rows.append(f"| scan, {what} | {time.perf_counter() - started:.1f} | – | – | – |")
        fill(store, library, encoder.encoder_id, encoder.n_features)
    return rows


class WholeWalk(Walk):
    """The walk from folder to comparison, and quick switches after it."""

    def all_pages(self, folder: Path) -> None:
        """From the folder to the comparison of two models."""
        page = self.page
        first, *others = DETECTORS
        self.choose(first)
        with self.step("Analyse: scanned again, Explore opens with the list"):
            self.begin_walk(folder)
        with self.step(f"Analyse: all embeddings from the database, {first} trained"):
            self.until_trained(first)
        with self.step("Library: show"):
            self.visit("Library")
            expect(page.get_by_text(f"Loops ({N_LOOPS:,})")).to_be_visible(timeout=LONG)
        self.visit("Train")
        for detector in others:
            page.get_by_label("Detector").click()
            page.get_by_role("option", name=detector).click()
            self.idle()
            with self.step(f"Train: {detector}"):
                self.press("Train")
                self.until_trained(detector)
        self.explore("Explore: first figure, new model")
        self.visit("Library")
        self.explore("Explore: first figure, again")
        self.explore_events()
        for name in ("Library", "Compare", "Diagnostics"):
            with self.step(f"{name}: show"):
                self.visit(name)

    def explore(self, what: str) -> None:
        """Until histogram and scatter are drawn."""
        page = self.page
        self.idle()
        self.begin()
        started = time.perf_counter()
        page.get_by_test_id("stSidebarNav").get_by_role("link", name="Explore").click()
        page.wait_for_selector(".ls-root[data-ready]", timeout=LONG)
        seconds = time.perf_counter() - started
        page.wait_for_selector(".ls-root[data-complete]", timeout=LONG)
        self.idle()
        self.row(what, seconds)

    def explore_events(self) -> None:
        page = self.page
        with self.step("Explore: a loop is chosen"):
            page.locator(".ls-option").nth(2).click()
            page.wait_for_timeout(500)
        with self.step("Explore: the threshold is let go"):
            page.evaluate("window.__loopscope.explorer.session.setPercentile(80, { settled: true })")
            page.wait_for_timeout(500)
        with self.step("Explore: all loops as a list to take away"):
            page.get_by_test_id("stMain").get_by_role("radio", name=f"All ({N_LOOPS:,})", exact=True).click()

    def switch_pages(self) -> str:
        """Quick switches, not waiting for a page to be whole; a sentence on what they leave in memory."""
        names = ("Library", "Train", "Explore", "Compare")

        def switch(times: int) -> None:
            for turn in range(times):
                self.page.get_by_test_id("stSidebarNav").get_by_role("link", name=names[turn % len(names)]).click()
                self.page.wait_for_timeout(150)
            self.idle()

        def held() -> float:
            """Megabytes, as the median of five moments: what a page in the making holds comes and goes."""
            samples = []
            for _ in range(5):
                switch(len(names))
                samples.append(memory_mb(self.url))
            return median(samples)

        switch(WARMING)
        before = held()
        started = time.perf_counter()
        switch(SWITCHES)
        seconds, after = time.perf_counter() - started, held()
        self.visit("Diagnostics")  # the server still answers
        return (
            f"{SWITCHES} quick page switches in {seconds:.0f} s took it from {before:,.0f} to {after:,.0f} MB "
            f"({100 * (after / before - 1):+.1f} %)."
        )
