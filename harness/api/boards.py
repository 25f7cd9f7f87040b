"""Rank results: one board for each benchmark and signature."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from harness.api.options import Options, Workspace, with_options, workspace_of
from harness.decisions.leaderboard import Board, boards
from harness.errors import HarnessError
from harness.escaping import one_line
from harness.metrics.sanity_card import SanityCard
from harness.pipeline.results.file import ResultFile
from harness.pipeline.results.read import result_paths
from harness.pipeline.store.local import Store
from harness.records import PseudoValues, Result

if TYPE_CHECKING:
    import pandas as pd

    from harness.decisions.breakdown import GroupScore
    from harness.report.terminal import Terminal


@dataclass(frozen=True)
class Leaderboard:
    """Results of each benchmark, ranked; one board for each signature.

    >>> boards = harness.leaderboard("tiny-v1")
    >>> len(boards), boards[0].benchmark
    (1, 'tiny-v1')
    >>> boards.to_pandas().recipe.nunique()
    2
    """

    boards: tuple[Board, ...]
    workspace: Workspace = field(repr=False)
    problems: tuple[str, ...] = ()
    """What is wrong with files that cannot be read; the others are ranked."""

    def __iter__(self) -> Iterator[Board]:
        return iter(self.boards)

    def __len__(self) -> int:
        return len(self.boards)

    def __getitem__(self, at: int) -> Board:
        return self.boards[at]

    def page(self, title: str, seed_limit: int = 1, groups: list[GroupScore] | None = None) -> str:
        """Return an HTML page with every board, its images and its sanity card."""
        from harness.report.page import html

        return html(self.boards, self.folder, self.card, title, seed_limit, groups or ())

    def card(self, board: Board) -> SanityCard | None:
        """Return the sanity card of a board's metrics: that of the first row that has one."""
        folder = self.workspace.reports / board.benchmark
        files = (ResultFile(folder / f"{row.result.recipe}.json") for row in board.rows)
        for file in files:
            with suppress(HarnessError):  # a broken table costs its own result only
                if (card := file.card()) is not None:
                    return card
        return None

    def folder(self, result: Result, step: str) -> Path | None:
        """Return the folder of a result's step, where the store has it."""
        return folder_of(result, step, self.workspace)

    def to_pandas(self) -> pd.DataFrame:
        """Return one line for each recipe and metric, best recipe first."""
        import pandas as pd

        return pd.DataFrame(
            {"signature": board.signature, "rank_low": row.rank_low, "rank_high": row.rank_high}
            | line
            for board in self.boards
            for row in board.rows
            for line in lines_of(row.result)
        )

    def __str__(self) -> str:
        from harness.report.leaderboard import print_boards

        return printed(lambda console: print_boards(self.boards, console))

    def __repr__(self) -> str:
        counts = [f"{board.benchmark}: {len(board.rows)} results" for board in self.boards]
        return one_line(f"<Leaderboard of {', '.join(counts)}>")

    def _repr_html_(self) -> str:
        from harness.report.notebook import boards_html

        return boards_html(self.boards)


@with_options
def leaderboard(benchmark: str | None = None, **options: Unpack[Options]) -> Leaderboard:
    """Rank the results of a benchmark, or of every benchmark; equal results share a rank.

    >>> boards = harness.leaderboard("tiny-v1")
    >>> sorted(row.result.recipe for row in boards[0].rows)
    ['pocket-base', 'tiny']
    """
    workspace = workspace_of(options)
    reports = workspace.reports
    problems: list[HarnessError] = []
    files = [ResultFile(path) for path in result_paths(reports, benchmark)]
    whole = _readable(files, problems)
    if not whole:
        raise problems[0]
    by_result = {id(each.result): each for each in whole}
    pseudo_values = cache(lambda place: _pseudo_values(by_result[place], problems))
    results = [each.result for each in whole]
    ranked = boards(results, lambda result: pseudo_values(id(result)))
    return Leaderboard(tuple(ranked), workspace, tuple(str(each) for each in problems))


def _readable(files: Sequence[ResultFile], problems: list[HarnessError]) -> list[ResultFile]:
    """Return the files that hold results, and note the problem of every other."""
    whole = []
    for file in files:
        try:
            _ = file.result
            whole.append(file)
        except HarnessError as error:
            problems.append(error)
    return whole


def _pseudo_values(file: ResultFile, problems: list[HarnessError]) -> PseudoValues:
    """Return the pseudo-values that belong to a result, if there are any that can be read."""
    try:
        return file.pseudo_values() if file.has_table("prompts") else PseudoValues()
    except HarnessError as error:
        problems.append(error)
        return PseudoValues()


def lines_of(result: Result) -> Iterator[dict[str, Any]]:
    """Yield each score of a result as a line of a table."""
    for score in result.scores:
        yield {"recipe": result.recipe, "benchmark": result.benchmark} | score.model_dump(
            include={"metric", "value", "low", "high", "n", "higher_is_better", "reason", "flag"}
        )


def folder_of(result: Result, step: str, workspace: Workspace) -> Path | None:
    """Return the folder of a result's step, where the store has it."""
    key = result.keys.get(step)
    return Store(workspace.store).find(key) if key else None


def printed(show: Callable[[Terminal], object]) -> str:
    """Return what `show` writes to a terminal of 120 columns, without colours."""
    from harness.report.terminal import printed

    return printed(show)
