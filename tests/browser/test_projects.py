"""Projects in a real browser: reload, second tab, back button, restart and Cancel, at every stage of a real walk.

The server is `streamlit run app.py` with the offline encoder, over a folder of synthetic loops; only its batches are
made to take longer, so that a test can be there while it embeds.
"""

import os
import re
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import soundfile
from playwright.sync_api import Browser, BrowserContext, Page, expect

from loopscope.checkpoints import AISFX
from loopscope.store import Store
from tests.browser.driving import ROOT, at_rest, free_port, press, serve, wait_until, wait_until_plays
from tests.browser.driving import choose as choose_option
from tests.golden.clips import plucked

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
SLOW = 120_000  # milliseconds; for a busy machine
N_LOOPS, SECONDS, RATE = 60, 3.0, 22_050
PAUSE_S = 2.5  # beside every batch, unless it is told to stop
SLOWLY = f"""
import time
from loopscope.embeddings import local
embed = local.embed_batch
def embed_slowly(batch, encoder, stopped):
    until = time.monotonic() + {PAUSE_S}
    while time.monotonic() < until and not stopped():
        time.sleep(0.05)
    return embed(batch, encoder, stopped)
local.embed_batch = embed_slowly
"""
EXPLORER = "window.__loopscope.explorer"


class Studio:
    """The app on one port with one home and one folder, to be started and stopped at will."""

    def __init__(self, place: Path, weights: Path, n_loops: int = N_LOOPS) -> None:
        self.home, self.folder = place / "home", place / "loops"
        kept = self.home / "cache" / "weights" / AISFX.stored.name
        kept.parent.mkdir(parents=True)
        kept.symlink_to(weights)
        self.folder.mkdir()
        for number in range(n_loops):
            soundfile.write(self.folder / f"bass_{number:03d}.wav", plucked(SECONDS, RATE, seed=number), RATE)
        (place / "sitecustomize.py").write_text(SLOWLY)  # Python runs it at its start
        search = f"{place}{os.pathsep}{ROOT}"
        self._variables = {"HF_HUB_OFFLINE": "1", "LOOPSCOPE_ROOTS": str(place), "PYTHONPATH": search}
        self._port = free_port()

    def start(self) -> AbstractContextManager[str]:
        return serve(ROOT / "app.py", self.home, self._port, **self._variables)

    def said(self, what: str) -> list[str]:
        """Lines of the log of the server that was started last."""
        return [line for line in (self.home / "server.log").read_text().splitlines() if what in line]

    def n_computed(self) -> list[int]:
        """Of every embedding that came to its end, how many loops it computed."""
        return [int(re.search(r"(\d+) computed", line).group(1)) for line in self.said("embed: ")]  # type: ignore[union-attr]

    def n_stored(self) -> int:
        with Store(self.home / "data" / "loopscope.sqlite3") as store:
            return sum(store.embeddings_by_encoder().values())


