"""Loops to hear beside the selected one, without selecting them: nearest normal, most central, more like it.

Beside the explorer a small component lists them and the explorer sounds them, gapless and at one loudness. In the plain
view Streamlit's own players stand in.
"""

from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import streamlit as st

from loopscope.analysis.explanation import comparison_loops_of
from loopscope.analysis.scoring import ScoredLoops
from loopscope.analysis.triage import FAULTY
from loopscope.library import Library
from loopscope.ui.components import plain, printable
from loopscope.ui.explain.selected import Selected
from loopscope.ui.widgets.javascript import component
from loopscope.ui.widgets.player import sound


@dataclass(frozen=True)
class Entry:
    """One loop of a list. `title` says what it is here ("" in the list of similar ones), `note` its figures.

    `address`: where it is to be heard, of a loop of another folder.
    """

    loop_id: str
    name: str
    note: str
    title: str = ""
    role: str = ""
    flagged: bool = False
    address: str = ""

    @property
    def data(self) -> dict[str, Any]:
        """As the browser gets it."""
        texts = {"name": printable(self.name), "note": self.note, "title": self.title, "role": self.role}
        return {"id": self.loop_id, **texts, "flagged": self.flagged, "address": self.address}


@dataclass(frozen=True)
class Comparison:
    """What to hear: `beside` the selected loop (itself first), and the loops most `similar` to it, nearest first.

    `kin` play the same riff; `keeper` is a sentence on which of them to keep, or empty.
    """

    beside: list[Entry]
    similar: list[Entry]
    kin: list[Entry] = field(default_factory=list)
    keeper: str = ""


def comparison_of(scored: ScoredLoops, chosen: Selected, table: pd.DataFrame) -> Comparison:
    """The loops to hear. Normal is what is neither flagged nor surely faulty."""
    loops = table.drop_duplicates("loop_id").set_index("loop_id").loc[list(scored.scores["loop_id"])]
    normal = ~loops["is_anomaly"].to_numpy(dtype=bool)
    if "triage" in loops:
        normal &= (loops["triage"] != FAULTY).to_numpy()
    found = comparison_loops_of(scored, chosen.X, chosen.index, normal)

    def entry(index: int, note: str, title: str = "", role: str = "") -> Entry:
        loop = loops.iloc[index]
        return Entry(str(loops.index[index]), str(loop["name"]), note, title, role, bool(loop["is_anomaly"]))

    def rank(index: int) -> str:
        return f"rank {int(loops['rank'].iloc[index]):,}"

    beside = [entry(chosen.index, rank(chosen.index), "This loop", "selected")]
    if found.nearest_normal >= 0:
        note = f"{rank(found.nearest_normal)}, not flagged"
        beside.append(entry(found.nearest_normal, note, "Nearest normal", "nearest-normal"))
    if found.most_central >= 0:
        note = f"{rank(found.most_central)}, lowest score"
        beside.append(entry(found.most_central, note, "Most typical", "most-central"))
    similar = [
        entry(index, f"{'flagged · ' if loops['is_anomaly'].iloc[index] else ''}similarity {cosine:.3f}")
        for index, cosine in zip(found.similar, found.similarity, strict=True)
    ]
    return Comparison(beside, similar)


def comparison_list(comparison: Comparison) -> None:
    """The lists in the browser; they need the explorer on the same page."""
    component(
        "comparison.js",
        "The list of loops to compare",
        key="comparison",
        data={
            "beside": [entry.data for entry in comparison.beside],
            "similar": [entry.data for entry in comparison.similar],
            "kin": [entry.data for entry in comparison.kin],
            "keeper": comparison.keeper,
        },
    )


def comparison_players(library: Library, comparison: Comparison) -> None:
    """The same with native players."""
    for entry in comparison.beside:
        st.markdown(f"{entry.title}: **{plain(entry.name)}**")
        st.caption(plain(entry.note))
        sound(library, entry.loop_id)
    for title, entries in (("The same riff", comparison.kin), ("More like this", comparison.similar)):
        if entries:
            st.markdown(f"**{title}**")
            rows = [{"name": printable(entry.name), "": entry.note} for entry in entries]
            st.dataframe(rows, hide_index=True, height=212)
    if comparison.keeper:
        st.caption(plain(comparison.keeper))
