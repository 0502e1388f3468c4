"""What the browser fetches beside Streamlit's own traffic: sound, arrays and the explorer's files, all below `/ls/`.

Conventions: GET (and HEAD) only; what is posted is in `messages`, what is uploaded in `upload_routes`. A session is
named by an unguessable token and sees only what was published under it; loops are named by loop_id, never by a path.
Whatever is unknown answers 404 without saying which part was unknown. Blobs are kept gzipped, because they are sent as
they are to every browser.

Streamlit adds no login, CORS or XSRF checks to an app's own routes, and does not put `server.baseUrlPath` before them.
"""

import functools
import gzip
import hashlib
import os
from collections.abc import Mapping
from contextlib import ExitStack
from io import FileIO
from pathlib import Path
from urllib.parse import quote

import plotly
import streamlit as st
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Receive, Scope, Send

from loopscope import audio, config
from loopscope.audio import loudness
from loopscope.errors import AudioError
from loopscope.ui.server import messages, upload_routes
from loopscope.ui.server.published import MediaRegistry, media_registry, session_token
from loopscope.user_files import UserFile, path_to_open

__all__ = [
    "ASSETS_FOLDER",
    "MediaRegistry",
    "assets_address",
    "media_registry",
    "plotly_address",
    "routes",
    "session_token",
]

ASSETS_FOLDER = config.app_folder() / "assets" / "explorer"
_ASSET_TYPES = {".js": "text/javascript", ".css": "text/css"}
_FOREVER = "private, max-age=31536000, immutable"  # for addresses that carry a version or a content hash
_CONDITIONS = StaticFiles()  # serves nothing: asked only whether what a browser holds is still the same


def routes() -> list[Route]:
    """The routes to hand to `st.App(..., routes=routes())`."""
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    prefix = f"/{base}/ls" if base else "/ls"
    return [
        Route(f"{prefix}/audio/{{token}}/{{loop_id}}", _audio),
        Route(f"{prefix}/data/{{token}}/{{version}}/{{name}}", _data),
        Route(f"{prefix}/file/{{token}}/{{slot}}", _file),
        *messages.routes(prefix),
        *upload_routes.routes(prefix),
        Route(f"{prefix}/assets/plotly.min.js", _plotly),
        Route(f"{prefix}/assets/explorer/{{build}}/{{name}}", _asset),
        # Else Streamlit answers with its start page.
        Route(f"{prefix}/{{rest:path}}", lambda request: _not_found()),
    ]


class OpenFileResponse(FileResponse):
    """Sends an open file, whole or in ranges, whatever lies at its path by now; closes it, whatever happens."""

    def __init__(self, file: FileIO, status: os.stat_result, mime: str, headers: Mapping[str, str]) -> None:
        self._file = file
        super().__init__(path_to_open(file), media_type=mime, headers=headers, stat_result=status)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        with self._file:
            await super().__call__(scope, receive, send)


# The endpoints are plain functions, so Starlette runs them on its worker threads and never blocks the event loop.


def _audio(request: Request) -> Response:
    asked = request.path_params["token"], request.path_params["loop_id"]
    try:
        sound = media_registry().sound(*asked)
    except AudioError as error:
        return PlainTextResponse(str(error), status_code=410)
    if sound is None:
        reason = media_registry().silence(*asked)
        return PlainTextResponse(reason, status_code=410) if reason else _not_found()
    try:
        with ExitStack() as stack:
            file, mime = audio.playable(sound, config.paths().transcoded, request.path_params["loop_id"])
            stack.enter_context(file)
            status = os.fstat(file.fileno())
            measured = _loudness(sound, status.st_mtime_ns, status.st_size)
            headers = {"Cache-Control": "private, max-age=600", **_loudness_headers(measured)}
            whole = OpenFileResponse(file, status, mime, headers)
            answer = _unless_held(request, whole)
            if answer is whole:
                stack.pop_all()
            return answer
    except audio.TransientAudioError:
        return _not_found()
    except AudioError:
        return PlainTextResponse("This loop cannot be decoded.", status_code=415)


def _data(request: Request) -> Response:
    blob = media_registry().blob(*(request.path_params[name] for name in ("token", "version", "name")))
    if blob is None:
        return _not_found()
    return _send_gzipped(request, blob, "application/octet-stream")


def _file(request: Request) -> Response:
    published = media_registry().file(request.path_params["token"], request.path_params["slot"])
    if published is None:
        return _not_found()
    name, mime, make = published
    disposition = f"attachment; filename*=UTF-8''{quote(name)}"
    headers = {"Cache-Control": "no-store", "Content-Disposition": disposition}
    return Response(b"" if request.method == "HEAD" else make(), media_type=mime, headers=headers)


def _plotly(request: Request) -> Response:
    return _send_gzipped(request, _plotly_gzipped(), "text/javascript")


def _asset(request: Request) -> Response:
    name = request.path_params["name"]
    assets = _assets_gzipped()
    if name not in assets:
        return _not_found()
    return _send_gzipped(request, assets[name], _ASSET_TYPES[Path(name).suffix])


def _not_found() -> Response:
    return PlainTextResponse("Not found", status_code=404)


def _unless_held(request: Request, response: Response) -> Response:
    """The response, or 304 without a body where the browser says that it holds just this; needs an ETag header."""
    if _CONDITIONS.is_not_modified(response.headers, request.headers):
        return NotModifiedResponse(response.headers)
    return response


def _send_gzipped(request: Request, body: bytes, media_type: str) -> Response:
    """Send bytes that were compressed once; Streamlit's own middleware would compress them at every request."""
    etag = f'"{body[-8:].hex()}"'  # a gzip file ends with the CRC-32 and the size of what it holds
    headers = {"ETag": etag, "Cache-Control": _FOREVER, "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
    else:
        body = gzip.decompress(body)
    return _unless_held(request, Response(body, media_type=media_type, headers=headers))


@functools.lru_cache(maxsize=1)
def _plotly_gzipped() -> bytes:
    source = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
    return gzip.compress(source.read_bytes(), compresslevel=6)


def plotly_address() -> str:
    """Address of plotly.js below the app's base address; changes with the installed version."""
    return f"ls/assets/plotly.min.js?v={plotly.__version__}"


@functools.lru_cache(maxsize=1)
def _assets_gzipped() -> Mapping[str, bytes]:
    files = sorted(path for path in ASSETS_FOLDER.iterdir() if path.suffix in _ASSET_TYPES)
    return {path.name: gzip.compress(path.read_bytes(), compresslevel=6, mtime=0) for path in files}


@functools.lru_cache(maxsize=1)
def assets_address() -> str:
    """Folder address of the explorer's modules below the app's base address; changes with their content."""
    digest = hashlib.sha256(b"".join(_assets_gzipped().values())).hexdigest()[:16]
    return f"ls/assets/explorer/{digest}"


@functools.lru_cache(maxsize=100_000)
def _loudness(sound: UserFile, mtime_ns: int, size_bytes: int) -> loudness.Loudness:
    """Measured once per file content; the two numbers are there to tell contents apart."""
    return loudness.measure_file(sound)


def _loudness_headers(measured: loudness.Loudness) -> dict[str, str]:
    values = {"X-Loudness-LUFS": measured.lufs, "X-Peak-dBFS": measured.peak_dbfs}
    return {name: f"{value:.2f}" for name, value in values.items() if value is not None}
