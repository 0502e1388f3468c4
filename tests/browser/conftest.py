"""Headless Chromium and running servers for the browser tests.

Without Chromium these tests are skipped, unless LOOPSCOPE_REQUIRE_BROWSER=1 turns that into a failure.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.driving import CHROMIUM, chromium, serve


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        reason = f"{CHROMIUM} is not there; install Debian's chromium to run the browser tests"
        if os.environ.get("LOOPSCOPE_REQUIRE_BROWSER") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def explorer_url(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the harness with 400 synthetic loops."""
    script = Path(__file__).with_name("explorer_app.py")
    with serve(script, tmp_path_factory.mktemp("server"), EXPLORER_LOOPS="400") as url:
        yield url


@pytest.fixture(scope="module")
def panel_url(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the Explore page alone, on a small pack with an outlier and hostile names."""
    home, pack = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("pack")
    with serve(Path(__file__).with_name("panel_app.py"), home, PANEL_PACK=str(pack)) as address:
        yield address


@contextlib.contextmanager
def watched_page(browser: Browser) -> Iterator[Page]:
    """A page of a fresh browser context; errors on its console fail the test, or the last of those that share it."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    page = context.new_page()
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    yield page
    context.close()
    assert not faults, f"errors on the browser's console: {faults}"


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with watched_page(browser) as page:
        yield page
