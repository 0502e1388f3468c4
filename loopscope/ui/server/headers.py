"""What every answer of the server carries for the browser's own protection, and the log of what was refused.

Conventions: a pure ASGI layer around all routes, Streamlit's too; bodies and websockets pass untouched. The policy is
the strictest under which the front end works, which cannot do without inline styles (Streamlit's CSS comes from
JavaScript), `blob:` scripts (how Streamlit starts a component's module) and `unsafe-eval` (Plotly's WebGL points write
their drawing functions as text). A script that gets into the page still does not run: of inline scripts only those of
the installed `index.html` do, named by their digests. Addresses never reach the log: they carry session tokens.
"""

import base64
import functools
import hashlib
import logging
import re
from pathlib import Path

import streamlit
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)

_INLINE_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")
_AREAS = (
    "/ls/audio",
    "/ls/data",
    "/ls/assets",
    "/ls/pulse",
    "/ls/outbox",
    "/ls/view",
    "/ls",
    "/media",
    "/component",
    "/static",
    "/_stcore",
)
_FIXED = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",  # addresses below /ls carry the session's token
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


@functools.lru_cache(maxsize=64)
def content_security_policy(host: str = "") -> str:
    """The policy for the installed Streamlit, as the value of the header.

    `host` is that of the request (name or address, with port): older Safari does not count a websocket to the page's
    own host as 'self'. What is no host is left out.
    """
    sockets = (f"ws://{host}", f"wss://{host}") if _HOST.fullmatch(host) else ()
    rules = {
        "default-src": ("'self'",),
        "script-src": ("'self'", "blob:", "'unsafe-eval'", *_inline_scripts()),
        "style-src": ("'self'", "'unsafe-inline'"),
        "img-src": ("'self'", "data:", "blob:"),
        "font-src": ("'self'", "data:"),
        "media-src": ("'self'", "blob:"),
        "connect-src": ("'self'", "blob:", *sockets),
        "worker-src": ("'self'", "blob:"),
        "frame-src": ("'self'",),
        "object-src": ("'none'",),
        "base-uri": ("'none'",),
        "form-action": ("'self'",),
        "frame-ancestors": ("'none'",),
    }
    return "; ".join(f"{name} {' '.join(sources)}" for name, sources in rules.items())


def _inline_scripts() -> list[str]:
    """The digests of the scripts written out in Streamlit's own page."""
    page = (Path(streamlit.__file__).parent / "static" / "index.html").read_bytes()
    digests = [hashlib.sha256(script).digest() for script in _INLINE_SCRIPT.findall(page)]
    return [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]


class SecurityHeaders:
    """Adds the headers to every HTTP answer and logs those that refuse: method, status and area, no address."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                host = Headers(scope=scope).get("host", "")
                headers.update({**_FIXED, "Content-Security-Policy": content_security_policy(host)})
                if message["status"] >= 400:
                    log.info("refused: %s in %s, status %d", scope["method"], _area(scope), message["status"])
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _area(scope: Scope) -> str:
    """Which part of the server was asked, without anything the client chose."""
    path = str(scope.get("path", ""))
    return next((area for area in _AREAS if f"{area}/" in path), "elsewhere")
