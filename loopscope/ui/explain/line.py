"""What the selected loop plays, where that can be written down: a piano roll, and the same as a MIDI file."""

from functools import partial

import streamlit as st

from loopscope.errors import AudioError
from loopscope.exports.midi import midi_bytes
from loopscope.figures.loop import line_figure
from loopscope.files import display_name
from loopscope.library import Library
from loopscope.metadata.lines import line_of_file
from loopscope.ui.components import show_failure
from loopscope.ui.state import kept
from loopscope.ui.widgets.downloads import Download, downloads
from loopscope.ui.widgets.figure import show_figure

HELP = "By ear, one note after another. About nine of ten are right; a quarter of what is played may be missing."


def line_of_loop(library: Library, loop_id: str, bpm: float | None) -> None:
    """Nothing where the notes are not to be trusted. `bpm`: the tempo that holds, which sets the file's bars."""
    try:
        line = kept("line", loop_id, lambda: line_of_file(library.file_of(loop_id)))
    except AudioError as error:
        show_failure(error)
        return
    if line is None:
        return
    st.markdown("**What it plays**", help=HELP)
    path = library.path_of(loop_id)
    seconds = float(library.unique.loc[library.unique["loop_id"] == loop_id, "duration_s"].iloc[0])
    show_figure(
        line_figure(line, seconds),
        key="explain-line",
        title="Notes",
        note="by ear",
        describe=f"Piano roll of {len(line)} notes",
    )
    name = f"{display_name(path.stem)}.mid"
    downloads([Download("MIDI", name, "audio/midi", partial(midi_bytes, line, bpm))], key="line-midi")
