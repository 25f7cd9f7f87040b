"""Comparisons → one sentence each, a document, and tables for a terminal and in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.text import Text

from harness.decisions.compare import Comparison, as_json
from harness.decisions.finding import Finding
from harness.decisions.ranking import outranks
from harness.escaping import in_markdown, one_line
from harness.report.numbers import number
from harness.report.terminal import Terminal, new_table

VERBS = {
    "better": "is better than",
    "worse": "is worse than",
    "no-difference": "shows no difference from",
    "under-powered": "cannot yet be told apart from",
}
ALONE = {
    "better": "is better",
    "worse": "is worse",
    "no-difference": "shows no difference",
    "under-powered": "needs more evidence",
}
STYLES = {"better": "green", "worse": "red", "no-difference": "dim", "under-powered": "yellow"}
SCOPES = {
    "file": "this holds for these files, not for every training",
    "recipe": "this holds for any training of both",
}
COLUMNS = ("A", "B", "A − B", "p", "wins–ties–losses", "MDE", "verdict")
BOLD = "bold: declared, p adjusted over them (Holm); A − B with its 95 % interval"
LEGEND = (
    f"{BOLD}; wins of A by prompt; MDE: the minimum detectable effect, detected four times in five"
)


def sentence(comparison: Comparison) -> str:
    """Return what to say of a comparison where there is room for one sentence."""
    one, other = names(comparison)
    head = f"{one} {VERBS[comparison.verdict]} {other}: {_because(comparison, one, other)}"
    metrics, by = comparison.metrics, comparison.ranked_by
    order = [each.metric for each in metrics]
    rest = [_alone(each) for each in metrics if _is_told(each, by, order)]
    both = ["both carry flags"] if comparison.flags_a and comparison.flags_b else []
    mark = f"FORCED, they differ in {', '.join(comparison.unlike)}: " if comparison.forced else ""
    return one_line(mark + "; ".join([head, *rest, *both, SCOPES[comparison.claim]]))


def names(comparison: Comparison) -> tuple[str, str]:
    """Return what to call A and B, which may be two results of one recipe."""
    if comparison.a == comparison.b:
        return f"{comparison.a} (A)", f"{comparison.b} (B)"
    return comparison.a, comparison.b


def _because(comparison: Comparison, one: str, other: str) -> str:
    """Return the flags that decide, or else the numbers of the metric that does."""
    if bool(comparison.flags_a) != bool(comparison.flags_b):
        name, flags = (
            (one, comparison.flags_a) if comparison.flags_a else (other, comparison.flags_b)
        )
        said = f"{name} {' and '.join(flags)}"
        if comparison.flags_unknown:
            clean = other if comparison.flags_a else one
            said += f", and {clean} has no {' or '.join(comparison.flags_unknown)} to compare"
        return said
    decisive = next(
        (each for each in comparison.metrics if each.metric == comparison.ranked_by), None
    )
    if decisive is None:
        return "no metric could be compared"
    width = _width(decisive)
    values = f"{number(decisive.a, width)} against {number(decisive.b, width)}"
    return f"{decisive.metric} {values} ({gap(decisive)}{_outlook(decisive)})"


def _is_told(finding: Finding, ranked_by: str | None, order: Sequence[str]) -> bool:
    """Return whether the sentence goes on to a metric: what was declared, and what is missing
    that would have ranked instead."""
    if finding.metric == ranked_by:
        return False
    would_rank = outranks(finding.metric, ranked_by, order)
    if finding.licence is not None:
        return would_rank
    says_nothing = finding.a == finding.b and finding.verdict == "no-difference"
    return (finding.declared and not says_nothing) or (
        finding.delta is None and ranked_by is not None and would_rank
    )


def _alone(finding: Finding) -> str:
    if finding.licence is not None:
        return f"{finding.metric} may not judge here: {finding.licence}"
    if finding.delta is None:
        return f"{finding.metric} cannot be compared ({finding.reason})"
    if finding.verdict == "no-difference":
        return f"{finding.metric} shows no difference ({_margin(finding)})"
    return f"{finding.metric} {ALONE[finding.verdict]} ({gap(finding)}{_outlook(finding)})"


def _outlook(finding: Finding) -> str:
    """Return how many prompts it takes, where these are too few."""
    needed = finding.needed
    if finding.verdict != "under-powered" or (needed is not None and needed <= finding.prompts):
        return ""
    if needed is None:
        return f"; no number of prompts detects {_margin(finding)}"
    return f"; it takes {needed:,} prompts to detect {_margin(finding)}"


def _margin(finding: Finding) -> str:
    if finding.ratio is not None:
        return f"within ×{finding.ratio.margin:.2f}"
    return f"± {number(finding.margin, finding.margin or 0)}"


def _width(finding: Finding) -> float:
    return (finding.high or 0) - (finding.low or 0)


def gap(finding: Finding) -> str:
    """Return A − B with its interval, or A / B where that is what was tested."""
    if (ratio := finding.ratio) is not None:
        return f"×{ratio.value:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]"
    width = _width(finding)
    low, high = number(finding.low, width), number(finding.high, width)
    return f"{number(finding.delta, width, '+')} [{low}, {high}]"


def comparison_document(comparison: Comparison) -> dict[str, Any]:
    return {**as_json(comparison), "sentence": sentence(comparison)}


def print_comparison(comparison: Comparison, console: Terminal) -> None:
    """Write a comparison as a table for a terminal, then its sentence."""
    table = new_table(_title(comparison), LEGEND)
    table.add_column("metric", no_wrap=True)
    for column in COLUMNS:
        table.add_column(column, justify="left" if column == "verdict" else "right")
    for finding in comparison.metrics:
        *cells, verdict = cells_of(finding)
        name = Text(metric_name(finding), "bold" if finding.declared else "")
        table.add_row(name, *cells, Text(verdict, STYLES[finding.verdict]))
    console.print(table)
    console.print(sentence(comparison))


def comparison_markdown(comparison: Comparison) -> str:
    """Return a comparison as its sentence and a Markdown table."""
    rows = [
        [_bold(metric_name(each), each.declared), *_marked(each)] for each in comparison.metrics
    ]
    table = _table(["metric", *COLUMNS], rows)
    said = in_markdown(sentence(comparison))
    return f"## {in_markdown(_title(comparison))}\n\n{said}.\n\n{table}\n\n{LEGEND}.\n"


def print_comparisons(comparisons: Sequence[Comparison], console: Terminal) -> None:
    """Write one contender beside several as a table: metrics down, the others across."""
    table = new_table(f"A = {comparisons[0].a}", BOLD)
    table.add_column("metric", no_wrap=True)
    for each in comparisons:
        table.add_column(f"A − {each.b}", justify="right")
    for name, findings in _across(comparisons):
        cells = [_styled(finding) for finding in findings]
        table.add_row(Text(name, "bold" if _any_declared(findings) else ""), *cells)
    console.print(table)
    for each in comparisons:
        console.print(sentence(each))


def comparisons_markdown(comparisons: Sequence[Comparison]) -> str:
    """Return one contender beside several as their sentences and one Markdown table."""
    rows = [
        [_bold(name, _any_declared(findings)), *map(_marked_brief, findings)]
        for name, findings in _across(comparisons)
    ]
    table = _table(["metric", *[f"A − {in_markdown(each.b)}" for each in comparisons]], rows)
    said = "\n".join(f"- {in_markdown(sentence(each))}." for each in comparisons)
    return f"## A = {in_markdown(comparisons[0].a)}\n\n{said}\n\n{table}\n\n{BOLD}.\n"


def _across(comparisons: Sequence[Comparison]) -> list[tuple[str, list[Finding | None]]]:
    """Return each metric of any comparison with its finding in every one."""
    by_name = [
        {metric_name(each): each for each in comparison.metrics} for comparison in comparisons
    ]
    every = dict.fromkeys(name for findings in by_name for name in findings)
    return [(name, [findings.get(name) for findings in by_name]) for name in every]


def _any_declared(findings: Sequence[Finding | None]) -> bool:
    return any(each is not None and each.declared for each in findings)


def _styled(finding: Finding | None) -> Text:
    style = STYLES[finding.verdict] if finding is not None else "dim"
    return Text(_brief(finding), style)


def _brief(finding: Finding | None) -> str:
    if finding is None:
        return "–"
    if finding.delta is None:
        return f"– ({finding.reason})"
    return f"{gap(finding)} {finding.verdict}"


def _marked(finding: Finding) -> list[str]:
    """Return cells for Markdown: only the last one holds a stranger's words."""
    *numbers, verdict = cells_of(finding)
    return [*numbers, in_markdown(verdict)]


