"""What happens when the server starts and when it is told to stop.

Start: what the pages need is imported on a thread of its own, so that the first visitor does not wait for PyTorch.

Stop: uvicorn waits without end for browsers to take what they asked for, and Python for the threads of every pool,
which work off what waits in them: a loop of minutes that nobody reads, or the embedding of a folder, would keep the
process alive. So as soon as the signal arrives tasks are told to end and the database is closed, and `GRACE_S` later
the process ends.
"""

import logging
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib import import_module
from types import FrameType

import streamlit as st

from loopscope.ui.server.connections import bound_headers

log = logging.getLogger(__name__)

GRACE_S = 3.0  # from the signal, for what is being sent and for tasks
_NEEDED = ("torch", "loopscope.ui.status", "loopscope.ui.views.library", "loopscope.ui.views.explore")
_at_end: list[Callable[[], None]] = []
_ending = threading.Lock()


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[None]:
    """Starlette's lifespan around the server's work."""
    threading.Thread(target=_warm, name="loopscope-imports", daemon=True).start()
    if threading.current_thread() is threading.main_thread():  # no other may listen to signals
        bound_headers()
        for number in (signal.SIGTERM, signal.SIGINT):
            _listen(number)
    yield
    _end()


def call_at_end(end: Callable[[], None]) -> None:
    """Have a function called when the server stops, before those that were named earlier."""
    _at_end.append(end)


def _listen(number: signal.Signals) -> None:
    """Bound the time from this signal on; the server, which listens already, hears it as before."""
    server_hears = signal.getsignal(number)
    if not callable(server_hears):
        return

    def hear(heard: int, frame: FrameType | None) -> None:
        for work in (_end, _end_in_time):
            threading.Thread(target=work, name="loopscope-end", daemon=True).start()
        server_hears(heard, frame)

    signal.signal(number, hear)


def _end() -> None:
    """Call what is to be called, once; who comes second waits until it is done."""
    with _ending:
        while _at_end:
            _at_end.pop()()


def _end_in_time() -> None:
    time.sleep(GRACE_S)
    log.info("stopped without waiting longer for open connections and tasks")
    os._exit(0)


def _warm() -> None:
    for name in _NEEDED:
        import_module(name)
