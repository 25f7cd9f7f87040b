"""A drawing service without weights in a process of its own, and how its clients begin."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from running import ROOT, SUPPORT

from harness.delivery.service.model import Model
from harness.pages.benchmark import Prompt, Sampler
from harness.pages.recipe import Base
from harness.pages.stages import SampleSpec

MODEL = Model(
    "ink",
    SampleSpec(
        base=Base(model="pocket/sdxl"),
        pins={},
        prompts=(Prompt(id="a", text="a cat"),),
        seeds=(1,),
        sampler=Sampler(steps=2, guidance=3.0, width=64, height=64),
    ),
    {},
)
SERVES = """
import sys
from services import MODEL
from harness.delivery.service import run
from harness.delivery.service.app import Limits
from harness.delivery.service.connections import ConnectionLimits
run.load = lambda model, device: lambda orders: [None for _ in orders]
limits = ConnectionLimits(headers=2)
options = run.ServiceOptions("127.0.0.1", int(sys.argv[1]), 4, 2, limits)
run.serve(MODEL, "cpu", options, Limits(seconds=1))
"""


def connected(port: int) -> socket.socket:
    deadline = time.monotonic() + 240
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), 60)
        except OSError:
            assert time.monotonic() < deadline, "the service was not up in time"
            time.sleep(0.05)


@contextmanager
def served(port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Serve in a process of its own, that can be told to stop."""
    path = os.pathsep.join(map(str, (ROOT, SUPPORT)))
    child = subprocess.Popen(
        [sys.executable, "-c", SERVES, str(port)], cwd=ROOT, env=os.environ | {"PYTHONPATH": path}
    )
    try:
        yield child
    finally:
        child.kill()
        child.wait()
