"""Choosing detector, preset and seed: on the Train page, and under "Advanced" where a walk is begun."""

import streamlit as st

from loopscope.detection.registry import detector_info, detector_names
from loopscope.ui.state import recall, remember

PRESETS = {  # title and what it means
    "robust": (
        "Robust (recommended)",
        "Robust: scored by members that did not train on the loop, and kept from collapse.",
    ),
    "paper": (
        "Paper, section 4.3",
        "Paper: as published (section 4.3); its hypersphere usually collapses, and the report says so.",
    ),
}
JOINED = ", joined with its reconstruction error and the local density of the embeddings"


def choose_detector() -> tuple[str, str, int]:
    """Detector, preset and seed."""
    names = detector_names()
    recall({"detector-name": names[0], "preset-name": "", "seed": 0})
    left, middle, right = st.columns([5, 5, 2])
    name = left.selectbox("Detector", names, format_func=_title, key="detector-name")
    info = detector_info(name)
    if st.session_state["preset-name"] not in info.presets:
        st.session_state["preset-name"] = next(iter(info.presets))
    preset = middle.selectbox(
        "Preset", list(info.presets), format_func=lambda name: PRESETS[name][0], key="preset-name"
    )
    seed = right.number_input("Seed", min_value=0, max_value=9999, key="seed")
    remember("detector-name", "preset-name", "seed")
    joined = JOINED if preset == "robust" and info.is_deep else ""
    st.caption(f"Score: {info.score}{joined}; higher = more anomalous. {PRESETS[preset][1]}")
    return name, preset, int(seed)


def _title(name: str) -> str:
    return f"{name} · {detector_info(name).title}"
