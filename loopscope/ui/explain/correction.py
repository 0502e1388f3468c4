"""What the user says of the selected loop's tempo and key, where file, name and ear are wrong."""

from typing import Any

import pandas as pd
import streamlit as st

from loopscope.errors import LoopscopeError
from loopscope.metadata.corrections import read_correction
from loopscope.store.records import Correction
from loopscope.ui.components import show_failure, store
from loopscope.ui.projects.heard import correct
from loopscope.ui.state import SessionState

WIDTH = 72  # CSS pixels: both stand beside the button in the panel at its narrowest
HELP = "Your tempo and key go before tags, name and ear and stay with the sound itself. Empty: what was found holds."


def correction_fields(state: SessionState, loop_id: str, known: "pd.Series[Any]") -> None:
    """Two fields that hold only what the user said; `known` is the loop's row of metadata, which they hint at."""
    given = store().get_corrections().get(loop_id, Correction())
    place = f"{loop_id}-{given.bpm}-{given.key}"  # so that fields of another loop, or of another value, are new
    with st.form(f"correct-{place}", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        bpm = st.text_input(
            "BPM",
            "" if given.bpm is None else f"{given.bpm:g}",
            key=f"correct-bpm-{place}",
            help=HELP,
            placeholder=_hint(known["bpm"]),
            width=WIDTH,
        )
        key = st.text_input(
            "Key", given.key or "", key=f"correct-key-{place}", placeholder=_hint(known["key"]), width=WIDTH
        )
        if st.form_submit_button("Save", key=f"correct-save-{place}"):
            _keep(state, loop_id, given, bpm, key)
    if given != Correction() and st.button("Take the correction back", icon=":material/undo:", key="correct-undo"):
        _keep(state, loop_id, given, "", "")


def _hint(value: Any) -> str:
    return "unknown" if pd.isna(value) else f"{value:g}" if isinstance(value, float) else str(value)


def _keep(state: SessionState, loop_id: str, given: Correction, bpm: str, key: str) -> None:
    try:
        correction = read_correction(bpm, key)
        if correction != given:
            correct(state.project, loop_id, correction, store())
    except LoopscopeError as error:
        show_failure(error)
        return
    if correction != given:
        st.rerun()
