"""Who may look, and who may write: the middleware before every page and websocket.

The token of `--allow-write` comes in the address that is printed. It is moved into a cookie at
once, so that no link that is copied from the address bar carries it.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl, quote, urlencode

from starlette.middleware import Middleware

from harness.delivery.service.hosts import App, Hosts, KnownHosts, Receive, Scope, Send, refuse

TOKEN = "HARNESS_TOKEN"
"""The variable that holds the token; without one nobody may write."""
HOST, NAMES = "HARNESS_HOST", "HARNESS_ALLOWED_HOSTS"
FIELD, COOKIE = "token", "harness-write"
METHODS = ("GET", "HEAD")
"""No view needs another one: what is written comes by websocket."""


def middleware() -> list[Middleware]:
    """Return what stands before the views, the outermost first."""
    names = [name for name in os.environ.get(NAMES, "").split(",") if name]
    hosts = Hosts.of(os.environ.get(HOST, "127.0.0.1"), names)
    return [Middleware(KnownHosts, hosts=hosts), Middleware(TokenToCookie)]


def may_write(cookies: Mapping[str, str]) -> bool:
    """Return whether a visitor has shown the token that `--allow-write` printed."""
    shown = [value for name, value in cookies.items() if name.startswith(COOKIE)]
    return _has_token(shown)


def _has_token(shown: Iterable[str]) -> bool:
    token = os.environ.get(TOKEN, "").encode()
    return bool(token) and any(secrets.compare_digest(each.encode(), token) for each in shown)


class TokenToCookie:
    """Let a visitor in who brings the token: into a cookie with it, and on without it."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        if scope["method"] not in METHODS:
            return await refuse(send, 405, "this server only shows")
        fields = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        shown = [value for name, value in fields if name == FIELD]
        if not shown:
            return await self.app(scope, receive, send)
        if not _has_token(shown):
            return await refuse(send, 403, "this is not the token that the server printed")
        left = urlencode([field for field in fields if field[0] != FIELD])
        await _move_on(send, f"{quote(scope['path'])}{'?' if left else ''}{left}", scope)


async def _move_on(send: Send, address: str, scope: Scope) -> None:
    # Two servers on one machine share cookies, so the name of each holds its port.
    cookie = f"{COOKIE}-{scope['server'][1]}={os.environ[TOKEN]}; HttpOnly; SameSite=Strict; Path=/"
    inside = f"/{address.lstrip('/')}"  # `//name` would be another server's address
    headers = [
        (b"location", inside.encode()),
        (b"set-cookie", cookie.encode()),
        (b"cache-control", b"no-store"),
        (b"referrer-policy", b"no-referrer"),
    ]
    await send({"type": "http.response.start", "status": 303, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
