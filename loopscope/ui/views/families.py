"""Copies, near copies and loops that play one riff: in groups, which of each to keep, what to do with the others."""

from functools import partial

import pandas as pd
import streamlit as st

from loopscope.analysis.families import MOST_RIFFS, Relations, clipped_loops, families_of, joined
from loopscope.embeddings import EmbeddingSet
from loopscope.exports import csv_bytes
from loopscope.faults.limits import SAME_SOUND_COSINE
from loopscope.library import Library
from loopscope.metadata.riffs import known_riffs
from loopscope.ui.components import ended, show_task, store
from loopscope.ui.projects.families import FAMILIES, start_families
from loopscope.ui.projects.walking import WALK
from loopscope.ui.state import SessionState, kept, recall, remember
from loopscope.ui.widgets.downloads import Download, downloads
from loopscope.ui.widgets.paging import show_table
from loopscope.wording import counted

EXACT, NEAR, RIFF = "Exact copies", "Near copies", "The same riff"
COLUMNS = ["family", "keep", "name", "folder", "duration_s", "sample_rate", "why", "mark", "path"]
FORMATS = {
    "keep": st.column_config.CheckboxColumn(help="Suggested: not clipped, then the higher rate, then the longer."),
    "duration_s": st.column_config.NumberColumn("duration (s)", format="%.2f"),
    "sample_rate": st.column_config.NumberColumn("rate (Hz)", format="%d"),
    "why": st.column_config.TextColumn("kept because"),
}


def families(state: SessionState, library: Library) -> None:
    """At the foot of Explore; made only where it is looked at."""
    recall({"families-open": False})
    section = st.expander("Families", key="families-open", on_change="rerun", icon=":material/group_work:")
    remember("families-open")
    if section.open:
        with section:
            task = ended(FAMILIES)
            if task is not None and task.done:  # another run would wipe what it failed of
                st.rerun()  # the state has gone on
            _families(state, library)


def _families(state: SessionState, library: Library) -> None:
    relations, embeddings = state.seen.relations, state.embeddings
    recall({"families-kind": NEAR, "families-cosine": SAME_SOUND_COSINE})
    kind = _kind()
    remember("families-kind")
    table = pd.DataFrame()
    if kind == EXACT:
        st.caption("Files with one content are one sound: a mark on it is on all of them. The first one is kept.")
        table = _copies(library)
    elif state.project.tasks.running(FAMILIES):
        show_task(FAMILIES)
        return
    elif embeddings is None or not len(embeddings.loop_ids):
        st.caption("Nothing is embedded yet.")
        return
    elif relations is None or relations.loop_ids != embeddings.loop_ids:
        _offer_search(state, embeddings)
        return
    else:
        if kind == RIFF:
            _offer_later_riffs(state, embeddings, relations)
        if kind == NEAR and relations.least is None:
            st.info("Too many loops sound the same for their pairs to be listed.")
            return
        table = _alike(state, library, relations, kind)
    if table.empty:
        st.info("Nobody is alike." if kind != RIFF or relations is None or relations.has_riffs else _too_many())
        return
    _show(table, kind)


def _kind() -> str:
    kinds = (EXACT, NEAR, RIFF)
    chosen = st.segmented_control("Kind", kinds, key="families-kind", required=True, label_visibility="collapsed")
    return chosen or NEAR


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
    cosine = 0.0
    if kind == NEAR:
        least = relations.least or 0.0
        st.session_state["families-cosine"] = max(st.session_state["families-cosine"], least)
        cosine = st.slider(
            "Strictness", least, 0.999, step=0.001, format="%.3f", key="families-cosine", width=360,
            help="How far the sounds of two loops have to agree; 1 is the same.",
        )  # fmt: skip
        remember("families-cosine")

    def make() -> pd.DataFrame:
        pairs = relations.alike(cosine) if kind == NEAR else relations.riffs
        return families_of(joined(pairs), library.unique, clipped_loops(state.faults), quarantined)

    seen = state.seen
    quarantined = frozenset(loop_id for loop_id, it in store().get_marks().items() if it.mark == "quarantine")
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


def _show(table: pd.DataFrame, kind: str) -> None:
    marks = store().get_marks(list(table["loop_id"]))
    named = {loop_id: mark.mark or "" for loop_id, mark in marks.items()}
    shown = table.assign(mark=[named.get(loop_id, "") for loop_id in table["loop_id"]])
    st.caption(f"{counted(int(table['family'].max()), 'family', 'families')}, {counted(len(table), 'file')}")
    show_table(shown[COLUMNS], f"families-{kind}", height=300, columns=FORMATS)
    if kind != EXACT:
        _quarantine(shown)
    file = Download("CSV", f"{kind}.csv", "text/csv", partial(csv_bytes, shown[COLUMNS], {"list": kind}))
    downloads([file], key="families-downloads")


def _quarantine(shown: pd.DataFrame) -> None:
    """One click marks all that are not kept; what has a mark keeps it, and the same place takes those back."""
    others = shown.loc[~shown["keep"] & (shown["mark"] == ""), "loop_id"].tolist()
    if others and st.button(f"Quarantine the other {len(others):,}", key="families-quarantine"):
        store().set_marks(dict.fromkeys(others, "quarantine"))
        st.session_state["families-marked"] = {*st.session_state.get("families-marked", ()), *others}
        st.rerun()
    marked = set(st.session_state.get("families-marked", ())) & set(shown.loc[shown["mark"] == "quarantine", "loop_id"])
    if marked and st.button(f"Take {len(marked):,} back", key="families-undo", icon=":material/undo:"):
        store().set_marks(dict.fromkeys(sorted(marked)))
        st.session_state["families-marked"] -= marked
        st.rerun()
