"""Clients that never finish what they begin: none of them keeps a place that others need."""

from __future__ import annotations

import asyncio
import resource
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

import httpx
import pytest
import uvicorn
from ports import free_port
from services import connected, served

from harness.delivery.service.connections import ConnectionLimits, limited

HALF = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Half:"
PATIENCE = 60
"""Seconds after which a test gives up: without a deadline a connection stays for good."""
LARGE = 32 * 1024 * 1024
SOONER = 9.0
"""Seconds: less than what a connection may take where a test gives no limit."""
Port = Callable[..., int]


@pytest.fixture
def may_end() -> threading.Event:
    return threading.Event()


@pytest.fixture
def asked() -> list[str]:
    """The paths that the small app was asked for."""
    return []


@pytest.fixture
def listening(may_end: threading.Event, asked: list[str]) -> Iterator[Port]:
    """Serve a small app in this process: `/` answers, `/wait` when it may, `/large` with much."""

    async def app(scope: dict[str, str], receive: object, send: Callable[..., object]) -> None:
        asked.append(scope["path"])
        while scope["path"] == "/wait" and not may_end.is_set():
            await asyncio.sleep(0.01)
        body = b"x" * (LARGE if scope["path"] == "/large" else 2)
        length = (b"content-length", str(len(body)).encode())
        start = {"type": "http.response.start", "status": 200, "headers": [length]}
        await send(start)  # type: ignore[misc]
        await send({"type": "http.response.body", "body": body})  # type: ignore[misc]

    with ExitStack() as stack:
        yield lambda limits: stack.enter_context(_served(app, limits))
        may_end.set()


@contextmanager
def _served(app: object, limits: ConnectionLimits) -> Iterator[int]:
    port = free_port()
    options = {"lifespan": "off", "log_level": "critical", "timeout_graceful_shutdown": 1}
    config = uvicorn.Config(app, "127.0.0.1", port, http=limited(limits), **options)  # type: ignore[arg-type]
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    connected(port).close()
    yield port
    server.should_exit = True
    thread.join(60)


def opened(port: int, data: bytes = b"") -> socket.socket:
    line = socket.create_connection(("127.0.0.1", port), 60)
    with suppress(OSError):
        line.sendall(data)
    return line


def answer_of(line: socket.socket) -> bytes:
    """Return all that comes until the other side closes."""
    found = b""
    with suppress(ConnectionResetError):
        while part := line.recv(65536):
            found += part
    return found


def test_half_sent_headers_have_a_deadline(listening: Port) -> None:
    port = listening(ConnectionLimits(headers=0.3))
    began = time.monotonic()
    assert b" 408 " in answer_of(opened(port, HALF))
    assert answer_of(opened(port)).startswith(b"HTTP/1.1 408")
    assert 0.5 < time.monotonic() - began < SOONER


def test_a_letter_now_and_then_does_not_move_the_deadline(listening: Port) -> None:
    line = opened(listening(ConnectionLimits(headers=0.4)), HALF)
    began = time.monotonic()
    with suppress(OSError):
        while time.monotonic() - began < SOONER and not select.select([line], [], [], 0.05)[0]:
            line.sendall(b"x")
    assert b" 408 " in answer_of(line)
    assert time.monotonic() - began < SOONER


def test_a_second_request_on_the_same_connection_has_its_own_deadline(listening: Port) -> None:
    port = listening(ConnectionLimits(headers=0.5))
    line = opened(port, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b" 200 " in line.recv(65536)
    line.sendall(HALF)
    assert b" 408 " in answer_of(line)


def test_a_body_that_nobody_reads_has_a_deadline(listening: Port) -> None:
    port = listening(ConnectionLimits(body=0.3))
    line = opened(port, b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx")
    began = time.monotonic()
    assert answer_of(line).startswith(b"HTTP/1.1 200")
    assert time.monotonic() - began < SOONER


def test_an_answer_may_not_lie_unread_for_good(listening: Port) -> None:
    port = listening(ConnectionLimits(reading=0.3))
    for seconds in (0.8, 5, 20):  # a slow machine has not begun to answer after the first
        line = opened(port, b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(seconds)
        if len(answer_of(line)) < LARGE:
            return
    raise AssertionError("all of it came")


def test_a_place_is_taken_from_who_has_asked_for_nothing(listening: Port) -> None:
    port = listening(ConnectionLimits(count=8, headers=30))
    silent = [opened(port, HALF) for _ in range(40)]
    assert httpx.get(f"http://127.0.0.1:{port}/", timeout=PATIENCE).status_code == 200
    deadline = time.monotonic() + SOONER
    while sum(map(_is_closed, silent)) < 40 - 8:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_where_all_places_are_at_work_the_next_one_is_told_to_come_again(
    listening: Port, may_end: threading.Event, asked: list[str]
) -> None:
    port = listening(ConnectionLimits(count=4))
    busy = [opened(port, b"GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n") for _ in range(4)]
    while len(asked) < 4:
        time.sleep(0.02)
    late = answer_of(opened(port))
    assert late.startswith(b"HTTP/1.1 503")
    assert b"retry-after" in late
    may_end.set()
    for line in busy:
        assert b" 200 " in line.recv(65536)


def test_a_process_holds_no_more_connections_than_it_has_room_for() -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert ConnectionLimits(count=10**9).possible == soft // 2
    assert ConnectionLimits().possible == min(256, soft // 2)


@pytest.mark.slow
def test_neither_900_half_sent_headers_nor_1100_sockets_stop_the_service() -> None:
    """The figures of an attack that once took the service down, against a process of its own."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    port = free_port()
    with served(port), ExitStack() as stack:
        connected(port).close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        lines = [stack.enter_context(opened(port, HALF)) for _ in range(900)]
        assert httpx.get(f"http://127.0.0.1:{port}/health", timeout=60).status_code == 200
        lines += [stack.enter_context(opened(port)) for _ in range(1100)]
        assert httpx.get(f"http://127.0.0.1:{port}/health", timeout=60).status_code == 200
        deadline = time.monotonic() + 120
        while left := [line for line in lines if not _is_closed(line)]:
            assert time.monotonic() < deadline, f"{len(left)} stay"
            time.sleep(0.2)


def _is_closed(line: socket.socket) -> bool:
    poll = select.poll()
    poll.register(line, select.POLLIN)
    return bool(poll.poll(0))
