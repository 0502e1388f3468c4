"""What each session may fetch, ask and say over the routes of ours, by its token.

Shared by the script threads that publish and the server threads that answer. What is published is replaced by the next
call of the same name and forgotten when the session ends.
"""

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import streamlit as st

from loopscope.files import is_address
from loopscope.library.present import KnownFile
from loopscope.library.tables import Fetch
from loopscope.ui.server.received import MAX_BYTES, Uploads
from loopscope.user_files import UserFile

_BYTES_KEPT = 128 * 2**20  # of arrays and figures per session: five models of 50,000 loops
_VERSIONS_KEPT = 24  # a page shows a dozen figures at most; what is asked for later is made again

_NONE: Mapping[str, str] = MappingProxyType({})
Pulse = Callable[[], Mapping[str, Any]]
Take = Callable[[str, str, str | None], None]
Keep = Callable[[Mapping[str, Any]], None]


@dataclass
class _Published:
    """What one session may fetch."""

    paths: dict[str, str | Path] = field(default_factory=dict)
    root: Path | None = None
    roots: Mapping[str, str] = field(default_factory=dict)
    silent: Mapping[str, str] = field(default_factory=dict)
    fetch: Fetch | None = None
    elsewhere: dict[str, Mapping[str, KnownFile]] = field(default_factory=dict)
    blobs: OrderedDict[str, Mapping[str, bytes]] = field(default_factory=OrderedDict)
    files: dict[str, tuple[str, str, Callable[[], bytes]]] = field(default_factory=dict)
    pulse: Pulse | None = None
    outbox: Take | None = None
    view: Keep | None = None
    uploads: Uploads | None = None

    @property
    def bytes_held(self) -> int:
        return sum(len(blob) for named in self.blobs.values() for blob in named.values())

    @property
    def holds_too_much(self) -> bool:
        return len(self.blobs) > _VERSIONS_KEPT or self.bytes_held > _BYTES_KEPT


