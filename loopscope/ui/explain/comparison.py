"""Loops to hear beside the selected one, without selecting them: nearest normal, most central, more like it.

Beside the explorer a small component lists them and the explorer sounds them, gapless and at one loudness. In the plain
view Streamlit's own players stand in.
"""

import functools
from dataclasses import dataclass
from typing import Any

import streamlit as st

from loopscope.audio import playable
from loopscope.config import paths
from loopscope.errors import AudioError
from loopscope.library import Library
from loopscope.ui.components import plain, printable
from loopscope.ui.server import media
from loopscope.ui.widgets.javascript import bootstrap


@dataclass(frozen=True)
class ComparisonLoop:
    """One loop of the list. `title` says what it is here ("" in the list of similar ones), `note` its figures."""

    loop_id: str
    name: str
    note: str
    title: str = ""
    role: str = ""
    flagged: bool = False

    @property
    def data(self) -> dict[str, Any]:
        """As the browser gets it."""
        texts = {"name": printable(self.name), "note": self.note, "title": self.title, "role": self.role}
        return {"id": self.loop_id, **texts, "flagged": self.flagged}


def comparison_list(beside: list[ComparisonLoop], similar: list[ComparisonLoop]) -> None:
    """The component; it needs the explorer on the same page."""
    _component()(
        key="comparison_loops",
        data={
            "key": "comparison_loops",
            "assets": media.assets_address(),
            "beside": [loop.data for loop in beside],
            "similar": [loop.data for loop in similar],
        },
    )


def comparison_players(library: Library, beside: list[ComparisonLoop], similar: list[ComparisonLoop]) -> None:
    """The same with native players."""
    for loop in beside:
        st.markdown(f"{loop.title}: **{plain(loop.name)}**")
        st.caption(plain(loop.note))
        try:
            file, mime = playable(library.path_of(loop.loop_id), paths().transcoded, loop.loop_id)
        except AudioError as error:
            st.error(plain(str(error)))
        else:
            st.audio(str(file), format=mime, loop=True)
    st.markdown("**More like this**")
    st.dataframe([{"name": printable(loop.name), "": loop.note} for loop in similar], hide_index=True, height=212)


@functools.lru_cache(maxsize=1)
def _component() -> Any:
    return st.components.v2.component(
        "loopscope_comparison", js=bootstrap("comparison.js", "The list of loops to compare"), isolate_styles=False
    )
