"""Which requests are meant for this server: those that call it by its own name, from a page of its own.

A page of a stranger can have its own name resolve to 127.0.0.1 (DNS rebinding), and a page of another port of this
machine reaches the same address. Browsers say both: `Host` is the name that was asked for, `Origin` the page that asks.
An address in figures cannot be rebound, so every one is let in; of names, those of this machine and those the user
gave: `server.address` and `browser.serverAddress` of Streamlit's settings, and `LOOPSCOPE_HOSTS` (joined by commas).
"""

import ipaddress
import logging
import os
import re
import socket

import streamlit as st
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from loopscope.allowed_folders import is_loopback

log = logging.getLogger(__name__)

HOSTS_VARIABLE = "LOOPSCOPE_HOSTS"
_HOST = re.compile(r"(?P<name>[a-z0-9_.-]{1,253}|\[[0-9a-f:.]{2,45}\])(:(?P<port>[0-9]{1,5}))?")
_PORTS = {"http": 80, "https": 443}


class AllowedHosts:
    """Answers 403 and one sentence to what was meant for another host, or comes from a page of another origin."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._names = allowed_names()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, or refuses it; a websocket is refused before it is one."""
        reason = _refusal(Headers(scope=scope), self._names) if scope["type"] in ("http", "websocket") else ""
        if not reason:
            await self._app(scope, receive, send)
            return
        if scope["type"] == "websocket":
            log.info("refused: a websocket of another host or origin")
        await PlainTextResponse(reason, 403)(scope, receive, send)


def allowed_names() -> frozenset[str]:
    """The names in force, in lower case. On a network address those of the machine are among them."""
    given = os.environ.get(HOSTS_VARIABLE, "").replace(",", " ").split()
    address = st.get_option("server.address")
    configured = [str(name) for name in (address, st.get_option("browser.serverAddress")) if name]
    machine = socket.gethostname().partition(".")[0]
    own = [] if is_loopback(address) else [socket.gethostname(), machine, f"{machine}.local"]
    return frozenset(_split(name)[0] for name in ("localhost", *configured, *own, *given))


def is_own_origin(origin: str, host: str) -> bool:
    """Whether a page of `origin` was served by `host`: name and port are equal. The scheme may be that of a proxy."""
    scheme, _, asking = origin.lower().partition("://")
    usual = _PORTS.get(scheme)
    name, port = _split(asking)
    asked_name, asked_port = _split(host)
    return bool(usual and name) and (name, port or usual) == (asked_name, asked_port or usual)


def _refusal(headers: Headers, names: frozenset[str]) -> str:
    """Why a request is refused, empty where it is not."""
    hosts, origins = headers.getlist("host"), headers.getlist("origin")
    name = _split(hosts[0])[0] if len(hosts) == 1 else ""
    if not name:
        return "The request names no host; ask with one Host header, the server's own address."
    if not _is_address(name) and name not in names:
        return f"This server is not called {name}; if it is, start it with {HOSTS_VARIABLE}={name}."
    if not all(is_own_origin(origin, hosts[0]) for origin in origins):
        return "Only the app's own pages may ask this; behind a proxy, have it pass the Host header on."
    return ""


def _split(host: str) -> tuple[str, int | None]:
    """Name and port of a host; the name is empty where it is none."""
    found = _HOST.fullmatch(host.lower())
    if found is None:
        return "", None
    return found["name"].removesuffix("."), int(found["port"]) if found["port"] else None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
