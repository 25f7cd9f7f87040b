"""Commands of harness in processes that may be killed.

They are forked from one process that has the libraries in memory and has computed nothing: a
start takes milliseconds where importing torch takes seconds, and everything after is as ever.
"""

from __future__ import annotations

import atexit
import ctypes
import importlib
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 300.0
"""Seconds after which a command counts as hanging."""
BEAT = 0.002
PDEATHSIG = 1
Change = Callable[[], None]
"""What is changed in a child before its command begins."""


def load_libraries() -> None:
    """Import what the stages need, and compute nothing."""
    from harness import plugins
    from harness.pipeline.stages import STAGES

    importlib.import_module("harness.cli")
    for stage in STAGES.values():
        stage.load()
    for word in ("classifier", "open-clip", "label"):
        importlib.import_module(plugins.spec("extractors", word).implementation.split(":")[0])


@dataclass
class Child:
    """One command in its own process."""

    pid: int
    log: Path
    code: int | None = None
    """How it ended; below zero: the signal that killed it."""

    def poll(self) -> int | None:
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code

    def wait(self, seconds: float = PATIENCE) -> int | None:
        """Return how it ended; None where it hangs, and is killed for that."""
        deadline = time.monotonic() + seconds
        while self.poll() is None:
            if time.monotonic() > deadline:
                self.send(signal.SIGKILL)
                os.waitpid(self.pid, 0)
                self.code = -signal.SIGKILL
                return None
            time.sleep(BEAT)
        return self.code

    def send(self, number: int) -> None:
        """Send a signal to it and to the processes that it has started, as a terminal does."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    @property
    def is_raw(self) -> bool:
        """Return whether it showed an error of Python's, and not one of ours."""
        return "Traceback" in self.said or "HARNESS_DEBUG" in self.said


def start(words: tuple[object, ...], log: Path, change: Change = lambda: None) -> Child:
    """Start `harness WORDS` in a process of its own."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        _become(words, log, change)
    with suppress(OSError):
        os.setpgid(pid, pid)
    return Child(pid, log)


def _become(words: tuple[object, ...], log: Path, change: Change) -> None:
    """Run a command and end as a process does, with what other modules do at the end."""
    code = 1
    try:
        os.setpgid(0, 0)
        _end_with_parent()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(out, 1)
        os.dup2(out, 2)
        change()
        code = _exit_code(words)
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _end_with_parent() -> None:
    """Ask Linux to kill this process when the one that forked it ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PDEATHSIG, signal.SIGKILL)


def _exit_code(words: tuple[object, ...]) -> int:
    from harness.cli import main

    try:
        main([str(word) for word in words])
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    return 0


@contextmanager
def ended(*children: Child) -> Iterator[None]:
    """Leave no child behind, whatever happens in the block."""
    try:
        yield
    finally:
        for child in children:
            child.send(signal.SIGKILL)
            child.wait(30)
