"""Ray: workers on any machine of a cluster, and the pieces of a job given to those that are free.

A worker is a process that holds what its job has loaded, and does one piece at a time; so there
are never more pieces under way than workers. A worker that dies, alone or with its machine, is
replaced, and its piece is given to another. What is made lies in the store, on a file system that
all machines share; through Ray go only the description of a job and the replies.
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
from typing import Any, Literal, Protocol

from harness.errors import HarnessError, MissingPrerequisite
from harness.interfaces import OnReply, PoolJob, Reply, WorkerPool
from harness.pipeline.executors.parallel import walk
from harness.pipeline.executors.specs import Ray
from harness.records import Step

PATIENCE = 300.0
"""Seconds that work waits for a first worker."""
TRIES = 4
"""Workers that may die at one piece before it is given up."""
BEAT = 0.25
"""Seconds between two checks for a request to stop."""
OBJECTS = 100 * 1024**2
"""Bytes of shared memory of a cluster that we start; almost nothing goes through it."""
KEPT = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "HF_HUB_OFFLINE", "HF_HOME", "PYTHONPATH")
"""Environment variables that workers inherit from this process."""

EARLY = ("CUBLAS_WORKSPACE_CONFIG",)
"""Environment variables that libraries read once, when CUDA starts."""


class Make(Protocol):
    """A function that makes a step, with a pool of workers if there is one."""

    def __call__(self, step: Step, pool: WorkerPool | None = None) -> None: ...


def cluster(spec: Ray, steps: Sequence[Step], make: Make) -> None:
    """Make every step, several at once; a pool of workers does what comes in pieces."""
    if not steps:
        return
    with connected(spec) as ray:
        pool = RayWorkerPool(ray, spec.workers)
        try:
            walk(steps, partial(make, pool=pool), pool.stop)
        finally:
            pool.stop()


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
    _check_address(address or "local")
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
        reason = str(error).strip().splitlines()[0][:200]
        raise MissingPrerequisite(
            f"there is no Ray cluster to work on: {reason}",
            hint="check RAY_ADDRESS and, as Ray asks for one, RAY_AUTH_TOKEN; without an address "
            "the work is done on this machine",
        ) from error


def _check_address(address: str) -> None:
    """Refuse an address where no server listens; Ray itself would wait for minutes."""
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


def early_variables() -> dict[str, str]:
    """Return the variables that a worker must have before CUDA starts in it, where a step needs
    them. They belong to the worker, since the cluster may have been joined without them."""
    return {name: os.environ[name] for name in EARLY if name in os.environ}


class Worker:
    """One process of the pool: it keeps what its current job has loaded."""

    def __init__(self) -> None:
        self._key, self._do_piece = "", _no_job

    def ready(self) -> int:
        return os.getpid()

    def do(self, key: str, opening: str, document: str, what: Any) -> Reply:
        """Do one piece of a job; what the job needs is loaded once."""
        if key != self._key:
            self._key, self._do_piece = "", _no_job  # free the memory of the last job first
            module, _, name = opening.partition(":")
            self._do_piece = getattr(importlib.import_module(module), name)(document)
            self._key = key
        return self._do_piece(what)


def _no_job(what: Any) -> Reply:
    raise RuntimeError("no job is open")


class RayWorkerPool:
    """The workers that are free, and those that are still starting."""

    def __init__(self, ray: Any, count: int | None) -> None:
        self._ray, self._count = ray, count
        self._lock = threading.Lock()
        self._free: deque[Any] = deque()
        self._starting: dict[Any, Any] = {}
        self._all: list[Any] = []
        self._stopped = False
        self._last_active = time.monotonic()

    def do(self, job: PoolJob, pieces: Sequence[Any], on_reply: OnReply) -> None:
        """Have every piece done; a worker keeps to a job while the job has pieces."""
        self._start_workers(job)
        work = _Work(self._ray, job, pieces, self._replace)
        try:
            while not work.is_done():
                self._check_stopped()
                on_reply(None, {})
                for worker in self._take(work.waiting()):
                    work.give(worker)
                for number, reply in work.wait(BEAT):
                    on_reply(number, reply)
                self._put_back(work.release_idle())
                self._check_patience(work)
        finally:
            self._put_back(work.release_all())

    def _check_patience(self, work: _Work) -> None:
        """Give up if no worker has started or worked for long; a busy pool is waited for."""
        now = time.monotonic()
        if work.is_busy() or self._free:
            self._last_active = now
        if now - self._last_active > PATIENCE:
            raise MissingPrerequisite(
                f"no worker came to do {work.title} in {PATIENCE:.0f} s",
                hint="is the cluster full, or did its machines go?",
            )

    def _check_stopped(self) -> None:
        if self._stopped:
            raise HarnessError("stopped because another step failed", hint="see the first error")

    def takes(self, stage: str) -> Literal["pieces"]:
        """Return that workers do the pieces of every stage that has some."""
        return "pieces"

    def facts(self) -> dict[str, Any]:
        """Return what the provenance of a step says of who made it."""
        return {"executor": "ray", "processes": self._count or len(self._all)}

    def stop(self) -> None:
        """Kill every worker, whatever it is doing."""
        with self._lock:
            self._stopped = True
            for worker in self._all:
                self._ray.kill(worker)
            self._all.clear()

    def _start_workers(self, job: PoolJob) -> None:
        """Ask for as many workers as the cluster has room for; each starts when it can."""
        with self._lock:
            if self._all or self._stopped:
                return
            self._last_active = time.monotonic()
            resources = self._ray.cluster_resources()
            room = int(resources.get("GPU" if job.cuda else "CPU", 0))
            if room < 1:
                kind = "GPU" if job.cuda else "CPU"
                raise MissingPrerequisite(
                    f"the cluster has no {kind}", hint="add nodes, or choose another --device"
                )
            for _ in range(min(self._count or room, room)):
                self._start_worker(job)

    def _start_worker(self, job: PoolJob) -> None:
        options: dict[str, Any] = {"num_gpus": 1, "num_cpus": 0} if job.cuda else {"num_cpus": 1}
        if early := early_variables():
            options["runtime_env"] = {"env_vars": early}
        worker = self._ray.remote(Worker).options(**options, max_restarts=0).remote()
        self._all.append(worker)
        self._starting[worker.ready.remote()] = worker

    def _replace(self, job: PoolJob, worker: Any) -> None:
        """Ask for another worker in place of one that died."""
        with self._lock:
            if worker in self._all and not self._stopped:
                self._all.remove(worker)
                self._ray.kill(worker)  # perhaps only its reply was lost: it must not stay
                self._start_worker(job)

    def _take(self, count: int) -> list[Any]:
        """Return free workers, no more than `count`."""
        with self._lock:
            self._collect_started()
            return [self._free.popleft() for _ in range(min(count, len(self._free)))]

    def _collect_started(self) -> None:
        """Count workers as free that have started since."""
        if not self._starting:
            return
        ready, _ = self._ray.wait(list(self._starting), num_returns=len(self._starting), timeout=0)
        for reference in ready:
            worker = self._starting.pop(reference)
            try:
                self._ray.get(reference)
            except self._ray.exceptions.RayError as error:
                self._drop(worker, error)
            else:
                self._free.append(worker)

    def _drop(self, worker: Any, error: Exception) -> None:
        """Do without a worker that failed to start; raise its error when no worker is left."""
        if worker in self._all:
            self._all.remove(worker)
        if not self._all and not self._stopped:
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            raise MissingPrerequisite(
                f"no worker of the cluster could start: {lines[-1][:200] if lines else error}",
                hint="every machine needs this same harness, and the store under the same path",
            ) from error

    def _put_back(self, workers: Sequence[Any]) -> None:
        with self._lock:
            self._free.extend(workers)


class _Work:
    """The pieces of one job: those to do, and which worker does which."""

    def __init__(
        self, ray: Any, job: PoolJob, pieces: Sequence[Any], replace: Callable[[PoolJob, Any], None]
    ) -> None:
        self._ray, self._job, self._pieces, self._replace = ray, job, pieces, replace
        self._key = f"{time.time_ns()}-{id(self)}"
        self._document = ray.put(job.document)
        self._to_do = deque(range(len(pieces)))
        self._running: dict[Any, tuple[Any, int]] = {}
        self._idle: list[Any] = []
        self._tries: dict[int, int] = {}

    @property
    def title(self) -> str:
        return self._job.title

    def is_busy(self) -> bool:
        return bool(self._running)

    def is_done(self) -> bool:
        return not self._to_do and not self._running

    def waiting(self) -> int:
        """Return how many pieces wait for a worker."""
        return len(self._to_do)

    def give(self, worker: Any) -> None:
        """Give a worker the next piece; without one it is idle."""
        if not self._to_do:
            self._idle.append(worker)
            return
        number = self._to_do.popleft()
        reference = worker.do.remote(
            self._key, self._job.opening, self._document, self._pieces[number]
        )
        self._running[reference] = (worker, number)

    def wait(self, seconds: float) -> list[tuple[int, Reply]]:
        """Return the replies that came by now; their workers are at the next pieces."""
        if not self._running:
            time.sleep(seconds)
            return []
        done, _ = self._ray.wait(list(self._running), timeout=seconds)
        replies = [self._reply(reference) for reference in done]
        return [reply for reply in replies if reply is not None]

    def _reply(self, reference: Any) -> tuple[int, Reply] | None:
        worker, number = self._running.pop(reference)
        try:
            reply: Reply = self._ray.get(reference)
        except (self._ray.exceptions.RayActorError, self._ray.exceptions.ObjectLostError) as error:
            self._lost(worker, number, error)
            return None
        except self._ray.exceptions.RayError as error:
            self._idle.append(worker)
            message = str(error).strip().splitlines()[-1][:300]
            return number, {"error": message, "hint": "a worker's own words"}
        self.give(worker)
        return number, reply

    def _lost(self, worker: Any, number: int, error: Exception) -> None:
        """Put back a piece whose worker died, unless too many died at it."""
        self._tries[number] = self._tries.get(number, 0) + 1
        if self._tries[number] >= TRIES:
            raise HarnessError(
                f"a piece of {self._job.title} took {TRIES} processes down with it",
                hint="is there memory enough? fewer --processes leave more for each",
            ) from error
        self._to_do.appendleft(number)
        self._replace(self._job, worker)

    def release_idle(self) -> list[Any]:
        """Give up the workers that have nothing to do, and return them."""
        idle, self._idle = self._idle, []
        return idle

    def release_all(self) -> list[Any]:
        """Give up every worker, those still at a piece too, and return them."""
        workers = [*self.release_idle(), *(worker for worker, _ in self._running.values())]
        self._running.clear()
        return workers
