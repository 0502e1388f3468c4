"""Whom the server answers: what is meant for it by name, from its own pages; no rebound name, no other port."""

import asyncio
import socket
from collections.abc import Callable

import pytest
import streamlit as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from loopscope.ui.server import hosts
from loopscope.ui.server.hosts import HOSTS_VARIABLE, AllowedHosts, is_own_origin

Settings = Callable[..., None]
LISTENING = "127.0.0.1:8501"


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Sets what Streamlit says it listens on and is called."""
    monkeypatch.delenv(HOSTS_VARIABLE, raising=False)

    def say(address: str | None = "127.0.0.1", called: str = "localhost") -> None:
        said = {"server.address": address, "browser.serverAddress": called}
        monkeypatch.setattr(hosts.st, "get_option", lambda name: said[name])

    say()
    return say


async def greet(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("hello")
    await websocket.close()


def answer(request: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


def client(host: str) -> TestClient:
    routes = [Route("/ls/x", answer, methods=["GET", "POST"]), WebSocketRoute("/_stcore/stream", greet)]
    return TestClient(Starlette(routes=routes, middleware=[Middleware(AllowedHosts)]), base_url=f"http://{host}")


def outcomes(host: str, **headers: str) -> set[str]:
    """What a GET, a POST and a websocket are answered."""
    with client(host) as asking:
        said = {asking.get("/ls/x", headers=headers).text, asking.post("/ls/x", headers=headers).text}
        try:
            with asking.websocket_connect(f"ws://{host}/_stcore/stream", headers=headers) as websocket:
                said.add(websocket.receive_text())
        except WebSocketDenialResponse as refused:
            assert refused.status_code == 403
            said.add(refused.text)
        return said


@pytest.mark.parametrize("host", ["localhost:8501", LISTENING, "[::1]:8501", "LocalHost", "localhost.", "192.168.1.5"])
def test_names_of_this_machine_and_addresses_in_figures_are_answered(host: str) -> None:
    assert outcomes(host) == {"hello"}
    assert outcomes(host, origin=f"http://{host}") == {"hello"}


@pytest.mark.parametrize("host", ["evil.test:8501", "evil.test", "localhost.evil.test", "127.0.0.1.evil.test", "1"])
def test_a_name_that_was_made_to_lead_here_is_refused_in_one_sentence(host: str) -> None:
    for headers in ({}, {"origin": f"http://{host}"}):
        (reason,) = outcomes(host, **headers)
        assert reason.count(".") == host.partition(":")[0].count(".") * 2 + 1
        assert f"{HOSTS_VARIABLE}={host.partition(':')[0]}" in reason


@pytest.mark.parametrize(
    "origin",
    [
        "http://127.0.0.1:9999",
        "http://127.0.0.1",
        "http://localhost:8501",
        "http://evil.test:8501",
        "http://evil.test",
        "null",
        "",
        "file://",
        "http://evil.test@127.0.0.1:8501",
        "http://127.0.0.1:8501.evil.test",
    ],
)
def test_a_page_of_another_host_or_port_is_refused(origin: str) -> None:
    (reason,) = outcomes(LISTENING, origin=origin)
    assert "own pages" in reason


@pytest.mark.parametrize("host", ["", "a b", "localhost/x", "evil.test@localhost", "[::1", "localhost:x", "localhost:"])
def test_what_is_no_host_is_refused(host: str) -> None:
    with client(LISTENING) as asking:
        assert asking.get("/ls/x", headers={"host": host}).status_code == 403


def test_two_hosts_are_none() -> None:
    with client(LISTENING) as asking:
        answer = asking.get("/ls/x", headers=[("Host", LISTENING), ("Host", LISTENING)])
    assert (answer.status_code, "one Host header" in answer.text) == (403, True)


def test_what_is_neither_a_request_nor_a_websocket_passes() -> None:
    heard: list[object] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        heard.append(scope["type"])

    asyncio.run(AllowedHosts(app)({"type": "lifespan"}, None, None))  # type: ignore[arg-type]
    assert heard == ["lifespan"]


def test_a_refused_websocket_is_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="loopscope.ui.server.hosts"):
        outcomes("evil.test")
    assert [("websocket" in said, "evil" in said) for said in caplog.messages] == [(True, False)]


def test_the_user_names_more_hosts(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    assert hosts.allowed_names() == {"localhost", "127.0.0.1"}
    monkeypatch.setenv("LOOPSCOPE_HOSTS", "Loops.example.org, studio.lan:8501")
    settings(called="music.example.org")
    for host in ("loops.example.org", "studio.lan:8501", "music.example.org"):
        assert outcomes(host, origin=f"https://{host}") == {"hello"}
    assert "hello" not in outcomes("example.org")


@pytest.mark.parametrize("address", [None, "0.0.0.0", "::"])
def test_on_a_network_the_machine_s_own_names_are_answered(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, address: str | None
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "Studio.example.org")
    names = ("studio", "studio.local", "studio.example.org")
    settings(address)
    assert all(outcomes(name) == {"hello"} for name in names)
    assert "hello" not in outcomes("evil.test")
    settings("127.0.0.1")
    assert not any("hello" in outcomes(name) for name in names), "none leads to the loopback address but by a trick"


@pytest.mark.parametrize(
    ("origin", "host", "expected"),
    [
        ("https://studio.lan", "studio.lan", True),  # a proxy that adds https
        ("https://studio.lan", "studio.lan:443", True),
        ("http://studio.lan", "studio.lan:80", True),
        ("https://studio.lan", "studio.lan:80", False),
        ("http://studio.lan:81", "studio.lan", False),
        ("ftp://studio.lan", "studio.lan", False),
        ("http://[::1]:8501", "[::1]:8501", True),
        ("http://", "", False),
        ("HTTP://Studio.lan", "sTUDIO.lan", True),
        ("http://studio.lan://studio.lan", "studio.lan", False),
        ("http://studio.lan:8501", "studio.lan:8502", False),
    ],
)
def test_an_origin_is_own_by_name_and_port(origin: str, host: str, expected: bool) -> None:
    assert is_own_origin(origin, host) is expected


def test_the_settings_that_are_asked_for_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert "localhost" in hosts.allowed_names()
    assert st.get_option("server.address") == "127.0.0.1"
