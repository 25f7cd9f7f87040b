"""Run the blocks of one page: commands of harness in this process, other programs in theirs."""

from __future__ import annotations

import doctest
import io
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from running import ROOT, Ran, environment, harness

from tools.docs.blocks import words

WIDTH = 100
"""Columns that a page shows."""
OF_A_SHELL = re.compile(r"[|;&<>$`()*?{}~]")
NEVER = re.compile(
    r"(?:^|[;&|]\s*)(?:(?:make|docker|sbatch|srun|sudo|apt|apt-get|wget|ssh|hf)\b"
    r"|curl (?!.*localhost)|pip install (?!.*--no-deps)"
    r"|harness (?:serve|demo|dashboard)\b(?!.*(?: --export| &)))",
    re.DOTALL,
)
"""What a page may show and no test runs: it does not end, builds for minutes or needs a network."""
UNSET = ("HARNESS_STORE", "HARNESS_REPORTS", "HARNESS_BENCHMARK", "HARNESS_PROCESSES")


@dataclass
class Session:
    """The folder of a page, and what its blocks have set so far."""

    root: Path
    programs: Path
    variables: dict[str, str] = field(default_factory=dict)
    names: dict[str, Any] = field(default_factory=lambda: {"__name__": "__page__"})
    groups: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder = self.root
        _write_programs(self.programs)

    def close(self) -> None:
        """End what the page left running in the background."""
        for group in self.groups:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)

    def command(self, command: str) -> Ran:
        """Run one command as a shell would, and keep where it went and what it exported."""
        if NEVER.search(_unquoted(command)):
            return Ran(99, "", "not run: mark the block as skipped, with the reason")
        given = words(command)
        with environment(self._environment()):
            for name in UNSET:
                os.environ.pop(name, None)
            if given[0] == "cd" and len(given) == 2:
                self.folder = (self.folder / given[1]).resolve()
                return Ran(0, "", "")
            if given[0] == "export" and not OF_A_SHELL.search(command.replace("$PATH", "")):
                self.variables |= dict(pair.split("=", 1) for pair in given[1:])
                return Ran(0, "", "")
            if given[0] == "harness" and not OF_A_SHELL.search(_unquoted(command)):
                return harness(*given[1:], cwd=self.folder)
            return self._process(command)

    def python(self, code: str) -> Ran:
        """Run a block of Python; one with `>>>` as doctest does."""
        out, err = io.StringIO(), io.StringIO()
        with (
            chdir(self.folder),
            environment(self._environment()),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            for name in UNSET:
                os.environ.pop(name, None)
            if code.lstrip().startswith(">>>"):
                return _doctest(code, self.names)
            exec(compile(code, "<page>", "exec"), self.names)
        return Ran(0, out.getvalue(), err.getvalue())

    def _environment(self) -> dict[str, str]:
        path = os.pathsep.join([str(self.programs), os.environ["PATH"]])
        return {"COLUMNS": str(WIDTH), "NO_COLOR": "1", "PATH": path, **self.variables}

    def _process(self, command: str) -> Ran:
        before = os.environ.get("PYTHONPATH", "")
        done = subprocess.Popen(
            ["bash", "-c", command],
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), before])},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.groups.append(done.pid)
        out, err = done.communicate(timeout=600)
        return Ran(done.returncode, out, err)


def told(ran: Ran) -> str:
    """Return what a command said: its answer, and its words on stderr where there is no other."""
    if ran.code == 0 and ran.out.strip():
        return ran.out
    return ran.out + "".join(_without_progress(ran.err))


def _without_progress(text: str) -> Iterator[str]:
    for line in text.splitlines(keepends=True):
        if not re.match(r"\[\d+/\d+\] ", line):
            yield line


def _doctest(code: str, names: dict[str, Any]) -> Ran:
    said: list[str] = []
    example = doctest.DocTestParser().get_doctest(code + "\n", names, "page", None, None)
    example.globs = names
    failed = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS).run(
        example, out=said.append, clear_globs=False
    )
    return Ran(int(failed.failed > 0), "", "".join(said))


def _unquoted(command: str) -> str:
    """Return a command without what stands in quotes or in a comment."""
    without = re.sub(r"\s#.*", "", command)
    return re.sub(r"'[^']*'|\"[^\"$`]*\"", "", without)


def _write_programs(folder: Path) -> None:
    """Write `harness`, `python` and `pip` as the environment of these tests has them."""
    folder.mkdir(parents=True, exist_ok=True)
    python = shlex.quote(sys.executable)
    for name, words_before in (
        ("harness", f"{python} -m harness.cli"),
        ("python", python),
        ("python3", python),
        ("pip", f"{python} -m pip --disable-pip-version-check"),
    ):
        file = folder / name
        file.write_text(f'#!/bin/sh\nexec {words_before} "$@"\n')
        file.chmod(0o755)
