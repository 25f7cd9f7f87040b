"""A recipe over time: what is written down, and where a step is seen."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from harness.decisions.history import Event, add, changes, document, lost, read
from harness.errors import PageError, UsageError
from harness.interfaces import Array


def events(values: Array, reach: float = 0.2, signature: str = "s") -> list[Event]:
    return [
        Event(
            at=f"2026-01-{day + 1:02d}",
            outcome="pass",
            signature=signature,
            values={"kid": (float(each), float(each) - reach, float(each) + reach)},
        )
        for day, each in enumerate(values)
    ]


def noisy(count: int, seed: int) -> Array:
    return np.random.default_rng(seed).normal(0, 0.1, count)


def test_a_step_is_found_where_it_was_taken() -> None:
    found = changes(events(noisy(12, 1) + np.where(np.arange(12) >= 7, 0.6, 0.0)))
    assert [step.at for step in found] == ["2026-01-08"]
    assert found[0].after - found[0].before == pytest.approx(0.6, abs=0.15)
    assert found[0].p < 0.05


def test_noise_makes_steps_no_oftener_than_it_says() -> None:
    found = [changes(events(noisy(12, seed))) for seed in range(400)]
    assert sum(bool(each) for each in found) <= 20


def test_measured_noise_takes_the_place_of_intervals() -> None:
    values = noisy(12, 1) / 10 + np.where(np.arange(12) >= 6, 0.06, 0.0)
    assert changes(events(values)) == []
    assert [step.at for step in changes(events(values), {"kid": 0.01})] == ["2026-01-07"]


def test_values_under_another_signature_make_no_step() -> None:
    before, after = events(noisy(6, 1), signature="old"), events(noisy(6, 4) + 9)
    assert changes([*before, *after]) == []


def test_a_history_is_read_as_it_was_written(tmp_path: Path) -> None:
    file, told = tmp_path / "history" / "b" / "r.jsonl", events(noisy(3, 1))
    for event in told:
        add(file, event)
    assert read(file) == told


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    add(file, events(noisy(1, 1))[0])
    with file.open("a") as stream:
        stream.write('{"at": 3}\n')
    with pytest.raises(PageError, match=r"r\.jsonl:2: is no event"):
        read(file)
    with pytest.raises(UsageError, match="there is no history"):
        read(tmp_path / "none.jsonl")


def test_a_metric_that_the_last_event_lacks_is_named() -> None:
    told = events(noisy(5, 1))
    gone = told[-1].model_copy(update={"values": {"fid": (1.0, 1.0, 1.0)}})
    assert lost(told) == []
    assert lost([*told[:-1], gone]) == ["kid"]
    assert document([*told[:-1], gone], [])["lost"] == ["kid"]
    unlike = gone.model_copy(update={"signature": "other"})
    assert lost([*told[:-1], unlike]) == [], "another benchmark has other metrics"


def test_a_history_of_nothing_and_one_of_numbers_that_are_none_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    file.write_text("\n")
    with pytest.raises(UsageError, match="there is no event in"):
        read(file)
    line = events(noisy(1, 1))[0].model_dump_json()
    file.write_text(line.replace('"note"', '"values": {"kid": [NaN, 0, 1]}, "note"') + "\n")
    with pytest.raises(PageError, match="is no event"):
        read(file)


def test_noise_of_zero_divides_nothing() -> None:
    told = events(np.full(6, 3.0), reach=0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert changes(told, {"kid": 0.0}) == []
        assert changes(told) == []
