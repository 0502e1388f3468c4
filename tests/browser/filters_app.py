"""The Explore page in a project of its own, on the pack of `panel_app`, with two models; beside it a page that trains a
third: for what filters, search and order must outlive.

Nothing is mocked but the embeddings: store, walkless project, listening, pulse and routes are the app's own.
"""

import os
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware
from streamlit.runtime.scriptrunner import get_script_run_ctx

from loopscope.analysis.scoring import fit_detector
from loopscope.analysis.walk import Plan
from loopscope.faults import check_library
from loopscope.library import scan_folder
from loopscope.ui.projects.project import Project
from loopscope.ui.projects.registry import project_registry
from loopscope.ui.server.headers import SecurityHeaders
from loopscope.ui.server.media import routes
from loopscope.ui.server.visitors import LOCAL
from loopscope.ui.state import SessionState, enter, open_project, session
from loopscope.ui.status import show_status
from loopscope.ui.views.explore import explore_step
from tests.browser.panel_app import embeddings_of, write_pack

MODELS = ("mahalanobis", "pca")


@st.cache_resource(show_spinner=False)
def prepared() -> Project:
    folder = Path(os.environ["FILTERS_PACK"])
    if not any(folder.iterdir()):
        write_pack(folder)
    project = project_registry().create(LOCAL, folder, Plan())
    library = scan_folder(folder)
    project.update(library=library, embeddings=embeddings_of(library), faults=check_library(library))
    for name in MODELS:
        train(project, name)
    return project


def train(project: Project, name: str) -> None:
    assert project.contents.embeddings is not None
    project.add_model(f"{name} · robust · seed 0", fit_detector(project.contents.embeddings, name))


def entered(page: str) -> SessionState:
    state = session()
    if not state.project.id:
        open_project(prepared())
    return enter(page)


def explore() -> None:
    library = entered("explore").library
    assert library is not None
    explore_step(library)


def elsewhere() -> None:
    state = entered("train")
    st.button("Train again", on_click=train, args=(state.project, "mahalanobis"))
    st.write(f"{len(state.models)} models")


def page() -> None:
    st.set_page_config(layout="wide")
    st.navigation([st.Page(explore, title="Explore", default=True), st.Page(elsewhere, title="Elsewhere")]).run()
    show_status()


if get_script_run_ctx(suppress_warning=True) is None:
    app = st.App(__file__, routes=routes(), middleware=[Middleware(SecurityHeaders)])
else:
    page()
