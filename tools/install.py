"""Install this checkout into a virtual environment, and say all along what is going on.

    python tools/install.py VENV [EXTRA…]

pip is silent for the minutes in which it unpacks: here a line comes every few seconds. Most modules
are never imported, so pip compiles none; those of a run are imported once at the end, which does.
"""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

OLDEST = (3, 11)
BEAT = 5.0
"""Seconds between two lines while nothing else is said."""
IMPORTS = "from harness.pipeline.stages import STAGES; [each.load() for each in STAGES.values()]"
LAST_WORDS = 40
"""Lines of pip that are shown where it fails."""


class Telling:
    """What pip does at the moment, from its own lines and from what lies in the environment."""

    def __init__(self, environment: Path) -> None:
        self._environment = environment
        self._began = time.monotonic()
        self._doing, self._wanted = "asking for packages", list[str]()

    def hear(self, line: str) -> None:
        """Take in a line of pip."""
        if match := re.match(r"\s*(Collecting|Downloading) (\S+)", line):
            verb, what = match.groups()
            self._doing = f"{verb.lower()} {what.rpartition('/')[2]}"
        elif line.startswith("Installing collected packages: "):
            self._wanted = [_plain(name) for name in line.partition(": ")[2].split(",")]
        elif match := re.match(r"\s*(Building|Preparing|Getting requirements)", line):
            self._doing = "preparing harness itself"

    def line(self) -> str:
        """Return one line for a person: seconds, what is being done, and how far it has come."""
        return f"  {time.monotonic() - self._began:4.0f} s  {self._now()}"

    def _now(self) -> str:
        if not self._wanted:
            return self._doing
        there = self._installed()
        left = [name for name in self._wanted if name not in there]
        count = f"{len(self._wanted) - len(left)} of {len(self._wanted)} packages"
        return f"unpacking {left[0]}, {count}" if left else f"finishing, {count}"

    def _installed(self) -> set[str]:
        """Return the packages that lie whole in the environment."""
        folders = self._environment.glob("lib/python*/site-packages/*.dist-info/RECORD")
        return {_plain(file.parent.name.partition("-")[0]) for file in folders}


def _plain(name: str) -> str:
    """Return a package's name as an index spells it."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def install(environment: Path, extras: Sequence[str]) -> int:
    """Make the environment where there is none, and have pip fill it; return pip's exit code."""
    if not (environment / "bin/python").exists():
        subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    what = f".[{','.join(extras)}]" if extras else "."
    command = [str(environment / "bin/python"), "-m", "pip", "install", "--no-compile"]
    command += ["--disable-pip-version-check", "-c", "constraints.txt", "-e", what]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as pip:
        assert pip.stdout is not None
        said = follow(pip.stdout, Telling(environment))
    if pip.returncode:
        print("".join(said[-LAST_WORDS:]), file=sys.stderr)
        return pip.returncode
    print("  compiling what a run imports", flush=True)
    compiling = [str(environment / "bin/python"), "-c", IMPORTS]
    compiled = subprocess.run(compiling, stderr=subprocess.PIPE, text=True)
    if compiled.returncode:  # else libraries only talk of what they lack
        print(compiled.stderr, file=sys.stderr)
    return compiled.returncode


def follow(lines: Iterable[str], telling: Telling, beat: float = BEAT) -> list[str]:
    """Read the lines of pip to their end, and print at every beat what it is doing."""
    over = threading.Event()

    def tell() -> None:
        while not over.wait(beat):
            print(telling.line(), flush=True)

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    said = []
    for line in lines:
        said.append(line)
        telling.hear(line)
    over.set()
    teller.join()
    print(telling.line(), flush=True)
    return said


def main() -> int:
    if sys.version_info < OLDEST:
        sys.exit("harness needs Python 3.11 or newer")
    environment, *extras = sys.argv[1:]
    return install(Path(environment), extras)


if __name__ == "__main__":
    sys.exit(main())
