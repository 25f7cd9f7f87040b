"""Run the command line as a user does; what the tests of whole runs share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SUPPORT = ROOT / "tests" / "support"
FIXTURES = ROOT / "tests" / "fixtures"
"""A folder with pages small enough for tests."""


@dataclass(frozen=True)
class Ran:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Ran]


def harness(*words: object, cwd: Path = FIXTURES, env: dict[str, str] | None = None) -> Ran:
    """Run `harness …` in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli", *map(str, words)],
        cwd=cwd,
        env=os.environ | (env or {}),
        capture_output=True,
        text=True,
        timeout=1800,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


@dataclass(frozen=True)
class House:
    """A store and reports that one uninterrupted run has filled."""

    store: Path
    reports: Path
    first: Ran