def _marked_brief(finding: Finding | None) -> str:
    is_unavailable = finding is not None and finding.delta is None
    return in_markdown(_brief(finding)) if is_unavailable else _brief(finding)


def _title(comparison: Comparison) -> str:
    mark = f" · FORCED, they differ in {', '.join(comparison.unlike)}" if comparison.forced else ""
    return f"A = {comparison.a} · B = {comparison.b} · signature {comparison.signature}{mark}"


def metric_name(finding: Finding) -> str:
    return f"{finding.metric} {'↑' if finding.higher_is_better else '↓'}"


def _bold(name: str, declared: bool) -> str:
    return f"**{in_markdown(name)}**" if declared else in_markdown(name)


def cells_of(finding: Finding) -> list[str]:
    """Return a finding's cells below `COLUMNS`."""
    if finding.delta is None:
        a, b = ("–" if value is None else f"{value:.4g}" for value in (finding.a, finding.b))
        return [a, b, "–", "–", "–", "–", f"unavailable ({finding.reason})"]
    tally, p, width = finding.tally, finding.p_adjusted or 0.0, _width(finding)
    return [
        number(finding.a, width),
        number(finding.b, width),
        gap(finding),
        "<0.001" if p < 0.001 else f"{p:.3f}",
        f"{tally.wins}–{tally.ties}–{tally.losses}",
        f"± {number(finding.mde, width)}",
        f"{finding.verdict}{_outlook(finding)}",
    ]


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in (heads, ["---"] * len(heads), *rows))
