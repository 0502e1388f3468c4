"""Choosing the part of a folder to learn from: on the Train page among those there are, before a walk by its name."""

import streamlit as st

from loopscope.analysis.subsets import EVERYTHING, FOLDER, INSTRUMENT, loops_of, subsets
from loopscope.embeddings import EmbeddingSet
from loopscope.library import Library
from loopscope.metadata.vocabulary import INSTRUMENTS
from loopscope.ui.metadata_task import metadata_of
from loopscope.ui.state import SessionState, recall, remember, session

AHEAD = "walk-subset"


def choose_subset(state: SessionState, library: Library, embeddings: EmbeddingSet) -> tuple[str, EmbeddingSet]:
    """The loops to train on: all of them, or one instrument or folder; its name is empty for all."""
    parts = subsets(loops_of(library, metadata_of(state, library).table, embeddings.loop_ids))
    chosen = st.selectbox(
        "Train on",
        list(parts),
        format_func=lambda name: f"{_capitalised(name)} ({len(parts[name]):,})",
        key="train-subset",
        help="A model of its own for one instrument or folder knows only that; it scores and shows these loops only.",
    )
    return ("", embeddings) if chosen == EVERYTHING else (chosen, embeddings.select(parts[chosen]))


def choose_subset_ahead() -> None:
    """The same before anything is known of the folder: an instrument, or a folder below it that the user types."""
    chosen = session().choices.get(AHEAD, EVERYTHING)
    known = [EVERYTHING, *(f"{INSTRUMENT}{name}" for name in sorted(INSTRUMENTS))]
    recall({AHEAD: EVERYTHING})
    st.selectbox(
        "Train on",
        list(dict.fromkeys([*known, chosen])),
        format_func=_capitalised,
        accept_new_options=True,
        key=AHEAD,
        help="All loops, one instrument as file and folder names tell it, or a folder below the chosen one: type its "
        "name. Where too few loops match, all are learnt from.",
    )
    remember(AHEAD)


def subset_ahead() -> str:
    """What was chosen there as a plan names it, empty for everything; what was typed is a folder."""
    typed = str(session().choices.get(AHEAD) or EVERYTHING).strip().strip("/")
    if typed.casefold() in {EVERYTHING, ""}:
        return ""
    lowered = typed[:1].lower() + typed[1:]
    if lowered.startswith((INSTRUMENT, FOLDER)):
        return lowered
    return f"{INSTRUMENT}{typed.lower()}" if typed.lower() in INSTRUMENTS else f"{FOLDER}{typed}"


def _capitalised(name: str) -> str:
    return name[:1].upper() + name[1:]
