"""Results beside their baselines, looked at without leaving a trace."""

from __future__ import annotations

import shutil

from harness.api import Workspace, verdicts
from harness.views import regressions
from harness.views.shelf import Shelf


def workspace_of(shelf: Shelf) -> Workspace:
    return Workspace(shelf.store.root, shelf.reports, quiet=True)


def test_a_baseline_stands_beside_the_result_of_its_recipe(shelf: Shelf) -> None:
    (watched,) = regressions.watched(shelf)
    assert watched.candidate is not None
    assert watched.candidate.name == "pocket-v1/pocket-ninja"
    (shelf.reports / "pocket-v1/pocket-ninja.json").unlink()
    assert regressions.watched(shelf)[0].candidate is None


def test_a_worse_result_fails_with_its_worst_images_first(shelf: Shelf) -> None:
    (watched,) = regressions.watched(shelf)
    worse = shelf.find("pocket-v1/pocket-ninja-broken")
    found = regressions.judged(shelf, worse, watched.baseline, workspace_of(shelf))
    assert found.gate.verdict == "fail"
    assert found.checks[0]["verdict"] == "fail"
    assert "fails" in found.headline
    assert len(found.worst) == regressions.MOST
    assert all(
        pair["shots"][1]["src"].startswith("/pictures/pocket-v1/pocket-ninja-broken")
        for pair in found.worst
    )


def test_looking_leaves_no_trace(shelf: Shelf) -> None:
    (watched,) = regressions.watched(shelf)
    before = sorted(shelf.reports.rglob("*"))
    regressions.judged(
        shelf, watched.candidate or watched.baseline, watched.baseline, workspace_of(shelf)
    )
    assert sorted(shelf.reports.rglob("*")) == before


def test_accepting_and_keeping_are_remembered_with_their_notes(shelf: Shelf) -> None:
    shutil.rmtree(shelf.reports / "history", ignore_errors=True)
    short = shelf.find("pocket-v1/pocket-ninja-short")
    verdicts.accept(str(short.file), None, workspace_of(shelf), note="<b>good enough</b>")
    verdicts.keep(short.file, workspace_of(shelf), "the baseline is better")
    events, steps, problem = regressions.past(shelf, short)
    assert [(each.outcome, each.note) for each in events] == [
        ("accepted", "<b>good enough</b>"),
        ("kept", "the baseline is better"),
    ]
    assert (steps, problem) == ([], "")
    assert len(regressions.watched(shelf)) == 2
    baseline = regressions.watched(shelf)[1].baseline
    assert shelf.shots(baseline), "an accepted baseline brings its pictures"


def test_a_broken_history_is_named_and_nothing_else(shelf: Shelf) -> None:
    held = shelf.find("pocket-v1/pocket-ninja")
    file = shelf.reports / "history/pocket-v1/pocket-ninja.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("no event\n")
    events, _, problem = regressions.past(shelf, held)
    assert events == []
    assert "pocket-ninja.jsonl:1" in problem
