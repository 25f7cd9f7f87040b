"""Not a race: the seconds of commands that only read, each in a new process, beside bare Python.

    python performance/cold.py [--times 5]

The results are those in `reports/`, copied, since a gate writes its history beside them. The
floor of each is `python -c pass`; what lies between is the libraries that the command imports.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from ledger import Figure, keep

ROOT = Path(__file__).parents[1]
QUICK, READING = 0.15, 0.5
COMMANDS = {
    "--help": QUICK,
    "list": READING,
    "leaderboard": READING,
    "compare pocket-ninja pocket-base": READING,
    "gate reports/pocket-v1/pocket-ninja.json "
    "--baseline reports/baselines/pocket-v1/pocket-ninja.json": READING,
    "plan pocket-ninja": READING,
}
ALWAYS = ("scipy.special", "numpy", "pyarrow.parquet", "pydantic", "typer", "rich.table")


def seconds(words: list[str], folder: Path, times: int) -> list[float]:
    """Return the seconds of a command, several times; its first run warms the disk."""
    spent = []
    for _ in range(times + 1):
        began = time.perf_counter()
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, env=ENVIRONMENT)
        spent.append(time.perf_counter() - began)
        if done.returncode:
            raise SystemExit(f"{' '.join(words)}: {done.stderr}")
    return spent[1:]


ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "COLUMNS": "160"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=5)
    times = parser.parse_args().times
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(ROOT / "reports", folder / "reports")
        shutil.copytree(ROOT / "recipes", folder / "recipes")
        floor = median(seconds([sys.executable, "-c", "pass"], folder, times))
        libraries = seconds([sys.executable, "-c", f"import {', '.join(ALWAYS)}"], folder, times)
        figures = [
            Figure(
                f"harness {words.split(' reports')[0]}",
                seconds([sys.executable, "-m", "harness.cli", *words.split()], folder, times),
                target=target,
                floor=floor,
                against="python -c pass",
                why=f"importing {', '.join(ALWAYS)} takes {median(libraries):.2f} s by itself",
            )
            for words, target in COMMANDS.items()
        ]
    keep("cold", figures)


if __name__ == "__main__":
    main()
