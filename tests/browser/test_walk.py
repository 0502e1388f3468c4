"""The whole walk in a real browser: one click on the demo library, a sound with the next, the rest comes by itself.

Each page shows its stage while it runs; once AEwRES is ready every view sounds the loop that was clicked.

Nothing is mocked: the server is `streamlit run app.py`, the sound's bytes are hashed and compared with the loop_id.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Browser, Page, expect

from loopscope.audio import content_hash
from loopscope.checkpoints import AISFX
from loopscope.wording import stand_out
from tests.browser.driving import (
    MODEL_SHOWN,
    ROOT,
    at_rest,
    audio,
    bytes_at,
    choose,
    open_takeaway,
    painted,
    plot_pixels,
    press,
    serve,
    wait_until,
    wait_until_plays,
)
from tests.hostile.sounds import broken_cases, encoded, good_cases, sine

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]
LONG = 240_000  # milliseconds; a busy machine is slow
STARTED = ("loopId", "startedAt", "playing")  # what of the audio's state a new start would change
LONGEST_S = 60.0  # of a hostile file in the browser's walk; twenty minutes are embedded without one
WITNESS = """
    window.witness = { clicks: 0, notices: [] };
    addEventListener("click", (event) => { window.witness.clicks += event.isTrusted ? 1 : 0; }, true);
    new MutationObserver((changes) => {
        const added = changes.flatMap(({ addedNodes }) => [...addedNodes]);
        const notices = added.filter((node) => node.classList?.contains("ls-notice"));
        window.witness.notices.push(...notices.map((notice) => notice.textContent));
    }).observe(document, { childList: true, subtree: true });
"""


@pytest.fixture(scope="module")
def app(browser: Browser, fetched_aisfx: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Address and home of the real app with the offline encoder's weights at hand and no model hub."""
    home = tmp_path_factory.mktemp("walk")
    weights = home / "cache" / "weights" / AISFX.stored.name
    weights.parent.mkdir(parents=True)
    weights.symlink_to(fetched_aisfx)
    with serve(ROOT / "app.py", home, HF_HUB_OFFLINE="1") as url:
        yield url, home


def visit(page: Page, name: str) -> None:
    page.get_by_test_id("stSidebarNav").get_by_role("link", name=name).click()
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()


def loops_in_view(page: Page) -> pd.DataFrame:
    """The loops as the browser holds them, least anomalous first."""
    held: dict[str, Any] = page.evaluate(
        """() => {
            const { loops, session } = window.__loopscope.explorer;
            return { loop_id: loops.ids, score: [...loops.scores],
                     x: [...loops.component(0)], y: [...loops.component(1)],
                     flagged: loops.ids.map((_, row) => session.isFlagged(row)) };
        }"""
    )
    return pd.DataFrame(held)


def assert_is_sound_of(page: Page, state: dict[str, Any], loop_id: str, library: dict[str, str]) -> None:
    """The playing address serves the very bytes that loop_id names, which are those of a file of the demo library."""
    assert state["url"].endswith(f"/{loop_id}")
    body = bytes_at(state["url"])
    assert hashlib.blake2b(body, digest_size=16).hexdigest() == loop_id
    assert loop_id in library


def isolated(page: Page, loops: pd.DataFrame) -> pd.Series:
    """Which points have no other within six pixels, so that a click there can only mean them."""
    pixels = np.array(plot_pixels(page, "scatter", loops["x"].tolist(), loops["y"].tolist()))
    gaps = np.linalg.norm(pixels[:, None] - pixels[None], axis=2) + np.diag(np.full(len(loops), np.inf))
    return pd.Series(gaps.min(axis=1) > 6, index=loops.index)


