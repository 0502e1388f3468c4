"""Explore and Compare in the app itself: marks outlive the server and the files' names, thresholds outlive the page,
every figure can be taken away."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from loopscope.store import Store
from tests.browser import synthetic
from tests.browser.driving import ROOT, audio, open_filters, open_takeaway, serve, wait_until, wait_until_plays

pytestmark = pytest.mark.browser
APP = ROOT / "tests" / "browser" / "whole_app.py"
EXPLORER = "window.__loopscope.explorer"
SLOW = 90_000  # milliseconds; for a busy machine


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """Forty short tones."""
    folder = tmp_path / "pack"
    folder.mkdir()
    synthetic.write_tones(folder)
    return folder


@pytest.fixture
def start(browser: Browser, pack: Path, tmp_path: Path) -> Callable[[], object]:
    """Starts the app on the pack; every start finds the same home."""
    home = tmp_path / "home"
    home.mkdir()
    return lambda: serve(APP, home, APP_FOLDER=str(pack))


@pytest.fixture(scope="module")
def app(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the app on 300 synthetic loops."""
    with serve(APP, tmp_path_factory.mktemp("home"), APP_LOOPS="300") as url:
        yield url


def open_explore(page: Page, url: str) -> None:
    page.goto(url)
    page.wait_for_selector(".ls-root[data-complete]", timeout=SLOW)


def visit(page: Page, name: str) -> None:
    page.get_by_test_id("stSidebarNav").get_by_role("link", name=name).click()
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible(timeout=SLOW)


def marks_shown(page: Page) -> dict[str, str]:
    shown: dict[str, str] = page.evaluate(f"Object.fromEntries({EXPLORER}.session.marks)")
    return shown


def selected(page: Page) -> str:
    loop_id: str = page.evaluate(f"{EXPLORER}.session.selectedId")
    return loop_id


def percentile(page: Page) -> float:
    value: float = page.evaluate(f"{EXPLORER}.session.percentile")
    return value


def test_marks_made_with_keys_alone_are_saved_at_once_and_survive_restart_and_renames(
    page: Page, start: Callable[..., object], pack: Path, tmp_path: Path
) -> None:
    database = tmp_path / "home" / "data" / "loopscope.sqlite3"
    made: dict[str, str] = {}
    with start() as url:  # type: ignore[attr-defined]
        open_explore(page, url)
        for key, mark, move in (("k", "keep", "ArrowDown"), ("q", "quarantine", "b"), ("l", "love", "ArrowRight")):
            before = page.evaluate(f"{EXPLORER}.session.selectedId")
            page.keyboard.press(move)
            wait_until(lambda before=before: selected(page) != before, f"{move} selects another loop")
            wait_until_plays(page, selected(page))
            page.keyboard.press(key)
            made[selected(page)] = mark
        assert len(made) == 3
        open_takeaway(page)
        for name in ("Kept", "Quarantined", "Loved"):
            expect(page.get_by_role("radio", name=f"{name} (1)")).to_be_visible(timeout=SLOW)
        with Store(database) as store:
            saved = {loop_id: mark.mark for loop_id, mark in store.get_marks().items()}
        assert saved == made, "saved while the server still runs"
        page.goto("about:blank")
    for i, path in enumerate(sorted(pack.iterdir())):
        folder = pack / f"moved {i % 3}"
        folder.mkdir(exist_ok=True)
        path.rename(folder / f"other name {i}.wav")
    with start() as url:  # type: ignore[attr-defined]
        open_explore(page, url)
        assert marks_shown(page) == made
        open_filters(page).get_by_label("Quarantine").check()
        page.keyboard.press("Escape")
        name = page.locator(".ls-option .ls-name")
        wait_until(lambda: name.count() == 1, "the one loop in quarantine")
        assert name.inner_text().startswith("other name")
        page.locator(".ls-scroller").focus()
        page.keyboard.press("ArrowDown")
        loop_id = next(loop_id for loop_id, mark in made.items() if mark == "quarantine")
        wait_until_plays(page, loop_id)
        page.keyboard.press("q")
        open_takeaway(page)
        expect(page.get_by_role("radio", name="Quarantined (0)")).to_be_visible(timeout=SLOW)
        page.goto("about:blank")  # the page would complain that its server has gone


