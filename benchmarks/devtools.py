"""One page in a Chromium of its own, over the DevTools protocol alone.

Playwright keeps the bodies of all responses for its network log, up to about 150 MiB in the page's own process, and so
hides what the page itself keeps.
"""

import contextlib
import json
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.browser.driving import CHROMIUM, FLAGS


class DevTools:
    """Commands to one page and to its browser."""

    def __init__(self, page: ClientConnection, browser: ClientConnection) -> None:
        self._page, self._browser, self._serial = page, browser, 0

    def send(self, method: str, *, browser: bool = False, **parameters: Any) -> Any:
        """The result of one command; events are passed over."""
        self._serial += 1
        socket = self._browser if browser else self._page
        socket.send(json.dumps({"id": self._serial, "method": method, "params": parameters}))
        while True:
            answer = json.loads(socket.recv(timeout=60))
            if answer.get("id") == self._serial:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]

    def evaluate(self, expression: str) -> Any:
        result = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        return result["result"].get("value")

    def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key)

    def resident_mib(self) -> float:
        """Resident memory of the page's process after a garbage collection."""
        for _ in range(3):
            self.send("HeapProfiler.collectGarbage")
            time.sleep(1.0)
        processes = self.send("SystemInfo.getProcessInfo", browser=True)["processInfo"]
        renderers = [process["id"] for process in processes if process["type"] == "renderer"]
        statuses = [Path(f"/proc/{pid}/status").read_text(encoding="ascii") for pid in renderers]
        return max(int(status.split("VmRSS:")[1].split()[0]) / 1024 for status in statuses)


@contextlib.contextmanager
def chromium_at(url: str) -> Iterator[DevTools]:
    """A fresh headless Chromium that shows one page; ends with the block."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = [
            "--headless=new",
            "--remote-debugging-port=0",
            f"--user-data-dir={profile}",
            "--window-size=1440,1000",
        ]
        process = subprocess.Popen(
            [CHROMIUM, *FLAGS, *options, url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            port = _port(Path(profile) / "DevToolsActivePort")
            page = next(target for target in _ask(port, "list") if target["type"] == "page")
            browser = _ask(port, "version")
            address = "webSocketDebuggerUrl"
            with connect(page[address], max_size=None) as one, connect(browser[address], max_size=None) as other:
                yield DevTools(one, other)
        finally:
            process.terminate()
            process.wait(timeout=20)


def _port(file: Path) -> int:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if file.exists() and (text := file.read_text(encoding="ascii")):
            return int(text.splitlines()[0])
        time.sleep(0.1)
    raise RuntimeError("Chromium did not open its DevTools port within 60 s")


def _ask(port: int, what: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/{what}", timeout=20) as answer:
        return json.load(answer)
