"""Copying or moving a list's files into a folder: what would happen, the task, and taking it back."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd
import streamlit as st

from loopscope.allowed_folders import allowed_place
from loopscope.errors import LoopscopeError
from loopscope.exports import CopyPlan, plan_copy
from loopscope.exports.markers import cues_of
from loopscope.exports.wave_cues import Cue
from loopscope.library import Library
from loopscope.ui.components import ended, plain, show_failure, show_task, store
from loopscope.ui.projects.copying import COPY, left_by, start_copy, start_undo, undo_files
from loopscope.ui.projects.walking import is_busy
from loopscope.ui.state import SessionState, kept, recall, remember
from loopscope.ui.views.folder_browser import roots
from loopscope.ui.widgets.paging import show_table
from loopscope.wording import counted

UNDO_SHOWN = 3
WAVES = (".wav", ".wave")
LEFT_ONE = "One file was left as it was:"
CUES_HELP = "Copies of WAV files get cue points where faults were found and where a loop is oddest."


def copies(
    state: SessionState, library: Library, rows: pd.DataFrame, markers: Callable[[], pd.DataFrame] | None
) -> None:
    """Always a dry run first, never over another file, and every copy or move can be taken back.

    `markers` makes those of `rows`, for cue points in copies; None where nothing is known to mark.
    """
    recall({"copy-to": "", "copy-move": False, "copy-cues": False})
    left, middle, right = st.columns([4, 1, 1], vertical_alignment="bottom")
    typed = left.text_input("Copy these files into a folder", placeholder="/Users/me/Music/To check", key="copy-to")
    move = middle.toggle("Move", key="copy-move", help="Move instead of copy. Either can be undone.")
    wanted = right.toggle("Cue points", key="copy-cues", help=CUES_HELP, disabled=move or markers is None)
    remember("copy-to", "copy-move", "copy-cues")
    made = markers if wanted and not move else None
    if state.project.tasks.running(COPY):
        show_task(COPY)
        return
    if typed.strip() and not rows.empty and (destination := _destination(typed.strip())) is not None:
        try:
            plan = _planned(state, library, rows, destination, move)
            _offer(state, plan if made is None else replace(plan, cues=partial(_cues, made)))
        except LoopscopeError as error:
            show_failure(error)
    offer_undo(state)


def tell_of_copy(state: SessionState) -> None:
    """Once in every tab why the last copy, move, renaming or undoing failed; until the next one which files it left."""
    ended(COPY)
    task = state.project.tasks.get(COPY)
    if task is None or not task.done:
        return
    left = left_by(task)
    if not left.empty:
        st.warning(f"{len(left):,} files were left as they were:" if len(left) > 1 else LEFT_ONE)
        show_table(left, "copy-left", height=140)


def _cues(markers: Callable[[], pd.DataFrame]) -> dict[str, list[Cue]]:
    return cues_of(markers())


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
    if plan.cues is not None:
        n_waves = sum(item.source.suffix.lower() in WAVES for item in plan.items)
        others = len(plan.items) - n_waves
        left_as_they_are = f"; {counted(others, 'file')} of another format cannot hold any" if others else ""
        st.caption(f"Cue points go into copies of WAV files{left_as_they_are}.")
    if not plan.skipped.empty:
        show_table(plan.skipped, "copy-skipped", height=140)
    waits = plan.move and is_busy(state.project)  # which would end with loops that are gone
    if waits:
        st.caption("Files can be moved once nothing else runs on this folder; copying works now.")
    if plan.items and st.button(f"{verb} {n}", key="copy-go", disabled=waits):
        start_copy(state.project, store(), plan)
        st.rerun()


def offer_undo(state: SessionState, key: str = "copy-undo") -> None:
    """A button for each of the last copies and moves that can be taken back; also beside a folder left empty by one."""
    waits = is_busy(state.project)
    for number, file in enumerate(undo_files(state.project)[:UNDO_SHOWN]):
        left, right = st.columns([5, 1], vertical_alignment="center")
        which = "An earlier" if number else "The last"
        left.caption(f"{which} copy, move or renaming can be taken back by {plain(str(file))}")
        if right.button("Undo", key=f"{key}-{number}" if number else key, icon=":material/undo:", disabled=waits):
            start_undo(state.project, store(), file)
            st.rerun()
