"""Who may call a server by which name, and from which page.

A page of the internet can point its own name at this machine and then talk to a server here as if
it were its own (DNS rebinding). Its requests still carry its name in `Host`, and a browser says in
`Origin` and `Sec-Fetch-Site` where a request comes from. An address in place of a name cannot be
pointed elsewhere, so it is enough where a server listens to more than this machine.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_NETLOC = re.compile(r"(?:\[(?P<six>[0-9a-f:.]+)\]|(?P<name>[^\s:@/?#\[\]]+))(?::\d{1,5})?", re.I)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class Hosts:
    """The names that a server answers to."""

    names: frozenset[str]
    proxies: frozenset[str] = frozenset()
    """Names that were given: a proxy may pass on pages of theirs under one of ours."""
    addresses: bool = False
    """Whether it also answers to any IP address."""

    @classmethod
    def of(cls, listens: str, more: Sequence[str] = ()) -> Hosts:
        """Return the names of a server that listens at an address; `more` are a proxy's."""
        proxies = frozenset(name.lower() for name in more)
        names = LOOPBACK | proxies
        if listens in LOOPBACK:
            return cls(names, proxies)
        own = {listens.lower(), socket.gethostname().lower()}
        return cls(names | own, proxies, addresses=True)

    def know(self, netloc: str) -> bool:
        """Return whether a name, with a port or without, is one of the server's."""
        name = _name(netloc)
        return name in self.names or (self.addresses and _is_address(name))

    def refusal(self, headers: Sequence[tuple[bytes, bytes]]) -> tuple[int, str] | None:
        """Return the code and the reason why a request is refused; None where it is answered."""
        found = [(name.lower(), value.decode("latin-1")) for name, value in headers]
        hosts = [value for name, value in found if name == b"host"]
        if len(hosts) != 1 or not self.know(hosts[0]):
            return 400, "this server has another name (--allow-host names one more)"
        for name, value in found:
            if name == b"origin" and not self._is_own(value, hosts[0]):
                return 403, "this request comes from another page"
        said = {name: value.strip().lower() for name, value in found}
        foreign = said.get(b"sec-fetch-site") == "cross-site"
        if foreign and said.get(b"sec-fetch-mode") != "navigate":
            return 403, "this request comes from another page"
        return None

    def _is_own(self, origin: str, host: str) -> bool:
        """Return whether an origin is the server itself, perhaps by the name of its proxy."""
        scheme, _, netloc = origin.partition("://")
        if scheme not in ("http", "https"):
            return False
        return netloc.lower() == host.lower() or _name(netloc) in self.proxies


def _name(netloc: str) -> str:
    """Return the name without its port; nothing where this is not a name with a port."""
    found = _NETLOC.fullmatch(netloc)
    return (found["six"] or found["name"]).lower().rstrip(".") if found else ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class KnownHosts:
    """Let only requests through that call the server by its name, from its own pages."""

    def __init__(self, app: App, hosts: Hosts) -> None:
        self.app, self.hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = None
        if scope["type"] in ("http", "websocket"):
            refused = self.hosts.refusal(scope["headers"])
        if refused is None:
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await refuse(send, *refused)


async def refuse(send: Send, code: int, reason: str) -> None:
    """Answer a request with one line."""
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": code, "headers": headers})
    await send({"type": "http.response.body", "body": f"{reason}\n".encode()})
