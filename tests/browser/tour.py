"""`make tour`: the README's moving picture, the demo library in a real browser, as docs/screenshots/tour.gif.

20 seconds; what takes longer is shown in a time lapse.
"""

import io
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, ViewportSize, expect

from loopscope.checkpoints import AISFX, fetch
from tests.browser.driving import ROOT, chromium, serve
from tests.browser.screenshots import LONG, press

TARGET = ROOT / "docs" / "screenshots" / "tour.gif"
SEEN: ViewportSize = {"width": 1280, "height": 800}
DRAWN = (960, 600)
COMMON, VIVID = 128, 96  # colours that cover most of the page, and those that are far from each other
LARGEST_BYTES = 3_000_000
TOTAL_MS = 20_000
LAPSE_FRAMES, LAPSE_PAUSE_MS, LAPSE_MS = 12, 700, 4000  # until the model is there


class Reel:
    """Frames, and the milliseconds that each is shown."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.frames: list[Image.Image] = []
        self.durations: list[int] = []

    def take(self, shown_ms: int, settle_ms: int = 250) -> None:
        """One frame, once the page had a moment to draw."""
        self.page.wait_for_timeout(settle_ms)
        picture = Image.open(io.BytesIO(self.page.screenshot(caret="initial")))
        self.frames.append(picture.convert("RGB").resize(DRAWN, Image.Resampling.LANCZOS))
        self.durations.append(shown_ms)

    def lapse(self, is_over: Callable[[], object]) -> None:
        """What happens until it is over, in a few frames spread over it."""
        before = len(self.frames)
        while not is_over():
            self.take(0, LAPSE_PAUSE_MS)
        seen = self.frames[before:]
        kept = [seen[round(i * (len(seen) - 1) / (LAPSE_FRAMES - 1))] for i in range(LAPSE_FRAMES)]
        self.frames[before:], self.durations[before:] = kept, [LAPSE_MS // LAPSE_FRAMES] * LAPSE_FRAMES

    def save(self, target: Path) -> int:
        """One palette for all frames, no dithering: what does not change costs nothing. Returns the bytes."""
        chosen = self.frames[:: max(1, len(self.frames) // 6)]
        sheet = Image.new("RGB", (DRAWN[0], DRAWN[1] * len(chosen)))
        for number, frame in enumerate(chosen):
            sheet.paste(frame, (0, DRAWN[1] * number))
        palette = palette_of(sheet)
        first, *others = (frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in self.frames)
        rest = TOTAL_MS - sum(self.durations[:-1])
        shown = [*self.durations[:-1], max(self.durations[-1], rest)]
        first.save(target, save_all=True, append_images=others, duration=shown, loop=0, optimize=True, disposal=1)
        return target.stat().st_size


def palette_of(sheet: Image.Image) -> Image.Image:
    """Greys as they are, and the few vivid pixels that mean something too: each way of choosing forgets the others."""
    colours: list[int] = []
    for number, way in ((COMMON, Image.Quantize.MEDIANCUT), (VIVID, Image.Quantize.MAXCOVERAGE)):
        colours += (sheet.quantize(number, way).getpalette() or [])[: 3 * number]
    palette = Image.new("P", (1, 1))
    palette.putpalette(colours)
    return palette


def tour(reel: Reel, url: str) -> None:
    """The first screen, the ranking as it fills in, four loops, the threshold, a larger picture, a chip, a mark."""
    page = reel.page
    page.goto(url)
    expect(page.get_by_test_id("stMain").get_by_role("button", name="Open the demo library")).to_be_visible(
        timeout=LONG
    )
    reel.take(1500, 1500)
    press(page, "Open the demo library")
    page.wait_for_selector(".ls-root[data-complete]", timeout=LONG)
    ready = page.get_by_test_id("stSidebar").get_by_text("Model: AEwRES", exact=False)
    reel.lapse(ready.count)
    reel.take(1000, 4000)  # the list goes over to the model at a quiet moment
    page.locator(".ls-option").first.click()
    reel.take(1200, 1500)
    for _ in range(3):
        page.keyboard.press("ArrowDown")
        reel.take(1000, 1200)
    slide(reel, (97, 94, 90, 86, 82, 86, 90, 94, 95))
    page.get_by_role("button", name="Enlarge: Latent heatmap").click()
    reel.take(1500, 1200)
    page.get_by_role("button", name="Enlarge: Map").click()
    reel.take(700, 1200)
    faulty = page.locator(".ls-badge-chip").first
    faulty.click()
    reel.take(1300, 1200)
    faulty.click()
    page.locator(".ls-option").nth(1).click()
    page.keyboard.press("l")
    reel.take(1500, 1500)


def slide(reel: Reel, percentiles: tuple[int, ...]) -> None:
    """Move the threshold as a hand would; the colours follow at once."""
    slider = reel.page.get_by_role("slider", name="Sensitivity", exact=True)
    for percentile in percentiles:
        slider.fill(str(100 - percentile))
        reel.take(200, 120)


def main() -> None:
    """Walks once; says how large the picture is, and fails where that is too much."""
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        home = Path(folder)
        weights = home / "cache" / "weights" / AISFX.stored.name
        weights.parent.mkdir(parents=True)
        weights.symlink_to(fetch(AISFX))
        with serve(ROOT / "app.py", home, HF_HUB_OFFLINE="1") as url:
            page = browser.new_context(viewport=SEEN, color_scheme="light").new_page()
            reel = Reel(page)
            tour(reel, url)
        n_bytes = reel.save(TARGET)
    sys.stdout.write(f"{TARGET.relative_to(ROOT)}: {len(reel.frames)} frames, {n_bytes / 1e6:.1f} MB\n")
    if n_bytes > LARGEST_BYTES:
        raise SystemExit(f"more than {LARGEST_BYTES / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
