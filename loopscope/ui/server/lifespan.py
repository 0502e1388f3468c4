"""What happens when the server starts and when it is told to stop.

Start: what the pages need is imported on a thread of its own while the first browser still loads Streamlit's, then the
last project is read and a figure drawn for nobody; what is heavy (`late`) only once a page is out, because imports and
pages take turns: first what the first sound needs.

Stop: uvicorn waits without end for browsers to take what they asked for, and Python for the threads of every pool,
which work off what waits in them: a loop of minutes that nobody reads, or the embedding of a folder, would keep the
process alive. So as soon as the signal arrives tasks are told to end and the database is closed, and `GRACE_S` later
the process ends.
"""

import atexit
import logging
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from types import FrameType

import streamlit as st

from loopscope.late import importing
from loopscope.ui.server.connections import bound_headers

log = logging.getLogger(__name__)

GRACE_S = 3.0  # from the signal, for what is being sent and for tasks
NOBODY_CAME_S = 20.0
QUIET_S = 2.0  # after the first page: whoever waited for it may now act
_FOR_PAGES = ("loopscope.ui.status", "loopscope.ui.views.library", "loopscope.ui.views.explore")
_FOR_SOUND = ("pyloudnorm",)
_FOR_WORK = ("torch", "sklearn.decomposition", "scipy.stats", "loopscope.detection.local_detector")
_page_is_out = threading.Event()
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


def page_is_out() -> None:
    """Say that a page was drawn to its end: nobody waits for it any more."""
    _page_is_out.set()


def call_at_end(end: Callable[[], None]) -> None:
    """Have a function called when the server stops, before those that were named earlier."""
    _at_end.append(end)


def _listen(number: signal.Signals) -> None:
    """Bound the time from this signal on; the server, which listens already, hears it as before."""
    server_hears = signal.getsignal(number)
    if not callable(server_hears):
        return

    def hear(heard: int, frame: FrameType | None) -> None:
        atexit.register(os._exit, 0)  # Ctrl+C ends in Python's own tidying up, which takes seconds with PyTorch loaded
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
    for name in _FOR_PAGES:
        import_module(name)
    import_module("loopscope.ui.explorer.ahead").read_ahead()
    import_module("loopscope.figures.loop").draw_ahead()
    _page_is_out.wait(NOBODY_CAME_S)
    _load(_FOR_SOUND)
    time.sleep(QUIET_S)
    _load(_FOR_WORK)


def _load(names: Sequence[str]) -> None:
    for name in names:
        with importing:
            import_module(name)
