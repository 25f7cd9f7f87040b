"""Ray: hands on any machine of a cluster, and the pieces of a job handed to whoever is free.

A hand is a process that holds what its job has loaded, and does one piece at a time; so there are
never more pieces under way than hands. A hand that dies, alone or with its machine, is replaced,
and its piece given to another. What is made lies in the store, on a file system that all share;
through Ray go only a job's words and what became of a piece.
"""

from __future__ import annotations

import importlib
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol

from harness.errors import HarnessError, MissingPrerequisite
from harness.interfaces import Crew, Heard, Job, Reply
from harness.pipeline.executors.parallel import walk
from harness.pipeline.executors.specs import Ray
from harness.records import Step

PATIENCE = 300.0
"""Seconds that work waits for a first hand."""
TRIES = 4
"""Hands that a piece may take down with it."""
BEAT = 0.25
"""Seconds between two looks at whether somebody wants to stop."""
OBJECTS = 100 * 1024**2
"""Bytes of shared memory for a cluster of our own, through which next to nothing goes."""
KEPT = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "HF_HUB_OFFLINE", "HF_HOME", "PYTHONPATH")
"""Variables that hands have as this process has them."""


class Make(Protocol):
    """What makes a step, with a crew if there is one."""

    def __call__(self, step: Step, crew: Crew | None = None) -> None: ...


def cluster(spec: Ray, steps: Sequence[Step], make: Make) -> None:
    """Make every step, several at once, with hands for what comes in pieces."""
    if not steps:
        return
    with connected(spec) as ray:
        hands = Hands(ray, spec.workers)
        try:
            walk(steps, partial(make, crew=hands.do), hands.let_go)
        finally:
            hands.let_go()


