"""One server while tabs come and go: 200 sessions one after the other, each with a project of 5,000 loops.

Each opens a project that has left the memory meanwhile, so all of it is read anew: folder, embeddings, findings, model.
It shows every page, fetches what Explore fetches, hears a loop and goes. Sessions are those of `tests.visiting`, which
cost the server what a browser costs it; a few tabs of a real one follow. Memory is the server's, resident.
"""

import logging
import os
import tempfile
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from statistics import median
from typing import Self

from playwright.sync_api import expect

from benchmarks.made_up import FILES_A_SHELF, fill, write_files
from benchmarks.walking import LONG, memory_mb, server
from loopscope.library import scan_folder
from loopscope.store import ProjectRow, Store
from loopscope.ui.server.visitors import LOCAL
from tests.browser.driving import CHROMIUM, ROOT, chromium, serve
from tests.visiting import Visit

N_SESSIONS, N_TABS = 200, 10
N_PROJECTS = 3  # one more than the server keeps in memory unasked
WARMING, SPAN, EVERY = 40, 20, 20  # Streamlit keeps a session for two minutes after its tab has gone
ENCODER_ID, N_FEATURES = "aisfx-made-up", 512
log = logging.getLogger(__name__)
PAGES = ("compare", "train", "diagnostics", "library")


@dataclass(frozen=True)
class Held:
    """What a server's process holds: megabytes of memory, and numbers of the rest."""

    memory: float
    threads: int
    descriptors: int
    children: int
    temporary_files: int

    @classmethod
    def by(cls, url: str, temporary: Path) -> Self:
        """Of the server at this address, whose temporary files go into this folder."""
        process = server(url)
        children = [int(child) for task in process.glob("task/*/children") for child in task.read_text().split()]
        return cls(
            memory_mb(url),
            len(list((process / "task").iterdir())),
            len(list((process / "fd").iterdir())),
            len(children),
            sum(len(files) for _, _, files in os.walk(temporary)),
        )


def run() -> str:
    """One Markdown section."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        prepare(home, N_PROJECTS, FILES_A_SHELF)
        with serve(ROOT / "app.py", home, **environment(home)) as url:
            seen = come_and_go(url, home, N_SESSIONS)
            tabs = in_chromium(url, home, N_TABS) if CHROMIUM.exists() else []
    return "\n".join(["## Long life", "", *table(seen), "", sentence(seen), tabs_sentence(tabs)])


def prepare(home: Path, n_projects: int, n_loops: int) -> None:
    """Projects p0, p1 … of so many loops, with embeddings and findings in the database."""
    (home / "tmp").mkdir(parents=True)
    with Store(home / "data" / "loopscope.sqlite3") as store:
        for number in range(n_projects):
            folder = home / f"loops {number}"
            write_files(folder, n_loops)
            fill(store, scan_folder(folder, store), ENCODER_ID, N_FEATURES)
            plan = {"encoder": "aisfx", "detector": "pca", "encoder_id": ENCODER_ID}
            store.put_project(ProjectRow(f"p{number}", LOCAL, str(folder), folder.name, float(number), {"plan": plan}))


def environment(home: Path) -> dict[str, str]:
    """For the server: what it may open, and where its temporary files go."""
    return {"LOOPSCOPE_ROOTS": str(home), "TMPDIR": str(home / "tmp"), "HF_HUB_OFFLINE": "1"}


def come_and_go(url: str, home: Path, n_sessions: int, n_projects: int = N_PROJECTS) -> list[Held]:
    """So many sessions, one after the other, each with the project that was shown longest ago; held after each."""
    seen = []
    for number in range(n_sessions):
        with Visit(url, f"project=p{number % n_projects}") as visit:
            visit.show()
            visit.until_idle()
            visit.explore()
            for page in PAGES:
                visit.show(page)
            if visit.errors:
                raise RuntimeError(f"a page failed: {visit.errors[0]}")
        seen.append(Held.by(url, home / "tmp"))
        log.info("session %d: %s", number + 1, seen[-1])
    return seen


def in_chromium(url: str, home: Path, n_tabs: int) -> list[Held]:
    """The same with tabs of a browser, which draw what they are sent."""
    seen = []
    with chromium() as browser:
        for number in range(n_tabs):
            page = browser.new_page()
            page.goto(f"{url}/explore?project=p{number % N_PROJECTS}")
            page.wait_for_selector(".ls-root[data-complete]", timeout=LONG)
            page.keyboard.press("ArrowDown")
            for name in PAGES:
                page.get_by_test_id("stSidebarNav").get_by_role("link", name=name.title()).click()
                expect(page.get_by_role("heading", name=name.title(), exact=True)).to_be_visible(timeout=LONG)
            page.close()
            seen.append(Held.by(url, home / "tmp"))
            log.info("tab %d: %s", number + 1, seen[-1])
    return seen


def table(seen: Sequence[Held]) -> list[str]:
    """What was held after every twentieth session, as medians of the twenty."""
    rows = [
        f"| {end - EVERY + 1}–{end} | "
        + " | ".join(f"{value:,.0f}" for value in middle(seen[end - EVERY : end]))
        + " |"
        for end in range(EVERY, len(seen) + 1, EVERY)
    ]
    names = " | ".join(field.name.replace("_", " ") for field in fields(Held)).replace("memory", "memory MB")
    return [f"| sessions | {names} |", "|---|" + "---:|" * len(fields(Held)), *rows]


def middle(seen: Sequence[Held]) -> list[float]:
    """The median of each number."""
    return [median(values) for values in zip(*map(astuple, seen), strict=True)]


def sentence(seen: Sequence[Held]) -> str:
    """How the last sessions compare with the first ones after the warming."""
    before, after = middle(seen[WARMING : WARMING + SPAN])[0], middle(seen[-SPAN:])[0]
    return (
        f"{len(seen)} sessions one after the other, each with one of {N_PROJECTS} projects of {FILES_A_SHELF:,} loops "
        f"that is read anew, every page, the explorer's arrays and a sound: from {before:,.0f} MB (sessions "
        f"{WARMING + 1} to {WARMING + SPAN}) to {after:,.0f} MB (the last {SPAN}), medians, "
        f"{100 * (after / before - 1):+.1f} %; at most {max(held.memory for held in seen):,.0f} MB."
    )


def tabs_sentence(tabs: Sequence[Held]) -> str:
    """The same in a browser."""
    if not tabs:
        return "Not in a browser: there is none."
    held = middle(tabs)
    return f"{len(tabs)} tabs of Chromium after them: {held[0]:,.0f} MB, {held[1]:.0f} threads (medians)."
