"""The content security policy: strict about scripts, exact about websockets, deaf to what clients put into Host."""

import asyncio

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from loopscope.ui.server.headers import SecurityHeaders, content_security_policy

FIXED = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


def rules(host: str = "") -> dict[str, list[str]]:
    parts = (rule.split() for rule in content_security_policy(host).split("; "))
    return {name: sources for name, *sources in parts}


@pytest.mark.parametrize("host", ["studio.local:8501", "127.0.0.1:8501", "[::1]:8501"])
def test_websockets_to_the_page_s_own_host_alone_are_named(host: str) -> None:
    assert rules(host)["connect-src"] == ["'self'", "blob:", f"ws://{host}", f"wss://{host}"]


@pytest.mark.parametrize("host", ["", "*", "a b", "evil; script-src *", "a/b", "x" * 300, "a:123456", "ä.de"])
def test_what_is_no_host_does_not_reach_the_policy(host: str) -> None:
    assert rules(host) == rules()


def test_scripts_come_from_here_or_are_named_by_their_digest() -> None:
    sources = rules()["script-src"]
    assert "'unsafe-inline'" not in sources
    assert any(source.startswith("'sha256-") for source in sources)
    assert not any("*" in source or "http" in source for every in rules().values() for source in every)


def test_everything_else_comes_from_here_or_from_the_page_itself() -> None:
    found = rules()
    assert {source for source in found.pop("script-src") if not source.startswith("'sha256-")} == {
        "'self'",
        "blob:",
        "'unsafe-eval'",
    }
    assert found == {
        "default-src": ["'self'"],
        "style-src": ["'self'", "'unsafe-inline'"],
        "img-src": ["'self'", "data:", "blob:"],
        "font-src": ["'self'", "data:"],
        "media-src": ["'self'", "blob:"],
        "connect-src": ["'self'", "blob:"],
        "worker-src": ["'self'", "blob:"],
        "frame-src": ["'self'"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }


async def greet(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("hello")
    await websocket.close()


def refuse(request: Request) -> PlainTextResponse:
    return PlainTextResponse("no", int(request.query_params["status"]))


@pytest.fixture
def client() -> TestClient:
    routes = [Route("/{path:path}", refuse, methods=["GET", "POST"]), WebSocketRoute("/talk", greet)]
    return TestClient(Starlette(routes=routes, middleware=[Middleware(SecurityHeaders)]), base_url="http://studio:1")


@pytest.mark.parametrize("status", [200, 304, 404, 500])
def test_answers_of_every_kind_carry_the_headers_and_keep_their_own(client: TestClient, status: int) -> None:
    answer = client.get(f"/any?status={status}")
    assert {name: answer.headers[name] for name in FIXED} == FIXED
    assert answer.headers["content-security-policy"] == content_security_policy("studio:1")
    assert answer.headers["content-type"].startswith("text/plain") and answer.status_code == status
    with client.websocket_connect("ws://studio:1/talk") as websocket:
        assert websocket.receive_text() == "hello"


@pytest.mark.parametrize(
    ("path", "area"),
    [
        ("/ls/audio/SECRET/SECRET", "/ls/audio"),
        ("/ls/data/SECRET/v/points", "/ls/data"),
        ("/ls/assets/SECRET", "/ls/assets"),
        ("/ls/pulse/SECRET", "/ls/pulse"),
        ("/ls/outbox/SECRET", "/ls/outbox"),
        ("/ls/view/SECRET", "/ls/view"),
        ("/ls/file/SECRET/list", "/ls"),
        ("/media/SECRET", "/media"),
        ("/component/SECRET", "/component"),
        ("/static/SECRET", "/static"),
        ("/_stcore/SECRET", "/_stcore"),
        ("/base/ls/audio/SECRET", "/ls/audio"),
        ("/SECRET", "elsewhere"),
    ],
)
def test_what_is_refused_is_logged_by_its_area_alone(
    client: TestClient, path: str, area: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", logger="loopscope.ui.server.headers"):
        client.get(f"{path}?status=399")
        assert caplog.messages == []
        client.post(f"{path}?status=400")
    (said,) = caplog.messages
    assert f" {area}," in said and "POST" in said and "400" in said and "SECRET" not in said


def test_a_request_without_a_host_gets_the_policy_that_names_none() -> None:
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def note(message: Message) -> None:
        sent.append(message)

    asyncio.run(SecurityHeaders(app)({"type": "http", "headers": []}, None, note))  # type: ignore[arg-type]
    assert dict(sent[0]["headers"])[b"content-security-policy"].decode() == content_security_policy()
    assert content_security_policy() == content_security_policy("")
