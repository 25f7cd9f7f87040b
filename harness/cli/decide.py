"""Commands that decide: leaderboard, compare, gate, history, reproduce."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import harness
from harness.cli import complete
from harness.cli.options import (
    REPORTS,
    BenchmarkFilter,
    BenchmarkName,
    Device,
    DeviceName,
    Json,
    NoWait,
    RecipeName,
    Replicates,
    ReportsDir,
    ResultFile,
    StoreDir,
    benchmark_flag,
    workspace_of,
)
from harness.cli.output import console, say, show, with_others, write_report
from harness.cli.program import command
from harness.errors import HarnessError, UsageError
from harness.escaping import one_line

if TYPE_CHECKING:
    from harness import GateDecision


ComparedResults = Annotated[
    list[str],
    typer.Argument(
        metavar="A B…",
        autocompletion=complete.results_or_recipes,
        help="Result files, or recipes (also NAME@STEP) that have a result.",
    ),
]
DecidingMetrics = Annotated[
    list[str] | None,
    typer.Option(
        "--metric",
        metavar="METRIC",
        autocompletion=complete.metrics,
        show_default="the first of each family",
        help="A metric that decides; may be repeated.",
    ),
]
Margins = Annotated[
    list[str] | None,
    typer.Option(
        "--margin",
        metavar="METRIC=SIZE",
        show_default="half the spread between prompts",
        help="The smallest effect that matters; may be repeated.",
    ),
]
Draws = Annotated[
    int,
    typer.Option(help="Permutations for metrics over sets of images, as FID; 0: none.", min=0),
]
GatedRecipe = Annotated[
    str,
    typer.Argument(
        autocompletion=complete.recipes,
        help="A recipe (also NAME@STEP) to run, or a result file.",
    ),
]
BaselineFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        autocompletion=complete.results,
        help="The accepted result to compare with.",
    ),
]
Accept = Annotated[
    bool,
    typer.Option("--accept", help="Make this result the baseline, below --reports; commit it."),
]
PolicyFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        show_default="no worse than measured noise",
        help="A policy page: what may fall, and how far.",
    ),
]
AllowMissing = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-missing",
        metavar="METRIC",
        autocompletion=complete.metrics,
        show_default="none",
        help="A metric that the baseline has and the candidate may lack; may be repeated.",
    ),
]
JUnitFile = Annotated[Path | None, typer.Option(metavar="FILE", help="Write JUnit XML.")]
SummaryFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write Markdown, under 1 MiB.")
]
ReviewedPullRequest = Annotated[
    str | None,
    typer.Option(
        metavar="PR",
        help=(
            "Comment on a pull request, and update the comment later: a number, OWNER/NAME#12, or "
            "`here` in a workflow. Takes GITHUB_TOKEN or GH_TOKEN."
        ),
    ),
]
HtmlFile = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", help="Write an HTML report.")
]
AcceptedBenchmark = Annotated[
    str | None, benchmark_flag("With --accept: the benchmark that judges.", "by recipe")
]


@command("decide", "harness leaderboard --benchmark pocket-v1 --html board.html")
def leaderboard(
    benchmark: BenchmarkFilter = None,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write an HTML report.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Show every metric, not only the first of each family.")
    ] = False,
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    as_json: Json = False,
) -> None:
    """Rank a benchmark's results.

    A rank is an interval: recipes that cannot be told apart share ranks. The store adds images to
    the HTML report.
    """
    from harness.report.leaderboard import as_csv, as_markdown, board_document, print_boards

    ranked = harness.leaderboard(benchmark, workspace=workspace_of(store, reports))
    boards = ranked.boards
    for problem in ranked.problems:
        say(f"left out: {problem}", file=sys.stderr)
    if html is not None:
        write_report(html, ranked.page("Leaderboard"))
    if as_json:
        show(with_others([board_document(board) for board in boards]))
    elif csv:
        say(as_csv(boards), end="")
    elif markdown:
        say(as_markdown(boards, everything), end="")
    elif html is None:
        print_boards(boards, console(), everything)


@command("decide", "harness compare pocket-ninja pocket-base --benchmark pocket-v1")
def compare(
    results: ComparedResults,
    benchmark: BenchmarkFilter = None,
    metrics: DecidingMetrics = None,
    margins: Margins = None,
    draws: Draws = 199,
    force: Annotated[
        bool, typer.Option("--force", help="Compare despite different signatures.")
    ] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    as_json: Json = False,
) -> None:
    """Compare results, paired by prompt.

    The verdict on A beside each B is: better, worse, no-difference or under-powered.
    """
    from harness.report import comparison as words

    compared = harness.compare(
        *results,
        benchmark=benchmark,
        metrics=metrics or (),
        margins=_sizes(margins),
        draws=draws,
        force=force,
        workspace=workspace_of(store, reports),
    ).comparisons
    if as_json:
        return show(with_others([words.comparison_document(each) for each in compared]))
    if len(compared) == 1:
        if markdown:
            return say(words.comparison_markdown(compared[0]))
        return words.print_comparison(compared[0], console())
    if markdown:
        return say(words.comparisons_markdown(compared))
    return words.print_comparisons(compared, console())


def _sizes(words: list[str] | None) -> dict[str, float]:
    """Return `METRIC=SIZE` by metric."""
    sizes = {}
    for word in words or ():
        name, _, size = word.partition("=")
        try:
            sizes[name] = float(size)
        except ValueError:
            raise UsageError(f"--margin {word} gives no size", hint="such as kid=2.5") from None
        if not sizes[name] > 0:
            raise UsageError(f"--margin {word} is not above zero", hint="such as kid=2.5")
    return sizes


@command(
    "decide",
    "harness gate pocket-ninja --baseline reports/baselines/pocket-v1/pocket-ninja.json",
)
def gate(
    recipe: GatedRecipe,
    baseline: BaselineFile = None,
    accept: Accept = False,
    policy: PolicyFile = None,
    allow_missing: AllowMissing = None,
    junit: JUnitFile = None,
    summary: SummaryFile = None,
    html: HtmlFile = None,
    comment: ReviewedPullRequest = None,
    replicates: Replicates = 1,
    benchmark: AcceptedBenchmark = None,
    no_wait: NoWait = False,
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """Pass or fail a recipe beside its accepted baseline.

    Exit codes: 0 passed, 3 worse than the policy allows, 4 not enough evidence.
    """
    _require_pull_request(comment)
    workspace = workspace_of(store, reports, device, wait=not no_wait)
    if accept:
        file = harness.accept(
            recipe, benchmark=benchmark, replicates=replicates, workspace=workspace
        )
        return show({"baseline": str(file)}) if as_json else say(f"accepted: {file}")
    if baseline is None:
        raise UsageError("gate needs --baseline FILE", hint="--accept writes the first one")
    decision = harness.gate(
        recipe,
        baseline=baseline,
        policy=policy,
        allow_missing=allow_missing or (),
        replicates=replicates,
        workspace=workspace,
    )
    _write_gate(decision, html, summary, junit)
    if comment is not None:
        _comment(decision, comment)
    _tell_gate(decision, as_json)
    raise SystemExit(decision.gate.exit_code)


def _write_gate(
    decision: GateDecision, html: Path | None, summary: Path | None, junit: Path | None
) -> None:
    """Write the decision in each form that has a file."""
    from harness.files import write_text
    from harness.report import gate as words

    worst = decision.pairs() if html or summary else ()
    cases = decision.cases() if html or summary else ()
    if html is not None:
        write_text(html, words.page(decision.gate, worst, cases))
    if summary is not None:
        place = str(html) if html else None
        write_text(summary, words.summary(decision.gate, worst, place, cases))
    if junit is not None:
        write_text(junit, words.junit(decision.gate))


def _tell_gate(decision: GateDecision, as_json: bool) -> None:
    """Show the decision; in a workflow also as annotations."""
    from harness.report import gate as words

    for line in words.github_annotations(decision.gate) if os.environ.get("GITHUB_ACTIONS") else ():
        say(line, file=sys.stderr)
    if as_json:
        show(words.gate_document(decision.gate))
    else:
        words.print_gate(decision.gate, console())


def _require_pull_request(words: str | None) -> None:
    """Refuse words that name no pull request before anything runs."""
    if words is not None:
        from harness.delivery.pull_request import require_named

        require_named(words)


def _comment(decision: GateDecision, where: str) -> None:
    """Comment on a pull request; where that fails, one line says so, and the verdict stands."""
    try:
        say(f"commented: {decision.comment(where)}", file=sys.stderr)
    except HarnessError as error:
        say(f"no comment on the pull request: {one_line(str(error))}", file=sys.stderr)


@command("decide", "harness history pocket-ninja")
def history(
    recipe: RecipeName,
    benchmark: BenchmarkName = None,
    reports: ReportsDir = REPORTS,
    as_json: Json = False,
) -> None:
    """Show a recipe over time: gates, baselines, steps in values."""
    from harness.decisions.history import document
    from harness.report.reproduction import print_history

    past = harness.history(recipe, benchmark=benchmark, reports=reports)
    events, steps = list(past.events), list(past.steps)
    if as_json:
        return show(document(events, steps))
    return print_history(recipe, events, steps, console())


@command("decide", "harness reproduce reports/pocket-v1/pocket-ninja.json")
def reproduce(
    result: ResultFile,
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """Make a published result again from nothing, and compare.

    Exit codes: 3 a score outside its window, or fewer images; 4 a score that was not found again,
    or nothing to compare. The noise of a baseline below --reports, where `harness calibrate`
    measured it, sets the window.
    """
    from harness.report.reproduction import print_reproduction, reproduction_document

    reproduced = harness.reproduce(result, workspace=workspace_of(store, reports, device))
    if as_json:
        show(reproduction_document(reproduced))
    else:
        print_reproduction(reproduced, console())
    raise SystemExit(reproduced.exit_code)
