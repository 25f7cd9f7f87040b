"""What holds for every test: no model is fetched and no socket reaches out of this machine."""

from __future__ import annotations

import os

import pytest_socket

os.environ["HF_HUB_OFFLINE"] = "1"


def pytest_runtest_setup() -> None:
    pytest_socket.socket_allow_hosts(["127.0.0.1", "::1"], allow_unix_socket=True)
