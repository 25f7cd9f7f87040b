"""The loss probe while training goes on: it changes nothing, survives a kill, and warns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from once import Once
from schooling import School, recipe, school

from harness.interfaces import Array, Progress
from harness.pages.train import Train
from harness.training import validation
from harness.training.trained_models import TrainedModels
from harness.training.training_run import STATE
from harness.training.validation import (
    HISTORY,
    SHARE,
    Look,
    alerts,
    figures,
    in_words,
    looks_of,
    prepared_anew,
)

HELD: dict[str, Any] = {"source": {"use": "pocket", "set": "ninja", "first": 50000, "count": 9}}
CHANCE: dict[str, Any] = {
    "adapter": {"rank": 4, "dropout": 0.2},
    "ema": {"decay": 0.9},
    "phases": [{"steps": 4, "rate": 1e-2}],
    "checkpoint_every": 2,
}
PLAIN = recipe(**CHANCE)
WATCHED = recipe(**CHANCE, validation={**HELD, "rows": 8, "timesteps": 2}, validate_every=2)


@pytest.fixture(scope="module")
def watched(once: Once) -> School:
    def make(root: Path) -> None:
        school(WATCHED, root)

    return school(WATCHED, once("validation", make))


@pytest.fixture(autouse=True)
def generous(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let so short a training be looked at."""
    monkeypatch.setattr(validation, "SHARE", 100.0)


def looked(reports: list[Progress]) -> list[dict[str, Any]]:
    return [dict(each.facts) for each in reports if each.facts and "held_out_loss" in each.facts]


