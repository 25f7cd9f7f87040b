"""Strangers' files through the real commands: each ends in a value or in words, soon, and small.

    python performance/odd_files.py [--only pictures,lists,…] [--seconds 10] [--megabytes 1500]

Every case runs in a process of its own, forked from this one. Counted are errors that are not in
our words, cases that take longer than allowed, and the peak of memory, Python and torch included.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

from strangers.adapters import odd_adapters
from strangers.albums import odd_albums
from strangers.lists import odd_lists
from strangers.pages import odd_pages
from strangers.pictures import odd_pictures
from strangers.results import hostile_documents, hostile_tables

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "tests" / "fixtures"
SHIPPED = ROOT / "reports" / "pocket-v1"
LARGE_PICTURE = ROOT / "docs" / "pictures" / "leaderboard.png"
WALL = 6
"""How many times longer than its processor time a case may take, on a machine that is busy."""


@dataclass(frozen=True)
class Case:
    """One odd file, and the command lines that meet it."""

    name: str
    make: Callable[[Path], None]
    """Writes it below a folder."""
    commands: Callable[[Path], Sequence[Sequence[object]]]


@dataclass
class Count:
    """What became of the cases of one kind."""

    cases: int = 0
    runs: int = 0
    refused: int = 0
    raw: list[str] = field(default_factory=list)
    slow: list[str] = field(default_factory=list)
    peak: int = 0
    """Megabytes."""
    longest: float = 0.0
    """Seconds of processor time."""


def pictures(folder: Path) -> Iterator[Case]:
    """Yield each picture by itself, and all of them together in one folder."""
    shared = ["--benchmark", "tiny-v1", "--store", folder / "store", "--reports", folder / "out"]

    def score(place: Path) -> list[list[object]]:
        listed = place / "prompts.csv"
        names = sorted(each.name for each in (place / "images").iterdir())
        listed.write_text("file,prompt\n" + "".join(f"{each},{each}\n" for each in names))
        own = ["score", "--images", place / "images", "--name", "odd"]
        return [[*own, *shared], [*own, "--prompts", listed, *shared]]

    found = list(odd_pictures())
    for name, data in found:
        yield Case(name, lambda place, name=name, data=data: _beside_good(place, name, data), score)  # type: ignore[misc]

    def all_of_them(place: Path) -> None:
        for name, data in found:
            _beside_good(place, name, data)
        os.mkfifo(place / "images" / "pipe.png")
        (place / "images" / "loop.png").symlink_to("loop.png")
        (place / "images" / "zero.png").symlink_to("/dev/zero")

    yield Case("all together", all_of_them, score)


def _beside_good(place: Path, name: str, data: bytes) -> None:
    from PIL import Image

    (place / "images").mkdir(exist_ok=True)
    (place / "images" / name).write_bytes(data)
    for number in range(3):
        Image.new("RGB", (64, 64), (90 * number, 80, 70)).save(place / "images" / f"{number}.png")


def lists(folder: Path) -> Iterator[Case]:
    """Yield each list of prompts, for one good picture."""
    shared = ["--benchmark", "tiny-v1", "--store", folder / "store", "--reports", folder / "out"]
    for name, data in odd_lists():

        def make(place: Path, name: str = name, data: bytes = data) -> None:
            _beside_good(place, "a.png", LARGE_PICTURE.read_bytes())
            (place / name).write_bytes(data)

        def score(place: Path, name: str = name) -> list[list[object]]:
            own = ["score", "--images", place / "images", "--prompts", place / name]
            return [[*own, "--name", "odd", *shared]]

        yield Case(name, make, score)


def adapters(folder: Path) -> Iterator[Case]:
    """Yield each adapter file."""
    shared = ["--benchmark", "tiny-v1", "--store", folder / "store", "--reports", folder / "out"]
    for name, data in odd_adapters():

        def score(place: Path) -> list[list[object]]:
            own = ["score", "--adapter", place / "odd.safetensors", "--base", "pocket/sdxl"]
            return [[*own, "--name", "odd", *shared]]

        yield Case(
            name,
            lambda place, data=data: _write(place / "odd.safetensors", data),
            score,  # type: ignore[misc]
        )


def pages(folder: Path) -> Iterator[Case]:
    """Yield each page: checked as any page, planned as a recipe, used as a policy."""
    good = SHIPPED / "pocket-ninja.json"
    for name, data in odd_pages():

        def commands(place: Path) -> list[list[object]]:
            file = place / "odd.yaml"
            return [
                ["check", file],
                ["plan", file, "--store", place / "store"],
                ["plan", "tiny", "--benchmark", file, "--store", place / "store"],
                ["gate", good, "--baseline", good, "--policy", file, "--reports", place],
            ]

        yield Case(name, lambda place, data=data: _write(place / "odd.yaml", data), commands)  # type: ignore[misc]


def results(folder: Path) -> Iterator[Case]:
    """Yield each hostile result, and each table and album beside one, among good results."""
    good = SHIPPED / "pocket-ninja.json"
    document = json.loads(good.read_text())
    for name, data in hostile_documents(document):
        yield Case(name, lambda place, data=data: _result(place, "json", data), _faces)  # type: ignore[misc]
    for name, kind, write in hostile_tables(good):

        def make(place: Path, kind: str = kind, write: Callable[[Path], None] = write) -> None:
            _result(place, "json", good.read_bytes().replace(b"pocket-ninja", b"odd-ninja"))
            write(place / "reports" / "pocket-v1" / f"odd.{kind}.parquet")

        yield Case(name, make, _faces)
    for name, data in odd_albums():

        def make_album(place: Path, data: bytes = data) -> None:
            _result(place, "json", good.read_bytes().replace(b"pocket-ninja", b"odd-ninja"))
            _write(place / "reports" / "pocket-v1" / "odd.album.zip", data)

        yield Case(f"album-{name}", make_album, _faces)


def _result(place: Path, ending: str, data: bytes) -> None:
    """Write a reports folder of two good results and an odd one, with good tables beside it."""
    reports = place / "reports" / "pocket-v1"
    reports.mkdir(parents=True, exist_ok=True)
    for name in ("pocket-ninja", "pocket-ninja-short"):
        for file in SHIPPED.glob(f"{name}.*"):
            if not file.name.endswith(".zip"):
                shutil.copy(file, reports)
    for file in SHIPPED.glob("pocket-ninja.*"):
        shutil.copy(file, reports / file.name.replace("pocket-ninja", "odd"))
    _write(reports / f"odd.{ending}", data)


def _faces(place: Path) -> list[list[object]]:
    """Return the commands that show or judge a result."""
    reports = place / "reports"
    odd, good = reports / "pocket-v1" / "odd.json", reports / "pocket-v1" / "pocket-ninja.json"
    both = ["--reports", reports, "--store", place / "store"]
    return [
        ["leaderboard", "--all", *both],
        ["leaderboard", "--json", "--html", place / "board.html", *both],
        ["compare", odd, good, *both],
        ["compare", good, odd, "--force", "--json", *both],
        ["report", odd, "--html", place / "odd.html", *both],
        ["gate", odd, "--baseline", good, *both],
        ["gate", good, "--baseline", odd, "--summary", place / "sum.md", *both],
        ["dashboard", "--export", place / "site", *both],
    ]


def _write(file: Path, data: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)


KINDS: dict[str, Callable[[Path], Iterator[Case]]] = {
    "pages": pages,
    "results": results,
    "lists": lists,
    "pictures": pictures,
    "adapters": adapters,
}


def run(kind: str, seconds: float, most: int = 10**9) -> Count:
    """Run the cases of a kind, or some from all over them, and count what became of them."""
    count = Count()
    with tempfile.TemporaryDirectory() as name:
        cases = list(KINDS[kind](Path(name)))
        for case in cases[:: max(1, len(cases) // most)]:
            count.cases += 1
            place = Path(name, "case")
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            case.make(place)
            for words in case.commands(place):
                _count(count, f"{case.name}: {words[0]}", words, seconds)
    return count


def _count(count: Count, title: str, words: Sequence[object], seconds: float) -> None:
    """Run one command line in a forked process, and count how it ended."""
    count.runs += 1
    before = len(count.raw), len(count.slow)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _child(words, writer, seconds)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        said = stream.read().decode("utf-8", "replace")
    _, status, used = os.wait4(child, 0)
    spent = used.ru_utime + used.ru_stime
    count.peak = max(count.peak, used.ru_maxrss // 1024)
    count.longest = max(count.longest, spent)
    if os.WIFSIGNALED(status):
        into = count.slow if os.WTERMSIG(status) in (signal.SIGALRM, signal.SIGXCPU) else count.raw
        into.append(f"{title}: signal {os.WTERMSIG(status)}")
    elif os.WEXITSTATUS(status) == 99:
        count.raw.append(f"{title}: {said[-1500:]}")
    else:
        count.refused += os.WEXITSTATUS(status) in (1, 2)
    for line in (*count.raw[before[0] :], *count.slow[before[1] :]):
        print(f"  {line}", file=sys.stderr, flush=True)


def _child(words: Sequence[object], writer: int, seconds: float) -> None:
    """Run one command line and leave; 99 means that it raised what is no word of ours."""
    from harness.cli import main

    limit = int(seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 1))
    signal.alarm(int(seconds * WALL))
    os.environ["HARNESS_DEBUG"] = "1"
    code = 0
    try:
        os.chdir(PAGES)
        with (
            redirect_stdout(io.StringIO()),
            redirect_stderr(io.StringIO()),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            main([str(word) for word in words])
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 0
    except BaseException:
        os.write(writer, traceback.format_exc()[-60_000:].encode("utf-8", "replace"))
        code = 99
    os._exit(code)


def main() -> None:
    """Run the kinds that were asked for, print a table, and end with 1 if any promise broke."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default=",".join(KINDS), help=", ".join(KINDS))
    parser.add_argument("--most", type=int, default=10**9, help="cases of each kind")
    parser.add_argument("--seconds", type=float, default=10.0, help="processor time of one command")
    parser.add_argument("--megabytes", type=int, default=1500, help="memory of one command")
    chosen = parser.parse_args()
    import harness
    from harness.views import site as site

    _ = harness.leaderboard, harness.compare, harness.gate, harness.score
    print(
        f"{'kind':<10}{'cases':>7}{'runs':>7}{'refused':>9}{'raw':>5}{'slow':>6}{'MB':>7}{'s':>7}"
    )
    broken = False
    for kind in chosen.only.split(","):
        start = time.perf_counter()
        if kind in ("lists", "pictures", "adapters"):
            _warm()
        each = run(kind, chosen.seconds, chosen.most)
        broken |= bool(each.raw or each.slow) or each.peak > chosen.megabytes
        print(
            f"{kind:<10}{each.cases:>7}{each.runs:>7}{each.refused:>9}{len(each.raw):>5}"
            f"{len(each.slow):>6}{each.peak:>7}{each.longest:>7.1f}  "
            f"({time.perf_counter() - start:.0f} s in all)",
            flush=True,
        )
    sys.exit(broken)


def _warm() -> None:
    """Import what scoring needs once, so that each forked process has it."""
    import torch

    import harness.pipeline.stages.features
    import harness.pipeline.stages.sample

    torch.set_num_threads(1)
    _ = harness.pipeline.stages.features, harness.pipeline.stages.sample


if __name__ == "__main__":
    main()
