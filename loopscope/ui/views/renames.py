"""Names that say a wrong tempo or key: what they would be, which of them to change, and taking it back."""

from dataclasses import replace

import pandas as pd
import streamlit as st

from loopscope.allowed_folders import is_allowed
from loopscope.config import paths
from loopscope.errors import LoopscopeError
from loopscope.exports import CopyPlan
from loopscope.exports.renaming import plan_renames, propose_names
from loopscope.faults import faults_frame
from loopscope.library import Library
from loopscope.ui.components import printable_table, show_failure, store
from loopscope.ui.metadata_task import metadata_of
from loopscope.ui.projects.copying import COPY, start_copy
from loopscope.ui.projects.walking import is_busy
from loopscope.ui.server.visitors import LOCAL
from loopscope.ui.state import SessionState, kept, recall, remember
from loopscope.ui.views.copies import offer_undo, tell_of_copy
from loopscope.ui.views.folder_browser import roots
from loopscope.ui.widgets.paging import page_of, show_table
from loopscope.wording import counted

COLUMNS = {
    "rename": st.column_config.CheckboxColumn("", width=40),
    "name": st.column_config.TextColumn("is called"),
    "new": st.column_config.TextColumn("would be called"),
    "why": st.column_config.TextColumn("because", width="large"),
}


def renames(state: SessionState, library: Library) -> None:
    """At the foot of Explore, where any name is wrong."""
    if state.project.tasks.running(COPY):
        return  # shown where the list is taken away, and the names are about to be others
    tell_of_copy(state)
    if not _may_rename(state, library):
        return
    key = (state.project.key, state.seen.serial, state.seen.generation)
    proposed: pd.DataFrame = kept("renames", key, lambda: _proposed(state, library))
    recall({"renames-open": False})
    if proposed.empty and not st.session_state["renames-open"]:  # where it is open it offers to take that back
        return
    section = st.expander(
        f"Put names right ({len(proposed):,})", key="renames-open", on_change="rerun", icon=":material/edit:"
    )
    remember("renames-open")
    if section.open:
        with section:
            if proposed.empty:
                st.caption("No name is left that can be put right.")
            try:
                _offer(state, kept("rename-plan", key, lambda: plan_renames(proposed, library.root)), proposed)
            except LoopscopeError as error:
                show_failure(error)
            offer_undo(state, key="rename-undo")


def _may_rename(state: SessionState, library: Library) -> bool:
    """The demo is everybody's; whoever comes over a network may change what the server allows and their own upload."""
    if is_allowed(library.root, [paths().demo.resolve()]):
        return False
    return state.project.owner == LOCAL or is_allowed(library.root, [*roots(), paths().uploads.resolve()])


def _proposed(state: SessionState, library: Library) -> pd.DataFrame:
    faults = faults_frame([]) if state.faults is None else state.faults
    said = "you say" if state.project.owner == LOCAL else "corrected to"
    return propose_names(metadata_of(state, library).table, faults, said)


def _offer(state: SessionState, plan: CopyPlan, proposed: pd.DataFrame) -> None:
    st.caption("Nothing is renamed before you say so; marks, notes and corrections stay with the sound.")
    why = dict(zip(proposed["path"], proposed["why"], strict=True))
    table = pd.DataFrame(
        {
            "rename": True,
            "name": [item.source.name for item in plan.items],
            "new": [item.target.name for item in plan.items],
            "why": [why[str(item.source)] for item in plan.items],
        }
    )
    rows, page = page_of(table, "renames")
    edited = st.data_editor(
        printable_table(rows),
        key=f"renames-{page}-{hash(tuple(table['new']))}",
        hide_index=True,
        disabled=["name", "new", "why"],
        column_config=COLUMNS,
    )
    if not plan.skipped.empty:
        show_table(plan.skipped, "renames-skipped", height=140)
    chosen = tuple(plan.items[at] for at, wanted in zip(rows.index, edited["rename"], strict=True) if wanted)
    waits = is_busy(state.project)
    if waits:
        st.caption("Files can be renamed once nothing else runs on this folder.")
    if chosen and st.button(f"Rename {counted(len(chosen), 'file')}", key="rename-go", disabled=waits):
        start_copy(state.project, store(), replace(plan, items=chosen))
        st.rerun()
