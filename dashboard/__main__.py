"""Start the dashboard: `python -m dashboard PORT`, as `harness dashboard` does."""

from __future__ import annotations

import os
import signal
import socket
import sys
from types import FrameType

import uvicorn

from dashboard import guard
from harness.delivery.service.connections import ConnectionLimits, limited

MESSAGE = 1024 * 1024
"""Bytes that a message of a browser may have: a view's choices are a few thousand."""
WILDCARDS = ("0.0.0.0", "::", "")
GRACE = 3


class Server(uvicorn.Server):
    """A server that says where it is once it can be asked, and ends well at a signal."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            print(f"dashboard at {address(self.config.host, self.config.port)}", flush=True)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True


def address(host: str, port: int) -> str:
    """Return what a visitor opens; it holds the token of one who may write."""
    shown = "127.0.0.1" if host in WILDCARDS else f"[{host}]" if ":" in host else host
    token = os.environ.get(guard.TOKEN, "")
    return f"http://{shown}:{port}/{f'?{guard.FIELD}={token}' if token else ''}"


def main() -> None:
    from dashboard.app import app

    config = uvicorn.Config(
        app,
        os.environ.get(guard.HOST, "127.0.0.1"),
        int(sys.argv[1]),
        http=limited(ConnectionLimits()),
        ws="websockets-sansio",
        ws_max_size=MESSAGE,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE,
    )
    try:
        Server(config).run()
    except SystemExit as stop:  # uvicorn has logged why; its code would mean a regression
        raise SystemExit(1 if stop.code else 0) from None


if __name__ == "__main__":
    main()
