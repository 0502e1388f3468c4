"""Tables by the page: a grid draws only the rows in view, but Streamlit sends it all rows there are.

At 50,000 rows that is megabytes at every rerun, so longer tables go to the browser a thousand rows at a time.
"""

from typing import Any, Literal

import pandas as pd
import streamlit as st

from loopscope.ui.components import printable_table

PAGE_ROWS = 1000


def show_table(
    table: pd.DataFrame,
    key: str,
    *,
    height: int | Literal["auto"] = "auto",
    columns: dict[str, Any] | None = None,
) -> None:
    """A table to look at, by the page. `columns` says how columns are shown, as Streamlit's `column_config`."""
    rows, _ = page_of(table, key)
    st.dataframe(printable_table(rows), hide_index=True, height=height, column_config=columns)


def page_of(table: pd.DataFrame, key: str) -> tuple[pd.DataFrame, int]:
    """The rows of the page in view, and its number from 1; the whole table where it fits on one.

    Draws the choice of the page where there are several. A table that is filtered to another length begins anew.
    """
    n_pages = max(1, -(-len(table) // PAGE_ROWS))
    if n_pages == 1:
        return table, 1
    left, right = st.columns([1, 4], vertical_alignment="bottom")
    page = int(left.number_input(f"Page of {n_pages:,}", 1, n_pages, key=f"{key}-page-{len(table)}"))
    start = (page - 1) * PAGE_ROWS
    rows = table.iloc[start : start + PAGE_ROWS]
    right.caption(
        f"Rows {start + 1:,} to {start + len(rows):,} of {len(table):,}; a click on a column's head sorts these."
    )
    return rows, page
