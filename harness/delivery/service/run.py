"""A service from its start to its end: load, listen, and at a signal serve out who waits."""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass
from types import FrameType

import uvicorn

from harness.delivery.service.app import Desk, Limits, app_of
from harness.delivery.service.line import Line
from harness.delivery.service.meters import Meters
from harness.delivery.service.model import Draw, Model, load
from harness.errors import HarnessError

LOOPBACK = {"127.0.0.1", "::1", "localhost"}
GRACE = 20
"""Seconds that a stop gives to connections when the queue is served: more than a body may take."""


@dataclass(frozen=True)
class Post:
    """Where a service listens, and how many may wait."""

    host: str
    port: int
    queue: int
    batch: int


class Server(uvicorn.Server):
    """A server that, asked to end, first serves out its queue; asked again, ends."""

    def __init__(self, config: uvicorn.Config, line: Line) -> None:
        super().__init__(config)
        self._line = line

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._line.is_closed:
            self.should_exit = self.force_exit = True
            return
        # The line has a lock, which the thread that this signal interrupts may hold.
        threading.Thread(target=self._end, name="ends", daemon=True).start()

    def _end(self) -> None:
        print("stopping: whoever waits is served, nobody else is taken in", file=sys.stderr)
        self._line.close()
        self._line.drain()
        self.should_exit = True


def serve(model: Model, device: str, post: Post, limits: Limits) -> None:
    """Answer requests until a signal comes; where no weights can be loaded, raise why."""
    line, ready = Line(post.queue, post.batch), threading.Event()
    hosts = sorted(LOOPBACK | {"[::1]"}) if post.host in LOOPBACK else ["*"]
    app = app_of(Desk(model, line, Meters(), limits, ready.is_set), hosts)
    config = uvicorn.Config(
        app,
        post.host,
        post.port,
        log_level="warning",
        server_header=False,
        date_header=False,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=GRACE,
    )
    server = Server(config, line)
    failed: list[Exception] = []

    def begin() -> None:
        try:
            draw: Draw = load(model, device)
        except Exception as error:
            failed.append(error)
            line.abandon(f"the weights could not be loaded: {_told(error)}")
            server.should_exit = True
            return
        line.serve(draw)
        ready.set()
        print(f"{model.name} at http://{post.host}:{post.port}", file=sys.stderr, flush=True)

    threading.Thread(target=begin, name="loads", daemon=True).start()
    server.run()
    if failed:
        raise failed[0]


def _told(error: Exception) -> str:
    """Return what strangers may know of an error: our own words, or only its kind."""
    return error.what if isinstance(error, HarnessError) else type(error).__name__
