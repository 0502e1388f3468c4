"""The metadata of the whole library, kept in the session; measuring what is missing ("Listen to all") is a task."""

import streamlit as st

from loopscope.library import Library
from loopscope.metadata.collect import MetadataTable, known_metadata, measure_metadata
from loopscope.ui.components import ended, show_task, store
from loopscope.ui.state import SessionState
from loopscope.ui.projects.tasks import Task, task_board

KIND = "listen"


def metadata_of(state: SessionState, library: Library) -> MetadataTable:
    """What is known now; after a finished task, with what it measured."""
    if state.metadata is None:
        state.metadata = known_metadata(library.loops, store())
    return state.metadata


def metadata_task(state: SessionState, library: Library) -> None:
    """The button that starts measuring what is missing, and the running task."""
    finished = ended(KIND)
    if finished is not None:
        state.metadata = finished.result if finished.done else None
        state.metadata_changes += 1
        st.rerun()  # the filters above are to know it too
    missing = metadata_of(state, library).missing
    if task_board().running(KIND):
        show_task(KIND)
    elif missing:
        left, right = st.columns([3, 1], vertical_alignment="center")
        left.caption(
            f"{len(missing):,} of {len(library.unique):,} loops have not been listened to for tempo, key and loop "
            "structure. Listening fills these columns and filters; it runs in the background and is done once."
        )
        if right.button("Listen to all", icon=":material/hearing:", key="listen-start", width="stretch"):
            _start(library)
            st.rerun()


def _start(library: Library) -> None:
    database = store()

    def work(task: Task) -> MetadataTable:
        return measure_metadata(library.loops, database, task.on_progress, task.should_stop)

    task_board().start(KIND, "Listening", work)
