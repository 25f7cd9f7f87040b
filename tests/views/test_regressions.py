"""Results beside their baselines, looked at without leaving a trace."""

from __future__ import annotations

import shutil

from harness import Workspace, accept
from harness.api.decide import keep
from harness.views import regressions
from harness.views.reports_index import ReportsIndex


def workspace_of(index: ReportsIndex) -> Workspace:
    return Workspace(index.store.root, index.reports, quiet=True)


def test_a_baseline_stands_beside_the_result_of_its_recipe(index: ReportsIndex) -> None:
    (watched,) = regressions.baseline_pairs(index)
    assert watched.candidate is not None
    assert watched.candidate.name == "pocket-v1/pocket-ninja"
    (index.reports / "pocket-v1/pocket-ninja.json").unlink()
    assert regressions.baseline_pairs(index)[0].candidate is None


def test_a_worse_result_fails_with_its_worst_images_first(index: ReportsIndex) -> None:
    (watched,) = regressions.baseline_pairs(index)
    worse = index.find("pocket-v1/pocket-ninja-broken")
    found = regressions.verdict_on(index, worse, watched.baseline, workspace_of(index))
    assert found.gate.verdict == "fail"
    assert found.checks[0]["verdict"] == "fail"
    assert "fails" in found.headline
    for check in found.checks:
        assert None not in check.values(), "a table would show the word None"
    assert len(found.worst) == regressions.MOST
    assert all(
        pair["shots"][1]["src"].startswith("/pictures/pocket-v1/pocket-ninja-broken")
        for pair in found.worst
    )


def test_looking_leaves_no_trace(index: ReportsIndex) -> None:
    (watched,) = regressions.baseline_pairs(index)
    before = sorted(index.reports.rglob("*"))
    regressions.verdict_on(
        index, watched.candidate or watched.baseline, watched.baseline, workspace_of(index)
    )
    assert sorted(index.reports.rglob("*")) == before


def test_accepting_and_keeping_are_remembered_with_their_notes(index: ReportsIndex) -> None:
    shutil.rmtree(index.reports / "history", ignore_errors=True)
    short = index.find("pocket-v1/pocket-ninja-short")
    accept(short.file.path, workspace=workspace_of(index), note="<b>good enough</b>")
    keep(short.file.path, workspace_of(index), "the baseline is better")
    events, steps, problem = regressions.past(index, short)
    assert [(each.outcome, each.note) for each in events] == [
        ("accepted", "<b>good enough</b>"),
        ("kept", "the baseline is better"),
    ]
    assert (steps, problem) == ([], "")
    assert len(regressions.baseline_pairs(index)) == 2
    baseline = regressions.baseline_pairs(index)[1].baseline
    assert index.shots(baseline), "an accepted baseline brings its pictures"


def test_a_broken_history_is_named_and_nothing_else(index: ReportsIndex) -> None:
    entry = index.find("pocket-v1/pocket-ninja")
    file = index.reports / "history/pocket-v1/pocket-ninja.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("no event\n")
    events, _, problem = regressions.past(index, entry)
    assert events == []
    assert "pocket-ninja.jsonl:1" in problem


def test_a_check_without_a_margin_says_so_with_a_dash(index: ReportsIndex) -> None:
    (watched,) = regressions.baseline_pairs(index)
    assert watched.candidate is not None
    found = regressions.verdict_on(index, watched.candidate, watched.baseline, workspace_of(index))
    by_name = {check["check"]: check for check in found.checks}
    assert (by_name["images"]["margin"], by_name["images"]["p"]) == ("–", "–")
    assert all(value is not None for check in found.checks for value in check.values())
