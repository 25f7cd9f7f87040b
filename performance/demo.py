"""How long people wait for `harness demo`: to its end, to a first picture, on a busy machine.

    python performance/demo.py [--short]

The whole demo runs once, from nothing. Then it runs on a third of its pictures, as the tests run
it: alone, and beside a torch process whose two threads multiply and convolve all the time.
`--short` leaves the whole one out.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ledger import Figure, keep

ROOT = Path(__file__).parents[1]
SHORTER = {
    "recipes/pocket-ninja.yaml": {"steps: 300": "steps: 100"},
    "recipes/pocket-ninja-overfit.yaml": {"steps: 300": "steps: 150", "count: 24": "count: 12"},
    "recipes/pocket-ninja-broken.yaml": {"steps: 60": "steps: 30"},
    "prompts/benchmarks/pocket-v1.yaml": {
        "seeds: [1, 2, 3]": "seeds: [1]",
        "steps: 20": "steps: 10",
        "count: 400": "count: 200",
        "\nbase: true\n": "\nbase: true\nlicences: false\n",
    },
}
"""Pages of the demo, and what of them is made smaller."""
NEIGHBOUR = """
import torch
torch.set_num_threads(2)
square, pictures = torch.randn(512, 512), torch.randn(8, 32, 64, 64)
layer = torch.nn.Conv2d(32, 32, 3, padding=1)
with torch.no_grad():
    print("at work", flush=True)
    while True:
        for _ in range(8):
            square @ square
        layer(pictures)
"""


@dataclass(frozen=True)
class Sat:
    """What somebody who sat through a demo waited for, in seconds."""

    first_picture: float
    whole: float


def write_shorter_pages(folder: Path) -> None:
    """Write the smaller pages where `folder` is the working directory of a demo."""
    for page, changes in SHORTER.items():
        text = (ROOT / page).read_text()
        for old, new in changes.items():
            assert text.count(old) == 1, f"{page} has changed"
            text = text.replace(old, new)
        (folder / page).parent.mkdir(parents=True, exist_ok=True)
        (folder / page).write_text(text)


def sit_through(folder: Path) -> Sat:
    """Run the demo in a folder, from nothing, and look at its page as a person would."""
    page, began, first = folder / ".harness/leaderboard.html", time.monotonic(), None
    command = [sys.executable, "-c", "from harness.cli import main; main()", "demo"]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    with (folder / "log").open("w") as log:
        child = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, env=os.environ | {"PYTHONPATH": path}
        )
        while child.poll() is None:
            if first is None and page.is_file() and "data:image/webp" in page.read_text():
                first = time.monotonic() - began
            time.sleep(0.2)
    whole = time.monotonic() - began
    assert child.returncode == 0, (folder / "log").read_text()[-3000:]
    return Sat(first if first is not None else whole, whole)


@contextmanager
def busy_neighbour() -> Iterator[None]:
    """Have another program use two threads while the block runs."""
    child = subprocess.Popen([sys.executable, "-c", NEIGHBOUR], stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        child.stdout.readline()
        yield
    finally:
        child.kill()
        child.communicate()


def whole_demo(folder: Path) -> list[Figure]:
    found = sit_through(folder)
    return [
        Figure("the demo after installation", [found.whole], target=180.0),
        Figure("until its first picture is on the page", [found.first_picture], target=60.0),
    ]


def beside_a_neighbour(folder: Path) -> list[Figure]:
    """Measure a third of the demo, alone and beside a busy program."""
    for name in ("alone", "beside"):
        write_shorter_pages(folder / name)
    alone = sit_through(folder / "alone")
    with busy_neighbour():
        beside = sit_through(folder / "beside")
    return [
        Figure("a third of the demo, alone", [alone.whole]),
        Figure(
            "a third of the demo beside a torch process with two threads",
            [beside.whole / alone.whole],
            unit="×",
            target=2.2,
            floor=2.0,
            against="the same alone; as many threads of both share the cores evenly",
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--short", action="store_true", help="leave the whole demo out")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "whole").mkdir()
        figures = [] if asked.short else whole_demo(folder / "whole")
        figures += beside_a_neighbour(folder)
    keep("demo", figures)


if __name__ == "__main__":
    main()
