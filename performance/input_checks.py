"""What it costs a run to look at its inputs: `performance/input_checks.py [RECIPE [BENCHMARK]]`.

A run digests every file that a step reads, once a process. The alternative is to trust the store.
CPU time is counted, of this process alone, so that other work on the machine moves the figures
little. The first run makes everything; the second finds everything there; the third makes the
score again, and so reads all features and the images of the worst pairs.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import harness
from harness import fingerprint
from harness.pipeline import run as runs
from harness.pipeline import step_runner
from harness.pipeline.results import assemble

CHECKS = (
    (step_runner, "keep_if_sound"),
    (step_runner, "require_as_planned"),
    (runs, "keep_if_sound"),
    (assemble, "require_sound"),
)
"""Where a run calls what looks at its inputs."""


class Clock:
    """Adds up the CPU seconds of some functions."""

    def __init__(self) -> None:
        self.seconds, self.depth = 0.0, 0

    def timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            began = time.process_time()
            self.depth += 1
            try:
                return function(*arguments)
            finally:
                self.depth -= 1
                if not self.depth:
                    self.seconds += time.process_time() - began

        return call


def measure(recipe: str, benchmark: str | None, root: Path, clock: Clock, what: str) -> None:
    fingerprint._KNOWN.clear()  # as in a new process
    clock.seconds, began = 0.0, time.process_time()
    harness.run(
        recipe, benchmark=benchmark, store=root / "store", reports=root / "reports", quiet=True
    )
    whole = time.process_time() - began
    print(
        f"{recipe:<22} {what:<24} {whole:8.2f} s of CPU, checks {clock.seconds:7.3f} s: "
        f"{clock.seconds / whole:.2%}"
    )


def main(recipe: str = "pocket-ninja-short", benchmark: str | None = None) -> None:
    clock = Clock()
    for module, name in CHECKS:
        setattr(module, name, clock.timed(getattr(module, name)))
    with TemporaryDirectory() as folder:
        root = Path(folder)
        measure(recipe, benchmark, root, clock, "everything made")
        measure(recipe, benchmark, root, clock, "everything there")
        shutil.rmtree(root / "store" / "score")
        measure(recipe, benchmark, root, clock, "score made again")
        size = sum(file.stat().st_size for file in root.rglob("*") if file.is_file())
        print(f"{'':<22} the store and the reports hold {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(*sys.argv[1:])
