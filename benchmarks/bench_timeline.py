"""From the click to sound, ranking and model, on the demo library and on labelled loops, cold and warm.

Seconds from pressing "Open the demo library" or "Analyse" in headless Chromium, as the browser sees them. Cold: nothing
is known of the folder; warm: another server over the same home, the project opened by its address.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Page

from benchmarks.data import bench_folder
from loopscope.checkpoints import AISFX, fetch
from tests.browser.driving import CHROMIUM, ROOT, audio, chromium, press, serve, wait_until

LIMIT_S = 600.0
EXPLORER = "window.__loopscope?.explorer"
SCORED = f"{EXPLORER}?.loops.scores.some((score) => !Number.isNaN(score))"
TRAINED = f"{EXPLORER} && !{EXPLORER}.component.data.provisional && {SCORED}"
STEPS = ("list", "first sound", "provisional ranking", "model")
WHY = "first Why?, after the click"
# The frame in which the panel's figure was drawn, in seconds after the loop was clicked.
WATCH_WHY = """() => {
    const started = performance.now();
    const look = () => {
        const drawn = document.querySelector(".st-key-explain-sound [data-drawn]");
        if (drawn) window.whyAfter = (performance.now() - started) / 1000;
        else requestAnimationFrame(look);
    };
    document.querySelector(".ls-option").click();
    look();
}"""


def run() -> str:
    """One Markdown section."""
    if not CHROMIUM.exists():
        return f"## Timeline\n\nNot run: {CHROMIUM} is not there."
    with chromium() as browser:
        rows = timeline(browser, "demo library", None)
        folder = bench_folder()
        parts = sorted(path for path in folder.iterdir() if path.is_dir()) if folder else []
        for part in parts:
            rows += timeline(browser, f"labelled loops, {part.name}", part)
    return "\n".join(
        [
            "## Timeline",
            "",
            "Seconds from the click (warm: from the request of the address), encoder aiSFX, AEwRES, preset robust.",
            "",
            f"| what | {' | '.join((*STEPS, WHY))} |",
            f"|---|{'---:|' * (len(STEPS) + 1)}",
            *rows,
        ]
    )


def home_in(place: Path) -> Path:
    """A home with the offline encoder's weights and nothing else."""
    weights = place / "cache" / "weights" / AISFX.stored.name
    weights.parent.mkdir(parents=True)
    weights.symlink_to(fetch(AISFX))
    return place


def timeline(browser: Browser, what: str, folder: Path | None) -> list[str]:
    """Two rows: cold and warm."""
    roots = str(folder) if folder else ""
    with tempfile.TemporaryDirectory() as name:
        home, rows = home_in(Path(name)), []
        address = ""
        for how in ("cold", "warm"):
            with serve(ROOT / "app.py", home, HF_HUB_OFFLINE="1", LOOPSCOPE_ROOTS=roots or name) as url:
                page = browser.new_context(viewport={"width": 1440, "height": 1000}).new_page()
                start = (lambda page=page, url=url: begin(page, url, folder)) if how == "cold" else None
                seconds = watched(page, start or (lambda page=page, at=f"{url}{address}": reopen(page, at)))
                address = page.evaluate("location.pathname + location.search")
                page.context.close()
            rows.append(f"| {what}, {how} | {' | '.join(f'{s:.1f}' for s in seconds)} |")
    return rows


def begin(page: Page, url: str, folder: Path | None) -> float:
    """Press what starts the walk; the time of the click."""
    page.goto(url)
    page.get_by_role("button", name="Open the demo library").wait_for(timeout=1000 * LIMIT_S)
    if folder is not None:
        page.get_by_label("Path", exact=True).fill(str(folder))
    started = time.perf_counter()
    press(page, "Open the demo library" if folder is None else "Analyse")
    return started


def reopen(page: Page, address: str) -> float:
    """Open a project's address; the time of the request."""
    started = time.perf_counter()
    page.goto(address)
    return started


def watched(page: Page, start: Callable[[], float]) -> list[float]:
    """Seconds from the start to each of STEPS, and those from the first click on a loop to the figure in "Why?"."""
    started = start()
    page.wait_for_selector(".ls-root[data-ready] .ls-option", timeout=1000 * LIMIT_S)
    at = [time.perf_counter() - started]
    page.evaluate(WATCH_WHY)
    for condition in (lambda: audio(page)["playing"], lambda: page.evaluate(SCORED), lambda: page.evaluate(TRAINED)):
        wait_until(condition, "the next step", LIMIT_S)
        at.append(time.perf_counter() - started)
    why = wait_until(lambda: page.evaluate("window.whyAfter ?? 0"), "the figure in Why?", LIMIT_S)
    return [*at, float(why)]
