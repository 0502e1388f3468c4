"""The Library page's parts: projects to go on with, the ways in (browser, path, demo, upload), what the scan found."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import streamlit as st

from loopscope.analysis.walk import Plan
from loopscope.config import FOLDER_VARIABLE, paths
from loopscope.demo import make_demo_library
from loopscope.figures.library import count_bars, duration_histogram, tempo_histogram
from loopscope.library import Library, library_statistics
from loopscope.ui.components import (
    duration,
    empty_folder,
    figures_row,
    next_step,
    plain,
    printable,
    printable_table,
)
from loopscope.ui.metadata_task import metadata_of
from loopscope.ui.opening import is_opening, named_folder
from loopscope.ui.projects.registry import project_registry
from loopscope.ui.projects.tasks import Task
from loopscope.ui.projects.walking import is_busy, start_walk
from loopscope.ui.state import open_project, session
from loopscope.ui.views.archived import count_archive
from loopscope.ui.views.detector_choice import choose_detector
from loopscope.ui.views.embed import checked_weights, choose_encoder
from loopscope.ui.views.folder_browser import browse, typed_path
from loopscope.ui.views.folder_report import folder_report
from loopscope.ui.views.known_projects import continue_cards, look_again, show_changes, show_walk
from loopscope.ui.views.subset_choice import choose_subset_ahead, subset_ahead
from loopscope.ui.views.uploads import upload_folder
from loopscope.ui.views.weights import offer_weights
from loopscope.ui.widgets.figure import show_figure
from loopscope.ui.widgets.paging import page_of, show_table

LOOP_COLUMNS = ["name", "folder", "duration_s", "sample_rate", "channels", "format", "size_bytes", "loop_id"]


def start_demo() -> None:
    """Makes the demo library where it is missing, then analyses it."""
    analyse(paths().demo, lambda task: make_demo_library(on_progress=task.on_progress, should_stop=task.should_stop))


def analyse(folder: Path | str, folder_of: Callable[[Task], Path] | None = None) -> None:
    """Starts the whole walk over a folder, as its project; what is known of it already is not done again.

    The tab has the project before Streamlit hears of this run again: it ends a run wherever the browser asks for
    another or its connection is lost for a moment, and a walk that began without its tab would show nowhere.
    """
    state, plan, registry = session(), chosen_plan(), project_registry()
    project = registry.create(state.owner, folder, plan)
    retrain = not is_busy(project) and project.change_plan(plan)
    start_walk(project, registry.store, folder_of, retrain=retrain)
    state.use_project(project)
    state.follows, state.led_at = True, None
    open_project(project)


def library_step() -> None:
    """The ways in, the scan as it runs, and the library in hand."""
    if is_opening():
        return
    state = session()
    if state.library is None:
        if (folder := named_folder()) is not None:
            analyse(folder)
            state.choices[FOLDER_VARIABLE] = True
            st.rerun()
        first_screen()
        return
    if state.follows and not state.library.loops.empty:
        st.switch_page("pages/explore.py")  # see `enter`, which ends it
    with st.expander("Choose another folder", icon=":material/folder_open:", expanded=state.library.loops.empty):
        continue_cards()
        ways_in()
    show_library(state.library)


def first_screen() -> None:
    """What will happen in a sentence and a picture, the projects to go on with, and the ways in."""
    show_walk()
    continue_cards()
    ways_in()


def ways_in() -> None:
    """Folder browser and path box; beside them demo, upload, and what only some want to choose."""
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.subheader("A folder on this computer", anchor=False)
        chosen = typed_path() or browse()
    with right:
        st.subheader("No folder at hand?", anchor=False)
        st.caption("Loops of bass and guitar that loopscope synthesises itself, with 16 oddities to find.")
        if st.button("Open the demo library", icon=":material/play_circle:", key="demo"):
            start_demo()
            st.rerun()
        with st.expander("Upload a folder from another computer", icon=":material/upload:"):
            chosen = upload_folder() or chosen
        with st.expander("Advanced: encoder, detector, seed, part of the folder", icon=":material/tune:"):
            choose_encoder()
            choose_detector(is_narrow=True)
            choose_subset_ahead()
        offer_weights(session().choices.get("encoder-name", ""))
    if chosen is not None:
        analyse(chosen)
        st.rerun()


def chosen_plan() -> Plan:
    """What was chosen under "Advanced" or on the pages, else the defaults."""
    choices, usual = session().choices, Plan()
    return Plan(
        encoder=choices.get("encoder-name", usual.encoder),
        weights_file=checked_weights(),
        detector=choices.get("detector-name", usual.detector),
        preset=choices.get("preset-name", ""),
        seed=int(choices.get("seed", usual.seed)),
        subset=subset_ahead(),
    )


def show_library(library: Library) -> None:
    """Counts, the report, the paper's Table 1, the loops, and the files left out with their reasons."""
    loops = library.loops
    archived = session().seen.archived
    if archived is None:
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.caption(f"Folder: {plain(str(library.root))}", width="content")
            if loops.empty or not session().seen.unseen:
                look_again(session())
    else:
        st.caption(f"Archive: {plain(session().project.address)}")
        count_archive(session(), archived)
    if loops.empty:
        empty_folder(library)
    else:
        _counts(library)
        next_step("explore")
        if archived is None:
            show_changes()
        folder_report(session(), library)
        _statistics(loops)
        _what_names_say(metadata_of(session(), library).table.drop_duplicates("loop_id"))
        st.subheader(f"Loops ({len(loops):,})", anchor=False)
        show_table(
            loops[LOOP_COLUMNS],
            "loops",
            height=360,
            columns={
                "duration_s": st.column_config.NumberColumn("duration (s)", format="%.2f"),
                "sample_rate": st.column_config.NumberColumn("rate (Hz)", format="%d"),
                "size_bytes": st.column_config.NumberColumn("size", format="bytes"),
                "loop_id": st.column_config.TextColumn("loop id", width="small"),
            },
        )
    _left_out(library)


