"""The explorer alone, on a project whose ranking fills in: `STAGES_LOOPS` loops in STAGES + 1 versions of their data.

`?stage=2` chooses the version that Python speaks of; the others are there to be asked for, as the pulse announces them.
What the browser said last of its view it gets back with `&again=1`. The number of runs is written to the page.
"""

import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.middleware import Middleware
from streamlit.runtime.scriptrunner import get_script_run_ctx

from loopscope.ui.explorer import packing
from loopscope.ui.server import media
from loopscope.ui.server.headers import SecurityHeaders
from loopscope.ui.server.hosts import AllowedHosts
from loopscope.ui.widgets.javascript import component, heard
from tests.browser import synthetic

N_LOOPS = int(os.environ.get("STAGES_LOOPS", "400"))
STAGES = 6
KEPT = Path(os.environ.get("LOOPSCOPE_HOME", ".")) / "view.json"  # what the browser said last of its view
EVENTS = ("selected", "percentile", "lasso", "filtered", "changed")


@st.cache_resource(show_spinner=False)
def tones() -> list[Path]:
    return synthetic.write_tones(Path(tempfile.mkdtemp(prefix="stages-tones-")))


@st.cache_resource(show_spinner=False)
def blobs(stage: int) -> packing.PackedView:
    return packing.pack_view(synthetic.staged_view(N_LOOPS, stage, STAGES))


def keep(view: Mapping[str, Any]) -> None:
    KEPT.write_text(json.dumps(view))


def take_into(marks: dict[str, str]) -> Callable[[str, str, str | None], None]:
    """Stores marks in the session itself."""

    def take(kind: str, loop_id: str, value: str | None) -> None:
        marks.pop(loop_id, None)
        if value is not None:
            marks[loop_id] = value

    return take


def serial_of(commit: Any) -> int:
    return int(commit.get("serial", 0))


@st.fragment
def explore(stage: int) -> None:
    commits = heard("explorer", EVENTS).latest
    said = {name: commit.get("value") for name, commit in commits.items()}
    data = {
        "plotly": media.plotly_address(),
        "token": media.session_token(),
        "version": f"synthetic-{stage}",
        "title": f"stage {stage}",
        "percentile": said["percentile"] or 95.0,
        "selected": said["selected"] or st.query_params.get("loop"),
        "marks": st.session_state["marks"],
        "acknowledged": max(serial_of(commit) for commit in commits.values()),
        "height": 900,
        "provisional": stage < STAGES,
        "project": "the project",
        "view": json.loads(KEPT.read_text()) if "again" in st.query_params else None,
    }
    component("main.js", "The explorer", key="explorer", data=data, events=EVENTS)
    st.session_state["runs"] = st.session_state.get("runs", 0) + 1
    st.text(json.dumps({"runs": st.session_state["runs"], **said}))


def page() -> None:
    st.set_page_config(layout="wide")
    files, token, registry = tones(), media.session_token(), media.media_registry()
    registry.publish_library(token, {synthetic.loop_id(i): files[i % len(files)] for i in range(N_LOOPS)})
    registry.publish_outbox(token, take_into(st.session_state.setdefault("marks", {})))
    registry.publish_view(token, keep)
    for stage in range(STAGES + 1):
        registry.publish_blobs(token, f"synthetic-{stage}", lambda stage=stage: blobs(stage))
    first = int(st.query_params.get("stage", "1"))
    st.button("Next stage", on_click=lambda: st.session_state.update(stage=st.session_state.get("stage", first) + 1))
    explore(st.session_state.get("stage", first))


if get_script_run_ctx(suppress_warning=True) is None:
    app = st.App(__file__, routes=media.routes(), middleware=[Middleware(SecurityHeaders), Middleware(AllowedHosts)])
else:
    page()
