"""Copying or moving a list's files into a folder: what would happen, the task, and taking it back."""

from pathlib import Path

import pandas as pd
import streamlit as st

from loopscope.allowed_folders import allowed_place
from loopscope.errors import LoopscopeError
from loopscope.exports import CopyPlan, UndoReport, plan_copy
from loopscope.library import Library
from loopscope.ui.components import ended, plain, show_failure, show_task, store
from loopscope.ui.projects.copying import COPY, start_copy, start_undo, undo_files
from loopscope.ui.state import SessionState, kept, recall, remember
from loopscope.ui.views.folder_browser import roots
from loopscope.ui.widgets.paging import show_table
from loopscope.wording import counted

UNDO_SHOWN = 3


def copies(state: SessionState, library: Library, rows: pd.DataFrame) -> None:
    """Always a dry run first, never over another file, and every copy or move can be taken back."""
    recall({"copy-to": "", "copy-move": False})
    left, right = st.columns([5, 1], vertical_alignment="bottom")
    typed = left.text_input("Copy these files into a folder", placeholder="/Users/me/Music/To check", key="copy-to")
    move = right.toggle("Move", key="copy-move", help="Move instead of copy. Either can be undone.")
    remember("copy-to", "copy-move")
    if state.project.tasks.running(COPY):
        show_task(COPY)
        return
    task = ended(COPY)
    if typed.strip() and not rows.empty and (destination := _destination(typed.strip())) is not None:
        try:
            _offer(state, _planned(state, library, rows, destination, move))
        except LoopscopeError as error:
            show_failure(error)
    offer_undo(state)
    if task is not None and isinstance(task.result, UndoReport) and not task.result.left.empty:
        show_table(task.result.left, "copy-left")


def _destination(typed: str) -> Path | None:
    folder = allowed_place(typed, roots())
    if folder is None:
        st.error("The destination must be a full path inside the folders this app may open; see the Library page.")
    return folder


def _planned(state: SessionState, library: Library, rows: pd.DataFrame, destination: Path, move: bool) -> CopyPlan:
    """Made once for a list and a folder: 50,000 files take a while to look at. `execute` sees what changes later."""
    key = (state.project.key, state.project.generation, hash(tuple(rows["path"])), str(destination), move)
    plan: CopyPlan = kept("copy-plan", key, lambda: plan_copy(rows, destination, move=move, root=library.root))
    return plan


def _offer(state: SessionState, plan: CopyPlan) -> None:
    verb = "Move" if plan.move else "Copy"
    n, size = counted(len(plan.items), "file"), f"{plan.total_bytes / 1e6:,.1f} MB"
    would = f"Would {verb.lower()} {n} ({size})" if plan.items else f"Nothing to {verb.lower()}"
    st.caption(f"{would}, {len(plan.skipped):,} left alone:" if len(plan.skipped) else f"{would}.")
    if not plan.skipped.empty:
        show_table(plan.skipped, "copy-skipped", height=140)
    waits = plan.move and state.project.tasks.any_running()  # which would end with loops that are gone
    if waits:
        st.caption("Files can be moved once nothing else runs on this folder; copying works now.")
    if plan.items and st.button(f"{verb} {n}", key="copy-go", disabled=waits):
        start_copy(state.project, store(), plan)
        st.rerun()


def offer_undo(state: SessionState) -> None:
    """A button for each of the last copies and moves that can be taken back; also beside a folder left empty by one."""
    waits = state.project.tasks.any_running()
    for number, file in enumerate(undo_files(state.project)[:UNDO_SHOWN]):
        left, right = st.columns([5, 1], vertical_alignment="center")
        which = "An earlier" if number else "The last"
        left.caption(f"{which} copy or move can be taken back by {plain(str(file))}")
        key = f"copy-undo-{number}" if number else "copy-undo"
        if right.button("Undo", key=key, icon=":material/undo:", disabled=waits):
            start_undo(state.project, store(), file)
            st.rerun()
