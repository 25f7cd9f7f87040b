"""Every measurement that needs a quiet CPU and no card: `make measure`.

    python performance/everything.py [NAME …] [--accept]
    python performance/everything.py --table

Runs each script alone, in a process of its own, and prints its figures beside the committed
ones: which targets they reach, and what became slower by more than noise. `--accept` keeps them
in `performance/figures/`, to be committed, with a table of all that is there; `--table` writes that
table alone. It ends with 1 where something became slower, or a script failed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from ledger import FOLDER, Figure, Kept, kept, number, told

HERE = Path(__file__).parent
NO_LONGER = "is measured no longer"


@dataclass(frozen=True)
class Script:
    """A script, the words that keep it short, and the minutes it takes on two quiet cores."""

    name: str
    minutes: float
    words: tuple[str, ...] = ()
    wants: str = ""
    """A variable without which some of its figures are not measured."""


SCRIPTS = (
    Script("browsing", 3),
    Script("cold", 0.5),
    Script("comparing", 3),
    Script("demo", 5),
    Script("five_million", 3),
    Script("measure", 4),
    Script("training_race", 2, ("--repeat", "1"), wants="HARNESS_OFFICIAL_SCRIPT"),
    Script("scoring_race", 3, ("--short",)),
    Script("two_folders", 2, ("--pictures", "100")),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("names", nargs="*", help="scripts; all of them where none is named")
    parser.add_argument("--accept", action="store_true", help="keep the new figures")
    parser.add_argument("--table", action="store_true", help="only write the table of what is kept")
    asked = parser.parse_args()
    if asked.table:
        return write_table()
    unknown = sorted(set(asked.names) - {each.name for each in SCRIPTS})
    if unknown:
        parser.error(f"no such script: {', '.join(unknown)}")
    chosen = [each for each in SCRIPTS if not asked.names or each.name in asked.names]
    print(f"{len(chosen)} scripts, about {sum(each.minutes for each in chosen):.0f} minutes")
    if os.getloadavg()[0] > 0.7:
        print(f"This machine is busy (load {os.getloadavg()[0]:.1f}): figures will be worse.")
    with tempfile.TemporaryDirectory() as new:
        worse = [name for each in chosen for name in measured(each, Path(new), asked.accept)]
    if asked.accept:
        write_table()
    print("\nSlower than before, by more than noise:" if worse else "\nNothing became slower.")
    print("\n".join(f"  {each}" for each in worse))
    sys.exit(1 if worse else 0)


def measured(script: Script, new: Path, accept: bool) -> list[str]:
    """Run one script, print what it says, and return what became worse."""
    print(f"\n{script.name}: about {script.minutes:g} minutes", flush=True)
    began = time.monotonic()
    words = [sys.executable, str(HERE / f"{script.name}.py"), *script.words]
    log = new / f"{script.name}.log"
    with log.open("w") as out:
        ended = subprocess.run(
            words,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, "HARNESS_FIGURES": str(new)},
            check=False,
        )
    path = new / f"{script.name}.json"
    if ended.returncode or not path.exists():
        print("\n".join(log.read_text().splitlines()[-12:]))
        return [f"{script.name}: it failed (exit {ended.returncode})"]
    committed = FOLDER / path.name
    worse = compared(kept(path), kept(committed) if committed.exists() else None)
    if spare(script):
        print(f"  (without {script.wants} some figures stay as they were)")
        worse = [each for each in worse if not each.endswith(NO_LONGER)]
    print(f"  {(time.monotonic() - began) / 60:.1f} minutes")
    if accept and spare(script) and committed.exists():
        print("  (not kept: it would lose those figures)")
    elif accept:
        FOLDER.mkdir(exist_ok=True)
        shutil.copyfile(path, committed)
    return worse


def compared(now: Kept, before: Kept | None) -> list[str]:
    """Print each figure beside what it was, and return those that became worse."""
    known = {each.name: each for each in before.figures} if before else {}
    slower = now.slower_than(before) if before else 1.0
    if before and before.machine != now.machine:
        print("  (the committed figures are another machine's: times are divided by its pace)")
    worse = []
    for figure in now.figures:
        old = known.pop(figure.name, None)
        print(f"  {told(figure)}{beside(figure, old, slower)}")
        if old and is_worse(figure, old, slower):
            worse.append(f"{now.script}: {figure.name}{beside(figure, old, slower)}")
    return worse + [f"{now.script}: {name} {NO_LONGER}" for name in known]


def spare(script: Script) -> bool:
    """Return whether figures may be missing, since what they are measured beside is not here."""
    return bool(script.wants) and script.wants not in os.environ


def write_table() -> None:
    (FOLDER / "README.md").write_text(table([kept(path) for path in sorted(FOLDER.glob("*.json"))]))


def table(pages: list[Kept]) -> str:
    """Return all figures that are kept, as Markdown."""
    lines = [
        "# Figures",
        "",
        "Written by `make measure`. A value is the median of its runs; the floor is what the same "
        "work costs with nothing of ours in it.",
    ]
    for page in pages:
        lines += ["", f"## {page.script}.py", "", "| | value | target | floor | beside |"]
        lines += ["|---|---|---|---|---|", *map(row, page.figures)]
        lines += [
            f"\n{each.name}: {each.why}" for each in page.figures if each.hit is False and each.why
        ]
        where = ", ".join(f"{key}: {value}" for key, value in page.machine.items())
        lines += ["", f"({where})"]
    return "\n".join(lines) + "\n"


def row(figure: Figure) -> str:
    target = floor = ""
    if figure.target is not None:
        sign = "≤" if figure.better == "lower" else "≥"
        target = f"{sign} {figure.target:g} " + ("✓" if figure.hit else "**missed**")
    if figure.floor is not None:
        floor = number(figure.floor)
    value = f"{number(figure.value)} {figure.unit}"
    return f"| {figure.name} | {value} | {target} | {floor} | {figure.against} |"


def is_worse(now: Figure, before: Figure, pace: float) -> bool:
    return now.worsened(before, pace) > 1 + max(now.noise, before.noise)


def beside(now: Figure, before: Figure | None, pace: float) -> str:
    if before is None:
        return "   (new)"
    by = now.worsened(before, pace) - 1
    return f"   (was {number(before.value)}: {abs(by):.0%} {'worse' if by > 0 else 'better'})"


if __name__ == "__main__":
    main()
