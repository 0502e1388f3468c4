"""One loop in the browser's own player, for pages and views without the explorer's audio engine."""

from pathlib import Path

import streamlit as st

from loopscope.audio import playable
from loopscope.config import paths
from loopscope.errors import AudioError
from loopscope.library import Library
from loopscope.ui.components import plain, printable


def player(library: Library, loop_id: str) -> None:
    """Name and player of a loop; it plays at once, looped. What cannot be decoded is said instead."""
    path = library.path_of(loop_id)
    st.markdown(f"**{plain(printable(path.name))}**")
    try:
        file, mime = playable(path, paths().transcoded, loop_id)
    except AudioError as error:
        st.error(plain(printable(str(error))))
        return
    st.audio(str(Path(file)), format=mime, loop=True, autoplay=True)
