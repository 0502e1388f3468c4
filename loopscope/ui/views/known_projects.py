"""The projects to go on with, as cards, and what a walk does in a sentence and a picture."""

import time
from dataclasses import replace

import streamlit as st

from loopscope.analysis.feedback import QUARANTINE
from loopscope.analysis.scoring import ScoredLoops
from loopscope.config import app_folder
from loopscope.store import ProjectRow
from loopscope.ui.components import plain, store
from loopscope.ui.projects.registry import project_registry
from loopscope.ui.projects.walking import is_busy, start_training, start_walk
from loopscope.ui.state import SessionState, may_open, open_project, session
from loopscope.wording import counted, stand_out

SHOWN = 6
CARD_PX = 272
AGES = ((60.0, 1.0, "just now"), (3600.0, 60.0, "min"), (86400.0, 3600.0, "h"), (float("inf"), 86400.0, "days"))
PICTURE = app_folder() / "assets" / "walk.svg"


def show_walk() -> None:
    """What will happen once a folder is chosen, as a picture."""
    st.image(PICTURE.read_text(encoding="utf-8"), width="stretch")


def show_changes() -> None:
    """What is new since the folder was last analysed or while it is open, and a way to learn from it."""
    state = session()
    if state.seen.unseen:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.info(f"Since this folder was read: {state.seen.unseen.sentence}.", width="stretch")
            look_again(state)
    elif state.seen.changes:
        st.info(f"Since the last time: {state.seen.changes.sentence}.", icon=":material/new_releases:")
    if (n_new := _not_learnt(state.model)) and not is_busy(state.project):
        st.caption(
            f"{counted(n_new, 'new loop is', 'new loops are')} scored by the present model, which has not learnt from "
            f"{'it' if n_new == 1 else 'them'}."
        )
        if st.button("Train again with them", icon=":material/model_training:", key="retrain"):
            _train_again(state, state.model)
            st.rerun()


def look_again(state: SessionState) -> None:
    """A way to scan the folder once more; what is new is scored by the model that is there."""
    explained = "Lists what came, changed or went, and scores what is new."
    busy = is_busy(state.project)
    if st.button("Look again", icon=":material/sync:", key="look-again", help=explained, disabled=busy):
        start_walk(state.project, store())
        st.rerun()


def _train_again(state: SessionState, model: ScoredLoops | None) -> None:
    """The same detector as the one in view, on the same part of the folder, as it is now."""
    if model is None or state.embeddings is None:
        return
    detector = model.detector
    plan = replace(
        state.project.memory.plan,
        detector=detector.name,
        preset=detector.preset,
        seed=detector.seed,
        subset=model.subset,
    )
    loops = state.embeddings.select(list(model.scores["loop_id"]))
    start_training(state.project, store(), loops, plan, model.subset)


def _not_learnt(model: ScoredLoops | None) -> int:
    """How many loops came after a model of this folder was trained; 0 for a model of another folder.

    What is quarantined is not among them: a training may have left it out on purpose.
    """
    if model is None or model.is_of_another_library:
        return 0
    new = list(model.scores["loop_id"][model.is_new])
    quarantined = [mark.mark == QUARANTINE for mark in store().get_marks(new).values()] if new else []
    return len(new) - sum(quarantined)


def continue_cards() -> None:
    """The owner's projects, the one opened last first: go on, rename, forget."""
    state = session()
    rows = [row for row in project_registry().known(state.owner) if row.project_id != state.project.id]
    rows = [row for row in rows if may_open(row.folder)]
    if not rows:
        return
    st.subheader("Continue", anchor=False)
    shown = rows if st.session_state.get("projects-all") else rows[:SHOWN]
    with st.container(horizontal=True):  # as many a row as there is room for
        for row in shown:
            with st.container(border=True, width=CARD_PX):
                _card(row)
    if len(rows) > len(shown):
        st.toggle(f"Show all {len(rows)} projects", key="projects-all")


def _card(row: ProjectRow) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"**{plain(row.name)}**", width="content", help=plain(row.folder))
        with st.popover("", icon=":material/more_horiz:", key=f"more-{row.project_id}", type="tertiary"):
            _change(row)
    st.caption(" · ".join(_said(row)))
    if st.button("Continue", key=f"continue-{row.project_id}", icon=":material/play_arrow:", width="stretch"):
        continue_project(row.project_id)


def _change(row: ProjectRow) -> None:
    registry, owner = project_registry(), session().owner
    name = st.text_input("Name", row.name, max_chars=80, key=f"name-{row.project_id}").strip()
    if st.button("Rename", key=f"rename-{row.project_id}", disabled=not name or name == row.name):
        registry.rename(owner, row.project_id, name)
        st.rerun()
    st.caption("Forgetting deletes the project and its models. Sounds, marks and notes stay.")
    if st.button("Forget", key=f"forget-{row.project_id}", icon=":material/delete:"):
        registry.forget(owner, row.project_id)
        st.rerun()


def _said(row: ProjectRow) -> list[str]:
    n_loops, n_flagged = row.state.get("n_loops"), row.state.get("n_flagged")
    said = [counted(n_loops, "loop")] if isinstance(n_loops, int) else []
    said += [stand_out(n_flagged)] if isinstance(n_flagged, int) else []
    said += ["not finished"] if row.state.get("standing") != "done" else []
    return [*said, f"opened {age(time.time() - row.opened_at)}"]


def age(seconds: float) -> str:
    """How long ago: "just now", "5 min ago", "3 h ago", "2 days ago"."""
    _, unit_s, words = next(step for step in AGES if seconds < step[0])
    count = int(seconds / unit_s)
    return words if unit_s == 1.0 else f"{count} {words.removesuffix('s') if count == 1 else words} ago"


def continue_project(project_id: str) -> None:
    """Opens a project where it was left."""
    project = project_registry().open(session().owner, project_id, may_open)
    if project is None:
        st.error("This project is not here any more; choose its folder again.")
        return
    open_project(project)
    page = project.memory.page
    st.switch_page(f"pages/{page if page in ('embed', 'train', 'compare') else 'explore'}.py")
