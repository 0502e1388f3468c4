"""What marks teach, as Explore says it of one loop and takes it away with a list."""

from collections.abc import Sequence

import pandas as pd

from loopscope.analysis.feedback import moved_in_words
from loopscope.analysis.marked import Marked, newly_first
from loopscope.ui.components import store
from loopscope.ui.explorer.view import ExplorerView, explorer_view
from loopscope.ui.state import SessionState


def why_moved(state: SessionState) -> str:
    """Why marks moved the selected loop in the order of listening; "" where they did not, or are not to.

    Said once the browser has asked for a lesson: no click waits for the second that the first one takes.
    """
    view, row = _view(state), -1
    if state.selected is not None and learns(state) and view.lessons is not None:
        row = int(pd.Index(view.loops["loop_id"]).get_indexer(pd.Index([state.selected]))[0])
    taught = view.lessons.known() if view.lessons is not None and row >= 0 else None
    if taught is None or taught.because[row] < 0 or state.selected in taught.marked:
        return ""
    like = taught.marked[taught.because[row]]
    mark = store().get_marks([like]).get(like)
    names = view.loops.loc[view.loops["loop_id"] == like, "name"]
    before = int(view.loops["triage_rank"].iloc[row])
    return moved_in_words(taught, row, before, next(iter(names), ""), mark.mark if mark else None)


def in_taught_order(state: SessionState, table: pd.DataFrame) -> pd.DataFrame:
    """`table` (a row a file) with the order that marks make as triage_rank, and that without them as rank_unmarked."""
    view = _view(state)
    if not learns(state) or view.lessons is None or not view.lessons.name:
        return table
    ranks = dict(zip(view.loops["loop_id"], view.lessons.taught().ranks, strict=True))
    taught = table["loop_id"].map(ranks).fillna(table["triage_rank"]).astype(int)
    return table.assign(triage_rank=taught, rank_unmarked=table["triage_rank"])


def marked_now(state: SessionState, loop_ids: Sequence[str]) -> Marked | None:
    """The marks on these loops and what they alone change in the list; None where nothing is marked."""
    marks = store().get_marks(loop_ids).values()
    view = _view(state)
    taught = view.lessons.taught_by(loop_ids) if learns(state) and view.lessons is not None else None
    return Marked.of(marks, 0 if taught is None else newly_first(taught, view.loops))


def learns(state: SessionState) -> bool:
    """Whether marks move other loops: the switch of the list, which the browser keeps with its view."""
    return (state.project.memory.view or {}).get("learns") is not False


def _view(state: SessionState) -> ExplorerView:
    return explorer_view(state.project, state.seen, state.active)
