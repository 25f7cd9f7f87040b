"""The queue before a model: it is bounded, and jobs with the same sampler are drawn together.

One thread draws. A request that finds the queue full is told when to come again. Once the queue
closes, it draws the jobs that it holds and takes no others. If there is no model to draw with,
every waiting request gets the reason.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from harness.delivery.service.model import Draw, Job
from harness.errors import HarnessError

log = logging.getLogger(__name__)


class Full(HarnessError):
    """The queue has no room; `seconds` says when it may have some."""

    def __init__(self, seconds: int) -> None:
        super().__init__("the queue is full", hint=f"come again in {seconds} s")
        self.seconds = seconds


class Closed(HarnessError):
    """The queue takes no more jobs."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, hint="ask another service, or ask later")


class NotFinite(HarnessError):
    """The numbers of an image are not finite."""


@dataclass(frozen=True)
class QueuedJob:
    """A job, and the future that receives its picture."""

    job: Job
    picture: Future[Any] = field(default_factory=Future)


class Queue:
    """The jobs that wait, and the thread that draws them."""

    def __init__(self, limit: int, batch: int) -> None:
        self._limit, self._batch = limit, batch
        self._waiting: deque[QueuedJob] = deque()
        self._change = threading.Condition()
        self._drawing = 0
        self._closed = False
        self._reason = "the service is stopping"
        self._seconds_per_job = 1.0
        self._thread: threading.Thread | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def is_closed(self) -> bool:
        return self._closed

    def join(self, job: Job) -> Future[Any]:
        """Return the future of the picture; refuse when the queue is full or closed."""
        with self._change:
            if self._closed:
                raise Closed(self._reason)
            if len(self._waiting) >= self._limit:
                raise Full(max(1, math.ceil(self._seconds_per_job * len(self._waiting))))
            queued = QueuedJob(job)
            self._waiting.append(queued)
            self._change.notify_all()
            return queued.picture

    def serve(self, draw: Draw) -> None:
        """Start the thread that draws jobs until the queue is closed and empty."""
        self._thread = threading.Thread(target=self._serve, args=(draw,), name="draws", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take no more jobs."""
        with self._change:
            self._closed = True
            self._change.notify_all()

    def abandon(self, reason: str) -> None:
        """Take no more jobs, and refuse those that wait: there is no model to draw with."""
        with self._change:
            self._closed, self._reason = True, reason
            left, self._waiting = self._waiting, deque()
            self._change.notify_all()
        for queued in left:
            queued.picture.set_exception(Closed(reason))

    def drain(self, seconds: float | None = None) -> bool:
        """Wait until every job is drawn; return whether they all were."""
        with self._change:
            return self._change.wait_for(lambda: not self._waiting and not self._drawing, seconds)

    def _serve(self, draw: Draw) -> None:
        while batch := self._next():
            began = time.monotonic()
            _answer(batch, draw)
            seconds = (time.monotonic() - began) / len(batch)
            self._seconds_per_job = 0.7 * self._seconds_per_job + 0.3 * seconds
            with self._change:
                self._drawing = 0
                self._change.notify_all()

    def _next(self) -> list[QueuedJob]:
        """Wait for the next batch: the first job, and those behind it with the same sampler."""
        with self._change:
            self._change.wait_for(lambda: bool(self._waiting) or self._closed)
            if not self._waiting:
                return []
            sampler = self._waiting[0].job.sampler
            same = [each for each in self._waiting if each.job.sampler == sampler]
            chosen = same[: self._batch]
            self._waiting = deque(each for each in self._waiting if each not in chosen)
            self._drawing = len(chosen)
            return chosen


def _answer(batch: list[QueuedJob], draw: Draw) -> None:
    """Give every job its picture, or the error."""
    try:
        pictures = draw([queued.job for queued in batch])
    except Exception as error:  # one bad batch must not end the service
        log.exception("a batch of %d was not drawn", len(batch))
        for queued in batch:
            queued.picture.set_exception(error)
        return
    for queued, picture in zip(batch, pictures, strict=True):
        if picture is None:
            queued.picture.set_exception(NotFinite("the numbers of this image were not finite"))
        else:
            queued.picture.set_result(picture)
