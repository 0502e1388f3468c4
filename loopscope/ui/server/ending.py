"""What happens when the server is told to stop: tasks are told first, so that no thread keeps the process alive.

Python waits for the threads of every pool before it ends, and a pool works off what waits in it unless it is told to
stop: an embedding of a whole folder would go on for minutes.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import streamlit as st

_at_end: list[Callable[[], None]] = []


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[None]:
    """Starlette's lifespan: nothing before, every task cancelled after."""
    yield
    for end in _at_end:
        end()


def call_at_end(end: Callable[[], None]) -> None:
    """Have a function called when the server stops."""
    _at_end.append(end)
