"""Taking a list away from the Explore page: which loops, as a table, a playlist, or a folder of copies."""

import datetime
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from loopscope.analysis.pipeline import listing_table
from loopscope.analysis.triage import FAULTY, triage_groups
from loopscope.detection.thresholds import is_anomaly
from loopscope.exports import csv_bytes, json_bytes, m3u8_bytes
from loopscope.exports.lists import FILTERED, LASSO, LISTEN_FIRST, LISTS, file_stem, in_order, members
from loopscope.exports.markers import labels_zip, markers_of
from loopscope.faults import faults_frame
from loopscope.library import Library
from loopscope.ui.components import encoder_name, store
from loopscope.ui.explorer.view import explorer_view
from loopscope.ui.metadata_task import metadata_of
from loopscope.ui.state import SessionState, kept, recall, remember
from loopscope.ui.views.copies import copies
from loopscope.ui.views.lessons import in_taught_order
from loopscope.ui.widgets.downloads import Download, downloads
from loopscope.ui.widgets.paging import show_table
from loopscope.wording import counted

EMPTY = {
    FILTERED: "Nothing is filtered: search or filter the list above, and what is left of it is here.",
    LASSO: "No lasso is drawn: draw one around loops on the map above.",
    LISTEN_FIRST: "No loop is faulty or above the threshold.",
}
ZIP = "application/zip"
COPIED_ELSEWHERE = (
    "These lists hold the loops that are shown; `loopscope analyse --embeddings` writes all of an archive. Files are "
    "copied or moved where their own folder is open."
)
COLUMNS = [
    "triage_rank",
    "rank_unmarked",
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
    "rank_unmarked": st.column_config.NumberColumn("without marks", help="The place in that order without your marks."),
    "triage": st.column_config.TextColumn("badge"),
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


def takeaway(state: SessionState, library: Library, table: pd.DataFrame, threshold: float) -> None:
    """The lists, at the foot of the page and made only where they are looked at: 50,000 rows take a moment.

    `table` has one row per ranked file, as `_table` of the Explore page makes it.
    """
    recall({"takeaway-open": False})
    section = st.expander("Take a list away", key="takeaway-open", on_change="rerun", icon=":material/ios_share:")
    remember("takeaway-open")
    if section.open:
        with section:
            whole = in_taught_order(state, _whole(state, library, table, threshold))
            _lists(state, library, _with_marks(whole), threshold)


def _lists(state: SessionState, library: Library, table: pd.DataFrame, threshold: float) -> None:
    inside = members(table, state.filtered, state.lasso)
    labels = {name: f"{name} ({np.count_nonzero(inside[name]):,})" for name in LISTS}
    recall({"takeaway-list": LISTEN_FIRST})
    chosen = st.segmented_control(
        "List",
        LISTS,
        format_func=labels.__getitem__,
        required=True,
        key="takeaway-list",
        label_visibility="collapsed",
    )
    remember("takeaway-list")
    name = chosen or LISTEN_FIRST
    rows = in_order(table[inside[name]], name)
    at = "" if np.isnan(threshold) else f" · threshold: score above {threshold:.4g}, percentile {state.percentile:.1f}"
    st.caption(f"{counted(len(rows), 'file')}{at}")
    if rows.empty:
        st.info(EMPTY.get(name, "No loop is in this list yet."))
    else:
        shown = [column for column in COLUMNS if column in rows]
        show_table(rows[shown], f"takeaway-{name}", height=260, columns=FORMATS)
        _downloads(state, library, rows, name, threshold)
    if state.seen.archived is None:
        copies(state, library, rows, _markers(state, rows))
    else:
        st.caption(COPIED_ELSEWHERE)


def _markers(state: SessionState, rows: pd.DataFrame) -> Callable[[], pd.DataFrame] | None:
    """Makes the markers of these files; None where neither checks nor a model have said anything of places."""
    finder = explorer_view(state.project, state.seen, state.active).moments
    if finder is None and state.faults is None:
        return None
    faults = faults_frame([]) if state.faults is None else state.faults
    find = (lambda loop_id: None) if finder is None else partial(finder.find, with_others=False)
    return partial(markers_of, rows[["loop_id", "path", "duration_s"]], faults, find)


def _whole(state: SessionState, library: Library, table: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """One row per file of all loops on the page: those that have no score yet below the others, and with metadata.

    What does not follow the threshold is joined once; the flags are those of now.
    """

    def make() -> pd.DataFrame:
        triaged = explorer_view(state.project, state.seen, state.active).loops
        waiting = triaged[~triaged["loop_id"].isin(set(table["loop_id"]))]
        whole = table.reset_index(drop=True).astype({"rank": "Int64"})
        if not waiting.empty:
            others = listing_table(library, state.faults, waiting).astype({"rank": "Int64"})
            others["rank"] = pd.NA
            whole = pd.concat([whole, others], ignore_index=True)
        return with_metadata(whole, metadata_of(state, library).table)

    whole: pd.DataFrame = kept("takeaway", (state.project.key, state.seen.serial, state.active), make)
    flagged = is_anomaly(whole["score"].to_numpy(), threshold)
    return whole.assign(is_anomaly=flagged, triage=triage_groups(whole["triage"] == FAULTY, flagged))


def with_metadata(table: pd.DataFrame, metadata: pd.DataFrame) -> pd.DataFrame:
    """`table` with the columns of the same files' metadata, empty for a file that came since; paths may be no valid
    text, so no table joins on them."""
    row_of = {path: row for row, path in enumerate(metadata["path"])}
    known = metadata.drop(columns=["loop_id", "path"]).reset_index(drop=True)
    rows = known.reindex([row_of.get(path, -1) for path in table["path"]])
    return pd.concat([table, rows.reset_index(drop=True)], axis=1)


def _with_marks(table: pd.DataFrame) -> pd.DataFrame:
    """`table` with what the user made of each loop."""
    known = store().get_marks()
    marks = {loop_id: mark.mark or "" for loop_id, mark in known.items()}
    notes = {loop_id: mark.note for loop_id, mark in known.items()}
    return table.assign(
        mark=[marks.get(loop_id, "") for loop_id in table["loop_id"]],
        note=[notes.get(loop_id, "") for loop_id in table["loop_id"]],
    )


def _downloads(state: SessionState, library: Library, rows: pd.DataFrame, name: str, threshold: float) -> None:
    now = datetime.datetime.now().astimezone()
    context: dict[str, str | float] = {
        "list": name,
        "made_at": now.isoformat(timespec="seconds"),
        "model": state.active or "provisional: nearest-neighbour distance",
    }
    if state.ranking is not None and state.embeddings is not None:
        context |= {
            "threshold": threshold,
            "threshold_percentile": state.percentile,
            "encoder": encoder_name(),
            "encoder_id": state.embeddings.encoder_id,
        }
    stem = file_stem(state.project.name or library.root.name, name, now.date())
    markers = _markers(state, rows)
    marked = []
    if markers is not None:
        marked = [
            Download("Markers (CSV)", f"{stem} markers.csv", "text/csv", lambda: csv_bytes(markers(), context)),
            Download("Labels for Audacity", f"{stem} labels.zip", ZIP, lambda: labels_zip(markers(), library.root)),
        ]
    downloads(
        [
            Download("CSV (all columns)", f"{stem}.csv", "text/csv", partial(csv_bytes, rows, context)),
            Download("JSON", f"{stem}.json", "application/json", partial(json_bytes, rows, context)),
            Download("Playlist (M3U8)", f"{stem}.m3u8", "audio/x-mpegurl", partial(m3u8_bytes, rows)),
            *marked,
        ],
        key="takeaway-downloads",
    )
