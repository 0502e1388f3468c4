"""A page with nothing but the explorer, on synthetic loops: `EXPLORER_LOOPS` says how many (default 400).

With `EXPLORER_FINDINGS` set they have been through the signal checks, and of some the tempo is not known.

With `EXPLORER_NATIVE` set it shows Streamlit's own charts and player instead, for the benchmark. What Python hears is
written to the page as JSON, where the tests read it (as text: a code block would load a highlighter of 1.5 MB, which
Explore does not).
"""

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import plotly.graph_objects as go
import streamlit as st
from starlette.middleware import Middleware
from streamlit.runtime.scriptrunner import get_script_run_ctx

from loopscope.ui.explorer.component import desk, explorer
from loopscope.ui.explorer.view import ExplorerView
from loopscope.ui.server.headers import SecurityHeaders
from loopscope.ui.server.hosts import AllowedHosts
from loopscope.ui.server.media import media_registry, routes, session_token
from tests.browser import synthetic

N_LOOPS = int(os.environ.get("EXPLORER_LOOPS", "400"))
NATIVE = "EXPLORER_NATIVE" in os.environ
FINDINGS = "EXPLORER_FINDINGS" in os.environ


@st.cache_resource(show_spinner=False)
def tones() -> list[Path]:
    return synthetic.write_tones(Path(tempfile.mkdtemp(prefix="explorer-tones-")))


@st.cache_resource(show_spinner=False)
def view(n: int) -> ExplorerView:
    made = synthetic.synthetic_view(n)
    return synthetic.with_findings(synthetic.without_some_tempos(made)) if FINDINGS else made


@st.fragment
def explore() -> None:
    state = st.session_state
    with desk():
        event = explorer(
            view(N_LOOPS),
            key="explorer",
            percentile=state.get("percentile", 95.0),
            selected=state.get("selected"),
            marks=state["marks"],
        )
    state["percentile"], state["selected"] = event.percentile, event.selected
    state["runs"] = state.get("runs", 0) + 1
    heard = {
        "selected": event.selected,
        "percentile": event.percentile,
        "threshold": event.threshold,
        "lasso": list(event.lasso[:50]),
        "lassoed": len(event.lasso),
        "marks": state["marks"],
        "markLog": state["mark log"],
        "runs": state["runs"],
    }
    st.text(json.dumps(heard))


def take_into(marks: dict[str, str], log: list[tuple[str, str | None]]) -> Callable[[str, str, str | None], None]:
    """Stores marks in the session itself, and lists them in the order of their coming."""

    def take(kind: str, loop_id: str, value: str | None) -> None:
        log.append((loop_id, value))
        marks.pop(loop_id, None)
        if value is not None:
            marks[loop_id] = value

    return take


def native() -> None:
    """The same three figures as native charts, and st.audio for the point that was clicked."""
    loops = view(N_LOOPS).loops
    coordinates = view(N_LOOPS).coordinates
    flagged = loops["score"] > loops["score"].quantile(0.95)
    scatter = go.Scattergl(
        x=coordinates[:, 0],
        y=coordinates[:, 1],
        mode="markers",
        customdata=loops["loop_id"],
        marker={"color": flagged.astype(int)},
    )
    left, right = st.columns(2)
    left.plotly_chart(go.Figure(go.Histogram(x=loops["score"], nbinsx=60)), key="histogram")
    event = right.plotly_chart(go.Figure(scatter), key="scatter", on_select="rerun", selection_mode="points")
    points = event.selection.points
    if points:
        row = points[0]["point_index"]
        st.audio(str(tones()[row % len(tones())]), autoplay=True, loop=True)
    order = loops["score"].to_numpy().argsort()[::-1]
    st.plotly_chart(go.Figure(go.Heatmap(z=view(N_LOOPS).latents[order])), key="heatmap")


def page() -> None:
    st.set_page_config(layout="wide")
    if NATIVE:
        native()
        return
    files = tones()
    paths = {synthetic.loop_id(i): files[i % len(files)] for i in range(N_LOOPS)}
    media_registry().publish_library(session_token(), paths)
    state = st.session_state
    take = take_into(state.setdefault("marks", {}), state.setdefault("mark log", []))
    media_registry().publish_outbox(session_token(), take)
    left, middle, right = st.columns(3)
    left.button("Rerun")
    if middle.button("Threshold 90 from Python"):
        st.session_state["percentile"] = 90.0
    if right.toggle("Show", value=True):
        explore()


if get_script_run_ctx(suppress_warning=True) is None:
    app = st.App(__file__, routes=routes(), middleware=[Middleware(SecurityHeaders), Middleware(AllowedHosts)])
else:
    page()
