"""Ports of this machine for tests that listen."""

from __future__ import annotations

import random
import socket

BELOW_OUTGOING = range(20_000, 32_000)
"""No connection that goes out is given one of these, between a test's look and its listening."""


def free_port() -> int:
    """Return a port on which nobody listens."""
    for port in random.sample(BELOW_OUTGOING, 100):
        with socket.socket() as free:
            try:
                free.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("a hundred ports are taken")
