"""Three browsers at once in one running app, each with a folder and a detector of its own, again and again."""

import math
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from playwright.sync_api import Browser, Page, expect

from benchmarks.walking import LONG, Walk, memory_mb
from loopscope.analysis.scoring import fit_detector
from loopscope.embeddings import embed_library
from loopscope.encoders.base import load_encoder
from loopscope.library import scan_folder
from loopscope.store import Store
from loopscope.ui.projects.models import MODELS_KEPT

DETECTORS = ("pca", "knn", "mahalanobis")
WARMING, ROUNDS, SPAN = MODELS_KEPT, 14, 5  # until as many models are held as a project keeps, memory grows


@dataclass
class Session:
    """One browser of its own."""

    walk: Walk
    folder: Path
    detector: str

    @property
    def page(self) -> Page:
        """Where it is."""
        return self.walk.page

    def open(self, n_loops: int) -> None:
        """Until the first model is there, on the Train page."""
        self.walk.analyse(self.folder, self.detector)
        self.walk.visit("Library")
        expect(self.page.get_by_text(f"Loops ({n_loops:,})")).to_be_visible(timeout=LONG)
        self.walk.visit("Train")
        self.page.get_by_label("Detector").click()
        self.page.get_by_role("option", name=self.detector).click()
        self.walk.idle()

    def start_training(self) -> None:
        self.walk.press("Train")
        expect(self.page.locator(".st-key-train-start button")).to_be_disabled(timeout=LONG)

    def wait_until_trained(self) -> None:
        expect(self.page.locator(".st-key-train-start button")).to_be_enabled(timeout=LONG)
        expect(self.page.get_by_text(f"{self.detector} · robust · seed 0").first).to_be_visible(timeout=LONG)
        self.walk.idle()

    def scores(self) -> dict[str, float]:
        """loop_id → score, as the Explore page has them (single precision)."""
        self.walk.visit("Explore")
        self.page.wait_for_selector(".ls-root[data-complete]", timeout=LONG)
        found: dict[str, float] = self.page.evaluate(
            """() => {
                const { loops } = window.__loopscope.explorer;
                return Object.fromEntries(loops.ids.map((id, row) => [id, loops.scores[row]]));
            }"""
        )
        return found


def three_at_once(browser: Browser, url: str, home: Path, folders: list[Path], n_loops: int) -> str:
    """Train in all three at once, look at the scores, and over again; a sentence on memory and on mixed results."""
    sessions = [
        Session(Walk.in_new_page(browser, url), folder, detector)
        for folder, detector in zip(folders, DETECTORS, strict=True)
    ]
    for session in sessions:
        session.open(n_loops)
    expected = [alone(home, session, n_loops) for session in sessions]
    right, memory = 0, []
    for _ in range(WARMING + ROUNDS):
        for session in sessions:
            session.start_training()
        for session in sessions:
            session.wait_until_trained()
        right += sum(same(session.scores(), scores) for session, scores in zip(sessions, expected, strict=True))
        for session in sessions:
            session.walk.visit("Train")
        memory.append(memory_mb(url))
    before, after = median(memory[WARMING : WARMING + SPAN]), median(memory[-SPAN:])
    growth = 100 * (after / before - 1)
    return (
        f"Three sessions at once, each with {n_loops:,} loops and a detector of its own ({', '.join(DETECTORS)}), "
        f"trained {WARMING + ROUNDS} times: {right} of {3 * (WARMING + ROUNDS)} results are those of the same "
        f"training alone; the server held {before:,.0f} MB in the first and {after:,.0f} MB in the last {SPAN} of "
        f"{ROUNDS} rounds (medians, {growth:+.1f} %)."
    )


def same(found: dict[str, float], expected: dict[str, float]) -> bool:
    """The same loops with the same scores, but for single precision."""
    return found.keys() == expected.keys() and all(
        math.isclose(score, expected[loop_id], rel_tol=1e-4) for loop_id, score in found.items()
    )


def alone(home: Path, session: Session, n_loops: int) -> dict[str, float]:
    """The scores of the same loops by the same detector, trained in this process with nothing beside it."""
    with Store(home / "data" / "loopscope.sqlite3") as store:
        library = scan_folder(session.folder, store)
        embeddings = embed_library(library, load_encoder("aisfx"), store=store)
    scores = fit_detector(embeddings, session.detector).scores
    if len(scores) != n_loops:
        raise RuntimeError(f"{len(scores)} loops were scored, not {n_loops}")
    return dict(zip(scores["loop_id"], scores["score"], strict=True))
