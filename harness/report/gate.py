"""A gate → a table for a terminal, a document, JUnit, annotations, a Markdown summary, a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

from rich.text import Text

from harness.decisions.check import Check, check_json
from harness.decisions.gate import Gate
from harness.report.checks import (
    LEGEND,
    ORDER,
    SOURCES,
    effect,
    gravest_first,
    headline,
    line,
    markdown,
    outcome,
    p_value,
    remarks,
    sentence,
    title,
)
from harness.report.numbers import number
from harness.report.pairs import PicturedPair
from harness.report.terminal import Terminal, new_table

ROOM = 1_000_000
"""Bytes a summary may have: of one beyond 1 MiB, GitHub shows nothing."""
ROWS, NOTES = 100, 20
STYLES = {"pass": "green", "fail": "red", "under-powered": "yellow"}
LEVELS = {"fail": "error", "under-powered": "warning"}
COLUMNS = ("verdict", "check", "effect", "margin from", "in words")
PAIR = ("prompt", "seed", "metric", "baseline", "candidate")


@dataclass(frozen=True)
class Bar:
    """An effect on an axis of its own, all in percent of its width."""

    value: float
    low: float
    high: float
    left: float
    """Where what is allowed begins, and where it ends."""
    right: float
    zero: float | None
    """No difference; None for bounds."""


def gate_document(gate: Gate) -> dict[str, Any]:
    """Return a document whose numbers are all finite; what is not known is None."""
    checks = [
        {"name": title(each), **check_json(each), "sentence": sentence(each)}
        for each in gate.checks
    ]
    return {
        "verdict": gate.verdict,
        "exit_code": gate.exit_code,
        "sentence": headline(gate),
        **asdict(gate),
        "checks": checks,
    }


def print_gate(gate: Gate, console: Terminal) -> None:
    """Write a gate as a table for a terminal, then its words."""
    table = new_table(_names(gate), LEGEND)
    for name in ("check", "effect", "margin from", "verdict"):
        table.add_column(name, justify="right" if name == "effect" else "left")
    for check in gravest_first(gate):
        cells = [line(cell) for cell in (title(check), effect(check))]
        styled = Text(outcome(check), STYLES[check.verdict])
        table.add_row(*cells, SOURCES[check.source], styled)
    console.print(table)
    console.print(gate_text(gate))


def gate_text(gate: Gate) -> str:
    """Return the verdict, what does not pass, and what else to know, a line each."""
    open_ones = [sentence(check) for check in gravest_first(gate) if check.verdict != "pass"]
    return "\n".join(line(each, 1000) for each in (headline(gate), *open_ones, *remarks(gate)))


def _names(gate: Gate) -> str:
    return line(f"{gate.comparison.a} beside {gate.comparison.b}")


def junit(gate: Gate) -> str:
    """Return JUnit XML, a case a check.

    What is under-powered is skipped, not an error: viewers count errors among failures, and would
    report harm that was not found. The exit code keeps it from passing all the same. A flaky case
    that does not pass is skipped too, and the exit code lets it.
    """
    binding = gate.binding
    count = {verdict: sum(each.verdict == verdict for each in binding) for verdict in ORDER}
    advice = sum(each.verdict != "pass" for each in gate.checks if each.advisory is not None)
    numbers = {
        "tests": str(len(gate.checks)),
        "failures": str(count["fail"]),
        "errors": "0",
        "skipped": str(count["under-powered"] + advice),
        "time": "0",
    }
    root = ElementTree.Element("testsuites", numbers)
    suite = ElementTree.SubElement(root, "testsuite", {"name": _names(gate), **numbers})
    properties = ElementTree.SubElement(suite, "properties")
    facts = {
        "policy": gate.policy,
        "signature": gate.comparison.signature,
        "verdict": gate.verdict,
        "advisory": "; ".join(gate.advisory) or "no",
        "allowed to be missing": "; ".join(gate.allowed_missing) or "nothing",
    }
    for key, value in facts.items():
        ElementTree.SubElement(properties, "property", {"name": key, "value": line(value, 1000)})
    for check in gate.checks:
        _case(suite, check)
    written: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return written.decode()


def _case(suite: ElementTree.Element, check: Check) -> None:
    names = {"classname": f"gate.{check.kind}", "name": line(title(check)), "time": "0"}
    case = ElementTree.SubElement(suite, "testcase", names)
    said = line(sentence(check), 1000)
    is_advice = check.advisory is not None
    if check.verdict == "fail" and not is_advice:
        failure = ElementTree.SubElement(case, "failure", {"message": said, "type": check.kind})
        failure.text = said
    if check.verdict == "under-powered" or (is_advice and check.verdict == "fail"):
        ElementTree.SubElement(case, "skipped", {"message": said})


def github_annotations(gate: Gate) -> list[str]:
    """Return a GitHub workflow command for every check that does not pass, failures first."""
    told = [each for each in gravest_first(gate) if each.verdict != "pass"]
    commands = [
        ("notice" if each.advisory else LEVELS[each.verdict], title(each), sentence(each))
        for each in told
    ]
    advice = [("notice", "advisory", each) for each in gate.advisory]
    return [
        f"::{level} title={_data(name).replace(':', '%3A').replace(',', '%2C')}::{_data(said)}"
        for level, name, said in [*commands, *advice]
    ]


def _data(text: str) -> str:
    """Return what a workflow command may carry; `line` leaves no line breaks to escape."""
    return line(text, 1000).replace("%", "%25")


def summary(
    gate: Gate,
    pairs: Sequence[PicturedPair] = (),
    page: str | None = None,
    cases: Sequence[PicturedPair] = (),
) -> str:
    """Return a step summary in Markdown, below 1 MiB whatever the prompts are.

    GitHub shows no picture of a data URI, but its words; other viewers show both. Where there is no
    room for all pictures the last are dropped, and the last pairs where there is none for words.
    """
    checks = gravest_first(gate)
    rows = [
        [outcome(check), title(check), effect(check), SOURCES[check.source], sentence(check)]
        for check in checks[:ROWS]
    ]
    cells = [[markdown(cell) for cell in row] for row in rows]
    more = [f"… and {len(checks) - ROWS} more checks."] if len(checks) > ROWS else []
    notes = [f"{markdown(remark, 1000)}." for remark in remarks(gate)[:NOTES]]
    place = f"<{quote(page[:2000], safe=':/?#&=%+')}>" if page else None
    link = [f"[The page with all pictures]({place})"] if place else []
    text = "\n\n".join(
        [f"## {markdown(headline(gate))}", _table(COLUMNS, cells), *more, *notes, *link]
    )
    for heading, shown in (("Cases", cases), ("What lost most", pairs)):
        if shown:
            text = f"{text}\n\n### {heading}\n\n{_table(PAIR, [])}"
            text = "\n".join([text, *_fitted(shown, place, ROOM - 500 - len(text.encode()))])
    return f"{text}\n"


def _fitted(pairs: Sequence[PicturedPair], place: str | None, room: int) -> list[str]:
    """Return as many rows as there is room for, the first of them with their pictures."""
    rows: list[str] = []
    for pair in pairs:
        row = _row(pair, place, pictured=False)
        if len(row.encode()) + 1 > room:
            break
        room -= len(row.encode()) + 1
        rows.append(row)
    for at, pair in enumerate(pairs[: len(rows)]):
        row = _row(pair, place, pictured=True)
        room -= len(row.encode()) - len(rows[at].encode())
        if room < 0:
            break
        rows[at] = row
    return rows


def _row(pair: PicturedPair, place: str | None, pictured: bool) -> str:
    worst = pair.worst
    width = abs(worst.after - worst.before)
    words = [
        f"{worst.prompt_id}: {pair.text}" if pair.text else worst.prompt_id,
        str(worst.seed),
        worst.metric,
    ]
    sides = [("baseline", worst.before, pair.before), ("candidate", worst.after, pair.after)]
    pictures = [
        _image(f"{side} of {worst.prompt_id}, seed {worst.seed}", picture, place)
        if pictured and picture
        else ""
        for side, _, picture in sides
    ]
    told = [
        f"{number(value, width)} {picture}".strip()
        for (_, value, _), picture in zip(sides, pictures, strict=True)
    ]
    return _cells([*[markdown(word) for word in words], *told])


def _image(words: str, uri: str, place: str | None) -> str:
    """Return a picture, which leads to the page where there is one."""
    picture = f'<img alt="{markdown(words)}" src="{uri}">'
    return f"[{picture}]({place})" if place else picture


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(_cells(row) for row in (heads, ["---"] * len(heads), *rows))


def _cells(row: Sequence[str]) -> str:
    return f"| {' | '.join(row)} |"


def page(gate: Gate, pairs: Sequence[PicturedPair] = (), cases: Sequence[PicturedPair] = ()) -> str:
    """Return one HTML page: the verdict, every check with its interval drawn, the images of the
    policy's cases, what lost most."""

    from harness.report.environment import environment  # its templates; a verdict needs none

    return (
        environment()
        .get_template("gate.html.j2")
        .render(
            gate=gate,
            headline=line(headline(gate)),
            names=_names(gate),
            checks=drawn_checks(gate),
            remarks=[line(each, 1000) for each in remarks(gate)],
            legend=LEGEND,
            pairs=pairs,
            cases=cases,
            values=values,
            line=line,
        )
    )


