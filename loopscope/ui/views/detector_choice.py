"""Choosing detector, preset and seed: on the Train page, and under "Advanced" where a walk is begun."""

import streamlit as st

from loopscope.detection.registry import LOCAL, PAPER, ROBUST, detector_info, detector_names
from loopscope.ui.state import recall, remember

PRESETS = {  # title and what it means
    LOCAL: (
        "Local (recommended)",
        "Local: hears inside every loop, ten times a second, and as a whole; it knows where a loop is odd.",
    ),
    ROBUST: (
        "Robust",
        "Robust: hears every loop as a whole; every loop is judged by networks that did not learn from it.",
    ),
    PAPER: (
        "Paper, section 4.3",
        "Paper: as published (section 4.3); it usually fails, all loops ending in one point, and the report says so.",
    ),
}
JOINED = (
    "AEwRES and AE join that with the reconstruction error and the local density, and with preset local with the "
    "distance to the moments of other loops."
)
SEED_HELP = (
    "The same number gives the same result; another one an equally good training that may rank a little differently."
)


def choose_detector(*, is_narrow: bool = False) -> tuple[str, str, int]:
    """Detector, preset and seed, side by side or where it is narrow one below the other."""
    names = detector_names()
    recall({"detector-name": names[0], "preset-name": "", "seed": 0})
    left, middle, right = [st.container() for _ in range(3)] if is_narrow else st.columns([5, 5, 2])
    name = left.selectbox("Detector", names, format_func=_title, key="detector-name", help=_scores_in_words())
    info = detector_info(name)
    if st.session_state["preset-name"] not in info.presets:
        st.session_state["preset-name"] = next(iter(info.presets))
    preset = middle.selectbox(
        "Preset", list(info.presets), format_func=lambda name: PRESETS[name][0], key="preset-name"
    )
    seed = right.number_input("Seed", min_value=0, max_value=9999, key="seed", help=SEED_HELP)
    remember("detector-name", "preset-name", "seed")
    st.caption(PRESETS[preset][1])
    return name, preset, int(seed)


def _scores_in_words() -> str:
    """What each detector goes by."""
    lines = [f"{name}: {detector_info(name).score}" for name in detector_names()]
    return "What makes a loop stand out:\n\n- " + "\n- ".join(lines) + f"\n\n{JOINED}"


def _title(name: str) -> str:
    return f"{name} · {detector_info(name).title}"
