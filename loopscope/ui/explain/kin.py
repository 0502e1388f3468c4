"""Loops that play the selected one's riff, in this folder and in the owner's others, and which of them to keep."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pandas as pd

from loopscope.analysis.families import clipped_loops, keeper_of
from loopscope.analysis.riffs import Kin, Riffs
from loopscope.files import display_name
from loopscope.library import Library
from loopscope.metadata.riffs import known_riffs
from loopscope.ui.components import printable, store
from loopscope.ui.explain.comparison import Entry
from loopscope.ui.projects.walking import WALK
from loopscope.ui.state import SessionState, kept
from loopscope.wording import counted

SHOWN = 12
SAME_TEMPO = 0.01  # relative


@dataclass(frozen=True)
class _Place:
    """Where a loop of another folder is: a file of it, and its project."""

    path: str
    project_id: str
    project: str


def kin_of(state: SessionState, library: Library, table: pd.DataFrame, loop_id: str) -> tuple[list[Entry], str]:
    """Entries for the list, the most alike first, and a sentence on which to keep, empty where nothing speaks for one.

    While the walk runs there are none: it may come to others, and whoever opens a project does not wait for them. What
    other folders come to know counts when this project is opened again.
    """
    if state.project.tasks.running(WALK):
        return [], ""
    known = (state.project.key, state.metadata)
    riffs, elsewhere = kept("riffs", known, lambda: _riffs(state, library))
    found: list[Kin] = kept("kin", (*known, loop_id), lambda: riffs.kin_of(loop_id))
    if not found:
        return [], ""
    loops = table.drop_duplicates("loop_id").set_index("loop_id")
    kin = [other for other in found if other.loop_id in loops.index or other.loop_id in elsewhere]
    tempi = _tempi(state, [loop_id, *(other.loop_id for other in kin)])
    entries = [_entry(other, loops, elsewhere, tempi) for other in kin[:SHOWN]]
    copies = [loop_id, *(other.loop_id for other in kin if other.semitones == 0 and _is_as_fast(other, loop_id, tempi))]
    return entries, _keeper(state, library, copies)


def _is_as_fast(kin: Kin, loop_id: str, tempi: Mapping[str, float]) -> bool:
    """Whether both tempi are known and the same, so that one loop might do for both."""
    own, other = tempi.get(loop_id), tempi.get(kin.loop_id)
    return own is not None and other is not None and abs(other / own - 1) < SAME_TEMPO


def _riffs(state: SessionState, library: Library) -> tuple[Riffs, Mapping[str, _Place]]:
    """Of every loop that was listened to, here and elsewhere, and where those of elsewhere are."""
    database, project = store(), state.project
    here = set(library.unique["loop_id"])
    elsewhere: dict[str, _Place] = {}
    for other in database.get_projects(project.owner) if project.id else ():
        if other.project_id == project.id:
            continue
        for path, loop_id in database.get_project_files(other.project_id).items():
            if loop_id not in here:
                elsewhere.setdefault(loop_id, _Place(path, other.project_id, other.name))
    return Riffs(known_riffs([*sorted(here), *elsewhere], database)), elsewhere


def _entry(kin: Kin, loops: pd.DataFrame, elsewhere: Mapping[str, _Place], tempi: Mapping[str, float]) -> Entry:
    said = [transposition(kin.semitones)]
    if kin.loop_id in loops.index:
        loop = loops.loc[kin.loop_id]
        if kin.loop_id in tempi:
            said.append(f"{tempi[kin.loop_id]:g} BPM")
        flagged = bool(loop["is_anomaly"]) if "is_anomaly" in loop else False
        return Entry(kin.loop_id, str(loop["name"]), " · ".join(said), flagged=flagged)
    place = elsewhere[kin.loop_id]
    said.append(f"in {printable(place.project)}")
    address = "?" + urlencode({"project": place.project_id, "loop": kin.loop_id})
    return Entry(kin.loop_id, display_name(Path(place.path).name), " · ".join(said), address=address)


def transposition(semitones: int) -> str:
    """How much higher a riff is played."""
    sign = "+" if semitones > 0 else "−"
    return f"{sign}{counted(abs(semitones), 'semitone')}" if semitones else "same key"


def _tempi(state: SessionState, loop_ids: list[str]) -> dict[str, float]:
    """By loop_id, where one is known."""
    if state.metadata is None:
        return {}
    table = state.metadata.table
    known = table[table["loop_id"].isin(loop_ids) & table["bpm"].notna()].drop_duplicates("loop_id")
    return dict(zip(known["loop_id"], known["bpm"].astype("float64"), strict=True))


def _keeper(state: SessionState, library: Library, loop_ids: list[str]) -> str:
    """The one that is not clipped, of the highest rate, the longest; nothing where they are alike in all that."""
    rows = library.unique[library.unique["loop_id"].isin(loop_ids)]
    clipped = clipped_loops(state.faults)
    if rows.empty:
        return ""
    keeper, why = keeper_of(rows, clipped)
    name = str(rows.loc[rows["loop_id"] == keeper, "name"].iloc[0])
    return f"To keep of those in one key and tempo: {printable(name)} ({why})." if why else ""
