"""Can a LoRA's fate be read from its file alone? `performance/fate.py train|read|tell`.

`train` makes small adapters on the pocket base: twelve styles, each with its own draws of rate,
rank, alpha, steps and size of set, each adapter kept at three steps. Killed, it goes on after the
last whole training. `read` looks at the files as `harness inspect` does, and writes a row an
adapter. `tell` says how well the facts tell four fates apart on styles that were left out.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from fate_of_files import reading
from fate_of_files.reading import FATES

from harness.diffusion.adapter_files.fate import FACTS

ROWS = Path(__file__).parent / "fate_of_files" / "adapters.csv"
SIZE_ALONE = (FACTS.index("size"), FACTS.index("rank"))


def read(root: Path) -> None:
    """Write the row of every adapter that was kept."""
    rows = list(reading.records(root))
    reading.write_rows(rows, ROWS)
    print(f"wrote {len(rows)} adapters to {ROWS.name}")


def tell() -> None:
    """Print how well fates are told on styles left out, beside size and rank alone and chance."""
    table = reading.table_of(reading.read_rows(ROWS))
    counts = np.bincount(table.fates, minlength=len(FATES))
    print(f"{len(table.fates)} adapters of {len(set(table.styles))} styles:", end=" ")
    print(", ".join(f"{count} {fate}" for fate, count in zip(FATES, counts, strict=True)))
    for name, columns in (("all facts", None), ("size and rank alone", SIZE_ALONE)):
        answers = reading.left_out(table, columns)
        low, high = reading.interval(table, answers)
        value = reading.balanced(table.fates, answers)
        print(f"{name}: balanced accuracy {value:.2f} [{low:.2f}, {high:.2f}], chance 0.25")
        for fate, row in zip(FATES, reading.confusion(table, answers), strict=True):
            print(f"  {fate:<12}" + "".join(f"{count:>6}" for count in row))
    most, answers = reading.broken_by_size(table)
    is_broken = table.fates == FATES.index("broken")
    found, spared = (answers & is_broken).sum(), (~answers & ~is_broken).sum()
    print(f"broken by size alone, above {most:.4g}: ", end="")
    print(f"{found} of {is_broken.sum()} broken, {spared} of {(~is_broken).sum()} others")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("train", "read", "tell"))
    parser.add_argument("--folder", type=Path, default=Path(".harness/fate"))
    parser.add_argument("--seconds", type=float, default=2400, help="CPU seconds to use at most")
    chosen = parser.parse_args()
    if chosen.what == "train":
        from fate_of_files.trainings import train_all

        train_all(chosen.folder, chosen.seconds)
    elif chosen.what == "read":
        read(chosen.folder)
    else:
        tell()


if __name__ == "__main__":
    main()
