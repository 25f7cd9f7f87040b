"""A service from start to end: load, listen, and at a signal draw what still waits."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType

import uvicorn
from fastapi import FastAPI

from harness.delivery.service.app import Limits, State, app_of
from harness.delivery.service.connections import ConnectionLimits, limited
from harness.delivery.service.hosts import Hosts
from harness.delivery.service.meters import Meters
from harness.delivery.service.model import Draw, Model, load
from harness.delivery.service.queue import Queue
from harness.errors import HarnessError
from harness.escaping import printable

GRACE = 20
"""Seconds that a stop gives to open connections after the last job: more than a body may take."""


@dataclass(frozen=True)
class ServiceOptions:
    """Where a service listens, how many jobs may wait, and how many are drawn at once."""

    host: str
    port: int
    queue: int
    batch: int
    connections: ConnectionLimits = field(default_factory=ConnectionLimits)
    names: tuple[str, ...] = ()
    """Names that clients may call the server by, besides its own."""


class Server(uvicorn.Server):
    """A server that draws its whole queue before it stops; asked twice, it stops at once."""

    def __init__(self, config: uvicorn.Config, queue: Queue) -> None:
        super().__init__(config)
        self._queue = queue

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._queue.is_closed:
            self.should_exit = self.force_exit = True
            return
        # The queue has a lock, which the thread that this signal interrupts may hold.
        threading.Thread(target=self._end, name="ends", daemon=True).start()

    def _end(self) -> None:
        print("stopping: waiting requests are answered, new ones are refused", file=sys.stderr)
        self._queue.close()
        self._queue.drain()
        self.should_exit = True


def serve(
    model: Model,
    device: str,
    options: ServiceOptions,
    limits: Limits,
    loaded: Callable[[], None] = lambda: None,
) -> None:
    """Answer requests until a signal comes; if the weights cannot be loaded, raise the error.

    `loaded` is called once the weights are in memory: the store is not read after that.
    """
    queue, ready = Queue(options.queue, options.batch), threading.Event()
    hosts = Hosts.of(options.host, options.names)
    app = app_of(State(model, queue, Meters(), limits, ready.is_set), hosts)
    server = Server(_config(app, options), queue)
    failed: list[Exception] = []

    def load_and_serve() -> None:
        try:
            draw: Draw = load(model, device)
        except Exception as error:
            failed.append(error)
            queue.abandon(f"the weights could not be loaded: {_public(error)}")
            server.should_exit = True
            return
        finally:
            loaded()
        queue.serve(draw)
        ready.set()
        name = printable(model.name)
        print(f"{name} at http://{options.host}:{options.port}", file=sys.stderr, flush=True)

    threading.Thread(target=load_and_serve, name="loads", daemon=True).start()
    _listen(server)
    if failed:
        raise failed[0]


def _public(error: Exception) -> str:
    """Return what a client may know of an error: our own message, or only its type."""
    return error.what if isinstance(error, HarnessError) else type(error).__name__


def _config(app: FastAPI, options: ServiceOptions) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        options.host,
        options.port,
        http=limited(options.connections),
        log_level="warning",
        server_header=False,
        date_header=False,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=GRACE,
    )


def _listen(server: Server) -> None:
    """Answer until the server ends; a port that is taken is an error of ours."""
    try:
        server.run()
    except SystemExit:  # uvicorn's code would mean a regression
        place = f"{server.config.host}:{server.config.port}"
        raise HarnessError(f"cannot listen at {place}", hint="--port names another") from None