def test_the_whole_walk(page: Page, app: tuple[str, Path]) -> None:
    url, home = app
    page.add_init_script(WITNESS)
    page.goto(url)

    press(page, "Open the demo library")
    page.wait_for_selector(".ls-root[data-complete]", timeout=LONG)
    expect(page.get_by_role("heading", name="Explore", exact=True)).to_be_visible()
    first = hear_first(page)
    assert clicks(page) == 2, "from the first page to the first sound"
    assert not is_trained(page), "sound has to come before the model"
    demo = home / "cache" / "demo-library"
    files = [path for path in demo.rglob("*") if path.suffix in {".wav", ".flac"}]
    library = {hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest(): path.name for path in files}
    assert len(library) >= 160
    assert_is_sound_of(page, first, first["loopId"], library)
    listed = page.evaluate("window.__loopscope.explorer.loops.ids")
    assert set(listed) == set(library), "what has no score yet is listed as well"

    watch_embedding(page)
    watch_training(page)
    assert not notices(page, "AEwRES is ready"), "all of this is seen while it runs"

    visit(page, "Explore")
    page.wait_for_selector(".ls-root[data-complete]", timeout=LONG)
    wait_until(lambda: notices(page, "AEwRES is ready"), "the model is ready", limit_s=LONG / 1000)
    wait_until(lambda: is_trained(page), "its ranking is shown", limit_s=LONG / 1000)
    expect(page.locator(".ls-provisional")).to_be_hidden()
    so_far = clicks(page)
    heard = hear_first(page)["loopId"]
    loops = loops_in_view(page).set_index("loop_id")
    assert loops.loc[heard, "flagged"] and clicks(page) - so_far <= 1, "one more click to a loop that stands out"
    assert notices(page, "AEwRES is ready") == [f"AEwRES is ready: {stand_out(loops['flagged'].sum())}"]
    listening_leaves_all_as_it_is(page)
    hear_music_that_is_wrong(page)
    listen(page, library)

    visit(page, "Embed")
    expect(page.get_by_text("Loops embedded")).to_be_visible(timeout=LONG)
    expect(page.get_by_test_id("stMain").get_by_text("aiSFX").first).to_be_visible()
    visit(page, "Library")
    expect(page.get_by_role("heading", name=re.compile(r"^Loops \(1[6-9]\d\)$"))).to_be_visible(timeout=LONG)
    off_the_grid_by_the_report(page)
    visit(page, "Train")
    expect(page.locator(".st-key-train-said")).to_be_visible(timeout=LONG)
    for name in ("Compare", "Diagnostics", "Library", "Embed", "Train"):
        visit(page, name)
        at_rest(page)
        expect(page.get_by_test_id("stException")).to_have_count(0)
    log = (home / "server.log").read_text(encoding="utf-8")
    assert "Traceback" not in log, log


def clicks(page: Page) -> int:
    """How often the hand has clicked since the first page."""
    count: int = page.evaluate("window.witness.clicks")
    return count


def notices(page: Page, start: str) -> list[str]:
    """The notices that began so and were shown since the first page."""
    shown: list[str] = page.evaluate("window.witness.notices")
    return [text for text in shown if text.startswith(start)]


def is_trained(page: Page) -> bool:
    """Whether the explorer shows the ranking of a trained model."""
    trained: bool = page.evaluate(MODEL_SHOWN)
    return trained


def hear_first(page: Page) -> dict[str, Any]:
    """Click the loop at the top of the list as it stands now; it is the one that sounds."""
    page.locator(".ls-scroller").evaluate("list => { list.scrollTop = 0; }")
    painted(page)
    page.locator(".ls-option").first.click()
    loop_id = page.evaluate("window.__loopscope.explorer.session.selectedId")
    return wait_until_plays(page, loop_id)


def watch_embedding(page: Page) -> None:
    """The Embed page shows the rate while embedding runs."""
    visit(page, "Embed")
    rate = page.get_by_test_id("stMain").get_by_text(re.compile(r"Embedding .*[\d.]+ loops/s"))
    expect(rate).to_be_visible(timeout=LONG)


def watch_training(page: Page) -> None:
    """The loss curves on the Train page grow while training runs."""
    visit(page, "Train")
    lengths = curve_lengths(page)
    assert len(lengths) > 1, "the loss curves did not grow while training"


def curve_lengths(page: Page, enough: int = 4) -> set[int]:
    """The numbers of epochs that were seen drawn until `enough` of them were, or training had ended."""
    count = """() => Math.max(0, ...[...document.querySelectorAll('[class*=st-key-live-] .js-plotly-plot')]
                .map((plot) => plot.data?.[0]?.x?.length ?? plot.data?.[0]?._inputLength ?? 0))"""
    seen: set[int] = set()
    ended = page.locator(".st-key-train-said")

    def is_over() -> bool:
        seen.add(page.evaluate(count))
        return len(seen - {0}) >= enough or ended.is_visible()

    wait_until(is_over, "training begins and its curves grow", limit_s=LONG / 1000)
    return seen - {0}


