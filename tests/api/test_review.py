"""A gate's decision reaches its pull request, and a comment that fails changes no verdict."""

from __future__ import annotations

from pathlib import Path

import pytest
from contenders import contender, normal
from pull_requests import Reviews, reviewed

from harness.api.options import Workspace
from harness.api.verdicts import GateDecision
from harness.cli.decide import _comment
from harness.decisions.gate import gate

BASE = normal(0)


def decision(folder: Path, lost: float) -> GateDecision:
    sides = contender({"kid": BASE + lost}, "ninja"), contender({"kid": BASE}, "ninja")
    place = Workspace(store=folder / "store", reports=folder)
    return GateDecision(gate(*sides), *sides, folder / "a.json", folder / "b.json", place)


def go_to(reviews: Reviews, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in reviews.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("GITHUB_EVENT_PATH", raising=False)
    monkeypatch.setenv("GITHUB_REF", "refs/pull/7/merge")


def test_a_decision_is_one_comment_that_later_ones_replace(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with reviewed() as reviews:
        go_to(reviews, monkeypatch)
        first = decision(tmp_path, 9.0).comment("here")
        (comment,) = reviews.comments
        assert "## ninja fails" in comment["body"]
        second = decision(tmp_path, 0.0).comment("ink/loras#7")
    (comment,) = reviews.comments
    assert first == second == comment["html_url"]
    assert comment["body"].startswith("<!-- harness gate ")
    assert "## ninja passes" in comment["body"]


def test_a_comment_that_fails_is_one_line_and_no_exit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with reviewed(statuses={"POST": 500}) as reviews:
        go_to(reviews, monkeypatch)
        _comment(decision(tmp_path, 9.0), "7")
    out, err = capsys.readouterr()
    assert (out, err) == (
        "",
        "no comment on the pull request: the API does not take POST "
        "/repos/ink/loras/issues/7/comments (status 500)\n",
    )
    assert reviews.comments == []
