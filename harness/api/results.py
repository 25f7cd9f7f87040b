"""What the functions return: values that show themselves in a terminal and in a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from harness.api.boards import Leaderboard, folder_of, lines_of, printed
from harness.api.options import Workspace
from harness.decisions.breakdown import GroupScore, group_scores, groups_of, read_samples
from harness.decisions.leaderboard import boards
from harness.errors import UsageError
from harness.escaping import one_line, printable
from harness.metrics.sanity_card import SanityCard
from harness.pages import benchmark as benchmarks
from harness.pages.benchmark import Judgement
from harness.pages.folders import available
from harness.pipeline.results.file import ResultFile
from harness.records import Result, Score

if TYPE_CHECKING:
    import pandas as pd

    from harness.decisions.advice import Advice
    from harness.decisions.sweep import Kind, Point
    from harness.metrics.licence import Licence
    from harness.pipeline.run import Outcome

Table = Literal["scores", "samples", "prompts"]


@dataclass(frozen=True)
class Run:
    """A result with its file, and the steps that were made for it.

    >>> found = harness.load_result("tiny")
    >>> found.recipe, found.score("kid").higher_is_better
    ('tiny', False)
    """

    result: Result
    path: Path
    made: tuple[str, ...] = ()
    reused: tuple[str, ...] = ()
    replicates: tuple[Run, ...] = field(default=(), repr=False)
    """The runs of its training seeds, where there are several."""
    sweep: Sweep | None = field(default=None, repr=False)
    """Its checkpoints, each judged by itself, where the recipe's page asks for that."""

    @classmethod
    def of(cls, outcome: Outcome) -> Run:
        """Return the run that an outcome of the pipeline stands for."""
        return cls(outcome.result, outcome.path, outcome.made, outcome.reused)

    @property
    def recipe(self) -> str:
        """Return the name of the recipe."""
        return self.result.recipe

    @property
    def scores(self) -> tuple[Score, ...]:
        """Return one score a metric."""
        return self.result.scores

    def score(self, metric: str) -> Score:
        """Return the score of a metric, by its name with or without `@n=…`."""
        for score in self.result.scores:
            if metric in (score.metric, score.metric.split("@")[0]):
                return score
        known = ", ".join(score.metric for score in self.result.scores)
        raise UsageError(f"{self.recipe} has no score of {metric!r}", hint=f"it has {known}")

    def groups(self) -> list[GroupScore]:
        """Return the scores by suite and tag, where the page of the benchmark is known here."""
        judgement = judgement_of(self.result)
        return (
            [] if judgement is None else group_scores(read_samples(self.path), groups_of(judgement))
        )

    def folder(self, step: str, workspace: Workspace) -> Path | None:
        """Return the folder of one of its steps, such as sample, where the store has it."""
        return folder_of(self.result, step, workspace)

    def page(self, workspace: Workspace) -> str:
        """Return an HTML page with every score and every image."""
        board = Leaderboard(tuple(boards([self.result])), workspace)
        return board.page(self.recipe, seed_limit=100, groups=self.groups())

    def to_pandas(self, table: Table = "scores") -> pd.DataFrame:
        """Return the scores, or the values of single images (samples) or of prompts."""
        import pandas as pd

        if table == "scores":
            return pd.DataFrame(lines_of(self.result))
        frame: pd.DataFrame = ResultFile(self.path).table(table).to_pandas()
        return frame

    def __str__(self) -> str:
        from harness.pipeline.run import Outcome
        from harness.report.text import outcome_text

        text = outcome_text(Outcome(self.result, self.path, self.made, self.reused))
        return printable(text if self.sweep is None else f"{text}\n{self.sweep}")

    def __repr__(self) -> str:
        return one_line(f"<Run of {self.recipe} under {self.result.benchmark}: {self.path}>")

    def _repr_html_(self) -> str:
        from harness.report.notebook import result_html

        return result_html(self.result, self.path)


def judgement_of(result: Result) -> Judgement | None:
    """Return the benchmark of a result, where its page is known here."""
    known = result.benchmark in available("benchmark")
    return benchmarks.load(result.benchmark) if known else None


@dataclass(frozen=True)
class RehearsalRun:
    """A rehearsal that went through, and what was replaced for it."""

    run: Run
    replaced: tuple[str, ...]


@dataclass(frozen=True)
class Raced:
    """What a race of points took."""

    images: int
    """How many images were drawn of all points."""
    of: int
    """How many there would have been without it."""
    metric: str
    """What it was raced by."""
    stopped: tuple[float, ...]
    """The points that were stopped before the end."""

    def __str__(self) -> str:
        return (
            f"raced by {self.metric}: {self.images} of {self.of} images, {len(self.stopped)} "
            "stopped; the best point is stopped at most once in 20"
        )


@dataclass(frozen=True)
class Sweep:
    """A recipe at many strengths or checkpoints, and which to take.

    >>> found = harness.sweep("tiny", at=[0, 1], benchmark="tiny-v1")
    >>> found.over, len(found.to_pandas()) > 2
    ('strength', True)
    """

    recipe: str
    over: Kind
    points: tuple[Point, ...] = field(repr=False)
    advice: Advice
    raced: Raced | None = None
    """What the race took, where the points were raced."""

    def page(self) -> str:
        """Return an HTML page with a curve for each metric."""
        from harness.report.sweep import sweep_page

        return sweep_page(self.recipe, self.over, self.points, self.advice)

    def as_json(self) -> dict[str, Any]:
        """Return what `harness sweep --json` prints."""
        from harness.report.sweep import sweep_document

        document = sweep_document(self.recipe, self.over, self.points, self.advice)
        return document if self.raced is None else {**document, "raced": vars(self.raced)}

    def markdown(self) -> str:
        """Return the points as a Markdown table, below the advice."""
        from harness.report.sweep import sweep_markdown

        return sweep_markdown(self.recipe, self.over, self.points, self.advice)

    def to_pandas(self) -> pd.DataFrame:
        """Return one line for each point and metric."""
        import pandas as pd

        return pd.DataFrame(
            {self.over: point.at} | line for point in self.points for line in lines_of(point.result)
        )

    def __str__(self) -> str:
        from harness.report.sweep import print_sweep

        return printed(
            lambda console: print_sweep(self.recipe, self.over, self.points, self.advice, console)
        )

    def _repr_html_(self) -> str:
        from harness.report.notebook import sweep_html

        return sweep_html(self.recipe, self.over, self.points, self.advice)


@dataclass(frozen=True)
class SanityReport:
    """A benchmark's sanity card, and which of its metrics may judge."""

    benchmark: str
    card: SanityCard
    licences: Mapping[str, Licence]
    """By metric."""

    def __str__(self) -> str:
        from harness.report.sanity import print_card

        return printed(
            lambda console: print_card(self.benchmark, self.card, self.licences, console)
        )

    def __repr__(self) -> str:
        name = one_line(self.benchmark)
        may = sum(each.state == "licensed" for each in self.licences.values())
        return f"<SanityReport of {name}: {may} of {len(self.licences)} metrics may judge>"
