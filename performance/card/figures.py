"""What a part of the measurement gives and gets: figures, the time that is left, the context."""

from __future__ import annotations

import gc
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch


@dataclass(frozen=True)
class Figure:
    """One measured number, or the reason why there is none."""

    part: str
    name: str
    value: float | None
    unit: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What else is known of it. `reason` says why there is no value; `forecast` holds fields of
    the file's section of that name."""


def missing(part: str, name: str, reason: str) -> Figure:
    """Return the figure of something that was not measured."""
    return Figure(part, name, None, "", {"reason": reason})


AGAIN = 10.0
"""Seconds until a timer fires again, in case that a library swallowed its exception."""


class OutOfTime(BaseException):
    """The time of a part is over. No library's `except Exception` may catch it."""


class Deadline:
    """The time that a part has; a timer ends what runs on."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Return the seconds that are left."""
        return self._end - time.monotonic()

    def part(self, seconds: float) -> Deadline:
        """Return the deadline of a part of this time."""
        return Deadline(min(seconds, self.left))

    @contextmanager
    def enforced(self) -> Iterator[None]:
        """Raise OutOfTime in the block when the time is over."""

        def stop(number: int, frame: object) -> None:
            raise OutOfTime

        before = signal.signal(signal.SIGALRM, stop)
        signal.setitimer(signal.ITIMER_REAL, max(self.left, 0.01), AGAIN)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)


@dataclass
class Context:
    """Where a part measures."""

    device: str
    """`cuda` or `cpu`."""
    is_dry: bool
    """Whether everything is tiny: a rehearsal, whose figures mean nothing."""
    folder: Path
    """For files that are needed only while the script runs."""
    base: Path
    """The configuration files of an SDXL base, with its vocabulary if there is one; no weights."""
    deadline: Deadline
    """When the part that runs now must end."""
    figures: list[Figure] = field(default_factory=list)
    """Everything that was measured so far."""

    @property
    def repeats(self) -> int:
        """Return how often something short is timed."""
        return 1 if self.is_dry else 10

    @property
    def side(self) -> int:
        """Return the side of an image in pixels: SDXL's own, or the pocket's."""
        return 64 if self.is_dry else 1024

    def value(self, part: str, name: str) -> float | None:
        """Return a figure that was measured before."""
        known = (each for each in self.figures if (each.part, each.name) == (part, name))
        return next((each.value for each in known), None)

    def synchronize(self) -> None:
        """Wait until the device has done what it was given."""
        if self.device != "cpu":
            torch.cuda.synchronize()

    def seconds(self, work: Callable[[], object]) -> float:
        """Return the seconds that `work` takes, until the device has done it."""
        self.synchronize()
        began = time.perf_counter()
        work()
        self.synchronize()
        return time.perf_counter() - began

    def median(self, work: Callable[[], object], repeats: int | None = None) -> float:
        """Return the median seconds of `work` after one run that is not counted.

        It stops repeating when half of the part's time that is left would be spent.
        """
        self.seconds(work)
        times: list[float] = []
        room = self.deadline.left / 2
        while len(times) < (repeats or self.repeats) and (not times or sum(times) < room):
            times.append(self.seconds(work))
        return sorted(times)[len(times) // 2]

    def release(self) -> None:
        """Give memory back, and begin a new peak."""
        gc.collect()
        if self.device != "cpu":
            with suppress(RuntimeError):  # after an error that a GPU does not recover from
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats()

    @property
    def peak_memory(self) -> int | None:
        """Return the bytes that were held at most since `release`; None on a CPU."""
        return None if self.device == "cpu" else torch.cuda.max_memory_allocated()


def attempt(
    context: Context,
    part: str,
    name: str,
    work: Callable[[], Iterable[Figure]],
    needs: float = 0.0,
) -> Iterator[Figure]:
    """Yield what one configuration gives; an error in it becomes a figure with its reason.

    It is skipped if the part has less than `needs` seconds left.
    """
    if context.deadline.left < (0 if context.is_dry else needs):
        yield missing(part, name, f"skipped: {max(context.deadline.left, 0):.0f} s were left")
        return
    reason = None
    try:
        context.release()
        yield from work()
    except OutOfTime:
        reason = "stopped: the time of this part was over"
    except Exception as error:
        reason = reason_of(error)
    context.release()  # outside `except`, where the error no longer holds the frames
    if reason is not None:
        yield missing(part, name, reason)


def reason_of(error: Exception) -> str:
    """Return an error in one line."""
    kind = "out of memory" if isinstance(error, torch.OutOfMemoryError) else type(error).__name__
    return f"{kind}: {' '.join(str(error).split())[:300]}"
