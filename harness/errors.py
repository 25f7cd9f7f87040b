"""Everything that can go wrong on purpose.

    HarnessError
    ├── UsageError            wrong words on the command line (exit 2)
    ├── PageError             a recipe, suite or benchmark page does not hold (exit 2)
    ├── StoreError            an artifact is missing, damaged or in use
    ├── MissingPrerequisite   a package, a model or a device that is not here
    ├── DeviceError           a GPU or a machine that runs out of memory
    ├── TrainingError         a run that cannot go on
    └── ScoringError          images or prompts that cannot be scored

Each says what happened, where, and what to do. None carries a traceback to the user.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

EXIT_CODES = {
    0: "done",
    1: "failed",
    2: "wrong use or an invalid page",
    3: "worse than before",
    4: "not enough evidence",
    130: "stopped by hand",
}
"""What each exit code of the command line means."""


class HarnessError(Exception):
    """Something the user can understand and act upon.

    >>> try:
    ...     harness.load_recipe("tinny")
    ... except harness.HarnessError as error:
    ...     print(error)
    there is no recipe called 'tinny' (did you mean tiny?)
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(what)
        self.what, self.where, self.hint = what, where, hint

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        advice = f" ({self.hint})" if self.hint else ""
        return f"{place}{self.what}{advice}"


class UsageError(HarnessError):
    """The command line asks for something that does not exist."""

    exit_code = 2


@dataclass(frozen=True)
class Problem:
    """One thing wrong with one page."""

    file: str
    line: int
    field: str
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        name = f"{self.field} " if self.field else ""
        advice = f" ({self.hint})" if self.hint else ""
        return f"{self.file}:{self.line}: {name}{self.message}{advice}"


class PageError(HarnessError):
    """One or more pages do not hold; every problem of each is listed."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class StoreError(HarnessError):
    """The store does not hold what it should, or another process is writing it."""


class MissingPrerequisite(HarnessError):
    """Something that has to be installed, fetched or plugged in first."""


class DeviceError(HarnessError):
    """A GPU, or the machine itself, has too little memory for what it was asked."""


class TrainingError(HarnessError):
    """Training cannot go on; what was reached is kept."""


class ScoringError(HarnessError):
    """The images or prompts given cannot be scored."""
