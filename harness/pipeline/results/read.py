"""Result files → results; and which of their scores stands first."""

from __future__ import annotations

from pathlib import Path

from harness.errors import PageError, Problem, UsageError
from harness.records import Result, Score, column_of

HEADLINE = ("kid", "cmmd", "fid", "clip-score", "tag-recall", "aesthetic")
"""Metrics in the order in which they rank, where a benchmark has them."""


NOISE = ".noise.json"
"""How files end that lie beside baselines and are no results."""


HARDWARE = "hardware"
"""The folder beside those of the benchmarks that holds figures of GPUs, and no results."""


def read_results(reports: Path, benchmark: str | None = None) -> list[Result]:
    """Return every result file below `reports`."""
    files = [
        file
        for file in sorted(reports.glob("*/*.json"))
        if file.parent.name == benchmark
        or (benchmark is None and file.parent.name not in ("baselines", HARDWARE))
    ]
    if not files:
        what = f"no results of {benchmark}" if benchmark else "no results"
        raise UsageError(f"{what} in {reports}", hint="make some: `harness run pocket-ninja`")
    return [read_result(file) for file in files]


def read_result(file: Path) -> Result:
    try:
        return Result.model_validate_json(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        lines = str(error).splitlines()
        raise PageError(
            [Problem(str(file), 1, "", f"is not a result file: {' '.join(lines[:3])[:200]}")]
        ) from None


def headline(metric: str) -> int:
    """Return a metric's place among those that boards are ranked by."""
    word = column_of(metric)
    return HEADLINE.index(word) if word in HEADLINE else len(HEADLINE)


def score_of(result: Result, metric: str) -> Score | None:
    return next((score for score in result.scores if score.metric == metric), None)
