"""What is known of the selected loop beside its score: tempo, key and where from, whether it loops, a note, its path.

Measuring one loop takes a moment and happens when it is selected; measuring all is a task (see `ui.metadata_task`).
"""

import math
from typing import Any

import pandas as pd
import streamlit as st

from loopscope.errors import AudioError
from loopscope.figures.loop import bars_figure
from loopscope.files import display_name
from loopscope.hearing.key import note_name
from loopscope.library import Library
from loopscope.metadata.bars import structure_of_file
from loopscope.metadata.collect import measure_missing
from loopscope.metadata.corrections import USER
from loopscope.metadata.table import HEARD
from loopscope.ui.components import plain, show_failure, store
from loopscope.ui.explain.correction import correction_fields
from loopscope.ui.explain.line import line_of_loop
from loopscope.ui.metadata_task import metadata_of
from loopscope.ui.projects.heard import take_heard
from loopscope.ui.server.visitors import LOCAL
from loopscope.ui.state import SessionState, kept
from loopscope.ui.widgets.figure import show_figure
from loopscope.ui.widgets.note import note_field

SOURCES = {
    "file": "from its tags",
    "name": "from its name",
    "folder": "from its folder",
    "audio": "by ear",
}
LOOPING = ((0.9, "its bars repeat"), (0.6, "its bars vary"), (-math.inf, "its bars differ"))


def loop_metadata(state: SessionState, library: Library, loop_id: str) -> None:
    """Tempo, key, instrument and genre with their sources; the correlation of its bars."""
    st.markdown("**Does it loop?**")
    metadata = metadata_of(state, library)
    if loop_id in metadata.missing:
        measure_missing(library.loops[library.loops["loop_id"] == loop_id], store(), root=library.root)
        take_heard(state.project, [loop_id], store(), refill=False)
        metadata = state.look().metadata or metadata
    known = metadata.table[metadata.table["loop_id"] == loop_id].iloc[0]
    st.caption(metadata_in_words(known, "yours" if state.project.owner == LOCAL else "corrected"))
    correction_fields(state, loop_id, known)
    bpm = float(known["bpm"])
    line_of_loop(library, loop_id, None if math.isnan(bpm) else bpm)
    if math.isnan(bpm):
        st.caption("Without a tempo there are no bars to compare.")
        return
    try:
        structure = kept("structure", (loop_id, bpm), lambda: structure_of_file(library.file_of(loop_id), bpm))
    except AudioError as error:
        show_failure(error)
        return
    if structure.n_bars < 2:
        st.caption(f"Shorter than two bars of {structure.bar_s:.2f} s, so there is nothing to compare.")
        return
    words = next(words for limit, words in LOOPING if structure.score >= limit)
    st.caption(
        f"{structure.n_bars} bars of {structure.bar_s:.2f} s (4 beats); "
        f"mean correlation {structure.score:.2f}: {words}."
    )
    show_figure(
        bars_figure(structure),
        key="explain-bars",
        title="Every bar with every other",
        describe=f"Correlations between {structure.n_bars} bars, {structure.score:.2f} on average",
    )


def metadata_in_words(known: "pd.Series[Any]", corrected: str = "yours") -> str:
    """One sentence: each field with its source and what others say of it, or that nothing is known.

    `corrected` names the source of what a user said.
    """
    sources = {**SOURCES, USER: corrected}
    said = []
    for field, words in (("bpm", "{:g} BPM"), ("key", "key {}"), ("instrument", "{}"), ("genre", "{}")):
        if source := known[f"{field}_source"]:
            others = _others(known, field) if field in HEARD else []
            said.append(f"{words.format(known[field])} ({'; '.join([sources[source], *others])})")
        elif field == "key" and not pd.isna(known["tonic_audio"]):
            said.append(f"tonic {known['tonic_audio']}, mode unclear ({SOURCES['audio']})")
    if not pd.isna(known["root_note"]):
        said.append(f"root note {note_name(int(known['root_note']))} ({SOURCES['file']})")
    return plain(", ".join(said) or "Neither its name nor its sound says tempo, key, instrument or genre") + "."


def _others(known: "pd.Series[Any]", field: str) -> list[str]:
    """What other sources say that is not the value that holds, such as "97 from its name"."""
    values = {source: known[f"{field}_{source}"] for source in ("file", "name", "audio")}
    shown = "{:g} {}" if field == "bpm" else "{} {}"
    return [
        shown.format(value, SOURCES[source])
        for source, value in values.items()
        if not pd.isna(value) and value != known[field]
    ]


def note_and_path(library: Library, loop_id: str) -> None:
    """A note that stays with the content, and every path of it to copy."""
    mark = store().get_marks([loop_id]).get(loop_id)
    note_field(loop_id, library.path_of(loop_id).name, mark.note if mark else "")
    paths = library.loops.loc[library.loops["loop_id"] == loop_id, "path"]
    st.caption("Path" if len(paths) == 1 else f"{len(paths)} files with this content")
    with st.container(key="ls-path"):  # no code block: its highlighter is 1.5 MB that every first look would wait for
        st.text("\n".join(display_name(path) for path in paths))