def test_each_model_keeps_its_threshold_over_pages_and_models_and_leaving_is_silence(page: Page, app: str) -> None:
    def choose(model: str) -> None:
        page.get_by_role("combobox", name="Model").click()
        page.get_by_role("option", name=model).click()
        wait_until(
            lambda: model in page.evaluate(f"{EXPLORER}?.component.data.title ?? ''"), f"the explorer of {model}", 60
        )
        page.wait_for_selector(".ls-root[data-complete]", timeout=SLOW)

    open_explore(page, app)
    page.locator(".ls-handle").focus()
    for _ in range(5):
        page.keyboard.press("PageDown")
    wait_until(lambda: percentile(page) == 90.0, "five steps down")
    flagged = int(page.evaluate(f"{EXPLORER}.session.flagged"))
    open_takeaway(page)
    expect(page.get_by_role("radio", name=f"Flagged ({flagged})")).to_be_visible(timeout=SLOW)
    page.locator(".ls-option").first.click()
    wait_until_plays(page, selected(page))
    heard, engine = selected(page), f"window.kept = {EXPLORER}.engine"
    page.evaluate(engine)
    visit(page, "Compare")
    wait_until(lambda: not page.evaluate("window.kept.playing"), "leaving the page stops the sound")
    visit(page, "Explore")
    page.wait_for_selector(".ls-root[data-complete]", timeout=SLOW)
    assert (percentile(page), selected(page)) == (90.0, heard)
    assert not audio(page)["playing"], "coming back plays nothing unasked"
    choose("pca")
    assert percentile(page) == 95.0, "another model, another threshold"
    choose("mahalanobis")
    assert percentile(page) == 90.0


def test_beside_the_sidebar_the_desk_has_as_many_columns_as_there_is_room_for(page: Page, app: str) -> None:
    open_explore(page, app)
    for width, together in ((1440, True), (1180, False)):  # 1100 in the app, whose margins are narrower
        page.set_viewport_size({"width": width, "height": 900})
        expect(page.get_by_role("tab", name="Why?")).to_be_visible(visible=not together)
        beside = page.locator(".ls-pictures").bounding_box()
        listed = page.locator(".ls-ranking").bounding_box()
        assert beside is not None
        assert listed is not None
        assert listed["x"] + listed["width"] <= beside["x"], "the list stands on the left"
        assert beside["x"] + beside["width"] <= width
        assert beside["y"] + beside["height"] <= 900, "seen without scrolling"
        for title in page.locator(".ls-figure h3").all():
            assert title.evaluate("node => node.scrollWidth <= node.clientWidth"), f"{title.inner_text()} is cut"


def test_similar_loops_are_the_nearest_embeddings(page: Page, app: str) -> None:
    open_explore(page, app)
    page.keyboard.press("ArrowDown")
    anchor = selected(page)
    ids = [synthetic.loop_id(i) for i in range(300)]
    rows = [np.random.default_rng(int(loop_id[:12], 16)) for loop_id in ids]
    X = np.stack([rng.normal(size=24) * (3.0 if rng.random() < 0.07 else 1.0) for rng in rows])
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    order = [ids[i] for i in np.argsort(-(unit @ unit[ids.index(anchor)]))]
    assert order[0] == anchor
    for expected in order[1:4]:
        page.keyboard.press("ArrowRight")
        wait_until_plays(page, expected)
    page.keyboard.press("ArrowLeft")
    wait_until_plays(page, order[2])
    marks_move_what_sounds_alike(page, X, ids)


