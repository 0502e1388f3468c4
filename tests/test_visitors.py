"""Whose projects a browser may see: who counts as sitting at this machine, and the key of every other browser."""

from collections.abc import Mapping

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from loopscope.ui.server import visitors
from loopscope.ui.server.visitors import COOKIE, LOCAL, BrowserKeys, owner

PAGE = {"accept": "text/html,application/xhtml+xml"}


def client(address: str = "192.168.1.7", host: str = "studio.test") -> TestClient:
    routes = [Route("/", lambda request: HTMLResponse("page")), Route("/file", lambda request: PlainTextResponse("."))]
    app = Starlette(routes=routes, middleware=[Middleware(BrowserKeys)])
    return TestClient(app, base_url=f"http://{host}", client=(address, 5000))


def test_a_browser_on_the_network_gets_a_key_once_that_no_script_can_read() -> None:
    browser = client()
    first = browser.get("/", headers=PAGE)
    cookie = first.headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    assert {"HttpOnly", "SameSite=Strict"} <= {part.strip() for part in cookie.split(";")}
    assert len(browser.cookies[COOKIE]) >= 32
    assert "set-cookie" not in browser.get("/", headers=PAGE).headers, "a known browser keeps its key"
    assert client().get("/", headers=PAGE).headers["set-cookie"] != cookie


def test_what_a_page_fetches_beside_it_brings_no_other_key() -> None:
    assert "set-cookie" not in client().get("/file", headers={"accept": "*/*"}).headers


def test_a_key_that_is_none_of_ours_is_replaced() -> None:
    answer = client().get("/", headers={**PAGE, "cookie": f"{COOKIE}=admin"})
    assert "set-cookie" in answer.headers


def test_this_machine_gets_no_key() -> None:
    assert "set-cookie" not in client("127.0.0.1", "localhost:8501").get("/", headers=PAGE).headers


class Context:
    """What Streamlit says of a session."""

    def __init__(self, headers: Mapping[str, str], address: str | None, cookies: Mapping[str, str]) -> None:
        self.headers, self.ip_address, self.cookies = headers, address, cookies


KEY = "k" * 43


@pytest.mark.parametrize(
    ("host", "address", "more", "expected"),
    [
        ("localhost:8501", None, {}, LOCAL),
        ("127.0.0.1:8501", "127.0.0.1", {}, LOCAL),
        ("[::1]:8501", None, {}, LOCAL),
        ("studio.test", "192.168.1.7", {}, f"browser:{KEY}"),
        ("studio.test", None, {}, f"browser:{KEY}"),  # a proxy on this machine
        ("localhost:8501", "192.168.1.7", {}, f"browser:{KEY}"),  # a name that lies
        ("localhost:8501", None, {"X-Forwarded-For": "192.168.1.7"}, f"browser:{KEY}"),
        ("evil.test:8501", None, {}, f"browser:{KEY}"),
    ],
)
def test_only_who_sits_at_this_machine_is_local(
    monkeypatch: pytest.MonkeyPatch, host: str, address: str | None, more: dict[str, str], expected: str
) -> None:
    context = Context({"Host": host, **more}, address, {COOKIE: KEY})
    monkeypatch.setattr(visitors.st, "context", context)
    assert owner() == expected


def test_a_browser_without_a_key_owns_what_nobody_else_can_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for cookies in ({}, {COOKIE: "local"}, {COOKIE: "../../etc"}):
        monkeypatch.setattr(visitors.st, "context", Context({"Host": "studio.test"}, "192.168.1.7", cookies))
        owners = {owner() for _ in range(3)}
        assert len(owners) == 3 and all(one.startswith("browser:") and len(one) > 30 for one in owners)
