"""Write outputs and figures into the pages again, or count what is executed.

    python -m tools.docs bless [PAGE…]   write what came out into the pages
    python -m tools.docs count [PAGE…]   how many blocks run, are skipped and are compared

tests/support must be on PYTHONPATH, as `make bless` has it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from running import House, Ran, harness

from tools.docs import figures
from tools.docs.blocks import read
from tools.docs.execution import Outcome, execute
from tools.docs.pages import blessed, elsewhere, pages


def main() -> None:
    """Run the pages that are named, or all, and write or count."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("what", choices=["bless", "count"])
    parser.add_argument("pages", nargs="*", type=Path, help="only these pages")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        house = _house(Path(folder) / "house")
        outcomes = [
            _one(file, Path(folder) / str(number), house, asked.what == "bless")
            for number, file in enumerate([f.resolve() for f in asked.pages] or pages())
        ]
    print(counted(outcomes))
    sys.exit(any(outcome.wrong for outcome in outcomes))


def _one(file: Path, root: Path, house: House, is_bless: bool) -> Outcome:
    page, began = read(file), time.process_time()
    outcome = elsewhere(page) or execute(page, root, house)
    outcome.figures = figures.count(page.text)
    if is_bless:
        text = figures.measured(blessed(page, outcome.new))
        if text != page.text:
            file.write_text(text, encoding="utf-8")
            print(f"wrote {file.name}")
        outcome.wrong = [each for each in outcome.wrong if "is not what the page shows" not in each]
    print(f"{file.name}: {time.process_time() - began:.1f} s", file=sys.stderr)
    print(*outcome.wrong, sep="\n", end="\n" if outcome.wrong else "", file=sys.stderr)
    return outcome


def counted(outcomes: list[Outcome]) -> str:
    """Return what was executed, skipped and compared, in words."""
    ran = sum(outcome.executed for outcome in outcomes)
    skipped = [each for outcome in outcomes for each in outcome.skipped]
    lines = [
        f"{len(outcomes)} pages, {ran + len(skipped)} blocks of shell and Python: "
        f"{ran} executed ({ran / max(1, ran + len(skipped)):.0%}), "
        f"{sum(o.elsewhere for o in outcomes)} of them by other tests; {len(skipped)} skipped",
        f"{sum(o.compared for o in outcomes)} outputs compared, "
        f"{sum(o.left for o in outcomes)} not compared",
        f"{sum(o.written for o in outcomes)} files written and checked, "
        f"{sum(o.figures for o in outcomes)} figures held to measurements",
        *(f"skipped {each}" for each in skipped),
    ]
    return "\n".join(lines)


def _house(root: Path) -> House:
    """Run the tiny recipe and the bare base, as the tests' `house` does."""
    store, reports = root / "store", root / "reports"
    words = ("run", "tiny", "pocket-base", "--benchmark", "tiny-v1")
    ran = harness(*words, "--store", store, "--reports", reports)
    assert ran.code == 0, ran.err
    return House(store, reports, Ran(0, "", ""))


if __name__ == "__main__":
    main()