def marks_move_what_sounds_alike(page: Page, X: np.ndarray, ids: list[str]) -> None:
    """Three loops are quarantined: others like them rise, until the switch or the marks are taken back."""
    distances = np.square(X[:, None] - X).sum(axis=-1)
    nearest = [ids[i] for i in np.argsort(distances[np.sort(distances)[:, 1:7].mean(axis=1).argmin()])[:7]]
    marked, alike = nearest[:3], nearest[3:]

    def places() -> list[int]:
        told = f"ids => ids.map((id) => {EXPLORER}.views.ranking.rows.indexOf({EXPLORER}.loops.row(id)))"
        found: list[int] = page.evaluate(told, alike)
        return found

    def mark_them() -> None:
        for loop_id in marked:
            page.evaluate(f"id => {EXPLORER}.session.audition({EXPLORER}.loops.row(id))", loop_id)
            page.keyboard.press("q")

    before = places()
    mark_them()
    under_the_hand = page.evaluate(f"{EXPLORER}.views.ranking.place")
    wait_until(lambda: np.less(places(), before).all(), "loops like the marked ones rise", 30)
    assert page.evaluate(f"{EXPLORER}.views.ranking.place") == under_the_hand, "what is marked stays where it stands"
    with_reason = f"ids => ids.find((id) => {EXPLORER}.loops.lesson.because[{EXPLORER}.loops.row(id)] >= 0)"
    page.evaluate(f"id => {EXPLORER}.session.audition({EXPLORER}.loops.row(id))", page.evaluate(with_reason, alike))
    expect(page.locator(".ls-option[aria-selected=true] .ls-reason")).to_contain_text(
        re.compile(r"up \d+: sounds like")
    )
    expect(page.locator(".st-key-explain")).to_contain_text(
        re.compile(r"moved it up from place \d+ to \d+: it sounds like \S+, which you quarantined"),
        timeout=SLOW,
    )
    page.get_by_role("button", name="With marks").click()
    wait_until(lambda: places() == before, "the order without marks")
    page.get_by_role("button", name="With marks").click()
    wait_until(lambda: np.less(places(), before).all(), "and with them")
    mark_them()  # again: taken back
    wait_until(lambda: places() == before, "nothing is left of them", 30)
    expect(page.get_by_role("button", name="With marks")).to_have_count(0)


def test_compare_shows_every_model_and_plays_what_is_clicked(page: Page, app: str) -> None:
    open_explore(page, app)
    visit(page, "Compare")
    figures = page.locator(".ls-figure-root[data-drawn]")
    expect(figures).to_have_count(8, timeout=SLOW)  # boxes, ranks, and three figures of each of two models
    point = figures.filter(has_text="Rank by rank").evaluate(
        """(figure) => {
            figure.scrollIntoView({ block: "center" });
            const plot = figure.querySelector(".ls-plot");
            const { xaxis, yaxis } = plot._fullLayout;
            const box = plot.getBoundingClientRect();
            const trace = plot._fullData.find((one) => one.name.startsWith("both"));
            const [left, top] = [box.left + xaxis._offset, box.top + yaxis._offset];
            return [left + xaxis.d2p(trace.x[0]), top + yaxis.d2p(trace.y[0])];
        }"""
    )
    page.mouse.click(*point)
    sound = page.locator("[data-testid=stAudio]")
    expect(sound).to_have_count(1, timeout=SLOW)
    expect(page.get_by_test_id("stMain").get_by_text(re.compile(r"^loop\d+\.wav$"))).to_be_visible()
    wait_until(lambda: sound.evaluate("node => !node.paused && node.currentTime > 0"), "it plays", 30)


def test_every_figure_of_compare_and_library_can_be_taken_away(page: Page, app: str) -> None:
    starts = {"PNG": b"\x89PNG", "SVG": b"<svg", "HTML": b"<!doctype html>"}
    open_explore(page, app)
    for name, wanted in (("Compare", 8), ("Library", 1)):
        visit(page, name)
        if name == "Compare":
            page.get_by_text("Figures of the paper", exact=True).click()
        figures = page.locator(".ls-figure-root[data-drawn]")
        expect(figures).to_have_count(wanted, timeout=SLOW)
        for i in range(wanted):
            for format_, start in starts.items() if i == 7 else [("SVG", b"<svg")]:
                figures.nth(i).locator("summary").click()
                with page.expect_download() as download:
                    figures.nth(i).get_by_role("button", name=f"Download as {format_}").click()
                assert download.value.suggested_filename.endswith(format_.lower())
                assert download.value.path().read_bytes().startswith(start)
        if name == "Compare":
            alone = download.value.path()
    fresh = page.context.new_page()
    page.goto("about:blank")  # the app would miss its server
    fresh.context.set_offline(True)  # the HTML needs nothing but itself
    fresh.set_content(alone.read_text(encoding="utf-8"))
    fresh.wait_for_selector("#figure .xtick", state="attached")
    fresh.context.set_offline(False)
