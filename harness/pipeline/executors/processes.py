"""This machine, several steps at once: a few processes, each with one thread.

Small networks gain little from threads, and threads that wait for each other lose much where
another program wants the same cores: each waits for the one that has none. A process with one
thread waits for nobody. It also adds up in one order, so that no byte depends on the machine's
cores. One process imports the libraries, and the workers are forks of it.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Literal
from uuid import uuid4

from harness.errors import HarnessError
from harness.interfaces import OnReply, PoolJob, Reply
from harness.pipeline.executors.parallel import AT_ONCE, walk
from harness.pipeline.stages.threads import one_thread
from harness.records import Step

WORKER = "harness.pipeline.executors.forked_worker"
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
IN_PIECES = frozenset({"sample"})
"""Stages that are long enough to be worth cutting."""
HERE = frozenset({"features"})
"""Stages that this process does: of many steps only the first works, and each would queue for it.
Every other stage is done whole by a worker."""
BEAT = 0.25
"""Seconds between two checks for a request to stop."""
FEWEST = 2
"""Workers on a busy machine: with fewer, their share of the cores would be smaller too."""


class ProcessPool:
    """Workers on this machine; as an executor, `run` makes steps with them."""

    def __init__(self, count: int | None = None) -> None:
        """Start the workers: as many as are asked for, or as cores are free."""
        self.count = count or free_cores()
        self._stopped = False
        self._processes, self._workers = _start(self.count)
        self._free: SimpleQueue[_Worker] = SimpleQueue()
        for worker in self._workers:
            self._free.put(worker)
        self._threads = ThreadPoolExecutor(self.count, thread_name_prefix="worker")

    def run(self, steps: Sequence[Step], make: Callable[..., None]) -> None:
        """Make every step, several at once."""
        try:
            with one_thread():
                walk(steps, partial(make, pool=self), self.stop)
        finally:
            self.stop()

    def takes(self, stage: str) -> Literal["whole", "pieces", "nothing"]:
        """Return what workers do of a stage: all of it, its pieces, or nothing."""
        if stage in HERE:
            return "nothing"
        return "pieces" if stage in IN_PIECES else "whole"

    def facts(self) -> dict[str, Any]:
        """Return what the provenance of a step says of who made it."""
        return {"processes": self.count, "threads": 1}

    def do(self, job: PoolJob, pieces: Sequence[Any], on_reply: OnReply) -> None:
        """Have every piece done; a worker keeps to a job while the job has pieces."""
        waiting = deque(enumerate(pieces))
        replies: SimpleQueue[tuple[int, Reply]] = SimpleQueue()
        key, left = uuid4().hex, len(pieces)
        try:
            for _ in range(min(self.count, left)):
                self._check_stopped()
                self._threads.submit(self._take, key, job, waiting, replies)
            while left:
                self._check_stopped()
                try:
                    number, reply = replies.get(timeout=BEAT)
                except Empty:
                    on_reply(None, {})
                else:
                    left -= 1
                    on_reply(number, reply)
        finally:
            waiting.clear()

    def _check_stopped(self) -> None:
        if self._stopped:
            raise HarnessError("stopped because another step failed", hint="see the first error")

    def _take(
        self,
        key: str,
        job: PoolJob,
        waiting: deque[tuple[int, Any]],
        replies: SimpleQueue[tuple[int, Reply]],
    ) -> None:
        """Let one worker do pieces of a job until there are none."""
        worker = self._free.get()
        try:
            while waiting:
                number, what = waiting.popleft()
                began = time.monotonic()
                reply = worker.do(key, job, what)
                spent = time.monotonic() - began
                replies.put((number, reply | {"seconds": spent}))
        except IndexError:
            pass  # another worker took the last one
        finally:
            self._free.put(worker)

    def stop(self) -> None:
        """End every worker, whatever it is doing; what asks for more hears that it is over."""
        self._stopped = True
        for worker in self._workers:
            worker.stop()
        for process in self._processes:
            process.terminate()  # it may still be importing
            process.wait()


class _Worker:
    """One process at the other end of a socket; it ends when the socket does."""

    def __init__(self, own: socket.socket) -> None:
        self._socket = own
        self._asks = own.makefile("w", encoding="utf-8")
        self._answers = own.makefile("r", encoding="utf-8")

    def do(self, key: str, job: PoolJob, what: Any) -> Reply:
        """Have one piece done, and return the reply."""
        asked = {"key": key, "opening": job.opening, "document": job.document, "what": what}
        try:
            self._asks.write(json.dumps(asked) + "\n")
            self._asks.flush()
            reply: Reply = json.loads(self._answers.readline())
        except (OSError, ValueError):
            return {
                "error": f"the process that did {job.title} is gone",
                "hint": "is there memory enough? run again: it goes on where it stopped",
            }
        return reply

    def stop(self) -> None:
        with suppress(OSError):  # it may be gone already
            self._socket.shutdown(socket.SHUT_RDWR)


def _start(count: int) -> tuple[list[subprocess.Popen[bytes]], list[_Worker]]:
    """Start workers; where forks of a process with these libraries are not safe, one by one."""
    pairs = [socket.socketpair() for _ in range(count)]
    theirs = [other.fileno() for _, other in pairs]
    forks = sys.platform.startswith("linux")
    started = [
        subprocess.Popen(
            [sys.executable, "-m", WORKER, *map(str, group)],
            env=os.environ | ONE_THREAD | {"PYTHONSAFEPATH": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # libraries print, and stdout is for results
            pass_fds=group,
        )
        for group in ([theirs] if forks else [[each] for each in theirs])
    ]
    for _, other in pairs:
        other.close()
    return started, [_Worker(own) for own, _ in pairs]


def free_cores(busy: float | None = None, cores: int | None = None) -> int:
    """Return how many workers suit this machine now: the cores that others leave, within reason."""
    cores = cores or usable_cores()
    others = busy_cores() if busy is None else busy
    return max(min(FEWEST, cores), min(AT_ONCE, cores - round(others)))


def usable_cores() -> int:
    """Return the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def busy_cores(seconds: float = 0.25) -> float:
    """Return how many cores are busy while this process waits a moment.

    The average load of the last minute, which is all that other systems than Linux tell, would
    count the installation before a demo too.
    """
    try:
        before = _core_times()
        time.sleep(seconds)
        idle, whole = (after - then for after, then in zip(_core_times(), before, strict=True))
        return (os.cpu_count() or 1) * (1 - idle / whole) if whole else 0.0
    except (OSError, ValueError):
        return os.getloadavg()[0]


def _core_times() -> tuple[int, int]:
    """Return the ticks that all cores were idle, and all ticks, since the machine started."""
    first, *_ = Path("/proc/stat").read_text(encoding="ascii").splitlines()
    ticks = [int(each) for each in first.split()[1:9]]
    return ticks[3] + ticks[4], sum(ticks)
