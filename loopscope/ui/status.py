"""The sidebar's account of the project, the same on every page, and what the browser is told of it every second."""

from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from loopscope.library import Library
from loopscope.ui.components import encoder_name, plain, task_line
from loopscope.ui.explorer.packing import pack_view
from loopscope.ui.explorer.view import explorer_view
from loopscope.ui.server.lifespan import page_is_out
from loopscope.ui.server.media import media_registry, session_token
from loopscope.ui.state import SessionState, session
from loopscope.ui.widgets.status import status_panel


def show_status() -> None:
    """The sidebar's account of where the session stands; it always names the encoder that made the numbers."""
    state = session()
    with st.sidebar:
        _status_of(state)
        if state.library is None:
            st.caption(f"Opening {plain(state.project.name)} …" if state.project.id else "No folder chosen yet.")
            return
        name = state.project.name or Path(state.library.root).name
        st.markdown(f"**{plain(name)}** · {how_many(state, state.library)}")
        if state.embeddings is None:
            st.caption("Not embedded yet.")
            return
        st.caption(f"Encoder: {plain(encoder_name())}")
        st.caption(f"Model: {plain(state.active)}" if state.active else "No model yet.")


def how_many(state: SessionState, library: Library) -> str:
    """Loops; of an archive those that are shown of all."""
    shown, archived = len(library.unique), state.seen.archived
    return f"{shown:,} loops" if archived is None else f"{shown:,} of {len(archived.counts.scores):,} loops shown"


def _status_of(state: SessionState) -> None:
    """The running task with its Cancel, notices and the state of the connection, live."""
    media_registry().publish_pulse(session_token(), partial(pulse, state, session_token()))
    asked = status_panel(generation=state.drawn, project=state.project.id, loop=state.selected)
    task = state.project.tasks.present()
    if asked.cancel and task is not None and task.title == asked.cancel:
        task.cancel()
    state.project.is_out.set()
    if task is None:  # else what the task finds is still to be shown
        page_is_out()


def pulse(state: SessionState, token: str) -> dict[str, Any]:
    """What a tab is told every second, on a thread of the server's."""
    project, contents = state.project, state.project.contents
    task, notice = project.tasks.present(), project.notice
    told: dict[str, Any] = {"task": None, "generation": project.generation, "explorer": None, "notice": None}
    if task is not None:
        stopping = task.should_stop()
        told["task"] = {"title": task.title, "text": task_line(task), "share": task.share, "stopping": stopping}
        told["task"]["cancellable"] = not stopping
    if notice is not None and notice.is_fresh:
        told["notice"] = {"id": notice.id, "text": notice.text}
    if state.page == "explore" and contents.library is not None and not contents.library.loops.empty:
        view = explorer_view(project, contents, project.label_in(contents))
        media_registry().publish_blobs(token, view.version, lambda: pack_view(view))
        told["explorer"] = {"version": view.version, "provisional": project.is_provisional, "project": project.id}
    return told
