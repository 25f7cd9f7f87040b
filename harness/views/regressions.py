"""Results beside their accepted baselines: the gate's verdict, and the images that lost most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.api.decide import hold
from harness.api.options import Workspace
from harness.decisions import history
from harness.decisions.check import Check
from harness.decisions.gate import Gate
from harness.errors import HarnessError
from harness.report.checks import (
    effect,
    gravest_first,
    headline,
    p_value,
    remarks,
    sentence,
    title,
)
from harness.report.numbers import or_dash
from harness.report.pairs import WorstPair, gated, worst_pairs
from harness.views.grids import shots_by_place
from harness.views.pictures import addresses
from harness.views.reports_index import Entry, ReportsIndex

MOST = 24


@dataclass(frozen=True)
class BaselinePair:
    """A baseline and the result of the same recipe, where there is one."""

    baseline: Entry
    candidate: Entry | None


@dataclass(frozen=True)
class Verdict:
    """A gate's verdict on a candidate, in words, with its worst images."""

    gate: Gate
    headline: str
    remarks: tuple[str, ...]
    checks: tuple[dict[str, str], ...]
    worst: tuple[dict[str, Any], ...]


def baseline_pairs(index: ReportsIndex) -> list[BaselinePair]:
    """Return every baseline beside the result of the same benchmark and recipe."""
    by_name = {each.name: each for each in index.entries()}
    return [
        BaselinePair(each, by_name.get(each.name.removeprefix("baselines/")))
        for each in index.baselines()
    ]


def verdict_on(index: ReportsIndex, one: Entry, baseline: Entry, workspace: Workspace) -> Verdict:
    """Return what the default policy says; nothing is written."""
    decision = hold(one.file.path, baseline.file.path, workspace)
    pairs = worst_pairs(decision.candidate, decision.baseline, gated(decision.gate), MOST)
    return Verdict(
        decision.gate,
        headline(decision.gate),
        tuple(remarks(decision.gate)),
        tuple(_line(check) for check in gravest_first(decision.gate)),
        tuple(_pairs(index, one, baseline, pairs)),
    )


def _line(check: Check) -> dict[str, str]:
    return {
        "verdict": check.verdict,
        "check": title(check),
        "effect": effect(check),
        "margin": or_dash(check.margin, ".3g"),
        "p": p_value(check),
        "in words": sentence(check),
    }


def _pairs(
    index: ReportsIndex, one: Entry, baseline: Entry, worst: Sequence[WorstPair]
) -> list[dict[str, Any]]:
    mine, its = shots_by_place(index, one), shots_by_place(index, baseline)
    pairs = []
    for each in worst:
        place = each.prompt_id, each.seed
        a, b = its.get(place), mine.get(place)
        pairs.append(
            {
                "prompt": each.prompt_id,
                "seed": each.seed,
                "text": b.text if b else a.text if a else "",
                "shots": [addresses(index, baseline, a), addresses(index, one, b)],
                "scores": [[each.metric, f"{each.before:.4g}", f"{each.after:.4g}"]],
            }
        )
    return pairs


def past(index: ReportsIndex, one: Entry) -> tuple[list[history.Event], list[history.Change], str]:
    """Return a result's history, where its values stepped, and what is wrong with it if any."""
    file = history.place_of(index.reports, one.file.path.parent.name, one.recipe)
    try:
        events = history.read(file)
    except HarnessError as error:
        return [], [], str(error) if file.is_file() else ""
    return events, history.changes(events), ""