def listen(page: Page, library: dict[str, str]) -> None:
    """Points of both colours, a bar and a heatmap row each sound the loop they stand for; the slider recounts."""
    loops = loops_in_view(page)
    assert set(loops["loop_id"]) == set(library)
    alone = isolated(page, loops)
    assert loops["flagged"].any() and not loops["flagged"].all(), "both colours must be on screen"
    for colour in (True, False):
        row = loops[alone & (loops["flagged"] == colour)].iloc[-1]
        page.mouse.click(*plot_pixels(page, "scatter", [row["x"]], [row["y"]])[0])
        assert_is_sound_of(page, wait_until_plays(page, row["loop_id"]), row["loop_id"], library)

    middle, band = page.evaluate(
        """() => {
            const y = [...document.querySelector('.ls-heatmap .ls-plot').data[0].y];
            return [(y[0] + y[1]) / 2, [Math.round(y[0] + 0.5), Math.round(y[1] - 0.5)]];
        }"""
    )
    best_of_band = loops["loop_id"].iloc[-int(band[0])]
    page.mouse.click(*plot_pixels(page, "heatmap", [3], [middle])[0])
    assert_is_sound_of(page, wait_until_plays(page, best_of_band), best_of_band, library)

    press(page, "Clear all")
    bar = page.evaluate(
        """() => {
            const plot = document.querySelector('.ls-histogram .ls-plot');
            const buttons = [...document.querySelectorAll('.ls-histogram button')];
            const log = buttons.some((button) => button.textContent === 'log axis'); // small figures have no titles
            const { x, width, y } = plot.data[1].y.some((v) => v > 0) ? plot.data[1] : plot.data[0];
            const centre = x[[...y].findIndex((v) => v > 0)];
            const score = (u) => (log ? 10 ** u : u);
            return { centre, low: score(centre - width / 2), high: score(centre + width / 2) };
        }"""
    )
    inside = loops[(loops["score"] >= bar["low"]) & (loops["score"] < bar["high"])]
    page.mouse.click(*plot_pixels(page, "histogram", [bar["centre"]], [0.7])[0])
    expected = inside["loop_id"].iloc[-1]
    assert_is_sound_of(page, wait_until_plays(page, expected), expected, library)

    before = int(loops["flagged"].sum())
    page.evaluate("window.__loopscope.explorer.session.setPercentile(80, { settled: true })")
    wait_until(lambda: int(loops_in_view(page)["flagged"].sum()) > before, "a lower threshold flags more")
    flagged = int(loops_in_view(page)["flagged"].sum())
    open_takeaway(page)
    expect(page.get_by_role("radio", name=f"Flagged ({flagged})")).to_be_visible(timeout=30_000)


def listening_leaves_all_as_it_is(page: Page) -> None:
    """What is heard at the end of the walk comes to the page that is there, and its sound goes on."""
    before = audio(page)
    page.evaluate("window.known = window.__loopscope.explorer")
    expect(page.locator(".ls-task")).to_be_hidden(timeout=LONG)  # checks and listening are done
    structures = "[...(window.__loopscope.explorer.loops.numbers('loop_structure') ?? [])]"
    wait_until(lambda: page.evaluate(f"{structures}.some((value) => !Number.isNaN(value))"), "bars were compared")
    after = audio(page)
    assert before["playing"] and [after[name] for name in STARTED] == [before[name] for name in STARTED]
    assert page.evaluate("window.known === window.__loopscope.explorer && window.known.root.isConnected")


def hear_music_that_is_wrong(page: Page) -> None:
    """Takes out of tune and off the grid are among the first ten, with the reason; what has places is marked there."""

    def first_ten() -> list[str]:
        return [row.inner_text() for row in page.locator(".ls-option").all()[:10]]

    wait_until(
        lambda: all(any(sign in row for row in first_ten()) for sign in ("cents", "ms off the grid")),
        f"both are among the first ten: {first_ten()}",
    )
    page.locator(".ls-option", has_text="ms off the grid").first.click()
    panel = page.locator(".st-key-explain")
    expect(panel.get_by_label(re.compile("with [1-9]\\d* fault marks"))).to_be_visible(timeout=LONG)
    expect(panel.get_by_text(re.compile("attacks lie off the grid"))).to_be_visible()


def off_the_grid_by_the_report(page: Page) -> None:
    """The report counts what was found; its chip leads to these loops and no other."""
    chip = page.locator(".st-key-report-Faults button", has_text="Off the grid")
    count = int(chip.inner_text().split("·")[1].split()[0])
    chip.click()
    expect(page.get_by_role("heading", name="Explore", exact=True)).to_be_visible(timeout=LONG)
    expect(page.locator(".ls-chips")).to_contain_text("Fault: Off the grid", timeout=LONG)
    expect(page.locator(".ls-option")).to_have_count(count)


