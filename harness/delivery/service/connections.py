"""How many connections a server holds, and how long a client may take with each.

uvicorn waits for good for a request that is never sent whole. A few hundred of those, and no socket
is left for anybody else. Here a connection has seconds for its headers, its body and for reading
its answer; and where all places are taken, one that has not asked for anything yet goes first.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

CLOSED = b"connection: close\r\ncontent-length: 0\r\n\r\n"
FULL = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\n" + CLOSED
LATE = b"HTTP/1.1 408 Request Timeout\r\n" + CLOSED


@dataclass(frozen=True)
class ConnectionLimits:
    """What clients may take of a server; times in seconds."""

    count: int = 256
    """Connections that are open at once."""
    headers: float = 10.0
    body: float = 20.0
    reading: float = 30.0
    """How long an answer may lie unread."""

    @property
    def possible(self) -> int:
        """Return how many connections the process can hold beside its files."""
        return min(self.count, _open_files() // 2)


def _open_files() -> int:
    """Return how many files and sockets this process may have open."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return 2**31
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft if soft > 0 else 2**31


class LimitedConnection(H11Protocol):
    """A connection with deadlines; `limited` makes a class of them for one server."""

    limits: ClassVar[ConnectionLimits]
    most: ClassVar[int]
    silent: ClassVar[dict[LimitedConnection, None]]
    """Those that have not asked for anything yet, in the order they came."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._phase: Any = None
        self._deadline: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > self.most and not self._has_taken_a_place():
            self._end(FULL)
        else:
            self._follow()

    def _has_taken_a_place(self) -> bool:
        """Close the connection that has been silent for longest; return whether there was one."""
        oldest = next(iter(self.silent), None)
        if oldest is None:
            return False
        oldest._end(LATE)
        return True

    def _end(self, answer: bytes) -> None:
        self.silent.pop(self, None)
        self.connections.discard(self)
        self.transport.write(answer)
        self.transport.close()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._follow()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._follow()

    def _follow(self) -> None:
        """Start the time of what the client does now: headers, a body, or neither."""
        is_ours = not self.transport.is_closing() and self.transport.get_protocol() is self
        phase = self.conn.their_state if is_ours else None
        if phase is self._phase:
            return
        self._phase = phase
        self.silent.pop(self, None)
        if self._deadline is not None:
            self._deadline.cancel()
        if phase is h11.IDLE:
            self.silent[self] = None
            self._deadline = self.loop.call_later(self.limits.headers, self._end, LATE)
        elif phase is h11.SEND_BODY:
            self._deadline = self.loop.call_later(self.limits.body, self._end, LATE)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.loop.call_later(self.limits.reading, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.silent.pop(self, None)
        for timer in (self._deadline, self._unread):
            if timer is not None:
                timer.cancel()


def limited(limits: ConnectionLimits) -> type[LimitedConnection]:
    """Return the protocol for `uvicorn.Config(http=…)` of one server."""
    facts = {"limits": limits, "most": limits.possible, "silent": {}}
    return type("Connection", (LimitedConnection,), facts)
