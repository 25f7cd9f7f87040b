"""The loss probe in words: what was learned, and whether pictures are known one by one."""

from __future__ import annotations

from typing import Any

import pytest
from running import ROOT

from harness.decisions.leaderboard import boards
from harness.pipeline.results.read import read_result
from harness.records import (
    Interval,
    MemberTest,
    Probe,
    ProbedStep,
    ProbedTag,
    ProbedTimestep,
    Result,
)
from harness.report.page import html
from harness.report.probe import probe_lines, probe_tables, verdict

GAIN = Interval(value=0.31, low=0.28, high=0.34)
MEMBER = MemberTest(value=0.52, low=0.41, high=0.63, p=0.37, significant=False)


def step(**changes: Any) -> ProbedStep:
    return ProbedStep(
        **{"step": 300, "gain": GAIN, "trained_gain": GAIN, "member": MEMBER, **changes}
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "better than the base on pictures that it never saw; it does not surely know"),
        ({"gain": Interval(value=-2, low=-3, high=-1)}, "worse than the base"),
        ({"gain": Interval(value=0, low=-0.1, high=0.1)}, "not surely better than the base"),
        ({"gain": None, "member": None, "reason": "3 losses are not finite"}, "3 losses are not"),
        ({"member": MEMBER.model_copy(update={"significant": True})}, "knows training pictures"),
    ],
)
def test_a_verdict_is_one_sentence(changes: dict[str, Any], words: str) -> None:
    assert words in verdict(step(**changes))


def test_a_probe_is_told_step_by_step() -> None:
    probe = Probe(trained=24, held_out=32, steps=(step(step=100), step()))
    lines = probe_lines(probe)
    assert lines[0] == "loss probe: 24 pictures trained on, 32 held out, without drawing"
    assert lines[1] == (
        "  step 100: gain 31.0 [28.0, 34.0] %, member test 0.52 [0.41, 0.63], p = 0.370"
    )
    assert lines[3].startswith("  the end: better than the base")


def test_the_tables_show_every_checkpoint_and_the_end_in_detail() -> None:
    end = step(
        timesteps=(ProbedTimestep(timestep=125, gain=GAIN, trained_gain=None, auc=0.98),),
        tags=(ProbedTag(tag="1girl", pictures=9, gain=GAIN),),
    )
    tables = probe_tables(Probe(trained=24, held_out=32, steps=(step(step=100), end)))
    assert [len(table.rows) for table in tables] == [2, 1, 1]
    assert tables[1].rows[0] == ("125", "31.0 [28.0, 34.0] %", "–", "0.980")
    assert tables[2].rows[0][:2] == ("1girl", "9")
    assert all(len(row) == len(table.heads) for table in tables for row in table.rows)


def test_the_page_of_one_result_shows_its_probe_and_escapes_tags() -> None:
    end = step(tags=(ProbedTag(tag="<b>smile", pictures=9, gain=GAIN),))
    plain = read_result(ROOT / "reports/pocket-v1/pocket-base.json")
    probed = plain.model_copy(update={"probe": Probe(trained=24, held_out=32, steps=(end,))})

    def page(*results: Result) -> str:
        return html(boards(list(results)), lambda result, name: None, lambda board: None, "Ink")

    assert "Loss probe" not in page(plain)
    assert "Loss probe" not in page(probed, plain.model_copy(update={"recipe": "other"}))
    shown = page(probed)
    assert "24 pictures trained on and 32 held out" in shown
    assert "31.0 [28.0, 34.0] %" in shown
    assert "&lt;b&gt;smile" in shown
    assert "<b>smile" not in shown
