"""Alerts reach the terminal and a webhook, whose address nothing names and nothing waits for."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from harness.errors import UsageError
from harness.interfaces import Progress
from harness.pipeline.watch.alerts import VARIABLE, Alerts
from harness.pipeline.workspace import Workspace
from harness.records import Step, StepName

SECRET = "xoxb-secret"
PROGRESS = Progress(50, 300, alerts=("the gain falls",))


def step() -> Step:
    from harness.pages.stages import TreatSpec

    return Step(StepName("train"), "train", 1, TreatSpec(), {}, "0" * 64, "ink")


@contextmanager
def webhook(status: int = 200) -> Iterator[tuple[str, list[Any]]]:
    posted: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            posted.append((self.path, self.headers["Content-Type"], json.loads(body)))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *words: Any) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/{SECRET}", posted
        server.shutdown()
        thread.join()


def test_an_alert_is_said_and_posted(caplog: pytest.LogCaptureFixture) -> None:
    with webhook() as (url, posted), caplog.at_level(logging.WARNING):
        watcher = Alerts(url)
        watcher.progress(step(), Progress(10, 300))
        watcher.progress(step(), PROGRESS)
    assert [record.getMessage() for record in caplog.records] == [
        "ink, step 50 of 300: the gain falls"
    ]
    ((path, kind, document),) = posted
    assert (path, kind) == (f"/{SECRET}", "application/json")
    assert document == {
        "text": "ink, step 50 of 300: the gain falls",
        "alert": "the gain falls",
        "recipe": "ink",
        "step": 50,
        "steps": 300,
    }


@pytest.mark.parametrize("status", [404, 500, None])
def test_a_webhook_that_fails_is_told_once_and_stops_nothing(
    status: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    with webhook(status or 200) as (there, _):
        watcher = Alerts(there if status else f"http://127.0.0.1:1/{SECRET}")
        with caplog.at_level(logging.DEBUG):
            for _ in range(3):
                watcher.progress(step(), PROGRESS)
    messages = [record.getMessage() for record in caplog.records]
    assert sum("cannot be reached" in message for message in messages) == 1
    assert sum("the gain falls" in message for message in messages) == 3
    assert SECRET not in caplog.text


def test_without_an_address_an_alert_is_only_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with caplog.at_level(logging.WARNING):
        Alerts().progress(step(), PROGRESS)
    assert len(caplog.records) == 1


def test_the_environment_names_a_webhook(monkeypatch: pytest.MonkeyPatch) -> None:
    with webhook() as (url, posted):
        monkeypatch.setenv(VARIABLE, url)
        Alerts().progress(step(), PROGRESS)
    assert len(posted) == 1


@pytest.mark.parametrize("url", [f"file:///{SECRET}", SECRET, "http://", "https://[" + SECRET])
def test_what_is_no_address_is_refused_without_being_named(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        Alerts(url)
    assert SECRET not in str(caught.value)
    assert SECRET not in str(caught.value.hint)


def test_a_workspace_does_not_show_its_webhook(tmp_path: Any) -> None:
    workspace = Workspace(tmp_path, tmp_path, alert_webhook=f"https://there/{SECRET}")
    assert SECRET not in repr(workspace)
