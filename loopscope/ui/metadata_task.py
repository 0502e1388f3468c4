"""The metadata of the whole library, kept in the project; the walk listens, "Listen to all" to what it left out."""

import streamlit as st

from loopscope.library import Library
from loopscope.metadata.collect import MetadataTable, known_metadata, measure_missing
from loopscope.ui.components import ended, show_task, store
from loopscope.ui.projects.heard import HeardLoops
from loopscope.ui.projects.project import Project
from loopscope.ui.projects.tasks import Task
from loopscope.ui.projects.walking import WALK
from loopscope.ui.state import SessionState

KIND = "listen"


def metadata_of(state: SessionState, library: Library) -> MetadataTable:
    """What is known now; after a finished task, with what it measured."""
    if state.metadata is None:
        state.project.update(redraw=False, refill=False, metadata=known_metadata(library.loops, store()))
        state.look()
    assert state.metadata is not None  # just made
    return state.metadata


def metadata_task(state: SessionState, library: Library) -> None:
    """The button that starts measuring what is missing, and the running task."""
    task = ended(KIND)
    if task is not None and task.done:  # another run would wipe what it failed of
        st.rerun()  # what stands above is to know it too
    missing = metadata_of(state, library).missing
    if state.project.tasks.running(KIND):
        show_task(KIND)
    elif missing and not state.project.tasks.running(WALK):
        left, right = st.columns([3, 1], vertical_alignment="center")
        left.caption(
            f"{len(missing):,} of {len(library.unique):,} loops have not been listened to for tempo, key and loop "
            "structure. Listening fills these columns and filters; it runs in the background and is done once."
        )
        if right.button("Listen to all", icon=":material/hearing:", key="listen-start", width="stretch"):
            start_listening(state.project, library)
            st.rerun()


def start_listening(project: Project, library: Library) -> Task:
    """Measures in a worker what is missing of these loops; the project knows it then."""
    database = store()

    def work(task: Task) -> None:
        heard = HeardLoops(project, database)
        try:
            measure_missing(library.loops, database, task.on_progress, task.should_stop, library.root, heard.take)
        finally:  # also of what was measured until a stop
            heard.show()

    return project.tasks.start(KIND, "Listening", work)
