"""axe-core finds no serious fault in explorer and panel, in both themes, at three widths, with help, menu and filters
open too."""

import shutil
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.driving import at_rest, open_explorer, wait_until

pytestmark = pytest.mark.browser
AXE = "axe-core@4.14.1"


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core, from npm into a temporary folder."""
    if not shutil.which("npm"):
        pytest.skip("npm is not there to fetch axe-core")
    folder = tmp_path_factory.mktemp("axe")
    command = ["npm", "install", "--prefix", str(folder), "--ignore-scripts", "--no-audit", "--no-fund", AXE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    if done.returncode:
        pytest.skip(f"npm could not fetch {AXE}: {done.stderr.strip()[-200:]}")
    return Path(folder, "node_modules", "axe-core", "axe.min.js").read_text(encoding="utf-8")


def faults(page: Page, axe: str) -> list[str]:
    """Serious and critical violations within the explorer, one line each."""
    page.evaluate(axe)
    found = page.evaluate("axe.run('.ls-root', { resultTypes: ['violations'] })")
    return [
        f"{violation['id']} ({violation['impact']}): {violation['help']}: {node['html'][:120]}"
        for violation in found["violations"]
        if violation["impact"] in {"serious", "critical"}
        for node in violation["nodes"]
    ]


def assert_clean_in_both_themes(page: Page, axe: str, themed: str) -> None:
    """`themed`: what says in `data-theme` that the page has changed its colours."""
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        wait_until(lambda theme=theme: page.locator(themed).get_attribute("data-theme") == theme, theme)
        at_rest(page)  # what a run leaves behind is faded until it is replaced
        assert not faults(page, axe), theme


def test_no_serious_accessibility_fault(page: Page, explorer_url: str, axe: str) -> None:
    open_explorer(page, explorer_url)
    assert_clean_in_both_themes(page, axe, ".ls-root")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("k")
    page.get_by_role("searchbox").fill("bass")
    wait_until(lambda: page.get_by_role("button", name="Clear all").count(), "filters in force")
    page.locator(".ls-scatter summary").click()
    assert_clean_in_both_themes(page, axe, ".ls-root")
    page.locator(".ls-scroller").focus()
    page.keyboard.press("?")
    assert_clean_in_both_themes(page, axe, ".ls-root")


def test_no_serious_accessibility_fault_in_the_panel(page: Page, panel_url: str, axe: str) -> None:
    open_explorer(page, panel_url)
    page.locator(".ls-option").first.click()
    page.locator(".ls-card[data-role=nearest-normal] button[data-loop]").click(timeout=60_000)
    assert_clean_in_both_themes(page, axe, ".ls-comparison")
    for width, height in ((1100, 800), (390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        assert_clean_in_both_themes(page, axe, ".ls-comparison")
