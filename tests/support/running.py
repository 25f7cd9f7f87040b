"""Run the command line as a user does; what the tests of whole runs share."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
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
    """Run `harness …` in this process, where the networks' libraries are imported once."""
    from harness.cli import main

    out, err = io.StringIO(), io.StringIO()
    with chdir(cwd), environment(env or {}), redirect_stdout(out), redirect_stderr(err):
        code = ended(lambda: main([str(word) for word in words]))
    return Ran(code, out.getvalue(), err.getvalue())


def ended(work: Callable[[], object]) -> int:
    """Return the exit code with which a command ends."""
    try:
        work()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
    return 0


@contextmanager
def environment(changes: dict[str, str]) -> Iterator[None]:
    """Change variables of the environment while the block runs."""
    before = dict(os.environ)
    os.environ.update(changes)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def harness_process(*words: object, cwd: Path = FIXTURES, env: dict[str, str] | None = None) -> Ran:
    """Run `harness …` in a process of its own: for kills, signals and what must not be loaded."""
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
