"""Taking a list away from the Explore page: which loops, as a table, a playlist, or a folder of copies."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from loopscope.allowed_folders import is_allowed
from loopscope.analysis.triage import NORMAL
from loopscope.errors import LoopscopeError
from loopscope.exports import CopyPlan, csv_bytes, execute, m3u8_bytes, plan_copy, undo
from loopscope.library import Library
from loopscope.ui.components import encoder_name, plain, show_failure, store
from loopscope.ui.state import SessionState
from loopscope.ui.views.folder_browser import roots
from loopscope.ui.widgets.downloads import Download, downloads
from loopscope.ui.widgets.paging import show_table

COLUMNS = [
    "triage_rank",
    "name",
    "folder",
    "triage",
    "reason",
    "rank",
    "score",
    "percentile",
    "is_anomaly",
    "mark",
    "note",
    "duration_s",
    "instrument",
    "genre",
    "bpm",
    "bpm_source",
    "key",
    "key_source",
    "n_bars",
    "loop_structure",
    "path",
]
FORMATS = {
    "triage_rank": st.column_config.NumberColumn("listen", help="Detector and signal checks joined; 1 = first."),
    "triage": st.column_config.TextColumn("probably"),
    "reason": st.column_config.TextColumn(width="large"),
    "score": st.column_config.NumberColumn(format="%.4g", width=90),
    "note": st.column_config.TextColumn(width=160),
    "percentile": st.column_config.NumberColumn(format="%.1f"),
    "is_anomaly": st.column_config.CheckboxColumn("flagged"),
    "duration_s": st.column_config.NumberColumn("duration (s)", format="%.2f"),
    "bpm": st.column_config.NumberColumn("BPM", format="%g"),
    "bpm_source": st.column_config.TextColumn("BPM from"),
    "key_source": st.column_config.TextColumn("key from"),
    "n_bars": st.column_config.NumberColumn("bars"),
    "loop_structure": st.column_config.NumberColumn(
        "loop structure", format="%.2f", help="Mean correlation of different bars; 1 = every bar the same."
    ),
}
UNDO_KEY = "takeaway-undo"


def takeaway(state: SessionState, library: Library, table: pd.DataFrame, threshold: float) -> None:
    """The flagged, selected or marked loops. `table` has one row per file, most anomalous first."""
    marks = store().get_marks()
    table = table.assign(
        mark=[marks[loop_id].mark or "" if loop_id in marks else "" for loop_id in table["loop_id"]],
        note=[marks[loop_id].note if loop_id in marks else "" for loop_id in table["loop_id"]],
    )
    table = table.sort_values("rank", kind="stable", ignore_index=True)  # rows come in the order of their paths
    lists = {
        "Flagged": table[table["is_anomaly"]],
        "Lasso selection": table[table["loop_id"].isin(state.lasso)],
        "Marked": table[table["mark"] != ""],
        "All": table,
    }
    if "triage" in table:
        listen_first = table[table["triage"] != NORMAL].sort_values("triage_rank", kind="stable")
        lists = {"Listen first": listen_first, **lists}
    st.subheader("Take a list away", anchor=False)
    labels = {name: f"{name} ({len(rows):,})" for name, rows in lists.items()}
    chosen = st.segmented_control(
        "Loops",
        list(lists),
        format_func=labels.__getitem__,
        default="Flagged",
        required=True,
        key="takeaway-list",
        label_visibility="collapsed",
    )
    rows = lists[chosen or "Flagged"]
    files = "file" if len(rows) == 1 else "files"
    at = "" if np.isnan(threshold) else f" · threshold {state.percentile:.1f}th percentile, score above {threshold:.4g}"
    st.caption(f"{len(rows):,} {files}{at}")
    if rows.empty:
        st.info("No loop is in this list yet.")
        return
    shown = [column for column in COLUMNS if column in rows]
    show_table(rows[shown], f"takeaway-{chosen}", height=260, columns=FORMATS)
    _downloads(state, rows, threshold)
    _copies(library, rows)


def _downloads(state: SessionState, rows: pd.DataFrame, threshold: float) -> None:
    context: dict[str, str | float] = {"model": state.active or "provisional: nearest-neighbour distance"}
    if state.ranking is not None and state.embeddings is not None:
        context |= {
            "threshold": threshold,
            "threshold_percentile": state.percentile,
            "encoder": encoder_name(),
            "encoder_id": state.embeddings.encoder_id,
        }
    downloads(
        [
            Download("CSV (all columns)", "loopscope.csv", "text/csv", partial(csv_bytes, rows, context)),
            Download("Playlist (M3U8)", "loopscope.m3u8", "audio/x-mpegurl", partial(m3u8_bytes, rows)),
        ],
        key="takeaway-downloads",
    )


def _copies(library: Library, rows: pd.DataFrame) -> None:
    """Copying or moving into a folder: always a dry run first, never overwriting, with an undo file."""
    with st.expander("Copy or move these files into a folder", icon=":material/drive_file_move:"):
        left, right = st.columns([4, 1], vertical_alignment="bottom")
        typed = left.text_input("Destination", placeholder="/Users/me/Music/To check", key="copy-to").strip()
        move = right.toggle("Move", key="copy-move", help="Move instead of copy. Either can be undone.")
        if typed and (destination := _destination(typed)) is not None:
            try:
                _plan(plan_copy(rows, destination, move=move, root=library.root))
            except LoopscopeError as error:
                show_failure(error)
        _undo()


def _destination(typed: str) -> Path | None:
    folder = Path(typed).expanduser()
    if folder.is_absolute() and is_allowed(folder, roots()):
        return folder
    st.error("The destination must be a full path inside the folders this app may open; see the Library page.")
    return None


def _plan(plan: CopyPlan) -> None:
    verb = "Move" if plan.move else "Copy"
    size = sum(item.size_bytes for item in plan.items) / 1e6
    counts = f"**{len(plan.items):,} files** ({size:,.1f} MB), leaving out {len(plan.skipped):,}"
    st.markdown(f"Would {verb.lower()} {counts}.")
    if not plan.skipped.empty:
        show_table(plan.skipped, "copy-skipped", height=140)
    if plan.items and st.button(f"{verb} {len(plan.items):,} files", key="copy-go"):
        st.session_state[UNDO_KEY] = str(execute(plan))
        st.toast(f"{len(plan.items):,} files done", icon=":material/check:")


def _undo() -> None:
    file = st.session_state.get(UNDO_KEY)
    if file is None:
        return
    st.caption(f"Undo file: {plain(file)}")
    if st.button("Undo the last copy or move", key="copy-undo"):
        try:
            report = undo(Path(file))
        except LoopscopeError as error:
            show_failure(error)
            return
        del st.session_state[UNDO_KEY]
        st.toast(f"{report.undone:,} files taken back", icon=":material/undo:")
        if not report.left.empty:
            show_table(report.left, "copy-left")
