"""What the dashboard shows of the loss probe: of a result, and of a training that goes on."""

from __future__ import annotations

import json
from pathlib import Path

from running import ROOT

from harness.pipeline.results.read import read_result
from harness.pipeline.store.local import Store
from harness.pipeline.watch import live
from harness.records import Interval, MemberTest, Probe, ProbedStep, ProbedTag, ProbedTimestep
from harness.views import probes

GAIN = Interval(value=0.31, low=0.28, high=0.34)
MEMBER = MemberTest(value=0.98, low=0.9, high=1, p=0.0001, significant=True)
END = ProbedStep(
    step=300,
    gain=GAIN,
    trained_gain=GAIN,
    member=MEMBER,
    timesteps=(ProbedTimestep(timestep=125, gain=GAIN, trained_gain=None, auc=0.98),),
    tags=(ProbedTag(tag="1girl", pictures=9, gain=GAIN),),
)
PROBE = Probe(trained=24, held_out=32, steps=(END.model_copy(update={"member": None}), END))
PLAIN = read_result(ROOT / "reports/pocket-v1/pocket-base.json")
PROBED = PLAIN.model_copy(update={"probe": PROBE})


def test_a_result_without_a_probe_shows_nothing() -> None:
    assert probes.by_timestep(PLAIN) == probes.by_step(PLAIN) == probes.by_tag(PLAIN) == []


def test_a_probe_is_shown_by_timestep_step_and_tag() -> None:
    ends = {"value": 31.0, "low": 28.0, "high": 34.0}
    assert probes.by_timestep(PROBED) == [{"timestep": 125, "pictures": "held out", **ends}]
    assert probes.by_step(PROBED) == [
        {"step": 300, "value": 0.98, "low": 0.9, "high": 1.0, "p": 0.0001, "alarm": True}
    ]
    assert probes.by_tag(PROBED) == [{"tag": "1girl", "pictures": 9, **ends}]


def test_a_training_that_goes_on_shows_its_looks_and_its_losses_apart(tmp_path: Path) -> None:
    store = Store(tmp_path)
    lines = [
        {"step": 0, "held_out_loss": 0.5, "gain": 0.0, "member_auc": 0.5},
        {"step": 1, "loss": 0.25},
        {"step": 2, "held_out_loss": 0.6, "gain": -0.2, "member_auc": 0.5},
        {"step": 2, "alerts": ["the gain falls"]},
        {"step": 2, "held_out_loss": 0.4, "gain": 0.2, "member_auc": 0.6},
        {"step": 3, "held_out_loss": 0.4},
    ]
    store.logs.mkdir()
    text = "\n".join(json.dumps(line) for line in lines)
    (store.logs / "abc.jsonl").write_text(f"{text}\nhalf a li", encoding="utf-8")
    assert live.losses(store, "abc") == [(1, 0.25)]
    assert probes.while_training(store, "abc") == [
        {"step": 0, "gain": 0.0, "auc": 0.5},
        {"step": 2, "gain": 20.0, "auc": 0.6},
    ]
    assert probes.while_training(store, "none") == []
