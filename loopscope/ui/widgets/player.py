"""One loop in the browser's own player, for pages and views without the explorer's audio engine."""

import streamlit as st

from loopscope.audio import playable
from loopscope.config import paths
from loopscope.errors import AudioError
from loopscope.library import Library
from loopscope.ui.components import plain, show_failure


def player(library: Library, loop_id: str) -> None:
    """Name and player of a loop; it plays at once."""
    st.markdown(f"**{plain(library.path_of(loop_id).name)}**")
    sound(library, loop_id, autoplay=True)


def sound(library: Library, loop_id: str, *, autoplay: bool = False) -> None:
    """The player alone; it plays in a loop. What cannot be decoded is said instead."""
    try:
        file, mime = playable(library.file_of(loop_id), paths().transcoded, loop_id)
    except AudioError as error:
        show_failure(error)
    else:
        with file:
            st.audio(file, format=mime, loop=True, autoplay=autoplay)
