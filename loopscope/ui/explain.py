"""Why is it flagged? What the detector and the signal checks say of the selected loop, in words."""

import pandas as pd
import streamlit as st

from loopscope.ui.components import plain, printable
from loopscope.ui.state import SessionState

SHOWN_TIMES = 8


def explain(state: SessionState, table: pd.DataFrame) -> None:
    """The selected loop's evidence; `table` is the score table, with triage columns where the checks have run."""
    chosen = table[table["loop_id"] == state.selected] if state.selected else table.head(0)
    st.subheader("Why?", anchor=False)
    if chosen.empty:
        st.caption("Select a loop to read what speaks for and against it.")
        return
    row = chosen.iloc[0]
    st.markdown(f"**{plain(printable(str(row['name'])))}**" + (f" · {row['triage']}" if "triage" in row else ""))
    left, right = st.columns(2)
    left.markdown("Detector")
    left.caption(
        f"Rank {int(row['rank']):,} of {table['loop_id'].nunique():,}: its score {row['score']:.4g} lies above "
        f"{row['percentile']:.1f} % of the training scores, so it is {'' if row['is_anomaly'] else 'not '}flagged."
    )
    right.markdown("Signal checks")
    for sentence in _findings(state, str(row["loop_id"])):
        right.caption(sentence)


def _findings(state: SessionState, loop_id: str) -> list[str]:
    if state.faults is None:
        return ["The signal checks have not run in this session."]
    found = state.faults[state.faults["loop_id"] == loop_id]
    if found.empty:
        return ["No click, clipping, dropout, hum or other fault was found."]
    pairs = zip(found["sentence"], found["times"], strict=True)
    return [f"{plain(printable(sentence))}{_times(times_s)}" for sentence, times_s in pairs]


def _times(times_s: tuple[float, ...]) -> str:
    if not times_s:
        return ""
    more = f" and {len(times_s) - SHOWN_TIMES} more" if len(times_s) > SHOWN_TIMES else ""
    return f" (at {', '.join(f'{time:.2f} s' for time in times_s[:SHOWN_TIMES])}{more})"