def _counts(library: Library) -> None:
    loops = library.loops
    copies = len(loops) - len(library.unique)
    title = "Loops" if session().seen.archived is None else "Loops shown"
    figures_row(
        (title, f"{len(loops):,}", "Readable audio files in this folder."),
        ("Together", duration(float(loops["duration_s"].sum())), None),
        ("Exact copies", f"{copies:,}", "Files whose content another file has too; scored once."),
        ("Left out", f"{len(library.rejected):,}", None),
    )


def _statistics(loops: pd.DataFrame) -> None:
    """The paper's Table 1 for this folder, and how long the loops are."""
    left, right = st.columns([2, 3])
    left.subheader("Dataset statistics", anchor=False)
    left.dataframe(library_statistics(loops), hide_index=True)
    known = loops["duration_s"].dropna()  # of vectors made elsewhere nobody says
    if known.empty:
        return
    with right:
        show_figure(
            duration_histogram(known, height=320),
            key="durations",
            title="Durations",
            describe=f"Histogram of the durations of {len(known):,} loops.",
        )


def _what_names_say(known: pd.DataFrame) -> None:
    """What the paper gives in Table 1 and Figure 2: instruments, genres, tempi and keys, two charts a row."""
    columns = {"Instruments": "instrument", "Genres": "genre", "Tempi": "bpm", "Keys": "key"}
    present = [(title, name, n) for title, name in columns.items() if (n := int(known[name].notna().sum()))]
    st.subheader("What the names tell", anchor=False)
    for start in range(0, len(present), 2):
        for place, (title, name, n) in zip(st.columns(2), present[start : start + 2], strict=False):
            with place:
                show_figure(
                    tempo_histogram(known[name]) if name == "bpm" else count_bars(known[name], name),
                    key=f"names-{title}",
                    title=f"{title} · {n:,} of {len(known):,} loops",
                    describe=f"{title} of the {n:,} loops of {len(known):,} where they are known.",
                )
    if present:
        st.caption("From file and folder names; tempo and key also from tags and by ear, once Explore has listened.")
    else:
        st.caption("The names tell no instrument, genre, tempo or key.")


def _left_out(library: Library) -> None:
    if library.rejected.empty:
        st.caption("No file was left out.")
        return
    st.subheader(f"Left out ({len(library.rejected):,})", anchor=False)
    rows, _ = page_of(library.rejected[["path", "reason"]], "left-out")
    paths = [printable(str(Path(path).relative_to(library.root))) for path in rows["path"]]  # pandas takes text only
    st.dataframe(printable_table(rows.assign(path=paths)), hide_index=True)
