"""The Library page's report: what the checks found in the folder, what to mend first, how its loops spread."""

import datetime
import time
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from loopscope.analysis.report import MEASURED, FolderReport, KindCount, as_record, report_folder
from loopscope.exports import record_bytes
from loopscope.exports.lists import file_stem
from loopscope.faults.check import known_values
from loopscope.figures.library import value_histogram
from loopscope.library import Library
from loopscope.ui.components import printable_table, store
from loopscope.ui.projects.project import Project
from loopscope.ui.state import SessionState
from loopscope.ui.widgets.downloads import Download, downloads
from loopscope.ui.widgets.figure import show_figure
from loopscope.wording import counted

LASTING = ("autoplay", "log", "axes", "asinh", "model", "zoom", "named")  # of a view, when its filters are replaced
SHOWN_HERE = ("off_tuning", "off_level", "peak")  # lengths stand above, beside the statistics


def folder_report(state: SessionState, library: Library) -> None:
    """The report as far as the checks have come."""
    st.subheader("Report", anchor=False)
    if state.faults is None:
        st.caption("What is broken in this folder stands here as soon as its loops are checked, beside embedding.")
        return
    report = _report(library, state.faults, (state.project.key, state.seen.serial, state.seen.generation))
    _kinds(state.project, report)
    _first(state.project, report)
    _spreads(report)
    stem = file_stem(state.project.name or library.root.name, "report", datetime.datetime.now().astimezone().date())
    record = {"folder": str(library.root), **as_record(report)}
    downloads(
        [Download("Report (JSON)", f"{stem}.json", "application/json", partial(record_bytes, record))],
        key="report-downloads",
    )


@st.cache_resource(max_entries=8, show_spinner=False)
def _report(_library: Library, _faults: pd.DataFrame, key: tuple[str, int, int]) -> FolderReport:
    return report_folder(_library, _faults, known_values(_library, store()))


def _kinds(project: Project, report: FolderReport) -> None:
    """One chip a kind; a click shows its loops."""
    sound = f"**{report.n_sound:,} of {counted(report.n_loops, 'loop')}**"
    st.markdown(f"{sound} without a fault that the checks are sure of.")
    for title, kinds in (
        ("Faults", [one for one in report.kinds if one.is_evidence]),
        ("Worth knowing", [one for one in report.kinds if not one.is_evidence]),
    ):
        if not kinds:
            continue
        chosen = st.pills(
            title, kinds, format_func=_chip, key=f"report-{title}", help="A click shows these loops on Explore."
        )
        if chosen is not None:
            show_loops(project, kinds=[chosen.title], unsure=not chosen.n_sure)


def _chip(one: KindCount) -> str:
    parts = [f"{one.n_sure:,}" if one.n_sure else "", f"{one.n_unsure:,} perhaps" if one.n_unsure else ""]
    return f"{one.title} · {' + '.join(part for part in parts if part)}"


def _first(project: Project, report: FolderReport) -> None:
    if report.first.empty:
        return
    st.markdown("**Mend first**")
    st.dataframe(
        printable_table(report.first[["name", "sentence"]]),
        hide_index=True,
        column_config={"name": st.column_config.TextColumn(width="medium"), "sentence": "what was found"},
    )
    n_faulty = report.n_loops - report.n_sound
    if st.button(f"Show {counted(n_faulty, 'faulty loop')} on Explore", icon=":material/arrow_forward:"):
        show_loops(project, badges=["faulty"])


def _spreads(report: FolderReport) -> None:
    known = [name for name in SHOWN_HERE if name in report.spreads]
    for place, name in zip(st.columns(len(SHOWN_HERE)), known, strict=False):
        title, unit = MEASURED[name]
        spread = report.spreads[name]
        with place:
            show_figure(
                value_histogram(report.measured[name], title, unit),
                key=f"report-{name}",
                title=title,
                describe=f"{title} of {spread['loops']:,} loops, median {spread['median']:.1f} {unit}.",
            )


def show_loops(project: Project, **filters: Any) -> None:
    """Explore, with these filters (as assets/explorer/filter-state.js names them) in place of those that held."""
    kept = {name: value for name, value in (project.memory.view or {}).items() if name in LASTING}
    now = int(1000 * time.time())
    project.remember_view({**kept, "at": now, "asked": now, "mode": "listen", **filters})
    st.switch_page("pages/explore.py")