@pytest.fixture
def studio(fetched_aisfx: Path, tmp_path: Path) -> Studio:
    return Studio(tmp_path, fetched_aisfx)


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """Tabs whose console may complain, as their server goes away. Errors that nobody caught still fail the test."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    faults: list[str] = []
    context.on("weberror", lambda error: faults.append(str(error.error)))
    yield context
    context.close()
    assert not faults


def analyse(page: Page, url: str, studio: Studio) -> None:
    """From the first page into Explore, which opens by itself."""
    page.goto(url)
    at_rest(page)
    page.get_by_label("Path", exact=True).fill(str(studio.folder))
    press(page, "Analyse")
    page.wait_for_selector(".ls-root[data-ready]", timeout=SLOW)


def heading(page: Page, name: str) -> None:
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible(timeout=SLOW)


def visit(page: Page, name: str) -> None:
    page.get_by_test_id("stSidebarNav").get_by_role("link", name=name).click()
    heading(page, name)


def task(page: Page) -> str:
    """What the sidebar says of the running task, empty where none runs."""
    panel = page.locator(".ls-task")
    return panel.inner_text() if panel.is_visible() else ""


def until_stage(page: Page, stage: str) -> None:
    wait_until(lambda: stage in task(page), f"the sidebar shows {stage}, not {task(page)!r}", SLOW / 1000)


def until_done(page: Page) -> None:
    wait_until(lambda: not task(page), "the walk ends", SLOW / 1000)
    page.get_by_test_id("stSidebar").get_by_text("Model: AEwRES").wait_for(timeout=SLOW)


def choose(page: Page, place: int) -> str:
    """Click a loop in the list; its id, once the address has it too."""
    page.locator(".ls-option").nth(place).click()
    chosen = wait_until(lambda: selected(page), "a loop is selected")
    wait_until(lambda: address(page)["loop"] == chosen, "the address names the loop")
    page.wait_for_timeout(1500)  # until Python has heard of it
    return str(chosen)


def selected(page: Page) -> str | None:
    found: str | None = page.evaluate(f"{EXPLORER}?.session.selectedId ?? null")
    return found


def address(page: Page) -> dict[str, str]:
    """Page, project and loop as the address names them."""
    parts = urlsplit(page.evaluate("location.href"))
    named = parse_qs(parts.query)
    return {"page": parts.path, **{name: named.get(name, [""])[0] for name in ("project", "loop")}}


def shows_as_before(page: Page, before: dict[str, str], name: str = "Explore") -> None:
    """The same page of the same project, in Explore with the same loop selected, whatever is still listened to."""
    heading(page, name)
    expect(page.get_by_test_id("stSidebar").get_by_text(f"· {N_LOOPS} loops")).to_be_visible(timeout=SLOW)
    if name == "Explore":
        page.wait_for_selector(".ls-root[data-ready]", timeout=SLOW)
        wait_until(lambda: selected(page) == before["loop"], f"{before['loop']} is selected, not {selected(page)}", 30)
    wait_until(lambda: address(page) == before, f"the address is {before}, not {address(page)}", 30)


def test_reload_second_tab_and_back_button_change_nothing_in_any_stage(context: BrowserContext, studio: Studio) -> None:
    page = context.new_page()
    with studio.start() as url:
        analyse(page, url, studio)
        choose(page, 3)
        before = address(page)
        assert before["page"] == "/explore" and before["project"]
        for stage in ("Embedding", "Training"):
            until_stage(page, stage)
            page.reload()
            shows_as_before(page, before)
            if stage == "Embedding":
                tab = context.new_page()
                tab.goto(page.evaluate("location.href"))
                shows_as_before(tab, before)
                wait_until(lambda tab=tab: task(tab) and task(page), "both show the task", SLOW / 1000)
                tab.close()
        until_done(page)
        names = {"Library": "", "Embed": "embed", "Train": "train", "Compare": "compare", "Explore": "explore"}
        for name, path in names.items():
            visit(page, name)
            at_rest(page)
            here = before | {"page": f"/{path}"}
            wait_until(lambda here=here: address(page)["project"] == here["project"], "the address names the project")
            here["loop"] = address(page)["loop"]
            page.reload()
            shows_as_before(page, here | ({"loop": before["loop"]} if name == "Explore" else {}), name)
        visit(page, "Compare")
        at_rest(page)
        page.go_back()
        shows_as_before(page, before)
        then = before | {"loop": choose(page, 7)}
        visit(page, "Train")
        wait_until(
            lambda: address(page) == then | {"page": "/train"}, f"Train names what is selected, not {address(page)}"
        )
        visit(page, "Explore")
        at_rest(page)
        now = before | {"loop": choose(page, 9)}
        page.go_back()
        heading(page, "Train")
        page.go_back()
        shows_as_before(page, now)  # the selection of now, where that of then was when the page was left
        page.go_forward()
        heading(page, "Train")
        wait_until(lambda: address(page) == now | {"page": "/train"}, f"the address is {now}, not {address(page)}")

        assert studio.n_computed() == [N_LOOPS], "each loop once"
        assert len(studio.said("train: AEwRES")) == 1
        assert not studio.said("Traceback")
        page.goto("about:blank")


def test_a_restarted_server_shows_the_same_page_and_loop_and_computes_nothing(
    context: BrowserContext, studio: Studio
) -> None:
    page = context.new_page()
    with studio.start() as url:
        analyse(page, url, studio)
        until_done(page)
        at_rest(page)
        choose(page, 5)
        before = address(page)
        scores = wait_until(lambda: page.evaluate(f"[...{EXPLORER}.loops.scores]"), "scores")
    with studio.start():
        wait_until(lambda: studio.said("score: "), "the open page finds the new server and its project", 60)
        shows_as_before(page, before)
        assert page.evaluate(f"[...{EXPLORER}.loops.scores]") == scores
        page.reload()
        shows_as_before(page, before)
        assert page.evaluate(f"[...{EXPLORER}.loops.scores]") == scores
        assert sum(studio.n_computed()) == 0 and not studio.said("train: ")
        page.goto("about:blank")


def test_a_walk_outlives_its_tab_ends_on_cancel_and_goes_on_after_the_server_was_told_to_stop(
    context: BrowserContext, studio: Studio
) -> None:
    page = context.new_page()
    with studio.start() as url:
        analyse(page, url, studio)
        until_stage(page, "Embedding")
        wait_until(lambda: address(page)["project"], "the address names the project")
        there = page.evaluate("location.href")
        page.close()
        stored = studio.n_stored()
        wait_until(lambda: studio.n_stored() > stored, "it goes on without a tab", 60)

        page = context.new_page()
        page.goto(there)
        until_stage(page, "Embedding")
        at_rest(page)
        cancel = page.locator(".ls-task").get_by_role("button", name="Cancel")
        cancel.click()
        pressed = time.monotonic()
        wait_until(lambda: studio.said("Analysing loops: cancelled"), "the walk ends", 30)
        took = time.monotonic() - pressed
        assert took < 3, f"it took {took:.1f} s"
        kept = studio.n_stored()
        assert 0 < kept < N_LOOPS
        at_rest(page)
        page.reload()
        page.wait_for_selector(".ls-root[data-ready]", timeout=SLOW)
        page.wait_for_timeout(2000)
        assert not task(page) and studio.n_stored() == kept, "what was cancelled stays so"

        press(page, "Go on with the analysis")
        until_stage(page, "Embedding")
        stopped = time.monotonic()
    took = time.monotonic() - stopped
    assert took < 5, f"the server took {took:.1f} s to end"
    with studio.start():
        page.goto("about:blank")
        page.goto(there)
        until_done(page)
        (computed,) = studio.n_computed()
        assert computed <= N_LOOPS - kept and studio.n_stored() == N_LOOPS
        page.goto("about:blank")


def test_files_that_come_while_a_project_is_open_are_said_and_taken_in_while_the_sound_goes_on(
    context: BrowserContext, fetched_aisfx: Path, tmp_path: Path
) -> None:
    n_loops, studio, page = 20, Studio(tmp_path, fetched_aisfx, 20), context.new_page()
    with studio.start() as url:
        page.goto(url)
        at_rest(page)
        page.get_by_text("Advanced: encoder, detector, seed").click()
        choose_option(page, "Detector", "knn")
        at_rest(page)
        page.get_by_label("Path", exact=True).fill(str(studio.folder))
        press(page, "Analyse")
        page.wait_for_selector(".ls-root[data-ready]", timeout=SLOW)
        page.get_by_test_id("stSidebar").get_by_text("Model: knn").wait_for(timeout=SLOW)
        wait_until(lambda: not task(page), "the walk ends", SLOW / 1000)
        chosen = choose(page, 5)
        wait_until_plays(page, chosen)
        for number in (100, 101):
            soundfile.write(studio.folder / f"bass_{number}.wav", plucked(SECONDS, RATE, seed=number), RATE)
        said = page.get_by_test_id("stMain").get_by_text("Since this folder was read: 2 new.")
        expect(said).to_be_visible(timeout=SLOW)
        wait_until_plays(page, chosen)
        press(page, "Look again")
        wait_until(lambda: page.evaluate(f"{EXPLORER}.loops.ids.length") == n_loops + 2, "both are listed", 60)
        expect(page.get_by_text("Since the last time: 2 new.")).to_be_visible(timeout=SLOW)
        expect(said).to_have_count(0)
        wait_until_plays(page, chosen)
        assert selected(page) == chosen
        page.goto("about:blank")
