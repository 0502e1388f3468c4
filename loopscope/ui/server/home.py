"""Whether this server is the only one that works in its home folder.

Several may: marks, notes, embeddings and findings are rows of their own, and SQLite takes turns. But what a project
remembers (models, thresholds, how it is looked at) is written as a whole by the server that shows it, so the last one
to write wins. Who comes second says so for as long as the first one runs.
"""

import logging
from contextlib import suppress

import streamlit as st
from filelock import FileLock, Timeout

from loopscope.errors import StoreError
from loopscope.store import Store

log = logging.getLogger(__name__)

LOCK_NAME = "server.lock"  # beside the database; locked by the system, which lets go when the process ends however
SETTING = "server"
ANYWHERE = ("", "0.0.0.0", "::")


class HomeClaim:
    """A claim to the folder of a database, made anew at every question until nobody else holds it."""

    def __init__(self, store: Store, address: str) -> None:
        self._store, self._address = store, address
        self._lock = FileLock(store.path.with_name(LOCK_NAME), blocking=False, thread_local=False)
        if self.other_server():
            log.warning("another server uses the same database")

    def other_server(self) -> str:
        """One sentence about a server that was there before, empty where there is none. Raises StoreError."""
        if self._lock.is_locked:
            return ""
        try:
            self._lock.acquire()
        except Timeout:
            return (
                f"Another loopscope, at {self._store.get_setting(SETTING, 'another address')}, uses the same database: "
                "marks and notes of both are kept, but of a project's models and thresholds only those of the one that "
                "wrote last; work in one of them."
            )
        except OSError:  # a file system without locks, or a full one
            return ""
        with suppress(StoreError):  # a full disk keeps nobody from listening
            self._store.put_setting(SETTING, self._address)
        return ""

    def release(self) -> None:
        """Leave the folder to others; safe to call twice."""
        self._lock.release()


def own_address() -> str:
    """Where the person at this machine finds this server."""
    host = st.get_option("server.address") or ""
    return f"http://{'localhost' if host in ANYWHERE else host}:{st.get_option('server.port')}"
