"""What the loss probe says of a run, as rows of a chart or a table."""

from __future__ import annotations

from typing import Any

from harness.pipeline.store.local import Store
from harness.pipeline.watch.live import looks
from harness.records import Interval, Result

Rows = list[dict[str, Any]]


def by_timestep(result: Result) -> Rows:
    """Return the gain at the end of training, by timestep and side."""
    if result.probe is None or not result.probe.steps:
        return []
    return [
        {"timestep": each.timestep, "pictures": side, **_percent(gain)}
        for each in result.probe.steps[-1].timesteps
        for side, gain in (("held out", each.gain), ("trained on", each.trained_gain))
        if gain is not None
    ]


def by_step(result: Result) -> Rows:
    """Return the member test of every checkpoint."""
    if result.probe is None:
        return []
    return [
        {
            "step": each.step,
            "value": each.member.value,
            "low": each.member.low,
            "high": each.member.high,
            "p": each.member.p,
            "alarm": each.member.significant,
        }
        for each in result.probe.steps
        if each.member is not None
    ]


def by_tag(result: Result) -> Rows:
    """Return the gain at the end of training, by tag."""
    if result.probe is None or not result.probe.steps:
        return []
    return [
        {"tag": each.tag, "pictures": each.pictures, **_percent(each.gain)}
        for each in result.probe.steps[-1].tags
    ]


def while_training(store: Store, key: str) -> Rows:
    """Return gain and member test of a training that goes on, look by look."""
    return [
        {"step": each["step"], "gain": 100 * each["gain"], "auc": each["member_auc"]}
        for each in looks(store, key)
        if "gain" in each and "member_auc" in each
    ]


def _percent(gain: Interval) -> dict[str, float]:
    return {name: round(100 * getattr(gain, name), 2) for name in ("value", "low", "high")}