class MediaRegistry:
    """Who may fetch, ask and say what."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sessions: dict[str, _Published] = {}

    def publish_library(
        self,
        token: str,
        paths: Mapping[str, str | Path],
        root: Path | None = None,
        roots: Mapping[str, str] = _NONE,
        silent: Mapping[str, str] = _NONE,
        fetch: Fetch | None = None,
    ) -> None:
        """Let a session hear these loops (loop_id → file) and no others; what leads out of `root` is refused.

        `roots` of loops that have one of their own; why some are `silent`; how what lies at an address comes here: all
        as in `Library`.
        """
        with self._lock:
            session = self._sessions.setdefault(token, _Published())
            session.paths, session.root, session.roots, session.silent = dict(paths), root, roots, silent
            session.fetch = fetch

    def publish_elsewhere(self, token: str, slot: str, files: Mapping[str, KnownFile]) -> None:
        """Let a session hear these loops of other folders (loop_id → file) too, as long as each file stays as it is.

        What was published in this `slot` before is replaced. Marks and notes on them are not taken: see `outbox`.
        """
        with self._lock:
            self._sessions.setdefault(token, _Published()).elsewhere[slot] = files

    def publish_blobs(self, token: str, version: str, make: Callable[[], Mapping[str, bytes]]) -> None:
        """Let a session fetch named gzipped blobs at `/ls/data/{token}/{version}/{name}`.

        `make` is called only where the version is not held yet, so callers may publish at every rerun.
        """
        with self._lock:
            session = self._sessions.setdefault(token, _Published())
            if version in session.blobs:
                session.blobs.move_to_end(version)
                return
        blobs = make()
        with self._lock:
            session.blobs[version] = blobs
            while len(session.blobs) > 1 and session.holds_too_much:
                session.blobs.popitem(last=False)

    def publish_file(self, token: str, slot: str, name: str, mime: str, make: Callable[[], bytes]) -> str:
        """Let a session save a file that is made at each download; its address below the app's base address.

        `slot` stands in the address and is plain ASCII; `name` is what the saved file is called.
        Address and file outlast reruns. A deferred `st.download_button` is revoked while a rerun replaces it, so a
        click in that moment fails (Streamlit 1.67).
        """
        with self._lock:
            self._sessions.setdefault(token, _Published()).files[slot] = name, mime, make
        return f"ls/file/{token}/{slot}"

    def publish_pulse(self, token: str, make: Pulse) -> None:
        """Answer `/ls/pulse/{token}` with what `make` gives, as JSON; a server thread calls it about once a second."""
        with self._lock:
            self._sessions.setdefault(token, _Published()).pulse = make

    def publish_outbox(self, token: str, take: Take) -> None:
        """Let a session post marks and notes: `take(kind, loop_id, value)` stores one.

        kind: "mark" (value keep, quarantine, love or None) or "note" (value its text). `take` runs on a server thread,
        for loops of the session's library alone, and has stored the value when it returns. It raises DataError for what
        must not be stored (the browser drops it) and StoreError for what cannot be stored now (the browser keeps it).
        """
        with self._lock:
            self._sessions.setdefault(token, _Published()).outbox = take

    def publish_view(self, token: str, keep: Keep) -> None:
        """Let a session post how it looks at its project: `keep` stores a JSON object of at most 16 kB."""
        with self._lock:
            self._sessions.setdefault(token, _Published()).view = keep

    def publish_uploads(
        self, token: str, folder: Path, most_bytes: int = MAX_BYTES, wanted: str = "audio file"
    ) -> Uploads:
        """Let a session upload folders, which come to lie below `folder`; the same answer at every rerun."""
        with self._lock:
            session = self._sessions.setdefault(token, _Published())
            session.uploads = session.uploads or Uploads(folder, most_bytes, wanted)
            return session.uploads

    def pulse(self, token: str) -> Pulse | None:
        """What makes a session's pulse, None where the session is unknown."""
        with self._lock:
            return self._published(token).pulse

    def outbox(self, token: str) -> tuple[Take, Mapping[str, str | Path]] | None:
        """What stores a session's marks and notes, and its loops by loop_id; None where the session is unknown."""
        with self._lock:
            session = self._published(token)
            return None if session.outbox is None else (session.outbox, session.paths)

    def view(self, token: str) -> Keep | None:
        """What stores a session's view, None where the session is unknown."""
        with self._lock:
            return self._published(token).view

    def uploads(self, token: str) -> Uploads | None:
        """What a session uploads; None where it may not."""
        with self._lock:
            return self._published(token).uploads

    def file(self, token: str, slot: str) -> tuple[str, str, Callable[[], bytes]] | None:
        """Name, MIME type and maker of a file to save, None where session or slot is unknown."""
        with self._lock:
            return self._published(token).files.get(slot)

    def sound(self, token: str, loop_id: str) -> UserFile | None:
        """The file behind a loop, to be opened; None for an unknown session or loop.

        Raises AudioError for one that lies at an address and cannot be brought from there, and for one of another
        folder whose file is not what it was.
        """
        with self._lock:
            session = self._published(token)
            known, root = session.paths.get(loop_id), session.roots.get(loop_id, session.root)
            fetch = session.fetch
            others = [files[loop_id] for files in session.elsewhere.values() if loop_id in files]
            if loop_id in session.silent:
                return None
        if known is None:
            for other in others[:1]:
                other.check()
                return other
            return None
        if fetch is not None and is_address(known):
            return fetch(loop_id, str(known))
        return UserFile(str(known), None if root is None else str(root))

    def silence(self, token: str, loop_id: str) -> str:
        """Why a loop of a session cannot be heard, "" where it can, or where it is unknown."""
        with self._lock:
            return self._published(token).silent.get(loop_id, "")

    def blob(self, token: str, version: str, name: str) -> bytes | None:
        """One gzipped blob, None where session, version or name is unknown."""
        with self._lock:
            blobs = self._published(token).blobs.get(version, {})
        return blobs.get(name)  # not under the lock: some blobs are made when they are asked for

    def forget(self, token: str) -> None:
        """Drop everything that was published under a token."""
        with self._lock:
            session = self._sessions.pop(token, None)
        if session is not None and session.uploads is not None:
            session.uploads.abandon()

    def _published(self, token: str) -> _Published:  # call it with the lock held
        return self._sessions.get(token, _Published())


@st.cache_resource(show_spinner=False)
def media_registry() -> MediaRegistry:
    """The registry of this process. A plain module variable would split in two when Streamlit reloads the module."""
    return MediaRegistry()


@st.cache_resource(scope="session", show_spinner=False, on_release=lambda token: media_registry().forget(token))
def session_token() -> str:
    """The token of the session that runs this script; forgotten with everything published when the session ends."""
    return secrets.token_urlsafe(24)
