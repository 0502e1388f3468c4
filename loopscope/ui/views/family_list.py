"""Groups of loops to listen to: which of each to keep, the others quarantined in one click, files to take away."""

from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from loopscope.exports import csv_bytes, m3u8_bytes
from loopscope.ui.components import printable, store
from loopscope.ui.explain.kin import transposition
from loopscope.ui.server.media import session_token
from loopscope.ui.widgets.downloads import Download, downloads
from loopscope.ui.widgets.javascript import component
from loopscope.ui.widgets.paging import page_of
from loopscope.wording import counted

COLUMNS = ["family", "keep", "name", "folder", "duration_s", "sample_rate", "why", "mark", "path"]
MORE_COLUMNS = ("semitones", "is_here", "loop_id")


def family_list(
    table: pd.DataFrame,
    kind: str,
    *,
    clipped: frozenset[str] = frozenset(),
    projects: Mapping[str, str] | None = None,
    elsewhere_too: frozenset[str] = frozenset(),
    has_explorer: bool,
    may_quarantine: bool,
) -> None:
    """A table as from `families_of`; with `is_here` where some lie in other folders, whose `projects` go by path, and
    with `semitones` where riffs are compared.

    Only loops of this folder are quarantined from here, without those that are `elsewhere_too`, and none where copies
    share one mark.
    """
    marks = store().get_marks(list(table["loop_id"]))
    shown = table.assign(mark=[_mark(marks.get(loop_id)) for loop_id in table["loop_id"]])
    n_families, n_files = int(table["family"].max()), len(table)
    st.caption(f"{counted(n_families, 'family', 'families')}, {counted(n_files, 'file')}")
    rows, _ = page_of(shown, f"families-{kind}")
    data = [_member(row, clipped, projects or {}) for row in rows.to_dict("records")]
    component(
        "families.js",
        "The families",
        key="families-list",
        data={"members": data, "token": session_token(), "explorer": has_explorer},
    )
    if may_quarantine:
        _quarantine(shown, elsewhere_too)
    saved = shown[[*COLUMNS, *(name for name in MORE_COLUMNS if name in shown)]]
    files = [
        Download("CSV", f"{kind}.csv", "text/csv", partial(csv_bytes, saved, {"list": kind})),
        Download("Playlist (M3U8)", f"{kind}.m3u8", "audio/x-mpegurl", partial(m3u8_bytes, saved)),
    ]
    downloads(files, key="families-downloads")


def _mark(known: Any) -> str:
    return "" if known is None else known.mark or ""


def _member(row: Mapping[Any, Any], clipped: frozenset[str], projects: Mapping[str, str]) -> dict[str, Any]:
    """A row as the browser gets it."""
    loop_id, is_here = str(row["loop_id"]), bool(row.get("is_here", True))
    project = projects.get(row["path"], "")
    return {
        "id": loop_id,
        "family": int(row["family"]),
        "name": printable(str(row["name"])),
        "folder": printable(str(row["folder"])),
        "note": _note(row, loop_id in clipped),
        "keep": bool(row["keep"]),
        "why": str(row["why"]),
        "mark": str(row["mark"]),
        "here": is_here,
        "address": "" if is_here else "?" + urlencode({"project": project, "loop": loop_id}),
        "seconds": 0.0 if pd.isna(row["duration_s"]) else float(row["duration_s"]),
    }


def _note(row: Mapping[Any, Any], is_clipped: bool) -> str:
    """Such as "clipped · 2.00 s · 44.1 kHz · +3 semitones"; what is not known is left out."""
    said = ["clipped"] if is_clipped else []
    said += [] if pd.isna(row["duration_s"]) else [f"{row['duration_s']:.2f} s"]
    said += [f"{row['sample_rate'] / 1000:g} kHz"] if row["sample_rate"] else []
    semitones = row.get("semitones")
    if semitones is not None and not pd.isna(semitones) and not row["keep"]:
        said.append(transposition(int(semitones)))
    return " · ".join(said)


def _quarantine(shown: pd.DataFrame, elsewhere_too: frozenset[str]) -> None:
    """One click marks all that are not kept; what has a mark keeps it, and the same place takes those back.

    A mark is on every file with that content: what other folders have as it is, too, is marked one by one.
    """
    here = shown["is_here"] if "is_here" in shown else pd.Series(True, index=shown.index)
    unmarked = shown.loc[here & ~shown["keep"] & (shown["mark"] == ""), "loop_id"]
    others = unmarked[~unmarked.isin(elsewhere_too)].tolist()
    if n := len(unmarked) - len(others):
        lies, it = ("lies", "it") if n == 1 else ("lie", "them")
        said = f"{counted(n, 'loop')} here {lies} in another folder, too, and would be quarantined there as well"
        st.caption(f"{said}: mark {it} in the list above.")
    where = " here" if "is_here" in shown else ""
    if others and st.button(f"Quarantine the other {len(others):,}{where}", key="families-quarantine"):
        store().set_marks(dict.fromkeys(others, "quarantine"))
        st.session_state["families-marked"] = {*st.session_state.get("families-marked", ()), *others}
        st.rerun()
    marked = set(st.session_state.get("families-marked", ())) & set(shown.loc[shown["mark"] == "quarantine", "loop_id"])
    if marked and st.button(f"Take {len(marked):,} back", key="families-undo", icon=":material/undo:"):
        store().set_marks(dict.fromkeys(sorted(marked)))
        st.session_state["families-marked"] -= marked
        st.rerun()