def drawn_checks(gate: Gate) -> list[dict[str, Any]]:
    """Return every check in words and as a drawing, gravest first."""
    return [
        {
            "check": each,
            "outcome": outcome(each),
            "sentence": line(sentence(each), 1000),
            "effect": effect(each),
            "source": SOURCES[each.source],
            "p": p_value(each),
            "bar": bar(each),
        }
        for each in gravest_first(gate)
    ]


def values(pair: PicturedPair) -> tuple[str, str]:
    """Return both values, as sharp as their difference asks for."""
    width = abs(pair.worst.after - pair.worst.before)
    return number(pair.worst.before, width), number(pair.worst.after, width)


def bar(check: Check) -> Bar | None:
    """Return an effect with what is allowed, on an axis that holds both."""
    if check.effect is None or check.low is None or check.high is None:
        return None
    zero = None if check.kind == "bound" else 0.0
    places = [check.low, check.high, check.allowed.low, check.allowed.high, zero]
    known = [place for place in places if place is not None]
    left, width = min(known), (max(known) - min(known)) or 1.0

    def percent(value: float) -> float:
        return round(4 + 92 * (value - left) / width, 2)

    return Bar(
        percent(check.effect),
        percent(check.low),
        percent(check.high),
        0.0 if check.allowed.low is None else percent(check.allowed.low),
        100.0 if check.allowed.high is None else percent(check.allowed.high),
        None if zero is None else percent(zero),
    )
