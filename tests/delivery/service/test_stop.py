"""How a service ends: by a signal, whatever its clients do, and where there are no weights."""

from __future__ import annotations

import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from ports import free_port
from running import Command
from services import MODEL, connected, served

from harness.delivery.service import run
from harness.delivery.service.app import Limits
from harness.delivery.service.model import Model
from harness.errors import HarnessError, MissingPrerequisite

HEAD = (
    "POST /images HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    "Content-Length: 100\r\nExpect: 100-continue\r\n\r\n"
)


def test_a_request_sent_by_half_does_not_hold_up_a_stop() -> None:
    port = free_port()
    with served(port) as child, connected(port) as line:
        answer = line.makefile("rb")
        line.sendall(HEAD.encode())
        assert b" 100 " in answer.readline()
        line.sendall(b"{")
        child.send_signal(signal.SIGTERM)
        assert answer.readline() == b"\r\n"
        assert b" 408 " in answer.readline()
        assert child.wait(120) == 0


def test_a_stop_waits_for_longer_than_a_body_may_take_and_not_for_ever() -> None:
    assert Limits().seconds < run.GRACE < 60


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (MissingPrerequisite("there is no base"), "could not be loaded: there is no base"),
        (RuntimeError("/inner/place"), "could not be loaded: RuntimeError"),
    ],
)
def test_waiting_requests_are_told_why_the_weights_cannot_be_loaded(
    error: Exception, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    may, port = threading.Event(), free_port()

    def load(model: Model, device: str) -> Any:
        may.wait(60)
        raise error

    ended: list[Exception] = []

    def serve() -> None:
        try:
            run.serve(MODEL, "cpu", run.ServiceOptions("127.0.0.1", port, 4, 2), Limits())
        except Exception as error:
            ended.append(error)

    monkeypatch.setattr(run, "load", load)
    service = threading.Thread(target=serve, daemon=True)
    service.start()
    connected(port).close()
    url = f"http://127.0.0.1:{port}"
    with ThreadPoolExecutor() as pool:
        asked = [
            pool.submit(httpx.post, f"{url}/images", json={"prompt": "x"}, timeout=120)
            for _ in range(3)
        ]
        while "\nharness_queue_length 3\n" not in httpx.get(f"{url}/metrics").text:
            time.sleep(0.02)
        may.set()
        answers = [each.result(120) for each in asked]
    service.join(120)
    assert ended == [error]
    assert [answer.status_code for answer in answers] == [503] * 3
    assert {says in answer.json()["error"] for answer in answers} == {True}
    assert "inner" not in answers[0].text


@pytest.mark.slow
def test_a_service_without_weights_ends_with_one_line(command: Command, tmp_path: Path) -> None:
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"no weights")
    words = ("--base", "pocket/sdxl", "--port", free_port(), "--device", "cpu")
    ran = command("serve", broken, *words)
    assert ran.code == 1
    assert len(ran.err.splitlines()) == 1, ran.err


def test_a_port_that_is_taken_is_told_and_is_no_regression(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run, "load", lambda model, device: lambda jobs: [])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        options = run.ServiceOptions("127.0.0.1", taken.getsockname()[1], 4, 2)
        with pytest.raises(HarnessError, match="cannot listen at") as told:
            run.serve(MODEL, "cpu", options, Limits())
    assert told.value.exit_code == 1
