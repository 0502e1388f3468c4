"""Which loops of this folder the owner's other folders have already: the same file, a near copy, the same riff."""

from dataclasses import dataclass

import pandas as pd
import streamlit as st

from loopscope.analysis.families import clipped_loops, families_of, joined, semitones_of
from loopscope.faults.check import known_faults
from loopscope.library import Library
from loopscope.library.present import files_of
from loopscope.store import ProjectRow
from loopscope.ui.components import plain, show_task, store
from loopscope.ui.projects.elsewhere import Elsewhere, other_projects
from loopscope.ui.projects.families import ELSEWHERE, start_elsewhere
from loopscope.ui.server.media import media_registry, session_token
from loopscope.ui.state import SessionState, kept
from loopscope.ui.views.family_kinds import EXACT, NEAR, RIFF, quarantined_loops, strictness
from loopscope.ui.views.family_list import family_list
from loopscope.ui.widgets.paging import show_table
from loopscope.wording import counted

NO_OTHERS = "No other folder of yours was analysed yet; those that were are asked here what they have of this one."


@dataclass(frozen=True)
class _Found:
    """What the present projects have: their files, and which loops of this folder they have as copies, and in pairs
    (here, there) as near copies at any strictness and as riffs with the semitones."""

    elsewhere: Elsewhere
    library: Library
    copied: frozenset[str]
    riffs: tuple[tuple[str, str, int], ...]
    clipped: frozenset[str]

    def near(self, cosine: float) -> list[tuple[str, str]]:
        present = self.present
        return [pair for pair in self.elsewhere.alike.relations.alike(cosine) if pair[1] in present]

    @property
    def present(self) -> frozenset[str]:
        return frozenset(self.library.unique["loop_id"])


def elsewhere(state: SessionState, library: Library, kind: str, has_explorer: bool) -> None:
    """The families of one kind that reach into other folders, or how to find them."""
    projects = other_projects(state.project.owner, state.project.id, store())
    if not projects:
        st.info(NO_OTHERS)
        return
    if state.project.tasks.running(ELSEWHERE):
        show_task(ELSEWHERE)
        return
    found = state.seen.elsewhere
    if state.embeddings is None or not len(state.embeddings.loop_ids):
        st.caption("Nothing is embedded yet.")
    elif found is None or found.alike.here != state.embeddings.loop_ids:
        st.caption(
            f"{counted(len(projects), 'other folder')} of yours can be asked what this one has in common with it."
        )
        _offer_search(state, library, "Ask my other folders")
    else:
        _show(state, library, _within(state, found, projects), kind, projects, has_explorer)


def _offer_search(state: SessionState, library: Library, label: str) -> None:
    if state.embeddings is not None and st.button(label, icon=":material/travel_explore:", key="elsewhere-start"):
        start_elsewhere(state.project, store(), library, state.embeddings)
        st.rerun()


def _within(state: SessionState, found: Elsewhere, projects: list[ProjectRow]) -> _Found:
    """What was found, without projects that were forgotten or closed to their owner since; the browser may hear it."""

    def make() -> _Found:
        library = found.within(projects)
        present = set(library.unique["loop_id"])
        riffs = tuple(pair for pair in found.alike.relations.riffs if pair[1] in present)
        copied = frozenset(present - set(found.alike.others))
        return _Found(found, library, copied, riffs, clipped_loops(known_faults(library, store())))

    key = (state.project.key, id(found), tuple(sorted(row.project_id for row in projects)))
    made = kept("elsewhere", key, make)
    media_registry().publish_elsewhere(session_token(), "families", files_of(made.library))
    return made


def _show(
    state: SessionState, library: Library, found: _Found, kind: str, projects: list[ProjectRow], has_explorer: bool
) -> None:
    relations = found.elsewhere.alike.relations
    cosine = strictness(relations.least) if kind == NEAR and relations.least is not None else relations.least
    said = st.container()
    table = _table(state, library, found, kind, cosine)
    with said:
        _say(library, found, cosine)
    if table.empty:
        st.info(_nobody(found, kind))
    else:
        clipped = clipped_loops(state.faults) | found.clipped
        family_list(
            table,
            kind,
            clipped=clipped,
            projects=found.elsewhere.project_of,
            elsewhere_too=found.copied,
            has_explorer=has_explorer,
            may_quarantine=kind != EXACT,
        )
    _what_is_missing(found, projects)
    _offer_search(state, library, "Ask again")


