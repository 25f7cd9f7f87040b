"""A dashboard that runs for a while, as `harness dashboard` starts it: for races and for tests."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Server:
    """A dashboard that runs for a while."""

    link: str
    """The address that it printed, with the token of one that may be written to."""
    pid: int

    @property
    def url(self) -> str:
        return self.link.partition("/?")[0].rstrip("/")

    @property
    def megabytes(self) -> float:
        """Return the memory that the server holds now."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024


@contextmanager
def serving(reports: Path, store: Path, write: bool = False) -> Iterator[Server]:
    """Serve the dashboard over a reports folder, and stop it in the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    folders = ["--reports", str(reports), "--store", str(store), "--port", str(port)]
    command = [sys.executable, "-m", "harness.cli", "dashboard", *folders]
    with tempfile.TemporaryFile() as log, tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command + ["--allow-write"] * write, env=environment, stdout=said, stderr=log, cwd=ROOT
        )
        try:
            yield Server(_link(said, process), process.pid)
        finally:
            process.terminate()
            process.wait(20)


def _link(said: IO[bytes], process: subprocess.Popen[bytes]) -> str:
    """Wait until the dashboard says where it is, and return that."""
    for _ in range(240):
        if process.poll() is not None:
            raise RuntimeError(f"the dashboard stopped with {process.returncode}")
        said.seek(0)
        found = re.search(rb"dashboard at (http\S+)\n", said.read())
        if found:
            return found[1].decode()
        time.sleep(0.25)
    raise RuntimeError("the dashboard did not start")
