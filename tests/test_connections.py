"""A header that does not end is hung up on; what is finished in time, however slowly, is answered."""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from loopscope.ui.server import connections
from loopscope.ui.server.connections import PunctualProtocol, bound_headers

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
HEADER_S = 0.5
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def talk(with_server: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Talk to a running server for as long as it takes, which is bounded."""
    monkeypatch.setattr(connections, "HEADER_S", HEADER_S)

    async def slow(request: object) -> PlainTextResponse:
        await asyncio.sleep(2 * HEADER_S)
        return PlainTextResponse("answered")

    async def run() -> None:
        app = Starlette(routes=[Route("/", slow, methods=["GET", "POST"])])
        server = uvicorn.Server(uvicorn.Config(app, port=0, http=PunctualProtocol, log_level="warning"))
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            await asyncio.wait_for(with_server(reader, writer), timeout=30)
        finally:
            writer.close()
            server.should_exit = True
            await serving

    asyncio.run(run())


@pytest.mark.parametrize("begun", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-More: "])
def test_a_header_that_does_not_end_is_hung_up_on(begun: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(begun)
        assert await reader.read() == b""

    talk(stall, monkeypatch)


def test_neither_drops_nor_a_finished_request_before_win_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(REQUEST)
        assert (await reader.readuntil(b"answered")).startswith(b"HTTP/1.1 200")
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-More: ")
        while not reader.at_eof():  # the end comes though something came all the time
            writer.write(b"x")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(reader.read(1), timeout=HEADER_S / 10)

    talk(drip, monkeypatch)


def test_answers_and_bodies_may_take_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def upload(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nx")
        await asyncio.sleep(2 * HEADER_S)
        writer.write(b"x")
        assert (await reader.readuntil(b"answered")).startswith(b"HTTP/1.1 200")

    talk(upload, monkeypatch)


def test_the_server_of_this_process_is_given_the_protocol_and_the_time_that_was_promised() -> None:
    server = uvicorn.Server(uvicorn.Config(Starlette()))
    before = signal.getsignal(signal.SIGTERM)
    try:
        bound_headers()  # nobody serves here, and nothing happens
        signal.signal(signal.SIGTERM, server.handle_exit)
        bound_headers()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert server.config.http_protocol_class is PunctualProtocol
    assert connections.HEADER_S == 10.0
