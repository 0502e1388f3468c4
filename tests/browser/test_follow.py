"""A walk opens Explore however late the browser hears of it, and who leaves Explore has left it."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile
from playwright.sync_api import Page, WebSocketRoute, expect

from loopscope.archive.grow import add_folder
from loopscope.archive.place import Place
from loopscope.library import scan_folder
from tests.browser.driving import ROOT, at_rest, choose, press, serve, wait_until
from tests.golden.clips import plucked
from tests.tiny import Tiny

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
SLOW = 120_000  # milliseconds; for a busy machine
RATE, N = 22_050, 12
LATE_MS = 8_000  # Explore is drawn by then


class Line:
    """The page's connection, on which what the server says can be held back."""

    def __init__(self, page: Page) -> None:
        self.is_held = False
        self.waiting: list[Callable[[], None]] = []
        self.n_asked = 0  # while it was held
        page.route_web_socket(re.compile("_stcore/stream"), self._connect)

    def let_go(self) -> None:
        self.is_held = False
        for say in self.waiting:
            say()

    def _connect(self, socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def asked(message: str | bytes) -> None:
            self.n_asked += self.is_held
            server.send(message)

        def said(message: str | bytes) -> None:
            if self.is_held:
                self.waiting.append(lambda: socket.send(message))
            else:
                socket.send(message)

        socket.on_message(asked)
        server.on_message(said)


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    loops = tmp_path / "loops"
    loops.mkdir()
    for seed in range(N):
        soundfile.write(loops / f"bass {seed:02d}.wav", plucked(1.0, RATE, seed=seed), RATE)
    add_folder(Place.of(tmp_path / "archive"), scan_folder(loops), Tiny(), everything=False)
    monkeypatch.setenv("LOOPSCOPE_ROOTS", str(tmp_path))
    return tmp_path / "archive"


def test_a_page_that_hears_of_explore_late_goes_there_and_whoever_goes_back_stays(
    page: Page, archive: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    line = Line(page)
    with serve(ROOT / "app.py", home, LOOPSCOPE_ROOTS=str(tmp_path)) as url:
        page.goto(url)
        at_rest(page)
        page.get_by_text("Advanced: encoder, detector, seed").click()
        choose(page, "Detector", "knn")
        at_rest(page)
        page.get_by_label("Path").fill(str(archive))
        at_rest(page)
        line.is_held = True
        press(page, "Analyse")
        page.wait_for_timeout(LATE_MS)
        wait_until(lambda: page.wait_for_timeout(50) or line.n_asked >= 3, "the page asks once more for itself", 30)
        page.wait_for_timeout(1_000)
        line.let_go()
        page.wait_for_selector(".ls-root[data-ready]", timeout=SLOW)
        at_rest(page)
        assert "/explore" in page.url
        page.get_by_role("link", name="Library").click()
        expect(page.get_by_text("Choose another folder")).to_be_visible(timeout=SLOW)
        at_rest(page)
        page.wait_for_timeout(2_000)
        assert "/explore" not in page.url
        page.goto("about:blank")
