"""The server of the app with two addresses more: a large answer, and one that starts the walk of `STUCK_FOLDER`."""

import os
from pathlib import Path

import streamlit as st
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route
from streamlit.runtime.scriptrunner import get_script_run_ctx

from loopscope.analysis.walk import Plan
from loopscope.ui.projects.registry import project_registry
from loopscope.ui.projects.walking import start_walk
from loopscope.ui.server.lifespan import lifespan

LARGE_BYTES = 92_000_000


def whole(request: Request) -> Response:
    """Handed over in one piece, as arrays are."""
    return Response(bytes(LARGE_BYTES))


def file(request: Request) -> Response:
    """Sent piece by piece, as loops are."""
    return FileResponse(os.environ["STUCK_LARGE"])


def walk(request: Request) -> Response:
    """A project whose folder is being scanned."""
    registry = project_registry()
    project = registry.create("local", Path(os.environ["STUCK_FOLDER"]), Plan())
    start_walk(project, registry.store, compute=True)
    return PlainTextResponse("started")


if get_script_run_ctx(suppress_warning=True) is None:
    routes = [Route("/large/whole", whole), Route("/large/file", file), Route("/walk", walk)]
    app = st.App(__file__, routes=routes, lifespan=lifespan)
