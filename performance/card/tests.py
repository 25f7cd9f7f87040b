"""The tests that need a card, in a process of their own: `pytest -m gpu`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

from card.figures import Context, Figure, missing
from card.machine import ROOT, has

PART = "tests"
LEAST = 20.0
"""Seconds under which they are not started."""


def figures(context: Context) -> Iterator[Figure]:
    """Run them, and give the summary line."""
    lacking = [name for name in ("pytest", "pytest_socket") if not has(name)]
    if lacking:
        yield missing(PART, "pytest", f"skipped: {', '.join(lacking)} is not here")
        return
    if context.deadline.left < LEAST and not context.is_dry:
        yield missing(PART, "pytest", f"skipped: {max(context.deadline.left, 0):.0f} s were left")
        return
    lines = _output(context)
    wrong = [line for line in lines if " FAILED" in line or line.startswith("ERROR")]
    facts = {"note": lines[-1] if lines else "nothing was printed", "failures": wrong}
    passed = sum(" PASSED" in line for line in lines)
    yield Figure(PART, "pytest", float(passed), "passed", facts)


def _output(context: Context) -> list[str]:
    """Return the lines that pytest prints in the time that is left; a rehearsal only collects."""
    words = ["-m", "pytest", "-m", "gpu", "-vv", "tests/test_gpu.py"]
    if context.is_dry:
        words += ["--collect-only"]
    paths = os.pathsep.join(path for path in sys.path if path)
    with (context.folder / "pytest.txt").open("w+", encoding="utf-8") as printed:
        try:
            subprocess.run(
                [sys.executable, *words],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": paths},
                stdout=printed,
                stderr=subprocess.STDOUT,
                timeout=max(context.deadline.left - 2, 1),
                check=False,
            )
        except subprocess.TimeoutExpired:
            printed.write("\nstopped: the time of this part was over")
        printed.flush()
        printed.seek(0)
        return [line.strip() for line in printed.read().splitlines() if line.strip()]
