"""What the families of this folder and of all folders have in common: their kinds, and how strict near copies are."""

import streamlit as st

from loopscope.ui.components import store
from loopscope.ui.state import remember

EXACT, NEAR, RIFF = "Exact copies", "Near copies", "Same riff"
KINDS = (EXACT, NEAR, RIFF)
STRICTEST = 0.999


def strictness(least: float) -> float:
    """The slider: the cosine that two loops have to reach, from `least` on."""
    st.session_state["families-cosine"] = max(st.session_state["families-cosine"], least)
    cosine = st.slider(
        "Strictness", least, STRICTEST, step=0.001, format="%.3f", key="families-cosine", width=360,
        help="How far the sounds of two loops have to agree; 1 is the same.",
    )  # fmt: skip
    remember("families-cosine")
    return float(cosine)


def quarantined_loops() -> frozenset[str]:
    """Whom nobody keeps."""
    return frozenset(loop_id for loop_id, it in store().get_marks().items() if it.mark == "quarantine")
