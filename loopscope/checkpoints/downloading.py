"""One published file onto the disk: goes on after a cut or a stop, through proxies, from the hub or a mirror of it.

Conventions: what has arrived lies in a folder beside the kept weights whose name holds the content's digest where the
server gives it, else the address with what the server says of the file, so that bytes of two versions never meet; where
it says too little to tell them, a download starts anew. Proxies and certificates are those of the system's variables
(`HTTPS_PROXY`, `SSL_CERT_FILE` …), as everywhere in huggingface_hub. Whether the content is right is for others to say.
"""

import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from loopscope.checkpoints.published import Checkpoint
from loopscope.errors import WeightsError
from loopscope.progress import Progress, ProgressCallback

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # else it asks its own hub for more, before a mirror too

ASKING_S = 5.0
SILENCE_S = 20.0  # of a server that sends, before it is asked anew
ATTEMPTS, PAUSE_S = 4, 1.0  # without a byte in between
REPORT_S = 0.2
CONVERTED_BYTES = 400_000_000  # what is made of a checkpoint, at most
_UNTOLD = "untold"  # the folder of a download that cannot go on another time
_DIGEST = re.compile(r"[0-9a-f]{64}")


class NotWrittenError(WeightsError):
    """What was made of a file could not be written; nothing is wrong with the file."""


@dataclass(frozen=True)
class Remote:
    """What a server says of a file: its size in bytes, 0 where it does not say, and its tag, often empty.

    `is_mirror`: the user named the address, which gets no token of theirs.
    """

    address: str
    n_bytes: int
    tag: str
    is_mirror: bool

    @property
    def sha256(self) -> str:
        """The digest of the content, which hubs give as the tag of a large file; else empty."""
        return self.tag if _DIGEST.fullmatch(self.tag) else ""

    @property
    def identity(self) -> str:
        """Names this version of the file: equal for equal bytes alone; empty where nothing tells versions apart."""
        if not self.tag or not self.n_bytes:
            return ""
        named = f"{self.sha256 or f'{self.address} {self.tag}'} {self.n_bytes}"
        return hashlib.sha256(named.encode()).hexdigest()[:16]


def address_of(checkpoint: Checkpoint, mirror: str = "") -> str:
    """Where the file is: on the hub (`HF_ENDPOINT` names another), on a mirror of the hub, or at the mirror itself.

    `mirror` is an address that ends in the file's name, or the one before a hub's paths. Raises `WeightsError`.
    """
    from huggingface_hub import hf_hub_url

    if not mirror:
        return hf_hub_url(checkpoint.repository, checkpoint.filename)
    if not _is_address(mirror):
        raise WeightsError(f"{mirror!a:.200} is no address of a mirror; give one such as https://models.example.org.")
    if mirror.endswith(checkpoint.filename):
        return mirror
    return f"{mirror.rstrip('/')}/{checkpoint.repository}/resolve/main/{checkpoint.filename}"


def ask(address: str, is_mirror: bool = False, timeout: float = ASKING_S) -> Remote:
    """What the server says of the file, within `timeout` seconds. Raises OSError or the hub's HTTPError."""
    from huggingface_hub import get_hf_file_metadata

    # A request's time-out leaves name resolution out and starts anew at each redirect; the thread bounds the whole.
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="asking-hub")
    try:
        token = False if is_mirror else None
        said = pool.submit(get_hf_file_metadata, address, token=token, timeout=timeout).result(timeout=timeout)
    finally:
        pool.shutdown(wait=False)
    return Remote(address, said.size or 0, said.etag or "", is_mirror)


def bytes_here(checkpoint: Checkpoint) -> int:
    """How much lies on the disk of a download that was not finished and can go on."""
    parts = _folder(checkpoint).glob(f"*/{checkpoint.filename}")
    return max((_size(part) for part in parts if part.parent.name != _UNTOLD), default=0)


@contextmanager
def downloaded(checkpoint: Checkpoint, remote: Remote, on_progress: ProgressCallback) -> Iterator[Path]:
    """The whole file, for the time of the block, which raises `WeightsError` where its content is wrong.

    After the block all that arrived is removed, where this file is wrong it alone; whatever else interrupts leaves it
    for the next time, and what another server sent of it too, unless its room is needed. Raises `WeightsError` for too
    little room or a file of another size, and what `ask` raises.
    """
    folder = _folder(checkpoint) / (remote.identity or _UNTOLD)
    part = folder / checkpoint.filename
    if not remote.identity:
        part.unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    _make_room(checkpoint, remote, part)
    _persist(remote, part, on_progress)
    try:
        if remote.n_bytes and _size(part) != remote.n_bytes:
            raise WeightsError(
                f"{checkpoint.filename} arrived with {_size(part):,} bytes instead of {remote.n_bytes:,}; try again."
            )
        yield part
    except NotWrittenError:
        raise
    except WeightsError:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # what another server sent lies there
            folder.parent.rmdir()
        raise
    forget(checkpoint)


