"""Behind a real Caddy, as deploy/Caddyfile has it: a login, a sub-path, the websocket and everything below /ls/."""

import asyncio
import base64
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.browser.driving import free_port

ROOT = Path(__file__).resolve().parents[1]
CADDY = shutil.which("caddy")
LOGIN = "Basic " + base64.b64encode(b"producer:open sesame").decode()
START_S = 90

pytestmark = pytest.mark.skipif(CADDY is None, reason="caddy is not installed (apt install caddy)")


@contextmanager
def running(command: list[str], address: str, log: Path, **environment: str) -> Iterator[None]:
    """A server until the end of the block, once its address answers anything at all."""
    with log.open("wb") as output:
        variables = {**os.environ, **environment}
        server = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=output, stderr=subprocess.STDOUT)
    try:
        until = time.monotonic() + START_S
        while (status := status_of(address)) is None:
            assert server.poll() is None and time.monotonic() < until, log.read_text(errors="replace")[-2000:]
            time.sleep(0.2)
        assert status < 500
        yield
    finally:
        server.terminate()
        server.wait(20)


def status_of(address: str, **headers: str) -> int | None:
    try:
        with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=5) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code
    except OSError:
        return None


def body_of(address: str, **headers: str) -> str:
    asked = urllib.request.Request(address, headers={"Authorization": LOGIN, **headers})
    with urllib.request.urlopen(asked, timeout=10) as answer:
        content: bytes = answer.read()
        return content.decode()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the app through Caddy, below /loops/."""
    folder = tmp_path_factory.mktemp("proxy")
    app, caddy = free_port(), free_port()
    site, backend = f"http://127.0.0.1:{caddy}", f"127.0.0.1:{app}"
    made = subprocess.run([str(CADDY), "hash-password", "--plaintext", "open sesame"], capture_output=True, check=True)
    own = {"LOOPSCOPE_HOME": str(folder / "home"), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    here = own | {"LOOPSCOPE_SITE": site, "LOOPSCOPE_BACKEND": backend}
    here["LOOPSCOPE_PASSWORD_HASH"] = made.stdout.decode().strip()
    streamlit = [sys.executable, "-m", "streamlit", "run", "app.py", f"--server.port={app}", "--server.headless=true"]
    proxy = [str(CADDY), "run", "--config", str(ROOT / "deploy" / "Caddyfile"), "--adapter", "caddyfile"]
    health = f"http://{backend}/loops/_stcore/health"
    with (
        running([*streamlit, "--server.baseUrlPath=loops"], health, folder / "app.log", **own),
        running(proxy, f"{site}/loops/", folder / "caddy.log", **here),
    ):
        yield f"{site}/loops/"


def test_nothing_is_answered_without_the_login(site: str) -> None:
    for path in ("", "_stcore/health", "ls/assets/plotly.min.js", "static/x", "explore"):
        assert status_of(site + path) == 401, path


def test_pages_and_files_are_found_below_the_sub_path(site: str) -> None:
    page = body_of(site, Accept="text/html")
    assert body_of(f"{site}_stcore/health") == "ok"
    script = re.findall(r'src="(\./static/js/[^"]+)"', page)
    assert script, "the page names its own scripts relative to where it lies"
    assert len(body_of(site + script[0])) > 1000
    assert "Plotly" in body_of(f"{site}ls/assets/plotly.min.js")[:100_000]


def test_what_is_not_below_ls_is_not_the_start_page(site: str) -> None:
    assert status_of(f"{site}ls/audio/nobody/nothing", Authorization=LOGIN) == 404
    assert status_of(f"{site}ls/pulse/nobody", Authorization=LOGIN) == 404


def test_a_page_of_another_site_is_refused_through_the_proxy_too(site: str) -> None:
    own = site.removesuffix("/loops/")
    assert status_of(f"{site}_stcore/health", Authorization=LOGIN, Origin=own) == 200
    assert status_of(f"{site}_stcore/health", Authorization=LOGIN, Origin="https://evil.example") == 403


def test_the_websocket_opens_and_speaks_through_the_proxy(site: str) -> None:
    address = f"{site.replace('http', 'ws', 1)}_stcore/stream"

    async def first_message() -> object:
        headers = {"Authorization": LOGIN}
        origin = site.removesuffix("/loops/")
        async with connect(address, additional_headers=headers, origin=origin, subprotocols=["streamlit"]) as socket:
            await socket.send(rerun_message())
            return await asyncio.wait_for(socket.recv(), 30)

    assert asyncio.run(first_message())
    with pytest.raises(InvalidStatus):
        asyncio.run(refused(address))


async def refused(address: str) -> None:
    async with connect(address, additional_headers={"Authorization": LOGIN}, origin="https://evil.example"):
        pass


def rerun_message() -> bytes:
    """What Streamlit's front end says first."""
    from streamlit.proto.BackMsg_pb2 import BackMsg

    message = BackMsg()
    message.rerun_script.query_string = ""
    content: bytes = message.SerializeToString()
    return content
