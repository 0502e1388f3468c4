"""A stand-in for the model hub on this machine, and files like those it has."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from loopscope.checkpoints import CLAP_FUSION, Checkpoint, downloading


def tensors(checkpoint: Checkpoint, prefix: str, seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    own = {f"{prefix}{name}": torch.randn(shape, generator=generator) for name, shape in checkpoint.signature.items()}
    return {**own, "module.text_branch.weight": torch.zeros(50, 50), "module.logit_scale_a": torch.zeros(())}


def published_file(path: Path, checkpoint: Checkpoint = CLAP_FUSION, **rest: Any) -> Path:
    torch.save({"state_dict": tensors(checkpoint, checkpoint.prefix), "epoch": 45, **rest}, path)
    return path


class Hub(BaseHTTPRequestHandler):
    """As much of a model hub, or of a proxy before it, as one file needs: size, tag, commit, ranges of its bytes."""

    address = ""
    content = b""
    tag = "0123456789abcdef"
    requests: ClassVar[list[tuple[str, str, str]]] = []  # method, path, range
    breaks_after: int | None = None
    may_end: ClassVar[threading.Event | None] = None  # what comes after the first half waits for it
    knows_ranges = True

    def do_HEAD(self) -> None:
        self._answer(send=False)

    def do_GET(self) -> None:
        self._answer(send=True)

    def _answer(self, send: bool) -> None:
        wanted = self.headers.get("Range", "")
        if not self.path.endswith(".pt"):  # huggingface_hub asks more of its own hub where it thinks an agent runs it
            self.send_error(404)
            return
        type(self).requests.append((self.command, self.path, wanted))
        ranged = bool(wanted) and self.knows_ranges
        start = int(wanted.removeprefix("bytes=").split("-")[0]) if ranged else 0
        part = self.content[start:]
        self.send_response(206 if ranged else 200)
        self.send_header("Content-Length", str(len(part)))
        if ranged:
            self.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        self.send_header("ETag", f'"{self.tag}"')
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("Accept-Ranges", "bytes" if self.knows_ranges else "none")
        self.end_headers()
        if send:
            limit, type(self).breaks_after = self.breaks_after, None
            with suppress(ConnectionError):  # who asked went away
                if self.may_end is not None:
                    self.wfile.write(part[: len(part) // 2])
                    self.may_end.wait(120)
                    part = part[len(part) // 2 :]
                self.wfile.write(part[:limit])

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def asked_for(hub: type[Hub]) -> list[str]:
    """The ranges of what was downloaded; empty for the whole."""
    return [wanted for method, _, wanted in hub.requests if method == "GET"]


@contextmanager
def running_hub(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[type[Hub]]:
    """The hub that huggingface_hub asks from now on; it has one checkpoint of 12 MB, whatever it is asked for."""
    from huggingface_hub import constants

    class OwnHub(Hub):
        content = published_file(folder / "published.pt", padding=torch.zeros(3_000_000)).read_bytes()
        requests: ClassVar[list[tuple[str, str, str]]] = []

    server = ThreadingHTTPServer(("127.0.0.1", 0), OwnHub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    OwnHub.address = address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder / "hub"))
    monkeypatch.setattr(downloading, "PAUSE_S", 0.0)
    try:
        yield OwnHub
    finally:
        server.shutdown()
        server.server_close()
