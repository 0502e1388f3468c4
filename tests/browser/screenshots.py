"""`make screenshots`: walks the demo library in a real browser and keeps pictures of every page in docs/screenshots.

Both themes, 1440, 900 and 390 CSS pixels wide. Look at them after a change of layout.
"""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, expect

from loopscope.checkpoints import AISFX, fetch
from tests.browser.driving import ROOT, choose, chromium, serve

FOLDER = ROOT / "docs" / "screenshots"
SIZES = ((1440, 900), (900, 1000), (390, 844))
LONG = 600_000  # milliseconds
QUIET_MS = 1500


def until_still(page: Page) -> None:
    """Wait until nothing runs and charts have been drawn."""
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0, timeout=LONG)
    page.wait_for_timeout(QUIET_MS)


def press(page: Page, name: str) -> None:
    """Press a button of the page, not of the sidebar."""
    page.get_by_test_id("stMain").get_by_role("button", name=name, exact=True).click()


def visit(page: Page, name: str) -> None:
    """Go to a page by the sidebar, which a narrow window keeps closed."""
    opener = page.get_by_test_id("stExpandSidebarButton")
    is_closed = opener.is_visible()
    if is_closed:
        opener.click()
    page.get_by_test_id("stSidebarNav").get_by_role("link", name=name).click()
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible(timeout=LONG)
    if is_closed:
        page.get_by_test_id("stSidebarCollapseButton").get_by_role("button").click()


def walk(page: Page, url: str, suffix: str) -> None:
    """Every page, with the demo library and two models; the first screen and the first sound before them."""

    def keep(name: str) -> None:
        until_still(page)
        page.screenshot(path=FOLDER / f"{name}-{suffix}.png")

    page.goto(url)
    expect(page.get_by_test_id("stMain").get_by_role("button", name="Open the demo library")).to_be_visible()
    keep("start")
    press(page, "Open the demo library")
    page.wait_for_selector(".ls-root[data-complete]", timeout=LONG)
    page.screenshot(path=FOLDER / f"listening-{suffix}.png")
    expect(page.get_by_test_id("stSidebar").get_by_text("Model: AEwRES", exact=False)).to_be_visible(timeout=LONG)
    visit(page, "Train")
    expect(page.locator(".st-key-train-said")).to_be_visible(timeout=LONG)
    keep("train")
    train_once(page, "pca")
    visit(page, "Explore")
    choose(page, "Model", "AEwRES")
    until_still(page)
    page.wait_for_selector(".ls-root[data-complete]", timeout=LONG)
    page.keyboard.press("Escape")
    page.locator(".ls-option").nth(2).click()
    keep("explore")
    for name in ("Library", "Embed", "Compare", "Diagnostics"):
        visit(page, name)
        keep(name.lower())


def train_once(page: Page, detector: str) -> None:
    """Another model beside the first, where an earlier walk on this server has not made it."""
    label = f"{detector} · robust · seed 0"
    visit(page, "Compare")
    until_still(page)
    if page.get_by_text(label).count():
        return
    visit(page, "Train")
    choose(page, "Detector", detector)
    until_still(page)
    press(page, "Train")
    expect(page.get_by_test_id("stSidebar").get_by_text(f"Model: {label}")).to_be_visible(timeout=LONG)
    expect(page.locator(".st-key-train-said")).to_be_visible(timeout=LONG)


def main() -> None:
    """All themes and sizes against one server, so that the work is done once."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        home = Path(folder)
        weights = home / "cache" / "weights" / AISFX.stored.name
        source = fetch(AISFX)
        weights.parent.mkdir(parents=True)
        weights.symlink_to(source)
        with serve(ROOT / "app.py", home, HF_HUB_OFFLINE="1") as url:
            for theme in ("light", "dark"):
                for width, height in SIZES:
                    context = browser.new_context(
                        viewport={"width": width, "height": height},
                        color_scheme="dark" if theme == "dark" else "light",
                    )
                    walk(context.new_page(), url, f"{theme}-{width}")
                    context.close()
                    sys.stdout.write(f"{theme} {width}\n")


if __name__ == "__main__":
    main()
