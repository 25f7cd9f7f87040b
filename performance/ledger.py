"""The figures of every script here, kept as JSON, and what became of them since.

    from ledger import Figure, keep
    keep("comparing", [Figure("fid, 1,000 images", runs=[9.1, 9.3], unit="s", target=10)])

`performance/figures/<script>.json` is what is committed; HARNESS_FIGURES names another folder.
A figure is the median of its runs. Seconds of another machine, or of another hour of the same,
are compared by the *pace* of both: the seconds that a fixed piece of arithmetic takes.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Literal

FOLDER = Path(__file__).with_name("figures")
# Two medians of one thing differ by this much on a machine that does nothing else.
STILL = 0.10


@dataclass(frozen=True)
class Figure:
    """One measured value; `floor` is the same work with nothing of ours in it."""

    name: str
    runs: Sequence[float] = field(default_factory=list)
    unit: str = "s"
    better: Literal["lower", "higher"] = "lower"
    target: float | None = None
    floor: float | None = None
    against: str = ""
    why: str = ""  # where the time goes, for a figure that misses its target

    @property
    def value(self) -> float:
        return statistics.median(self.runs)

    @property
    def noise(self) -> float:
        """The share by which a median of these runs may differ from another one."""
        away = statistics.median(abs(run - self.value) for run in self.runs)
        return max(STILL, 3 * away / abs(self.value) if self.value else 0.0)

    @property
    def hit(self) -> bool | None:
        """Whether it reaches its target, or None where it has none."""
        if self.target is None:
            return None
        return self.value <= self.target if self.better == "lower" else self.value >= self.target

    def worsened(self, before: Figure, pace: float = 1.0) -> float:
        """Return by which factor this is worse than `before`; 1 means equal.

        `pace` is how much slower the machine itself is now. Only times are divided by it:
        a ratio of two times, a size or a count does not change with the machine.
        """
        now = self.value / pace if self.unit in ("s", "ms") else self.value
        if not before.value or not now:
            return 1.0
        return now / before.value if self.better == "lower" else before.value / now


@dataclass(frozen=True)
class Kept:
    """What one script measured, where and when."""

    script: str
    figures: list[Figure]
    machine: dict[str, Any]
    pace: float

    def slower_than(self, before: Kept) -> float:
        """Return how much slower the machine is than it was; what may be chance counts as 1."""
        factor = self.pace / before.pace
        return 1.0 if abs(factor - 1) < 2 * STILL else factor


def pace() -> float:
    """Return the seconds of a fixed piece of work, in Python and in numpy, at its best of five."""
    import numpy as np

    square = np.random.default_rng(0).normal(size=(600, 600))

    def once() -> float:
        began = time.perf_counter()
        sum(number * number for number in range(400_000))
        for _ in range(4):
            square @ square
        return time.perf_counter() - began

    return min(once() for _ in range(5))


def machine() -> dict[str, Any]:
    """Say what was measured on, as far as it moves a figure."""
    lines = _read("/proc/cpuinfo").splitlines()
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.processor(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "python": platform.python_version(),
    }


def folder() -> Path:
    return Path(os.environ.get("HARNESS_FIGURES", FOLDER))


def keep(script: str, figures: Sequence[Figure]) -> Path:
    """Write the figures of a script, in place of its last ones, and print them."""
    path = folder() / f"{script}.json"
    page = {
        "script": script,
        "date": date.today().isoformat(),
        "machine": machine(),
        "pace": round(pace(), 4),
        "figures": [_page(each) for each in figures],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(page, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    for each in figures:
        print(told(each), flush=True)
    return path


def kept(path: Path) -> Kept:
    """Read what `keep` wrote."""
    page = json.loads(path.read_text())
    figures = [
        Figure(**{k: v for k, v in each.items() if k != "value"}) for each in page["figures"]
    ]
    return Kept(page["script"], figures, page["machine"], page["pace"])


def told(figure: Figure) -> str:
    """Return a figure as one line: its value, its target, its floor."""
    line = f"{figure.name:<44} {number(figure.value)} {figure.unit}"
    if figure.target is not None:
        mark = "hit" if figure.hit else "MISS"
        line += f"   {mark} {'≤' if figure.better == 'lower' else '≥'} {figure.target:g}"
    if figure.floor is not None:
        line += f"   floor {number(figure.floor)}"
    return line + (f"   beside {figure.against}" if figure.against else "")


def number(value: float) -> str:
    """Write three digits of a value that is measured."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _page(figure: Figure) -> dict[str, Any]:
    page = {"name": figure.name, "value": _short(figure.value), **asdict(figure)}
    page["runs"] = [_short(run) for run in figure.runs]
    return {key: value for key, value in page.items() if value not in (None, "")}


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def _read(path: str) -> str:
    return Path(path).read_text() if Path(path).exists() else ""