def forget(checkpoint: Checkpoint) -> None:
    """Remove what arrived: it is of no more use."""
    shutil.rmtree(_folder(checkpoint), ignore_errors=True)


@contextmanager
def alone(checkpoint: Checkpoint, on_progress: ProgressCallback) -> Iterator[None]:
    """Nobody else on this machine downloads the same weights; waits for who does."""
    checkpoint.stored.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(checkpoint.stored.with_suffix(".lock"))
    while True:
        try:
            lock.acquire(timeout=REPORT_S)
            break
        except Timeout:
            on_progress(Progress(f"Waiting for another download of {checkpoint.filename}", 0, 0))
    try:
        yield
    finally:
        lock.release()


def _persist(remote: Remote, part: Path, on_progress: ProgressCallback) -> None:
    """Asks again while bytes keep coming, and a few times while none do."""
    from huggingface_hub.errors import HfHubHTTPError, HTTPError  # type: ignore[attr-defined]

    attempts = ATTEMPTS
    while True:
        before = _size(part)
        try:
            _go_on(remote, part, on_progress)
            return
        except HfHubHTTPError:
            raise  # the server's own word
        except HTTPError:
            attempts = ATTEMPTS if _size(part) > before else attempts - 1
            if not attempts:
                raise
            on_progress(Progress("The connection was lost; trying again", _size(part), remote.n_bytes, unit="bytes"))
            time.sleep(PAUSE_S)


def _go_on(remote: Remote, part: Path, on_progress: ProgressCallback) -> None:
    """What is missing of the file; all of it where the server knows no ranges."""
    from huggingface_hub.utils import (  # type: ignore[attr-defined]
        build_hf_headers,
        get_session,
        hf_raise_for_status,
    )

    have = _size(part)
    if have and have == remote.n_bytes:
        return
    if remote.n_bytes and have > remote.n_bytes:
        part.unlink()
        have = 0
    headers = build_hf_headers(token=False if remote.is_mirror else None) | {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    with get_session().stream("GET", remote.address, headers=headers, timeout=SILENCE_S) as response:
        if response.status_code == 416:
            part.unlink()  # there is no such range: it was another file
        hf_raise_for_status(response)
        goes_on = response.status_code == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        with part.open("ab" if goes_on else "wb") as out:
            _pour(response.iter_raw(), out, have if goes_on else 0, remote, on_progress)


def _pour(pieces: Iterator[bytes], out: Any, have: int, remote: Remote, on_progress: ProgressCallback) -> None:
    stage = f"Downloading from {urlsplit(remote.address).hostname}"
    told = 0.0
    for piece in pieces:
        out.write(piece)
        have += len(piece)
        if time.monotonic() - told > REPORT_S:
            told = time.monotonic()
            on_progress(Progress(stage, have, remote.n_bytes, unit="bytes"))
    on_progress(Progress(stage, have, remote.n_bytes, unit="bytes"))


def _make_room(checkpoint: Checkpoint, remote: Remote, part: Path) -> None:
    """Where the disk has too little, what other servers sent goes; raises `WeightsError` where that is not enough."""
    needed = remote.n_bytes - _size(part) + CONVERTED_BYTES
    if needed > shutil.disk_usage(part.parent).free:
        for other in part.parent.parent.glob("*"):
            if other != part.parent:
                shutil.rmtree(other, ignore_errors=True)
    free = shutil.disk_usage(part.parent).free
    if needed > free:
        raise WeightsError(
            f"{checkpoint.filename} needs {needed / 1e6:,.0f} MB more in {checkpoint.stored.parent} and "
            f"{free / 1e6:,.0f} MB are free; make room there, then go on."
        )


def _folder(checkpoint: Checkpoint) -> Path:
    return checkpoint.stored.with_suffix(".part")


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0


def _is_address(text: str) -> bool:
    """Whether it is an address that can be asked, in plain ASCII."""
    try:
        found = urlsplit(text)
        return found.scheme in ("http", "https") and bool(found.hostname) and (found.port or 1) > 0 and text.isascii()
    except ValueError:
        return False
