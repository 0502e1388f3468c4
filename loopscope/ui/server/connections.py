"""How long a connection may take to say what it wants: uvicorn waits for the end of a request's header without end.

Each connection that is held open so costs a descriptor; a thousand of them and nobody else gets in.
"""

import asyncio
import signal

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_S = 10.0  # from the connection, or the first byte of a further request, to the end of the header


class PunctualProtocol(H11Protocol):
    """uvicorn's protocol, which hangs up on whoever has not finished a header in time."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The time runs."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """The time runs on, whatever comes, until the header is whole."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._forget()
        super().connection_lost(exc)

    def _watch(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._forget()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(HEADER_S, self.transport.close)

    def _forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def bound_headers() -> None:
    """Give the uvicorn that runs this process that protocol, before it listens.

    Streamlit starts it and passes no settings on; it is found as the one who listens to SIGTERM.
    """
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    if isinstance(server, uvicorn.Server):
        server.config.http_protocol_class = PunctualProtocol