@pytest.fixture(scope="module")
def calm(watched: School, once: Once) -> tuple[Path, list[dict[str, Any]]]:
    def make(root: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(validation, "SHARE", 100.0)
            reports: list[Progress] = []
            watched.train(root, reports.append)
        (root / "looks.json").write_text(json.dumps(looked(reports)))

    root = once("validation-calm", make)
    return root, json.loads((root / "looks.json").read_text())


def bytes_of(folder: Path) -> dict[str, bytes]:
    names = ["log.jsonl", "adapter.safetensors", "checkpoints/000002/adapter.safetensors"]
    return {name: (folder / name).read_bytes() for name in names}


def test_looking_changes_no_byte_of_the_training(
    watched: School, calm: tuple[Path, list[dict[str, Any]]], once: Once, tmp_path: Path
) -> None:
    plain = school(PLAIN, watched.store.root)
    assert plain.step.key == watched.step.key
    plain.train(tmp_path)
    assert bytes_of(tmp_path) == bytes_of(calm[0])


def test_the_first_look_is_at_the_base_and_later_ones_at_what_was_learned(
    calm: tuple[Path, list[dict[str, Any]]],
) -> None:
    looks = calm[1]
    assert [each["step"] for each in looks] == [0, 2, 4]
    first, last = looks[0], looks[-1]
    assert first["gain"] == 0
    assert first["member_auc"] == 0.5
    assert first["held_out_loss"] == first["held_out_loss_base"]
    assert last["held_out_loss"] != last["held_out_loss_base"]
    assert last["gain_low"] < last["gain"] < last["gain_high"]


class Killed(Exception):
    """Stands for a kill."""


def test_a_watched_training_goes_on_after_a_kill_to_the_same_looks_and_bytes(
    watched: School, calm: tuple[Path, list[dict[str, Any]]], tmp_path: Path
) -> None:
    before: list[Progress] = []

    def report(progress: Progress) -> None:
        before.append(progress)
        if progress.done == 3:
            raise Killed

    with pytest.raises(Killed):
        watched.train(tmp_path, report)
    after: list[Progress] = []
    watched.train(tmp_path, after.append)
    assert [each["step"] for each in looked(after)] == [4]
    assert looked(before) + looked(after) == calm[1]
    assert bytes_of(tmp_path) == bytes_of(calm[0])


def test_a_training_that_is_watched_from_the_middle_on_finds_the_base_again(
    watched: School, calm: tuple[Path, list[dict[str, Any]]], tmp_path: Path
) -> None:
    def report(progress: Progress) -> None:
        if progress.done == 3:
            raise Killed

    with pytest.raises(Killed):
        watched.train(tmp_path, report)
    (tmp_path / HISTORY).unlink()
    assert (tmp_path / STATE).is_file()
    after: list[Progress] = []
    watched.train(tmp_path, after.append)
    assert looked(after) == calm[1][1:]


def test_models_are_prepared_anew_without_touching_the_random_state(watched: School) -> None:
    torch = pytest.importorskip("torch")
    before = torch.get_rng_state()
    models = prepared_anew(watched.spec, "cpu")
    assert isinstance(models, TrainedModels)
    assert torch.equal(torch.get_rng_state(), before)


@given(
    steps=st.integers(10, 5_000),
    every=st.integers(1, 2_000),
    batch=st.integers(1, 64),
    rows=st.integers(8, 512),
)
@settings(max_examples=60)
def test_looks_take_no_more_than_their_share(steps: int, every: int, batch: int, rows: int) -> None:
    changes = {
        "phases": ({"steps": steps, "rate": 1e-3},),
        "batch": batch,
        "accumulation": 1,
        "validation": {**HELD, "rows": rows},
        "validate_every": min(every, steps),
    }
    train = recipe({"source": {"use": "pocket", "set": "ninja", "count": 100}}, **changes).train
    assert train is not None
    looks = _within(train)
    if looks is not None:
        assert looks.rows >= 8
        assert looks.every % min(every, steps) == 0
        assert looks.count == 1 + steps // looks.every
        asked = looks.count * 2 * looks.rows * looks.timesteps
        assert asked <= SHARE * 2 * steps * batch


def _within(train: Train) -> validation.Looks | None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(validation, "SHARE", SHARE)
        return looks_of(train)


def look(step: int, trained: float, held_out: float, count: int = 30) -> Look:
    """Losses around two means; the pictures are those of every other look."""
    spread = np.linspace(0.8, 1.2, count)[:, None] * np.linspace(0.9, 1.1, 3)
    return Look(step, trained * spread, held_out * spread[::-1])


def test_a_look_at_what_is_known_by_heart_raises_one_alert() -> None:
    history = [look(0, 1.0, 1.0), look(50, 0.3, 0.9)]
    found = alerts(history, 10)
    assert list(found) == ["memorizing"]
    assert "from step 50 on" in found["memorizing"]
    assert alerts(history[:1], 10) == {}
    assert alerts([look(0, 1.0, 1.0), look(50, 0.9, 0.9)], 10) == {}


def test_a_gain_that_falls_twice_raises_an_alert() -> None:
    rising = [look(0, 1.0, 1.0), look(10, 0.7, 0.7), look(20, 0.6, 0.6)]
    assert alerts(rising, 5) == {}
    once_worse = [*rising, look(30, 0.7, 0.7)]
    assert alerts(once_worse, 5) == {}
    twice_worse = [*once_worse, look(40, 0.8, 0.8)]
    assert list(alerts(twice_worse, 5)) == ["gain-falling"]
    assert "best at step 20" in alerts(twice_worse, 5)["gain-falling"]


def test_a_loss_that_is_not_finite_raises_an_alert_and_leaves_no_nan_behind() -> None:
    broken: Array = np.full((30, 3), np.inf)
    history = [look(0, 1.0, 1.0), Look(10, broken, broken)]
    assert list(alerts(history, 5)) == ["not-finite"]
    facts = figures(history)
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert "gain" not in facts
    assert in_words(facts) == ""


def test_figures_are_told_in_a_few_words() -> None:
    facts = figures([look(0, 1.0, 1.0), look(50, 0.5, 0.9)])
    assert in_words(facts) == "gain +10.0 %, member test 1.00"
