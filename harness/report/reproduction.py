"""What equal runs do, what became of a recipe over time, and published results made again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.text import Text

from harness.decisions.history import Change, Event, like_the_last, lost
from harness.decisions.reproduction import Again, Alarms, Calibration, Reproduction
from harness.metrics.statistics.change import LEAST
from harness.report.terminal import Terminal, new_table

STYLES = {
    "accepted": "bold",
    "pass": "green",
    "fail": "red",
    "under-powered": "yellow",
    "identical": "green",
    "inside": "green",
    "outside": "red",
    "unavailable": "dim",
    "lost": "yellow",
}
SAYS = {
    "holds": "it holds",
    "differs": "it does not hold",
    "under-powered": "whether it holds cannot be told",
}
CALIBRATED = (
    "standard deviations of the difference of two runs; τ: between trainings; "
    "margin: what equal runs stay within 19 times in 20"
)


def calibration_document(calibration: Calibration) -> dict[str, Any]:
    return {
        "baseline": str(calibration.baseline),
        "noise": calibration.noise.model_dump(mode="json"),
        "path": str(calibration.file),
        "alarms": {"draws": vars(calibration.draws), "trainings": vars(calibration.trainings)},
    }


def print_calibration(calibration: Calibration, console: Terminal) -> None:
    """Write what equal runs differ by, metric by metric, and how rules judge pairs of them."""
    table = new_table(
        f"{calibration.noise.recipe} × {calibration.noise.benchmark} · noise", CALIBRATED
    )
    table.add_column("metric", style="bold", no_wrap=True)
    for column in ("other draws", "other trainings", "τ", "margin"):
        table.add_column(column, justify="right")
    for column, each in calibration.noise.metrics.items():
        sizes = [
            each.sampling.difference if each.sampling else None,
            each.retrained.difference if each.retrained else None,
            each.between,
            calibration.noise.margin(column),
        ]
        table.add_row(column, *["–" if size is None else f"{size:.3g}" for size in sizes])
    console.print(table)
    for kind, alarms in (
        ("other draws", calibration.draws),
        ("other trainings", calibration.trainings),
    ):
        console.print(_alarms(kind, alarms))
    console.print(f"wrote {calibration.file}")


def _alarms(kind: str, alarms: Alarms) -> str:
    if not alarms.pairs:
        return f"{kind}: not measured"
    words = [
        f"{kind}, {alarms.pairs} pairs of equal runs: "
        f"this gate fails {_share(alarms.gate, alarms)}",
        f"it cannot tell {_share(alarms.under_powered, alarms)}",
    ]
    if alarms.naive is not None:
        words.append(f"a rule that fails wherever FID went up: {_share(alarms.naive, alarms)}")
    return "; ".join(words)


def _share(count: int, alarms: Alarms) -> str:
    return f"{count} ({count / alarms.pairs:.1%})"


def print_history(
    recipe: str, events: Sequence[Event], steps: Sequence[Change], console: Terminal
) -> None:
    """Write a line an event, the first metrics of each, and where values stepped."""
    gone = lost(events)
    metrics = [*gone, *events[-1].values][:6]
    table = new_table(f"{recipe} · history")
    for column in ("when", "outcome", "commit"):
        table.add_column(column, no_wrap=True)
    for metric in metrics:
        table.add_column(metric, justify="right")
    moved = {(step.metric, step.at) for step in steps}
    for event in events:
        style = STYLES[event.outcome]
        cells = [_value(event, metric, (metric, event.at) in moved) for metric in metrics]
        table.add_row(event.at, Text(event.outcome, style), event.commit or "–", *cells)
    console.print(table)
    for step in steps:
        said = f"{step.metric} stepped from {step.before:.4g} to {step.after:.4g} at {step.at}"
        console.print(f"{said} (p {step.p:.2g})")
    if gone:
        console.print(f"the last event has no value of {', '.join(gone)}, and earlier ones have")
    few = len(like_the_last(events))
    if few < LEAST:
        console.print(f"too few events of one signature to see a step: {few}, and it takes {LEAST}")
    elif not steps:
        console.print("no step is sure")


def _value(event: Event, metric: str, moved: bool) -> Text | str:
    if metric not in event.values:
        return "–"
    value = f"{event.values[metric][0]:.4g}"
    return Text(f"⤴ {value}", "bold") if moved else value


def reproduction_document(reproduction: Reproduction) -> dict[str, Any]:
    return {
        "recipe": reproduction.published.recipe,
        "benchmark": reproduction.published.benchmark,
        "holds": reproduction.holds,
        "verdict": reproduction.verdict,
        "reasons": list(reproduction.reasons),
        "same_keys": not reproduction.changed,
        "changed": list(reproduction.changed),
        "metrics": [{**vars(each), "verdict": each.verdict} for each in reproduction.metrics],
        "provenance": {
            "published": reproduction.published.provenance,
            "found": reproduction.found.provenance,
        },
    }


def print_reproduction(reproduction: Reproduction, console: Terminal) -> None:
    """Write published and new values side by side, then what of their making differs."""
    table = new_table(
        f"{reproduction.published.recipe} × {reproduction.published.benchmark} · made again"
    )
    table.add_column("metric", style="bold", no_wrap=True)
    for column in ("published", "found", "window"):
        table.add_column(column, justify="right")
    table.add_column("verdict")
    for each in reproduction.metrics:
        table.add_row(each.metric, *_cells(each), Text(each.verdict, STYLES[each.verdict]))
    console.print(table)
    console.print(": ".join([SAYS[reproduction.verdict], *_reasons(reproduction)]))
    console.print(_making(reproduction))
    if reproduction.changed:
        names = ", ".join(reproduction.changed[:6])
        console.print(
            f"not the same work: {names} have other keys; the page or the code changed",
        )


def _reasons(reproduction: Reproduction) -> list[str]:
    return ["; ".join(reproduction.reasons)] if reproduction.reasons else []


def _cells(each: Again) -> list[str]:
    numbers = (each.published, each.found)
    shown = ["–" if number is None else f"{number:.6g}" for number in numbers]
    return [*shown, "–" if each.window is None else f"± {each.window:.3g}"]


def _making(reproduction: Reproduction) -> str:
    """Return what differs between the two machines, in words."""
    one, other = reproduction.published.provenance, reproduction.found.provenance
    names = [
        name
        for name in ("device", "python", "platform", "packages", "harness", "commit")
        if one.get(name) != other.get(name)
    ]
    if not names:
        return "made on the same kind of machine, by the same versions"
    return "; ".join(f"{name}: {one.get(name)} → {other.get(name)}" for name in names)