@contextmanager
def connected(spec: Ray) -> Iterator[Any]:
    """Join the cluster at RAY_ADDRESS, or start one of this machine for as long as it is needed."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError:
        raise MissingPrerequisite(
            "--executor ray needs ray", hint="pip install 'harness[ray]'"
        ) from None
    ours = not ray.is_initialized()
    if ours:
        _start(ray, spec)
    try:
        yield ray
    finally:
        if ours:
            ray.shutdown()


def _start(ray: Any, spec: Ray) -> None:
    address = os.environ.get("RAY_ADDRESS")
    _knock(address or "local")
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    options: dict[str, Any] = (
        {"address": address}
        if address
        else {
            "address": "local",
            "include_dashboard": False,
            "object_store_memory": OBJECTS,
            "num_cpus": spec.workers,
        }
    )
    try:
        ray.init(
            **options,
            log_to_driver=False,
            logging_level="error",
            configure_logging=True,
            runtime_env={"env_vars": kept},
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        said = str(error).strip().splitlines()[0][:200]
        raise MissingPrerequisite(
            f"there is no Ray cluster to work on: {said}",
            hint="check RAY_ADDRESS and, as Ray asks for one, RAY_AUTH_TOKEN; without an address "
            "the work is done on this machine",
        ) from error


def _knock(address: str) -> None:
    """Refuse an address where nobody listens; Ray itself would wait for minutes."""
    host, _, port = address.rpartition(":")
    if "://" in address or not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        raise MissingPrerequisite(
            f"there is no Ray cluster at {address}: {error}",
            hint="check RAY_ADDRESS, or unset it to work on this machine",
        ) from error


class Hand:
    """One process of the crew: it keeps the job that it has open."""

    def __init__(self) -> None:
        self._key, self._piece = "", _nothing

    def ready(self) -> int:
        return os.getpid()

    def do(self, key: str, opening: str, document: str, what: Any) -> Reply:
        """Do one piece of a job; what the job needs is loaded once."""
        if key != self._key:
            self._key, self._piece = "", _nothing  # what was open goes before more is loaded
            module, _, name = opening.partition(":")
            self._piece = getattr(importlib.import_module(module), name)(document)
            self._key = key
        return self._piece(what)


def _nothing(what: Any) -> Reply:
    raise RuntimeError("no job is open")


class Hands:
    """Who there is: hands that are free, and hands that are still to come."""

    def __init__(self, ray: Any, count: int | None) -> None:
        self._ray, self._count = ray, count
        self._lock = threading.Lock()
        self._free: deque[Any] = deque()
        self._coming: dict[Any, Any] = {}
        self._all: list[Any] = []
        self._gone = False
        self._seen = time.monotonic()

    def do(self, job: Job, pieces: Sequence[Any], heard: Heard) -> None:
        """Have every piece done; a hand keeps to a job while the job has pieces."""
        self._gather(job)
        work = _Work(self._ray, job, pieces, self._replace)
        try:
            while not work.is_done():
                self._go_on()
                heard(None, {})
                for hand in self._take(work.wants()):
                    work.give(hand)
                for number, reply in work.wait(BEAT):
                    heard(number, reply)
                self._put(work.rest())
                self._check_patience(work)
        finally:
            self._put(work.rest(everybody=True))

    def _check_patience(self, work: _Work) -> None:
        """Give up where nobody has been at work on anything for long; a busy crew is waited for."""
        now = time.monotonic()
        if work.is_busy() or self._free:
            self._seen = now
        if now - self._seen > PATIENCE:
            raise MissingPrerequisite(
                f"nobody came to do {work.title} in {PATIENCE:.0f} s",
                hint="is the cluster full, or did its machines go?",
            )

    def _go_on(self) -> None:
        if self._gone:
            raise HarnessError("stopped, for another step failed", hint="see the first error")

    def let_go(self) -> None:
        """Send everybody home, whatever they are doing."""
        with self._lock:
            self._gone = True
            for hand in self._all:
                self._ray.kill(hand)
            self._all.clear()

    def _gather(self, job: Job) -> None:
        """Ask for as many hands as the cluster has room for; they come when they can."""
        with self._lock:
            if self._all or self._gone:
                return
            self._seen = time.monotonic()
            there = self._ray.cluster_resources()
            room = int(there.get("GPU" if job.cuda else "CPU", 0))
            if room < 1:
                kind = "GPU" if job.cuda else "CPU"
                raise MissingPrerequisite(
                    f"the cluster has no {kind}", hint="add nodes, or choose another --device"
                )
            for _ in range(min(self._count or room, room)):
                self._ask(job)

    def _ask(self, job: Job) -> None:
        options = {"num_gpus": 1, "num_cpus": 0} if job.cuda else {"num_cpus": 1}
        hand = self._ray.remote(Hand).options(**options, max_restarts=0).remote()
        self._all.append(hand)
        self._coming[hand.ready.remote()] = hand

    def _replace(self, job: Job, hand: Any) -> None:
        """Ask for another hand in place of one that died."""
        with self._lock:
            if hand in self._all and not self._gone:
                self._all.remove(hand)
                self._ray.kill(hand)  # if only its answer was lost, it must not stay
                self._ask(job)

    def _take(self, count: int) -> list[Any]:
        """Return free hands, no more than `count`."""
        with self._lock:
            self._greet()
            return [self._free.popleft() for _ in range(min(count, len(self._free)))]

    def _greet(self) -> None:
        """Count those as free who have come since."""
        if not self._coming:
            return
        here, _ = self._ray.wait(list(self._coming), num_returns=len(self._coming), timeout=0)
        for reference in here:
            hand = self._coming.pop(reference)
            try:
                self._ray.get(reference)
            except self._ray.exceptions.RayError as error:
                self._never_came(hand, error)
            else:
                self._free.append(hand)

    def _never_came(self, hand: Any, error: Exception) -> None:
        """Do without a hand that died on its way; where none is left, say what it died of."""
        if hand in self._all:
            self._all.remove(hand)
        if not self._all and not self._gone:
            said = [line.strip() for line in str(error).splitlines() if line.strip()]
            raise MissingPrerequisite(
                f"no worker of the cluster could begin: {said[-1][:200] if said else error}",
                hint="every machine needs this very harness, and the store under the same path",
            ) from error

    def _put(self, hands: Sequence[Any]) -> None:
        with self._lock:
            self._free.extend(hands)


class _Work:
    """One job's pieces: those to do, and who is at which."""

    def __init__(
        self, ray: Any, job: Job, pieces: Sequence[Any], replace: Callable[[Job, Any], None]
    ) -> None:
        self._ray, self._job, self._pieces, self._replace = ray, job, pieces, replace
        self._key = f"{time.time_ns()}-{id(self)}"
        self._document = ray.put(job.document)
        self._to_do = deque(range(len(pieces)))
        self._at: dict[Any, tuple[Any, int]] = {}
        self._resting: list[Any] = []
        self._tries: dict[int, int] = {}

    @property
    def title(self) -> str:
        return self._job.title

    def is_busy(self) -> bool:
        return bool(self._at)

    def is_done(self) -> bool:
        return not self._to_do and not self._at

    def wants(self) -> int:
        """Return how many more hands there is work for."""
        return len(self._to_do)

    def give(self, hand: Any) -> None:
        """Give a hand the next piece, or let it rest."""
        if not self._to_do:
            self._resting.append(hand)
            return
        number = self._to_do.popleft()
        reference = hand.do.remote(
            self._key, self._job.opening, self._document, self._pieces[number]
        )
        self._at[reference] = (hand, number)

    def wait(self, seconds: float) -> list[tuple[int, Reply]]:
        """Return the pieces that are done by now, their hands being at the next ones."""
        if not self._at:
            time.sleep(seconds)
            return []
        done, _ = self._ray.wait(list(self._at), timeout=seconds)
        return [said for reference in done if (said := self._said(reference)) is not None]

    def _said(self, reference: Any) -> tuple[int, Reply] | None:
        hand, number = self._at.pop(reference)
        try:
            reply: Reply = self._ray.get(reference)
        except (self._ray.exceptions.RayActorError, self._ray.exceptions.ObjectLostError) as error:
            self._lost(hand, number, error)
            return None
        except self._ray.exceptions.RayError as error:
            self._resting.append(hand)
            said = str(error).strip().splitlines()[-1][:300]
            return number, {"error": said, "hint": "a worker's own words"}
        self.give(hand)
        return number, reply

    def _lost(self, hand: Any, number: int, error: Exception) -> None:
        """Put a piece back whose hand died, unless it has taken too many with it."""
        self._tries[number] = self._tries.get(number, 0) + 1
        if self._tries[number] >= TRIES:
            raise HarnessError(
                f"a piece of {self._job.title} took {TRIES} processes down with it",
                hint="is there memory enough? fewer --processes leave more for each",
            ) from error
        self._to_do.appendleft(number)
        self._replace(self._job, hand)

    def rest(self, everybody: bool = False) -> list[Any]:
        """Return the hands that are free again; at the end those still at work as well."""
        free, self._resting = self._resting, []
        if everybody:
            free += [hand for hand, _ in self._at.values()]
            self._at.clear()
        return free
