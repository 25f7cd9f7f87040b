"""Result files → results; and which of their scores stands first."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from harness.errors import PageError, Problem, UsageError
from harness.escaping import command
from harness.files import read_regular
from harness.records import Result, Score, column_of

_LARGEST = 16_000_000
"""Bytes that a result file may have."""
HEADLINE = ("kid", "style-probe", "cmmd", "fid", "clip-score", "tag-recall", "aesthetic")
"""Metrics in the order in which they rank, where a benchmark has them: as surely as they tell one
artist from another in docs/explanation/validity.md. Only `kid` stands before the probe, which is
surer and sees the style alone: two adapters that both have it may tie there."""


NOISE = ".noise.json"
"""How files end that lie beside baselines and are no results."""


HARDWARE = "hardware"
"""The folder beside those of the benchmarks that holds figures of GPUs, and no results."""


BASELINES = "baselines"
"""The folder beside those of the benchmarks that holds what later results are held to."""


def result_paths(reports: Path, benchmark: str | None = None) -> list[Path]:
    """Return the file of every result below `reports`; refuse a folder without any."""
    files = [
        file
        for file in sorted(reports.glob("*/*.json"))
        if file.parent.name == benchmark
        or (benchmark is None and file.parent.name not in (BASELINES, HARDWARE))
    ]
    if not files:
        what = f"no results of {benchmark}" if benchmark else "no results"
        raise UsageError(f"{what} in {reports}", hint="make some: `harness run pocket-ninja`")
    return files


def find_result(result: str | Path, benchmark: str | None, reports: Path) -> Path:
    """Return the result file that a path, a recipe's name or `NAME@STEP` means."""
    name = str(result)
    if name.endswith(".json"):
        if not Path(name).is_file():
            raise not_there(Path(name))
        return Path(name)
    stem = ".step".join(Path(name).name.removesuffix(".yaml").split("@"))
    files = sorted(reports.glob(f"{benchmark or '*'}/{stem}.json"))
    files = [file for file in files if file.parent.name != BASELINES]
    if not files:
        where = f"{reports}/{benchmark}" if benchmark else reports
        raise UsageError(f"there is no result of {name} in {where}", hint=command("run", name))
    if len(files) > 1:
        known = ", ".join(file.parent.name for file in files)
        raise UsageError(f"{name} has results of {known}", hint="--benchmark says which is meant")
    return files[0]


def read_result(file: Path) -> Result:
    try:
        return Result.model_validate_json(read_regular(file, _LARGEST))
    except ValidationError as error:
        said = "; ".join(map(_complaint, error.errors(include_url=False)[:3]))
        raise _no_result(file, said) from None
    except FileNotFoundError:
        raise not_there(file) from None
    except (OSError, ValueError) as error:
        raise _no_result(file, str(getattr(error, "strerror", None) or error)) from None


def not_there(file: Path) -> UsageError:
    """Return the error of a result that is missing."""
    return UsageError(f"there is no file {file}", hint="a result lies below --reports")


def _complaint(error: ErrorDetails) -> str:
    place = ".".join(map(str, error["loc"]))[:80]
    return f"{place}: {error['msg']}" if place else error["msg"]


def _no_result(file: Path, why: str) -> PageError:
    what = f"is not a result file: {' '.join(why.split())[:200]}"
    return PageError([Problem(str(file), 1, "", what)])


def headline(metric: str) -> int:
    """Return a metric's place among those that boards are ranked by.

    A column that is named after one of them has its place, as `kid-lite0` has that of `kid`. Of
    several in one place, the first on the benchmark's page ranks.
    """
    words = f"{column_of(metric)}-"
    named = (at for at, name in enumerate(HEADLINE) if words.startswith(f"{name}-"))
    return next(named, len(HEADLINE))


def score_of(result: Result, metric: str) -> Score | None:
    return next((score for score in result.scores if score.metric == metric), None)