def _table(state: SessionState, library: Library, found: _Found, kind: str, cosine: float | None) -> pd.DataFrame:
    """As `families_of` has it, with `is_here`, of riffs with `semitones`; of copies a row a file."""
    quarantined = quarantined_loops()

    def make() -> pd.DataFrame:
        here = library.loops.assign(is_here=True, folder=_below(state.project.name, library.loops["folder"]))
        there = found.library.loops.assign(is_here=False)
        if kind == EXACT:
            table = _copies(here, there)
        else:
            loops = pd.concat([here, there], ignore_index=True).drop_duplicates("loop_id", ignore_index=True)
            riffs = [pair[:2] for pair in found.riffs]
            pairs = riffs if kind == RIFF else found.near(cosine) if cosine is not None else []
            table = families_of(joined(pairs), loops, clipped_loops(state.faults) | found.clipped, quarantined)
            table = table.assign(is_here=table["loop_id"].isin(set(here["loop_id"])))
        if kind == RIFF:
            table = table.assign(semitones=pd.array(semitones_of(table, found.riffs), dtype="Int64"))
        return table

    seen = state.seen
    key = (state.project.key, seen.serial, seen.generation, id(found), kind, cosine, quarantined)
    table: pd.DataFrame = kept("families-elsewhere", key, make)
    return table


def _below(project: str, folders: "pd.Series[str]") -> list[str]:
    return [f"{project}/{folder}" if folder else project for folder in folders]


def _copies(here: pd.DataFrame, there: pd.DataFrame) -> pd.DataFrame:
    """Files with one content here and elsewhere: the first of those elsewhere is kept."""
    there = there[there["loop_id"].isin(set(here["loop_id"]))]
    here = here[here["loop_id"].isin(set(there["loop_id"]))]
    files = pd.concat([there, here], ignore_index=True)
    files = files.assign(family=files.groupby("loop_id", sort=False).ngroup() + 1)
    files = files.sort_values("family", kind="stable", ignore_index=True)
    return files.assign(keep=~files["loop_id"].duplicated(), why="")


def _say(library: Library, found: _Found, cosine: float | None) -> None:
    n, copied = len(library.unique), found.copied
    near = {here for here, _ in found.near(cosine)} - copied if cosine is not None else set()
    played = {here for here, _, _ in found.riffs} - copied - near
    st.markdown(f"**{plain(already(n, len(copied), len(near), len(played)))}**")
    asked, others = found.elsewhere.asked, found.elsewhere.alike.others
    n_folders, n_loops = sum(map(bool, asked.values())), found.elsewhere.n_loops
    said = f"Asked: {counted(n_loops + len(copied), 'loop')} in {counted(n_folders, 'other folder')}"
    if missing := n_loops - len(others):
        it = "it is" if missing == 1 else "they are"
        said += f"; {missing:,} of them {'has' if missing == 1 else 'have'} no embedding by this encoder, so that {it} "
        said += "asked for exact copies and riffs only"
    st.caption(f"{said}.")


def already(n: int, n_copied: int, n_near: int, n_played: int) -> str:
    """What of a folder's n loops other folders have: as they are, else nearly, else only the riff."""
    parts = [
        f"{n_copied:,} as {'an exact copy' if n_copied == 1 else 'exact copies'}" if n_copied else "",
        f"{n_near:,} as {'a near copy' if n_near == 1 else 'near copies'}" if n_near else "",
    ]
    had = [part for part in parts if part]
    riffs = f"{n_played:,} {'plays' if n_played == 1 else 'play'} a riff that is there" if n_played else ""
    of = f"Of the {counted(n, 'loop')} here"
    if not had:
        return f"{of} your other folders have none yet{'; ' + riffs if riffs else ''}."
    return f"{of} your other folders have {' and '.join(had)} already{'; ' + riffs + ', too' if riffs else ''}."


def _nobody(found: _Found, kind: str) -> str:
    relations = found.elsewhere.alike.relations
    if kind == RIFF and not relations.has_riffs:
        return "There are too many riffs to ask all for all: who plays that of one loop stands in its “Why?”."
    if kind == NEAR and relations.least is None:
        return "Too many loops sound the same for their pairs to be listed."
    return {
        EXACT: "No file here lies in another folder of yours as it is.",
        NEAR: "No loop of another folder is so alike.",
        RIFF: "No loop of another folder plays a riff from here; only loops that were listened to can be compared.",
    }[kind]


def _what_is_missing(found: _Found, projects: list[ProjectRow]) -> None:
    """Folders that could not be asked, and files that are alike and not there any more."""
    asked = found.elsewhere.asked
    new = sum(row.project_id not in asked for row in projects)
    if new:
        st.caption(f"{counted(new, 'folder')} came since they were asked.")
    if n := sum(not n_loops for n_loops in asked.values()):
        it = "it is an archive, or its" if n == 1 else "they are archives, or their"
        st.caption(f"{counted(n, 'folder')} had nothing to be asked: {it} analysis has not ended.")
    gone = found.library.rejected
    if not gone.empty:
        st.caption(f"{counted(len(gone), 'file')} elsewhere that {'is' if len(gone) == 1 else 'are'} alike "
                   f"{'is' if len(gone) == 1 else 'are'} left out:")  # fmt: skip
        show_table(gone, "families-gone", height=140)
