"""Workers of a training that are born with torch imported: seconds less than `accelerate launch`.

A process of its own imports the libraries once, and every worker is a fork of it. What the workers
do, how they meet, speak and fail is the same; `tests/pipeline/stages/test_pieces.py` holds the
launching itself.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import IO, Any
from uuid import uuid4

IMPORTED = (
    "accelerate.state",
    "harness.diffusion.load",
    "harness.pipeline.stages.train",
    "harness.pipeline.stages.worker",
)
WARM = multiprocessing.get_context("forkserver")
WARM.set_forkserver_preload(list(IMPORTED))


@contextmanager
def no_main() -> Iterator[None]:
    """Hide what runs as `__main__`: a new process would run it again."""
    main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


class Workers:
    """What `launch.start` returns: several processes as if they were one."""

    def __init__(self, arguments: Sequence[str], file: Path, errors: IO[str]) -> None:
        size = int(arguments[list(arguments).index("--num_processes") + 1])
        heard, said = WARM.Pipe(duplex=False)
        unasked = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}
        environment = {**os.environ, **unasked, "WORLD_SIZE": str(size)}
        meeting = file.with_name(f"scratch-meeting-{uuid4().hex}")
        self._processes: list[Any] = []
        with no_main():
            for rank in range(size):
                own = {**environment, "RANK": str(rank), "LOCAL_RANK": str(rank)}
                places = (str(Path.cwd()), str(file), str(meeting), errors.name)
                process = WARM.Process(target=_work, args=(own, said, *places))
                process.start()
                self._processes.append(process)
        said.close()
        self.stdout = os.fdopen(os.dup(heard.fileno()), encoding="utf-8")
        heard.close()
        self._watch = Thread(target=self._end_together, daemon=True)
        self._watch.start()

    @property
    def returncode(self) -> int:
        return next((each.exitcode for each in self._processes if each.exitcode), 0)

    def terminate(self) -> None:
        for each in self._processes:
            each.terminate()

    def wait(self) -> int:
        self._watch.join()
        self.stdout.close()
        return self.returncode

    def _end_together(self) -> None:
        """Wait for all processes; one that fails takes the others with it."""
        left = list(self._processes)
        while left:
            wait([each.sentinel for each in left])
            for each in [each for each in left if each.exitcode is not None]:
                left.remove(each)
                if each.exitcode:
                    self.terminate()


def _work(
    environment: dict[str, str], said: Connection, folder: str, job: str, meeting: str, log: str
) -> None:
    """Be one worker: stdout is the pipe, stderr the log. They meet at a file, not at a port."""
    from torch import distributed

    from harness.pipeline.stages import worker

    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    os.dup2(said.fileno(), 1)
    with open(log, "a") as errors:  # noqa: PTH123 - its descriptor is what is wanted
        os.dup2(errors.fileno(), 2)
    rank, size = (int(environment[name]) for name in ("RANK", "WORLD_SIZE"))
    distributed.init_process_group("gloo", f"file://{meeting}", rank=rank, world_size=size)
    sys.exit(worker.main(Path(job)))
