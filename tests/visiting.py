"""A browser tab without a browser: Streamlit's websocket and the addresses that the app's pages fetch.

It costs the server what a tab costs it, and this machine next to nothing, so that hundreds can come and go.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Self

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

from tests.browser.driving import bytes_at, wait_until

TOKEN = re.compile(rb'"token": ?"(?P<token>[\w-]{32})"')
PATIENCE_S = 120.0


class Visit:
    """One tab on the app at `url`; `query` is what stands behind the question mark of its address.

    `session`: the `session` of a tab whose connection was lost, to go on with.
    """

    def __init__(self, url: str, query: str = "", session: str = "") -> None:
        self._url, self._query = url, query
        self._connection = connect(
            f"{url.replace('http', 'ws', 1)}/_stcore/stream",
            origin=url,
            subprotocols=["streamlit", "no-token", session] if session else ["streamlit"],
            max_size=None,
        )
        self.session = session
        self.pages: dict[str, str] = {}
        self.token = ""
        self.errors: list[str] = []

    def __enter__(self) -> Self:
        self._socket = self._connection.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._connection.__exit__(None, None, None)

    def show(self, page: str = "") -> bytes:
        """Run a page to its end, "" the first one; what the server sent of it."""
        asked = BackMsg()
        asked.rerun_script.query_string = self._query
        asked.rerun_script.page_script_hash = self.pages.get(page, "")
        self._socket.send(asked.SerializeToString())
        return b"".join(self._until_finished())

    def pulse(self) -> dict[str, Any]:
        """What a tab asks once a second."""
        said: dict[str, Any] = json.loads(bytes_at(f"{self._url}/ls/pulse/{self.token}"))
        return said

    def until_idle(self) -> None:
        """Wait until no task of the project runs."""
        wait_until(lambda: self.pulse()["task"] is None, "the walk has ended", PATIENCE_S)

    def explore(self) -> None:
        """Show Explore as a browser does: its arrays, the neighbours of a loop and a loop's sound are fetched."""
        self.show("explore")
        version = self.pulse()["explorer"]["version"]
        blobs = {
            name: bytes_at(f"{self._url}/ls/data/{self.token}/{version}/{name}")
            for name in ("table", "points", "latents", "near-0")
        }
        loop_id = json.loads(blobs["table"])["ids"][0]
        bytes_at(f"{self._url}/ls/audio/{self.token}/{loop_id}")

    def _until_finished(self) -> Iterator[bytes]:
        while True:
            content = self._socket.recv(timeout=PATIENCE_S)
            assert isinstance(content, bytes)
            message = ForwardMsg.FromString(content)
            self.session = message.new_session.initialize.session_id or self.session
            for page in message.navigation.app_pages:
                self.pages[page.url_pathname or page.page_name.lower()] = page.page_script_hash
            if message.delta.new_element.HasField("exception"):
                self.errors.append(message.delta.new_element.exception.message)
            if not self.token and (found := TOKEN.search(content)):
                self.token = found["token"].decode()
            yield content
            if message.WhichOneof("type") == "script_finished":
                return
