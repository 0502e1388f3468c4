"""The selected loop's sound, outline and spectrogram, with what the signal checks found, and that in words."""

import pandas as pd
import streamlit as st

from loopscope.analysis.moments import MomentFinder, Moments
from loopscope.audio.spectrogram import LONGEST_S, outline_of_file
from loopscope.errors import AudioError
from loopscope.faults.limits import OTHER_TEMPO
from loopscope.faults.music.tempo import tempi_of
from loopscope.figures.loop import sound_figure
from loopscope.library import Library
from loopscope.metadata.corrections import USER
from loopscope.ui.components import plain
from loopscope.ui.state import SessionState, kept
from loopscope.ui.widgets.figure import show_figure
from loopscope.ui.widgets.javascript import component

SHOWN_TIMES = 8
HEIGHT, HEIGHT_WITH_MOMENTS = 260, 330  # CSS pixels


def show_sound(state: SessionState, library: Library, loop_id: str, finder: MomentFinder | None) -> None:
    """Waveform and mel spectrogram with the faults that have a place, and where it is oddest, if the model can say."""
    try:
        # Kept for the loop in view: a moved threshold or a mark decodes nothing anew.
        drawn = kept("spectrogram", loop_id, lambda: outline_of_file(library.file_of(loop_id)))
    except AudioError as error:
        st.error(plain(f"This loop cannot be drawn: {error}"))
        return
    found = findings_of(state, loop_id)
    marks = {row["kind"]: row["times"] for row in found.to_dict("records") if row["times"]}
    key = (state.project.key, state.seen.serial, state.active, loop_id)
    moments = kept("moments", key, lambda: finder.find(loop_id)) if finder is not None else None
    if moments is not None:
        st.caption(plain(f"{moments.sentence}{_beside_in_words(moments, library)}"))
    figure = sound_figure(drawn, marks, HEIGHT if moments is None else HEIGHT_WITH_MOMENTS, moments)
    count = sum(map(len, marks.values()))
    odd = "" if moments is None else f", oddest at {moments.at_s:.1f} s"
    show_figure(
        figure,
        key="explain-sound",
        title="Sound",
        note="waveform and mel spectrogram",
        describe=f"Waveform and mel spectrogram of {drawn.duration_s:.1f} s with {count} fault marks{odd}",
    )
    if drawn.duration_s >= LONGEST_S:
        st.caption(f"The first {LONGEST_S / 60:.0f} minutes.")


def _beside_in_words(moments: Moments, library: Library) -> str:
    """Where else to hear that, as it usually sounds."""
    places = [f"{library.path_of(moment.loop_id).name} at {moment.at_s:.1f} s" for moment in moments.beside]
    return f" Compare with {', '.join(places)}." if places else ""


def signal_findings(state: SessionState, loop_id: str) -> None:
    """What the checks found, strongest first, each with its times."""
    if state.faults is None:
        st.caption("The signal checks have not run in this session; embed the loops to run them.")
        return
    found = findings_of(state, loop_id)
    if found.empty:
        st.caption("No click, clipping, dropout, hum or other fault was found.")
    for row in found.to_dict("records"):
        certain = ":material/warning:" if row["verdict"] == "fault" else ":material/help: Perhaps:"
        st.caption(f"{certain} {plain(str(row['sentence']))}{times_in_words(row['times'])}")


def clicks_at_either_tempo(state: SessionState, loop_id: str) -> None:
    """Where name and sound say different tempi, or the user and one of these: a metronome at either over the loop.

    Needs the explorer on the page.
    """
    tempi = _corrected_tempi(state, loop_id)
    found = findings_of(state, loop_id)
    for brief in found.loc[found["kind"] == OTHER_TEMPO, "brief"]:
        heard_and_said = tempi_of(brief)
        if heard_and_said is not None:  # else stored by another version
            tempi = heard_and_said[::-1]
    if tempi:
        data = {"id": loop_id, "tempi": [{"bpm": bpm, "said": f"{bpm:g}"} for bpm in tempi]}
        component("metronome.js", "The metronome", key="metronome", data=data)


def _corrected_tempi(state: SessionState, loop_id: str) -> tuple[float, ...]:
    """What the user corrected, if anything, and to what."""
    if state.metadata is None:
        return ()
    table = state.metadata.table
    own = table[(table["loop_id"] == loop_id) & (table["bpm_source"] == USER)]
    if own.empty:
        return ()
    said = own.iloc[0][["bpm_file", "bpm_name", "bpm_audio", "bpm"]].dropna().astype("float64")
    corrected = float(said["bpm"])
    return (*(bpm for bpm in said.iloc[:1] if bpm != corrected), corrected)


def findings_of(state: SessionState, loop_id: str) -> pd.DataFrame:
    """The loop's findings, strongest first; empty where the checks have not run."""
    if state.faults is None:
        return pd.DataFrame({"kind": [], "times": [], "brief": []})
    return state.faults[state.faults["loop_id"] == loop_id].sort_values("strength", ascending=False)


def times_in_words(times_s: tuple[float, ...]) -> str:
    """ " At 0.50 s, 1.25 s and 3 more.", empty where there are none."""
    if not times_s:
        return ""
    more = f" and {len(times_s) - SHOWN_TIMES} more" if len(times_s) > SHOWN_TIMES else ""
    return f" At {', '.join(f'{time:.2f} s' for time in times_s[:SHOWN_TIMES])}{more}."
