"""The app's server with one address more, `/held`: what its process holds, for measurements of memory.

`REST_S` in the environment: seconds after which a tab that has gone lets go of what it showed.
"""

import ctypes
import gc
import json
import os
import threading
import tracemalloc
from collections import Counter
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from streamlit.runtime.scriptrunner import get_script_run_ctx

from loopscope.ui import state
from loopscope.ui.server.headers import SecurityHeaders
from loopscope.ui.server.hosts import AllowedHosts
from loopscope.ui.server.lifespan import lifespan
from loopscope.ui.server.log import start_logging
from loopscope.ui.server.media import routes
from loopscope.ui.server.visitors import BrowserKeys

APP = Path(__file__).resolve().parents[1] / "app.py"


ALLOCATED = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "top")


class Allocated(ctypes.Structure):
    """glibc's mallinfo2, in bytes."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in ALLOCATED)


def held(request: Request) -> Response:
    """Objects by type, and what the C library has handed out and keeps free."""
    gc.unfreeze()
    gc.collect()
    kinds = Counter(f"{type(thing).__module__}.{type(thing).__qualname__}" for thing in gc.get_objects())
    gc.freeze()
    told: dict[str, object] = {"objects": sum(kinds.values()), "kinds": dict(kinds.most_common(400))}
    told["threads"] = Counter(thread.name.rstrip("0123456789-_") for thread in threading.enumerate())
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallinfo2"):
        libc.mallinfo2.restype = Allocated
        found = libc.mallinfo2()
        told["malloc"] = {name: getattr(found, name) for name in ("arena", "hblkhd", "uordblks", "fordblks")}
        if "trim" in request.query_params:
            libc.malloc_trim(0)
    if tracemalloc.is_tracing():
        lines = tracemalloc.take_snapshot().statistics("lineno")[:300]
        told["lines"] = {f"{line.traceback[0].filename}:{line.traceback[0].lineno}": line.size for line in lines}
    return JSONResponse(json.loads(json.dumps(told)))


if get_script_run_ctx(suppress_warning=True) is None:
    state.REST_S = float(os.environ.get("REST_S", state.REST_S))
    start_logging()
    middleware = [Middleware(SecurityHeaders), Middleware(AllowedHosts), Middleware(BrowserKeys)]
    app = st.App(APP, routes=[Route("/held", held), *routes()], middleware=middleware, lifespan=lifespan)
