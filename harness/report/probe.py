"""What the loss probe says of a result, in words and as the cells of tables."""

from __future__ import annotations

from dataclasses import dataclass

from harness.records import Interval, MemberTest, Probe, ProbedStep
from harness.report.numbers import or_dash, p_value, ranged

Cells = tuple[str, ...]


@dataclass(frozen=True)
class ProbeTable:
    """One table of the probe: its title, the heads of its columns, and its rows."""

    title: str
    heads: Cells
    rows: tuple[Cells, ...]


def percent(gain: Interval | None) -> str:
    """Return a gain in percent with its interval."""
    if gain is None:
        return "–"
    return f"{ranged(100 * gain.value, 100 * gain.low, 100 * gain.high)} %"


def member(found: MemberTest | None) -> str:
    """Return a member test with its interval and its p."""
    if found is None:
        return "–"
    shown = p_value(found.p)
    p = f"p {shown}" if shown.startswith("<") else f"p = {shown}"
    return f"{ranged(found.value, found.low, found.high)}, {p}"


def verdict(step: ProbedStep) -> str:
    """Return in one sentence what a checkpoint has learned, and whether it knows its pictures."""
    learned = "what it learned cannot be said"
    if step.gain is not None:
        learned = "better than the base on pictures that it never saw"
        if step.gain.high < 0:
            learned = "worse than the base on pictures that it never saw"
        elif step.gain.low <= 0:
            learned = "not surely better than the base on pictures that it never saw"
    if step.member is None:
        return f"{learned}{f'; {step.reason}' if step.reason else ''}"
    known = "it knows training pictures one by one" if step.member.significant else ""
    return f"{learned}; {known or 'it does not surely know its training pictures'}"


def probe_lines(probe: Probe) -> list[str]:
    """Return the probe of a result as a person reads it, the end of training last."""
    lines = [
        f"loss probe: {probe.trained} pictures trained on, {probe.held_out} held out, "
        "without drawing"
    ]
    for step in probe.steps:
        lines.append(
            f"  step {step.step}: gain {percent(step.gain)}, member test {member(step.member)}"
        )
    if probe.steps:
        lines.append(f"  the end: {verdict(probe.steps[-1])}")
    return lines


def probe_tables(probe: Probe) -> list[ProbeTable]:
    """Return the probe's tables: by checkpoint, and of the end by timestep and by tag."""
    heads = ("gain, held out", "gain, trained", "member test (AUC)")
    steps = tuple(
        (f"{each.step}", percent(each.gain), percent(each.trained_gain), member(each.member))
        for each in probe.steps
    )
    tables = [ProbeTable("By checkpoint", ("step", *heads), steps)]
    if probe.steps:
        tables += _of_the_end(probe.steps[-1], heads)
    return tables


def _of_the_end(end: ProbedStep, heads: Cells) -> list[ProbeTable]:
    times = tuple(
        (
            f"{each.timestep}",
            percent(each.gain),
            percent(each.trained_gain),
            or_dash(each.auc, ".3f"),
        )
        for each in end.timesteps
    )
    tags = tuple((each.tag, f"{each.pictures}", percent(each.gain)) for each in end.tags)
    tables = [ProbeTable("By timestep (low ones have little noise)", ("timestep", *heads), times)]
    return [*tables, ProbeTable("By tag", ("tag", "pictures", heads[0]), tags)] if tags else tables
