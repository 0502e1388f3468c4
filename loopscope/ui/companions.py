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
from loopscope.ui import media
from loopscope.ui.browser_modules import bootstrap
from loopscope.ui.components import plain, printable


@dataclass(frozen=True)
class Companion:
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


def companions_list(beside: list[Companion], similar: list[Companion]) -> None:
    """The component; it needs the explorer on the same page."""
    _component()(
        key="companions",
        data={
            "key": "companions",
            "assets": media.assets_address(),
            "beside": [companion.data for companion in beside],
            "similar": [companion.data for companion in similar],
        },
    )


def companions_players(library: Library, beside: list[Companion], similar: list[Companion]) -> None:
    """The same with native players."""
    for companion in beside:
        st.markdown(f"{companion.title}: **{plain(companion.name)}**")
        st.caption(plain(companion.note))
        try:
            file, mime = playable(library.path_of(companion.loop_id), paths().transcoded, companion.loop_id)
        except AudioError as error:
            st.error(plain(str(error)))
        else:
            st.audio(str(file), format=mime, loop=True)
    st.markdown("**More like this**")
    st.dataframe(
        [{"name": printable(companion.name), "": companion.note} for companion in similar], hide_index=True, height=212
    )


@functools.lru_cache(maxsize=1)
def _component() -> Any:
    return st.components.v2.component(
        "loopscope_companions", js=bootstrap("companions.js", "The list of loops to compare"), isolate_styles=False
    )