@pytest.fixture
def hostile_pack(tmp_path: Path) -> Iterator[Path]:
    """Every hostile file but the long one, links, a pipe and a folder that is named like a sound, below the home."""
    pack = Path.home() / f".loopscope-test-{tmp_path.name}" / "hostile"
    pack.mkdir(parents=True)
    try:
        for case in [*broken_cases(), *good_cases()]:
            if (case.duration_s or 0) < LONGEST_S:
                (pack / case.name).write_bytes(case.content)
        (pack / "<img src=x onerror=alert(1)>.wav").write_bytes(encoded(sine(0.6)))
        (pack / os.fsdecode(b"caf\xe9 \xff.wav")).write_bytes(encoded(sine(0.7)))
        (pack / "dangling.wav").symlink_to(pack / "nowhere.wav")
        (pack / "zero.wav").symlink_to("/dev/zero")
        os.mkfifo(pack / "pipe.wav")
        yield pack
    finally:
        shutil.rmtree(pack.parent)


def test_the_whole_hostile_walk(page: Page, app: tuple[str, Path], hostile_pack: Path) -> None:
    """Analyse goes through to the model; every file is in scores or reasons, no page and no loop breaks."""
    url, home = app
    page.goto(url)
    at_rest(page)
    page.get_by_text("Advanced: encoder, detector, seed").click()
    choose(page, "Detector", "pca")
    at_rest(page)
    page.get_by_label("Path").fill(str(hostile_pack))
    press(page, "Analyse")
    expect(page.get_by_test_id("stSidebar").get_by_text("Model: pca", exact=False)).to_be_visible(timeout=LONG)
    page.wait_for_selector(".ls-root[data-complete]", timeout=LONG)
    wait_until(lambda: is_trained(page), "the model's ranking is shown", limit_s=LONG / 1000)
    for number in (0, 3, 6):
        page.locator(".ls-option").nth(number).click()
        at_rest(page)
    scored = loops_in_view(page).set_index("loop_id")["score"]
    assert np.isfinite(scored).all()
    for name in ("Library", "Train", "Compare", "Embed"):
        visit(page, name)
        at_rest(page)
        expect(page.get_by_test_id("stException")).to_have_count(0)
    left_out = page.get_by_test_id("stMetric").filter(has_text="Left out").get_by_test_id("stMetricValue").inner_text()
    files = [path for path in hostile_pack.iterdir() if path.is_file() and not path.is_symlink()]
    with_score = [path for path in files if content_hash(path) in scored]
    assert {content_hash(path) for path in with_score} == set(scored.index)
    assert int(left_out) == len(list(hostile_pack.iterdir())) - len(with_score), (
        "a file is in neither scores nor reasons"
    )
    log = (home / "server.log").read_text(encoding="utf-8")
    assert "Traceback" not in log and "failed for a loop" not in log, log


def test_a_hostile_name_stays_text(page: Page, app: tuple[str, Path], tmp_path: Path) -> None:
    """Names that are markup, Markdown or formulas are shown as they are on the Library page, also those of uploads."""
    names = ["<img src=x onerror=alert(1)>.wav", "**bold** $x$ :red[y].wav", "=cmd|' !A0.wav"]
    pack = Path.home() / f".loopscope-test-{tmp_path.name}" / "<b>Pack</b>"
    pack.mkdir(parents=True)
    try:
        for name in names:
            (pack / name).write_bytes(b"not audio")
        dialogs: list[str] = []
        page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        page.goto(app[0])
        page.get_by_label("Path").fill(str(pack))
        press(page, "Analyse")
        expect(page.get_by_text("None of the 3 audio files")).to_be_visible(timeout=60_000)
        expect(page.get_by_text(re.compile(r"^Folder: .*<b>Pack</b>$"))).to_be_visible()
        page.goto(app[0])
        at_rest(page)
        page.get_by_text("Upload a folder from another computer").click()
        page.get_by_label("Folder to upload").set_input_files(pack)
        expect(page.get_by_text("3 of 3 files")).to_be_visible(timeout=60_000)
        press(page, "Scan the upload")
        expect(page.get_by_text("None of the 3 audio files")).to_be_visible(timeout=60_000)
        expect(page.get_by_text(re.compile(r"^Folder: .*/uploads/.*/b>$"))).to_be_visible()
        assert page.locator("img[src='x']").count() == 0
        assert not dialogs
    finally:
        for path in sorted(pack.parent.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        pack.parent.rmdir()
