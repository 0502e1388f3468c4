"""What happens when the server starts and when it is told to stop.

Start: what the pages need is imported on a thread of its own, so that the first visitor does not wait for PyTorch.

Stop: tasks are told first, so that no thread keeps the process alive. Python waits for the threads of every pool before
it ends, and a pool works off what waits in it: an embedding of a whole folder would go on for minutes.
"""

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib import import_module

import streamlit as st

_NEEDED = ("torch", "loopscope.ui.status", "loopscope.ui.views.library", "loopscope.ui.views.explore")
_at_end: list[Callable[[], None]] = []


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[None]:
    """Starlette's lifespan around the server's work."""
    threading.Thread(target=_warm, name="loopscope-imports", daemon=True).start()
    yield
    for end in _at_end:
        end()


def call_at_end(end: Callable[[], None]) -> None:
    """Have a function called when the server stops."""
    _at_end.append(end)


def _warm() -> None:
    for name in _NEEDED:
        import_module(name)
