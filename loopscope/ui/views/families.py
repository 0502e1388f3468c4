"""Copies, near copies and loops that play one riff, of this folder or of all: in groups, which of each to keep."""

import pandas as pd
import streamlit as st

from loopscope.analysis.families import MOST_RIFFS, Relations, clipped_loops, families_of, joined, semitones_of
from loopscope.embeddings import EmbeddingSet
from loopscope.faults.limits import SAME_SOUND_COSINE
from loopscope.library import Library
from loopscope.metadata.riffs import known_riffs
from loopscope.ui.components import ended, show_task, store
from loopscope.ui.projects.families import ELSEWHERE, FAMILIES, start_families
from loopscope.ui.projects.walking import WALK
from loopscope.ui.state import SessionState, kept, recall, remember
from loopscope.ui.views.elsewhere import elsewhere
from loopscope.ui.views.family_kinds import EXACT, KINDS, NEAR, RIFF, quarantined_loops, strictness
from loopscope.ui.views.family_list import family_list
from loopscope.wording import counted

HERE, EVERYWHERE = "This folder", "All my folders"


def families(state: SessionState, library: Library, *, has_explorer: bool) -> None:
    """At the foot of Explore; made only where it is looked at. `has_explorer`: which then sounds what is clicked."""
    recall({"families-open": False})
    section = st.expander("Families", key="families-open", on_change="rerun", icon=":material/group_work:")
    remember("families-open")
    if section.open:
        with section:
            tasks = [ended(kind) for kind in (FAMILIES, ELSEWHERE)]
            if any(task is not None and task.done for task in tasks):  # another run would wipe what one failed of
                st.rerun()  # the state has gone on
            _families(state, library, has_explorer)


def _families(state: SessionState, library: Library, has_explorer: bool) -> None:
    recall({"families-kind": NEAR, "families-cosine": SAME_SOUND_COSINE, "families-where": HERE})
    with st.container(horizontal=True):
        where = _chosen("Where", (HERE, EVERYWHERE), "families-where")
        kind = _chosen("Kind", KINDS, "families-kind")
    if where == EVERYWHERE:
        elsewhere(state, library, kind, has_explorer)
        return
    table = _within(state, library, kind)
    if table is None:
        return
    if table.empty:
        relations = state.seen.relations
        st.info("Nobody is alike." if kind != RIFF or relations is None or relations.has_riffs else _too_many())
        return
    family_list(
        table, kind, clipped=clipped_loops(state.faults), has_explorer=has_explorer, may_quarantine=kind != EXACT
    )


def _chosen(label: str, options: tuple[str, ...], key: str) -> str:
    chosen = st.segmented_control(label, options, key=key, required=True, label_visibility="collapsed")
    remember(key)
    return chosen or options[0]


def _within(state: SessionState, library: Library, kind: str) -> pd.DataFrame | None:
    """The families within this folder; None where they are yet to be found, which is said."""
    relations, embeddings = state.seen.relations, state.embeddings
    if kind == EXACT:
        st.caption("Files with one content are one sound: a mark on it is on all of them. The first one is kept.")
        return _copies(library)
    if state.project.tasks.running(FAMILIES):
        show_task(FAMILIES)
        return None
    if embeddings is None or not len(embeddings.loop_ids):
        st.caption("Nothing is embedded yet.")
        return None
    if relations is None or relations.loop_ids != embeddings.loop_ids:
        _offer_search(state, embeddings)
        return None
    if kind == RIFF:
        _offer_later_riffs(state, embeddings, relations)
    if kind == NEAR and relations.least is None:
        st.info("Too many loops sound the same for their pairs to be listed.")
        return None
    return _alike(state, library, relations, kind)


def _offer_search(state: SessionState, embeddings: EmbeddingSet) -> None:
    if st.button("Find families", icon=":material/search:", key="families-start"):
        start_families(state.project, store(), embeddings)
        st.rerun()


def _offer_later_riffs(state: SessionState, embeddings: EmbeddingSet, relations: Relations) -> None:
    """Where loops were listened to since the search; not while that goes on, when the store is asked too often."""
    if state.project.tasks.running(WALK) or not relations.has_riffs:
        return
    key = (state.project.key, state.metadata)
    more = kept("riffs-known", key, lambda: len(known_riffs(embeddings.loop_ids, store()))) - relations.n_riffs
    if more > 0:
        st.caption(f"{counted(more, 'riff')} more {'is' if more == 1 else 'are'} known since they were compared.")
        _offer_search(state, embeddings)


def _too_many() -> str:
    return f"More than {MOST_RIFFS:,} loops play a riff: who plays that of one loop stands in its “Why?”."


def _alike(state: SessionState, library: Library, relations: Relations, kind: str) -> pd.DataFrame:
    cosine = strictness(relations.least or 0.0) if kind == NEAR else 0.0
    quarantined = quarantined_loops()

    def make() -> pd.DataFrame:
        pairs = relations.alike(cosine) if kind == NEAR else relations.same_riff
        table = families_of(joined(pairs), library.unique, clipped_loops(state.faults), quarantined)
        if kind == NEAR:
            return table
        return table.assign(semitones=pd.array(semitones_of(table, relations.riffs), dtype="Int64"))

    seen = state.seen
    key = (state.project.key, seen.serial, seen.generation, kind, cosine, quarantined)
    found: pd.DataFrame = kept("families", key, make)
    return found


def _copies(library: Library) -> pd.DataFrame:
    """As `families_of` has it, a row a file, by path."""
    loops = library.loops
    files = loops[loops["loop_id"].duplicated(keep=False)]
    files = files.assign(family=files.groupby("loop_id", sort=False).ngroup() + 1)
    files = files.sort_values("family", kind="stable", ignore_index=True)
    return files.assign(keep=~files["loop_id"].duplicated(), why="")
