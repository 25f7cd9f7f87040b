"""The rate of every optimizer step, against hand arithmetic and diffusers' own schedules."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers.optimization import get_scheduler
from hypothesis import given
from hypothesis import strategies as st

from harness.diffusion.schedules import multiplier, multiplier_at, phase_of, rates
from harness.recipe import Phase, Train

SCHEDULES = ("constant", "cosine", "linear")


def train(*phases: dict[str, Any], **changes: Any) -> Train:
    page = {
        "method": "lora",
        "adapter": {"rank": 4},
        "resolution": 64,
        "batch": 1,
        "optimizer": {"use": "adamw"},
        "phases": [{"rate": 1e-4, **phase} for phase in phases],
    }
    return Train.model_validate({**page, **changes}, strict=False)


def by_diffusers(schedule: str, warmup: int, total: int, steps: int) -> list[float]:
    """Return the multiplier of each optimizer step; diffusers' constant has a word of its own."""
    word = "constant_with_warmup" if schedule == "constant" else schedule
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = get_scheduler(word, optimizer, num_warmup_steps=warmup, num_training_steps=total)
    found = []
    for _ in range(steps):
        found.append(float(scheduler.get_last_lr()[0]))
        optimizer.step()
        scheduler.step()
    return found


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("warmup", [0, 1, 7])
def test_every_step_has_the_rate_that_diffusers_gives_it(schedule: str, warmup: int) -> None:
    run = train({"steps": 40, "schedule": schedule, "warmup": warmup})
    ours = [multiplier_at(run, step)[1] for step in range(40)]
    assert ours == pytest.approx(by_diffusers(schedule, warmup, 40, 40), abs=1e-12)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_legacy_unit_is_the_schedule_of_the_official_script(schedule: str) -> None:
    run = train(
        {"steps": 40, "schedule": schedule, "warmup": 7},
        accumulation=4, lr_schedule_unit="diffusers-legacy",
    )  # fmt: skip
    ours = [multiplier_at(run, step)[1] for step in range(40)]
    assert ours == pytest.approx(by_diffusers(schedule, 28, 160, 40), abs=1e-12)


def test_the_legacy_unit_with_8_accumulations_hardly_decays() -> None:
    run = train(
        {"steps": 765, "schedule": "cosine"}, accumulation=8, lr_schedule_unit="diffusers-legacy"
    )
    assert multiplier_at(run, 764)[1] == pytest.approx(0.962, abs=1e-3)


def test_the_legacy_unit_with_2_accumulations_ends_at_half() -> None:
    run = train(
        {"steps": 18_000, "schedule": "cosine", "warmup": 500},
        accumulation=2, lr_schedule_unit="diffusers-legacy",
    )  # fmt: skip
    assert multiplier_at(run, 17_999)[1] == pytest.approx(0.522, abs=1e-3)


def test_the_legacy_unit_with_the_scripts_own_warmup_barely_starts() -> None:
    run = train(
        {"steps": 765, "schedule": "cosine", "warmup": 500},
        accumulation=8, lr_schedule_unit="diffusers-legacy",
    )  # fmt: skip
    assert multiplier_at(run, 764)[1] == pytest.approx(0.191, abs=1e-3)


@pytest.mark.parametrize("accumulation", [1, 2, 8])
def test_the_right_unit_ends_at_nothing_whatever_the_accumulation(accumulation: int) -> None:
    run = train({"steps": 765, "schedule": "cosine"}, accumulation=accumulation)
    assert multiplier_at(run, 764)[1] == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("accumulation", [1, 8])
def test_warmup_is_counted_in_optimizer_steps(accumulation: int) -> None:
    run = train({"steps": 100, "warmup": 10}, accumulation=accumulation)
    found = [multiplier_at(run, step)[1] for step in range(12)]
    assert found == pytest.approx([step / 10 for step in range(10)] + [1, 1])


def test_each_phase_has_a_schedule_of_its_own() -> None:
    run = train(
        {"steps": 10, "schedule": "linear"}, {"steps": 20, "warmup": 5, "schedule": "cosine"}
    )
    assert multiplier_at(run, 9) == (0, pytest.approx(0.1))
    assert multiplier_at(run, 10) == (1, 0.0)
    assert multiplier_at(run, 15) == (1, 1.0)


def test_a_step_belongs_to_one_phase() -> None:
    run = train({"steps": 3}, {"steps": 1}, {"steps": 2})
    places = [phase_of(run, step) for step in range(6)]
    assert places == [(0, 0), (0, 1), (0, 2), (1, 0), (2, 0), (2, 1)]


def test_there_is_no_step_behind_the_last_phase() -> None:
    with pytest.raises(IndexError, match="step 6 lies behind the last phase"):
        phase_of(train({"steps": 6}), 6)


@st.composite
def phases(draw: st.DrawFn) -> Phase:
    steps = draw(st.integers(1, 200))
    return Phase(
        steps=steps,
        rate=1.0,
        schedule=draw(st.sampled_from(["constant", "cosine", "linear"])),
        warmup=draw(st.integers(0, steps - 1)),
    )


@given(phase=phases(), stretch=st.integers(1, 8))
def test_a_rate_rises_through_warmup_and_never_after(phase: Phase, stretch: int) -> None:
    found = [multiplier(phase, place, stretch) for place in range(phase.steps)]
    top = min(phase.warmup * stretch, phase.steps)
    assert all(0 <= factor <= 1 for factor in found)
    assert found[:top] == sorted(found[:top])
    assert found[top:] == sorted(found[top:], reverse=True)


def test_the_rates_shown_are_those_of_five_marks_of_the_run() -> None:
    run = train({"steps": 101, "schedule": "linear"})
    shown = [(name, step, rate / 1e-4) for name, step, rate in rates(run)]
    assert [each[:2] for each in shown] == [
        ("0%", 0), ("25%", 25), ("50%", 50), ("75%", 75), ("100%", 100),
    ]  # fmt: skip
    assert [each[2] for each in shown] == pytest.approx([1 - step / 101 for _, step, _ in shown])
