"""Whose projects a browser may see.

Conventions: an owner is "local" for whoever sits at this machine, else "browser:" and a key that this server gave to
one browser as a cookie and that nobody can guess. A request counts as local only where client and host name say so and
no proxy passed it on.
"""

import re
import secrets
from collections.abc import Callable
from pathlib import Path

import streamlit as st
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from loopscope.allowed_folders import allowed_roots, is_allowed, is_loopback
from loopscope.config import paths

LOCAL = "local"
COOKIE = "loopscope-browser"
YEAR_S = 366 * 24 * 3600
_KEY = re.compile(r"[A-Za-z0-9_-]{32,64}")
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")


def owner() -> str:
    """The owner of the session that runs this script."""
    context = st.context
    headers = {name.lower(): value for name, value in context.headers.items()}
    client = context.ip_address  # None stands for this machine
    if not headers or _is_local(headers, client is None or is_loopback(client)):
        return LOCAL
    key = context.cookies.get(COOKIE, "")
    return f"browser:{key if _KEY.fullmatch(key) else secrets.token_urlsafe(24)}"


def open_to(owner: str) -> Callable[[Path], bool]:
    """Says which folders may be read again that were opened before, or that an archive names: by the person at this
    machine any, by others only what the server allows them now, and what they uploaded."""
    if owner == LOCAL:
        return lambda folder: True
    address: str | None = st.get_option("server.address")
    roots = (*allowed_roots(address), paths().uploads, paths().demo)
    return lambda folder: is_allowed(folder, roots)


def _is_local(headers: "dict[str, str] | Headers", is_near: bool) -> bool:
    host = headers.get("host", "").rpartition(":")[0] or headers.get("host", "")
    return is_near and is_loopback(host) and not any(name in headers for name in _FORWARDED)


class BrowserKeys:
    """Gives every browser that comes over a network a key of its own, once."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on; the answer to a page brings the cookie where it is missing."""
        if scope["type"] != "http" or not _wants_key(HTTPConnection(scope)):
            await self._app(scope, receive, send)
            return

        async def send_with_key(message: Message) -> None:
            if message["type"] == "http.response.start":
                secure = "; Secure" if scope.get("scheme") == "https" else ""
                cookie = f"{COOKIE}={secrets.token_urlsafe(32)}; Max-Age={YEAR_S}; Path=/; HttpOnly; SameSite=Strict"
                MutableHeaders(scope=message).append("set-cookie", cookie + secure)
            await send(message)

        await self._app(scope, receive, send_with_key)


def _wants_key(request: HTTPConnection) -> bool:
    """Only pages: what they fetch beside each other must not bring different keys."""
    if "text/html" not in request.headers.get("accept", ""):
        return False
    near = request.client is not None and is_loopback(request.client.host)
    known = _KEY.fullmatch(request.cookies.get(COOKIE, ""))
    return not known and not _is_local(request.headers, near)
