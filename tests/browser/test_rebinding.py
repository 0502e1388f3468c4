"""Pages of strangers at the running app: a name that resolves to this machine, and a page of another port.

The server is `streamlit run app.py`; the other page comes from a server of its own.
"""

import http.client
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.driving import CHROMIUM, FLAGS, ROOT, serve

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
OPEN = """(host) => new Promise((done) => {
    const socket = new WebSocket(`ws://${host}/_stcore/stream`);
    socket.onopen = () => done("opened");
    socket.onclose = () => done("refused");
})"""


class OtherPage(BaseHTTPRequestHandler):
    """An empty page of another server on this machine."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>other</title>")

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def other_page() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), OtherPage)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Name and port of the running app."""
    with serve(ROOT / "app.py", tmp_path_factory.mktemp("home")) as url:
        yield urlsplit(url).netloc


def status(host: str, path: str, method: str = "GET", **headers: str) -> int:
    """What a request with exactly these headers is answered."""
    connection = http.client.HTTPConnection(host, timeout=30)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        return connection.getresponse().status
    finally:
        connection.close()


UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec_WebSocket_Version": "13",
    "Sec_WebSocket_Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


def test_rebound_names_and_other_ports_are_refused_on_every_route(host: str) -> None:
    strangers = [
        {"Host": "evil.test"},
        {"Host": f"evil.test:{host.partition(':')[2]}"},
        {"Host": "evil.test", "Origin": "http://evil.test"},
        {"Host": host, "Origin": "http://evil.test"},
        {"Host": host, "Origin": "http://127.0.0.1:1"},
        {"Host": host, "Origin": "null"},
    ]
    for headers in strangers:
        assert status(host, "/_stcore/stream", **headers, **UPGRADE) == 403, headers
        assert status(host, "/ls/outbox/any", "POST", Content_Length="0", **headers) == 403, headers
        for path in ("/", "/explore", "/ls/pulse/any", "/_stcore/health", "/media/any"):
            assert status(host, path, **headers) == 403, (path, headers)
    assert status(host, "/_stcore/stream", Host=host, Origin=f"http://{host}", **UPGRADE) == 101
    assert status(host, "/_stcore/stream", Host=host, **UPGRADE) == 101, "curl names no origin"
    assert status(host, "/", Host=host) == 200
    with socket.create_connection((host.partition(":")[0], int(host.partition(":")[2])), timeout=30) as old:
        old.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert old.recv(64).split()[1] == b"403", "a request of HTTP/1.0 that names no host"


def test_a_browser_that_a_stranger_leads_here_gets_nothing(browser: Browser, host: str, other_page: str) -> None:
    rules = "--host-resolver-rules=MAP evil.test 127.0.0.1"
    led = browser.browser_type.launch(executable_path=str(CHROMIUM), args=[*FLAGS, rules])
    try:
        page = led.new_page()
        answer = page.goto(f"http://evil.test:{host.partition(':')[2]}/")
        assert answer is not None
        assert answer.status == 403
        expect(page.get_by_text("start it with LOOPSCOPE_HOSTS=evil.test")).to_be_visible()
        page.goto(other_page)
        assert page.evaluate(OPEN, host) == "refused"
        page.goto(f"http://{host}/")
        expect(page.get_by_role("heading", name="Library", exact=True)).to_be_visible(timeout=60_000)
        assert page.evaluate(OPEN, host) == "opened", "the app's own page is let in"
    finally:
        led.close()
