"""The lists that can be taken away: which rows are in each, in which order, and what their files are called."""

import datetime
import unicodedata
from collections.abc import Collection

import numpy as np
import pandas as pd

from loopscope.analysis.triage import NORMAL
from loopscope.arrays import Bool
from loopscope.files import display_name

LISTEN_FIRST, FLAGGED, FILTERED, LASSO, ALL = "Listen first", "Flagged", "Filtered now", "Lasso", "All"
MARKED = {"Loved": "love", "Kept": "keep", "Quarantined": "quarantine"}
LISTS = (LISTEN_FIRST, FLAGGED, FILTERED, LASSO, *MARKED, ALL)
BY_SCORE = frozenset({FLAGGED, LASSO, ALL})  # the others are in the order in which to listen
UNSAFE = frozenset('<>:"/\\|?*')  # to one file system or another
LONGEST_NAME = 120  # bytes of the library's name: 255 are a whole name, most of it the user's


def members(table: pd.DataFrame, filtered: Collection[str] | None, lasso: Collection[str]) -> dict[str, Bool]:
    """Which rows of `table` are in each of LISTS, (n,) bool each.

    `table` has loop_id, triage, is_anomaly and mark, one row per file. `filtered` and `lasso` are the loop_ids in focus
    (None: nothing is filtered, and the list is empty) and inside the lasso.
    """
    ids, marks = table["loop_id"], table["mark"]
    return {
        LISTEN_FIRST: (table["triage"] != NORMAL).to_numpy(bool),
        FLAGGED: table["is_anomaly"].to_numpy(bool),
        FILTERED: ids.isin(set(filtered or ())).to_numpy(bool),
        LASSO: ids.isin(set(lasso)).to_numpy(bool),
        **{name: (marks == mark).to_numpy(bool) for name, mark in MARKED.items()},
        ALL: np.ones(len(table), bool),
    }


def in_order(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """The rows of the list `name` as they are taken away: most anomalous first, or first what to listen to first."""
    return rows.sort_values("rank" if name in BY_SCORE else "triage_rank", kind="stable", ignore_index=True)


def file_stem(library: str, name: str, day: datetime.date) -> str:
    """A file's name without its ending, such as "bass · Listen first · 2026-11-22", that any file system takes."""
    shown = unicodedata.normalize("NFC", display_name(library))
    safe = "".join(sign if sign.isprintable() and sign not in UNSAFE else "_" for sign in shown)
    short = safe.encode()[:LONGEST_NAME].decode(errors="ignore").strip(" .")
    return f"{short or 'loops'} · {name} · {day.isoformat()}"
