"""The server hangs up on who keeps it waiting; told to stop, it is gone within seconds and leaves nothing behind."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.hostile.sounds import encoded, sine
from tests.hostile.stuck_app import LARGE_BYTES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
ROOT = Path(__file__).resolve().parents[2]
GONE_WITHIN_S = 5.0
N_FILES = 3000
UPGRADE = (
    "GET /_stcore/stream HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
CLIENTS = {
    "an unread answer": "GET /large/whole HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "an unread file": "GET /large/file HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "a websocket": UPGRADE,
    "a partial header": "GET / HTTP/1.1\r\nHost: {host}\r\nX-More: ",
    "a partial body": "POST /_stcore/upload_file/a/b HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000\r\n\r\nx",
    "a task": "GET /walk HTTP/1.1\r\nHost: {host}\r\n\r\n",
}


@dataclass(frozen=True)
class Running:
    """A server at work, and the folder that it writes to."""

    process: "subprocess.Popen[bytes]"
    port: int
    home: Path

    def stuck(self, request: str) -> socket.socket:
        """A client that says this and then neither reads nor writes."""
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", self.port))
        client.sendall(request.format(host=f"127.0.0.1:{self.port}").encode())
        return client

    def children(self) -> set[int]:
        """The processes that it has started, and those that they have."""
        found, waiting = set(), [self.process.pid]
        while waiting:
            for task in Path(f"/proc/{waiting.pop()}/task").glob("*/children"):
                with contextlib.suppress(OSError):
                    waiting.extend(map(int, task.read_text().split()))
            found.update(waiting)
        return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """So many loops that their scan takes seconds."""
    folder = tmp_path_factory.mktemp("loops")
    sound = encoded(sine(0.2))
    for number in range(N_FILES):
        (folder / f"{number}.wav").write_bytes(sound)
    return folder


@pytest.fixture
def running(tmp_path: Path, folder: Path) -> Iterator[Running]:
    large, home = tmp_path / "large.wav", tmp_path / "home"
    home.mkdir()
    with large.open("wb") as file:
        file.truncate(LARGE_BYTES)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = [f"--server.port={port}", "--server.headless=true"]
    variables = {"LOOPSCOPE_HOME": home, "PYTHONPATH": ROOT, "STUCK_FOLDER": folder, "STUCK_LARGE": large}
    with (home / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", str(Path(__file__).with_name("stuck_app.py")), *options],
            cwd=ROOT,
            env={**os.environ, **{name: str(value) for name, value in variables.items()}},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_until_up(process, port)
            yield Running(process, port, home)
        finally:
            process.kill()
            process.wait()


def wait_until_up(process: "subprocess.Popen[bytes]", port: int) -> None:
    until = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < until:
        with contextlib.suppress(OSError), urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5):
            return
        time.sleep(0.1)
    raise AssertionError("the server did not start")


@pytest.mark.parametrize(
    ("number", "kinds"),
    [
        (signal.SIGTERM, ["an unread answer"]),
        (signal.SIGTERM, ["an unread file"]),
        (signal.SIGTERM, ["a task"]),
        (signal.SIGTERM, ["a websocket", "a partial header", "a partial body"]),
        (signal.SIGTERM, CLIENTS),
        (signal.SIGINT, []),
        (signal.SIGINT, CLIENTS),
    ],
    ids=lambda value: value.name if isinstance(value, signal.Signals) else ", ".join(value) or "nobody",
)
def test_told_to_stop_the_server_is_gone_within_seconds(
    running: Running, number: signal.Signals, kinds: Collection[str]
) -> None:
    clients = [running.stuck(CLIENTS[kind]) for kind in kinds]
    time.sleep(0.5)  # until the server has heard them
    if "a task" in kinds:
        wait_for_children(running)
    children = running.children()
    told = time.monotonic()
    running.process.send_signal(number)
    running.process.wait(max(0.0, GONE_WITHIN_S - (time.monotonic() - told)))
    assert not [child for child in children if is_alive(child)]
    assert "Traceback" not in (running.home / "server.log").read_text()
    database = running.home / "data" / "loopscope.sqlite3"
    assert database.exists() == ("a task" in kinds)
    assert not database.with_name(f"{database.name}-wal").exists(), "the database was closed"
    for client in clients:
        client.close()


def wait_for_children(running: Running) -> None:
    until = time.monotonic() + 60
    while not running.children():
        assert time.monotonic() < until, "the walk started no process"
        time.sleep(0.02)


def is_alive(process_id: int) -> bool:
    """Whether a process runs; one that has ended and waits to be collected does not."""
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_running_server_hangs_up_on_a_header_that_does_not_end(running: Running) -> None:
    with running.stuck(CLIENTS["a partial header"]) as client:
        client.settimeout(60)
        assert client.recv(1) == b""
