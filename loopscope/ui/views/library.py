"""The Library page's parts: the ways in (browser, path, recent, demo, upload), the scan, and what it found."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import streamlit as st

from loopscope.demo import make_demo_library
from loopscope.figures.library import count_bars, duration_histogram, tempo_histogram
from loopscope.library import Library, library_statistics, scan_folder
from loopscope.metadata.collect import MetadataTable, known_metadata
from loopscope.ui.components import duration, ended, figures_row, next_step, plain, printable_table, show_task, store
from loopscope.ui.metadata_task import metadata_of
from loopscope.ui.state import session
from loopscope.ui.projects.tasks import Task, task_board
from loopscope.ui.views.folder_browser import browse, recent_folders, remember_folder, typed_path
from loopscope.ui.views.uploads import upload_folder
from loopscope.ui.widgets.figure import show_figure
from loopscope.ui.widgets.paging import page_of, show_table

KIND = "scan"
LOOP_COLUMNS = ["name", "folder", "duration_s", "sample_rate", "channels", "format", "size_bytes", "loop_id"]


def start_scan(folder: Path) -> None:
    """Scans a folder in a worker."""
    remember_folder(folder)
    _start("Scanning", lambda task: folder)


def start_demo() -> None:
    """Makes the demo library where it is missing, then scans it."""
    _start("Making the demo library", lambda task: make_demo_library(on_progress=task.on_progress))


def _start(title: str, folder_of: Callable[[Task], Path]) -> None:
    database = store()

    def work(task: Task) -> tuple[Library, MetadataTable]:
        folder = folder_of(task)
        library = scan_folder(folder, store=database, on_progress=task.on_progress, should_stop=task.should_stop)
        return library, known_metadata(library.loops, database)

    task_board().start(KIND, title, work)


def library_step() -> None:
    """The ways in, the running scan, and the library in hand."""
    state = session()
    finished = ended(KIND)
    if finished is not None and finished.done:
        state.use_library(*finished.result)
        for later in ("embed", "train", "listen"):
            task_board().clear(later)  # they work on the folder that was just left
        st.toast(f"{finished.title}: done in {duration(finished.seconds)}", icon=":material/check:")
    if task_board().running(KIND):
        show_task(KIND)
        return
    if state.library is None:
        ways_in()
        return
    with st.expander("Choose another folder", icon=":material/folder_open:"):
        ways_in()
    show_library(state.library)


def ways_in() -> None:
    """Folder browser and path box; beside them demo, recent folders and upload."""
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
        chosen = recent_folders() or chosen
        with st.expander("Upload a folder from another computer", icon=":material/upload:"):
            chosen = upload_folder() or chosen
    if chosen is not None:
        start_scan(chosen)
        st.rerun()


def show_library(library: Library) -> None:
    """Counts, the paper's Table 1, the loops, and the files left out with their reasons."""
    loops, rejected = library.loops, library.rejected
    st.caption(f"Folder: {plain(str(library.root))}")
    if loops.empty:
        st.error(
            f"None of the {len(rejected):,} audio files in this folder can be used; the reasons are below."
            if len(rejected)
            else "There is no audio file (wav, flac, ogg, mp3, aiff) in this folder; choose another one."
        )
    else:
        _figures_of(library)
        next_step("embed")
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


def _figures_of(library: Library) -> None:
    loops = library.loops
    copies = len(loops) - len(library.unique)
    figures_row(
        ("Loops", f"{len(loops):,}", "Readable audio files in this folder."),
        ("Together", duration(float(loops["duration_s"].sum())), None),
        ("Exact copies", f"{copies:,}", "Files whose content another file has too; scored once."),
        ("Left out", f"{len(library.rejected):,}", None),
    )
    left, right = st.columns([2, 3])
    left.markdown("**Dataset statistics**")
    left.dataframe(library_statistics(loops), hide_index=True)
    with right:
        show_figure(
            duration_histogram(loops["duration_s"], height=320),
            key="durations",
            title="Durations",
            describe=f"Histogram of the durations of {len(loops):,} loops.",
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
        st.caption("From file and folder names; tempo and key also by ear once the Explore page has listened.")
    else:
        st.caption("The names tell no instrument, genre, tempo or key.")


def _left_out(library: Library) -> None:
    if library.rejected.empty:
        st.caption("No file was left out.")
        return
    st.subheader(f"Left out ({len(library.rejected):,})", anchor=False)
    rows, _ = page_of(library.rejected[["path", "reason"]], "left-out")
    table = rows.assign(path=[str(Path(path).relative_to(library.root)) for path in rows["path"]])
    st.dataframe(printable_table(table), hide_index=True)
