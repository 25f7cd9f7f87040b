"""The tests that need a card, in a process of their own: `pytest -m gpu`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator

from card.figures import Context, Figure, missing
from card.machine import ROOT, has

PART = "tests"
LEAST = 20.0
"""Seconds under which they are not started."""
PASSED = re.compile(r"(\d+) passed")


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
    last = lines[-1] if lines else ""
    passed = PASSED.search(last)
    wrong = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    facts = {"note": last, "failures": wrong}
    yield Figure(PART, "pytest", float(passed[1]) if passed else 0.0, "passed", facts)


def _output(context: Context) -> list[str]:
    """Return the lines that pytest prints; in a rehearsal it only collects."""
    words = ["-m", "pytest", "-m", "gpu", "-q", "tests/test_gpu.py"]
    if context.is_dry:
        words += ["--collect-only"]
    done = subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        timeout=max(context.deadline.left - 2, 1),
        check=False,
    )
    return [line for line in done.stdout.splitlines() if line.strip()]
