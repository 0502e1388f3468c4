"""Taking a list away from the Explore page: which loops, and in what form."""

import pandas as pd
import streamlit as st

from loopscope.ui.components import printable_table, store
from loopscope.ui.state import SessionState

COLUMNS = ["rank", "name", "folder", "score", "percentile", "is_anomaly", "mark", "duration_s", "path"]
FORMATS = {
    "score": st.column_config.NumberColumn(format="%.4g"),
    "percentile": st.column_config.NumberColumn(format="%.1f"),
    "is_anomaly": st.column_config.CheckboxColumn("flagged"),
    "duration_s": st.column_config.NumberColumn("duration (s)", format="%.2f"),
}


def takeaway(state: SessionState, table: pd.DataFrame, threshold: float) -> None:
    """The flagged, selected or marked loops as a table. `table` has one row per file, most anomalous first."""
    marks = {loop_id: mark.mark for loop_id, mark in store().get_marks().items() if mark.mark}
    table = table.assign(mark=table["loop_id"].map(marks).fillna(""))
    lists = {
        "Flagged": table[table["is_anomaly"]],
        "Lasso selection": table[table["loop_id"].isin(state.lasso)],
        "Marked": table[table["mark"] != ""],
        "All": table,
    }
    st.subheader("Take a list away", anchor=False)
    labels = {name: f"{name} ({len(rows):,})" for name, rows in lists.items()}
    chosen = st.segmented_control(
        "Loops", list(lists), format_func=labels.__getitem__, default="Flagged", required=True, key="takeaway-list"
    )
    rows = lists[chosen or "Flagged"]
    st.caption(f"{len(rows):,} files · threshold {state.percentile:.1f}th percentile, score above {threshold:.4g}")
    if rows.empty:
        st.info("No loop is in this list yet.")
        return
    st.dataframe(printable_table(rows[COLUMNS]), hide_index=True, height=260, column_config=FORMATS)
