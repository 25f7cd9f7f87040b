"""Hold what is published to what is here: `python tools/dist_check.py DIST [--demo]`.

The sdist must build the same wheel as the checkout. The wheel must work for a stranger: installed
with the constraints into an empty environment, called from an empty folder, without a line of this
checkout. `--demo` makes the whole demo there, and not one rehearsal.

It needs hatchling, and takes some minutes, most of them for unpacking torch.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
import time
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
QUICK = ("rehearse", "pocket-ninja-short")
CALLS: tuple[tuple[str, ...], ...] = (
    ("--version",),
    ("doctor",),
    ("list", "recipes"),
    ("check",),
    ("plan", "naruto-1024", "--card", "t4"),
    ("leaderboard", "--reports", "REPORTS"),
)
"""What is called in an empty folder; REPORTS are the results that ship."""


def contents(wheel: Path) -> dict[str, str]:
    """Return the digest of every file of a wheel but its own list of them."""
    with zipfile.ZipFile(wheel) as opened:
        return {
            name: hashlib.sha256(opened.read(name)).hexdigest()
            for name in opened.namelist()
            if not name.endswith(".dist-info/RECORD")
        }


def unlike(one: dict[str, str], other: dict[str, str]) -> list[str]:
    """Return the names of files that only one has, or that are not the same in both."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def built_from(sdist: Path, folder: Path) -> Path:
    """Build a wheel from an sdist, away from the checkout, and return it."""
    with tarfile.open(sdist) as opened:
        opened.extractall(folder, filter="data")
    (source,) = folder.iterdir()
    out = folder / "wheel"
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    return next(out.glob("*.whl"))


def installed(wheel: Path, folder: Path) -> Path:
    """Install a wheel into an empty environment; return the command `harness`."""
    venv.create(folder, with_pip=True)
    words = ["install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    constraints = ["-c", str(ROOT / "constraints.txt")]
    subprocess.run([folder / "bin/python", "-m", "pip", *words, *constraints, wheel], check=True)
    return folder / "bin" / "harness"


def shipped_reports(harness: Path) -> Path:
    """Return where the installed package keeps the results that ship."""
    code = "import harness, pathlib; print(pathlib.Path(harness.__file__).parent)"
    python = harness.with_name("python")
    told = subprocess.run([python, "-P", "-c", code], capture_output=True, text=True, check=True)
    return Path(told.stdout.strip()) / "shipped" / "reports"


def call(harness: Path, words: tuple[str, ...], empty: Path) -> None:
    began = time.monotonic()
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run([harness, *words], cwd=empty, env=environment)
    print(f"-- harness {' '.join(words)}: {time.monotonic() - began:.1f} s", flush=True)
    if done.returncode:
        sys.exit(f"harness {' '.join(words)} ended in {done.returncode}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dist", type=Path)
    parser.add_argument("--demo", action="store_true", help="make the whole demo")
    asked = parser.parse_args()
    (wheel,), (sdist,) = asked.dist.glob("*.whl"), asked.dist.glob("*.tar.gz")
    with tempfile.TemporaryDirectory() as folder:
        rebuilt = built_from(sdist.resolve(), Path(folder))
        different = unlike(contents(wheel), contents(rebuilt))
        if different:
            sys.exit(f"the sdist builds another wheel: {', '.join(different[:20])}")
        print(f"-- the sdist builds the same {len(contents(wheel))} files", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        harness = installed(wheel.resolve(), Path(folder, "environment"))
        empty = Path(folder, "empty")
        empty.mkdir()
        reports = str(shipped_reports(harness))
        calls = [tuple(reports if word == "REPORTS" else word for word in each) for each in CALLS]
        for words in [*calls, ("demo",) if asked.demo else QUICK]:
            call(harness, words, empty)


if __name__ == "__main__":
    main()
