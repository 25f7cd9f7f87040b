"""The queue before a model: bounded, and what is alike in it is drawn together.

One thread draws. Whoever comes when the queue is full is told when to come again; once it closes,
those in it are served and nobody else. Where nothing will ever draw, they are told why.
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

from harness.delivery.service.model import Draw, Order
from harness.errors import HarnessError

log = logging.getLogger(__name__)


class Full(HarnessError):
    """There is no room; `seconds` says when there may be."""

    def __init__(self, seconds: int) -> None:
        super().__init__("the queue is full", hint=f"come again in {seconds} s")
        self.seconds = seconds


class Closed(HarnessError):
    """Nobody is taken any more."""

    def __init__(self, why: str) -> None:
        super().__init__(why, hint="ask another, or later")


class NotFinite(HarnessError):
    """The numbers of an image were not finite."""


@dataclass(frozen=True)
class Ticket:
    """An order and where its picture goes."""

    order: Order
    picture: Future[Any] = field(default_factory=Future)


class Line:
    """Those who wait, and the thread that serves them."""

    def __init__(self, limit: int, batch: int) -> None:
        self._limit, self._batch = limit, batch
        self._waiting: deque[Ticket] = deque()
        self._change = threading.Condition()
        self._drawing = 0
        self._closed = False
        self._why = "the service is stopping"
        self._pace = 1.0
        self._thread: threading.Thread | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def is_closed(self) -> bool:
        return self._closed

    def join(self, order: Order) -> Future[Any]:
        """Return what will hold the picture; refuse where there is no room, or no more service."""
        with self._change:
            if self._closed:
                raise Closed(self._why)
            if len(self._waiting) >= self._limit:
                raise Full(max(1, math.ceil(self._pace * len(self._waiting))))
            ticket = Ticket(order)
            self._waiting.append(ticket)
            self._change.notify_all()
            return ticket.picture

    def serve(self, draw: Draw) -> None:
        """Draw whatever comes, in a thread of its own, until the line is closed and empty."""
        self._thread = threading.Thread(target=self._serve, args=(draw,), name="draws", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take nobody else in."""
        with self._change:
            self._closed = True
            self._change.notify_all()

    def abandon(self, why: str) -> None:
        """Take nobody else in, and refuse those who wait: there is nothing to draw with."""
        with self._change:
            self._closed, self._why = True, why
            left, self._waiting = self._waiting, deque()
            self._change.notify_all()
        for ticket in left:
            ticket.picture.set_exception(Closed(why))

    def drain(self, seconds: float | None = None) -> bool:
        """Wait until everybody is served; return whether they were."""
        with self._change:
            return self._change.wait_for(lambda: not self._waiting and not self._drawing, seconds)

    def _serve(self, draw: Draw) -> None:
        while tickets := self._next():
            began = time.monotonic()
            _answer(tickets, draw)
            spent = (time.monotonic() - began) / len(tickets)
            self._pace = 0.7 * self._pace + 0.3 * spent
            with self._change:
                self._drawing = 0
                self._change.notify_all()

    def _next(self) -> list[Ticket]:
        """Wait for the next batch: the first of the line and those behind that are like it."""
        with self._change:
            self._change.wait_for(lambda: bool(self._waiting) or self._closed)
            if not self._waiting:
                return []
            sampler = self._waiting[0].order.sampler
            alike = [each for each in self._waiting if each.order.sampler == sampler]
            chosen = alike[: self._batch]
            self._waiting = deque(each for each in self._waiting if each not in chosen)
            self._drawing = len(chosen)
            return chosen


def _answer(tickets: list[Ticket], draw: Draw) -> None:
    """Give everyone a picture, or the reason why there is none."""
    try:
        pictures = draw([ticket.order for ticket in tickets])
    except Exception as error:  # one bad batch must not end the service
        log.exception("a batch of %d was not drawn", len(tickets))
        for ticket in tickets:
            ticket.picture.set_exception(error)
        return
    for ticket, picture in zip(tickets, pictures, strict=True):
        if picture is None:
            ticket.picture.set_exception(NotFinite("the numbers of this image were not finite"))
        else:
            ticket.picture.set_result(picture)
