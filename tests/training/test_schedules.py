"""The rate of every optimizer step, against hand arithmetic and diffusers' own schedules."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from diffusers.optimization import get_linear_schedule_with_warmup, get_scheduler
from hypothesis import given
from hypothesis import strategies as st

from harness.pages.train import Phase, Train
from harness.training.schedules import multiplier, multiplier_at, phase_of, rates

SCHEDULES = ("constant", "cosine", "linear", "cosine-restarts", "polynomial")
FALLING = ("cosine", "linear", "cosine-restarts", "polynomial", "rex")
WORDS = {"constant": "constant_with_warmup", "cosine-restarts": "cosine_with_restarts"}
"""What diffusers calls a schedule, where it is not what we call it."""


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


def by_diffusers(
    schedule: str, warmup: int, total: int, steps: int, cycles: int = 1, power: float = 1.0
) -> list[float]:
    """Return the multiplier of each optimizer step; its polynomial ends at 1e-7, never at 0."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = get_scheduler(
        WORDS.get(schedule, schedule),
        optimizer,
        num_warmup_steps=warmup,
        num_training_steps=total,
        num_cycles=cycles,
        power=power,
    )
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
    assert ours == pytest.approx(by_diffusers(schedule, warmup, 40, 40), abs=tolerance(schedule))


def tolerance(schedule: str) -> float:
    return 1.01e-7 if schedule == "polynomial" else 1e-12


@pytest.mark.parametrize("warmup", [0, 7])
@pytest.mark.parametrize("cycles", [1, 2, 3, 5])
def test_restarts_are_those_of_diffusers(cycles: int, warmup: int) -> None:
    run = train({"steps": 41, "schedule": "cosine-restarts", "cycles": cycles, "warmup": warmup})
    ours = [multiplier_at(run, step)[1] for step in range(41)]
    theirs = by_diffusers("cosine-restarts", warmup, 41, 41, cycles=cycles)
    assert ours == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0, 3.0])
def test_a_polynomial_with_a_floor_is_the_one_of_diffusers(power: float) -> None:
    run = train({"steps": 40, "schedule": "polynomial", "power": power, "warmup": 7, "floor": 1e-7})
    ours = [multiplier_at(run, step)[1] for step in range(40)]
    assert ours == pytest.approx(by_diffusers("polynomial", 7, 40, 40, power=power), abs=1e-12)


def test_a_linear_floor_is_the_one_of_diffusers() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = get_linear_schedule_with_warmup(optimizer, 4, 40, f_min=0.25)
    run = train({"steps": 40, "schedule": "linear", "warmup": 4, "floor": 0.25})
    for step in range(40):
        assert multiplier_at(run, step)[1] == pytest.approx(scheduler.get_last_lr()[0], abs=1e-12)
        optimizer.step()
        scheduler.step()


def test_rex_is_the_formula_of_its_paper() -> None:
    run = train({"steps": 14, "schedule": "rex", "warmup": 4})
    ours = [multiplier_at(run, step)[1] for step in range(14)]
    assert ours[:5] == [0, 0.25, 0.5, 0.75, 1]
    assert ours[9] == pytest.approx(0.5 / 0.75), "half of the way: (1 - 1/2) / (1 - 1/4)"
    assert ours[13] == pytest.approx(0.1 / 0.55)


@pytest.mark.parametrize("schedule", FALLING)
def test_a_floor_lifts_a_schedule_in_proportion(schedule: str) -> None:
    bare = Phase(steps=20, rate=1.0, schedule=schedule, warmup=3)  # type: ignore[arg-type]
    lifted = bare.model_copy(update={"floor": 0.2})
    for place in range(3, 21):
        expected = 0.2 + 0.8 * multiplier(bare, place)
        assert multiplier(lifted, place) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_legacy_unit_is_the_schedule_of_the_official_script(schedule: str) -> None:
    run = train(
        {"steps": 40, "schedule": schedule, "warmup": 7},
        accumulation=4,
        lr_schedule_unit="diffusers-legacy",
    )
    ours = [multiplier_at(run, step)[1] for step in range(40)]
    assert ours == pytest.approx(by_diffusers(schedule, 28, 160, 40), abs=tolerance(schedule))


def test_the_legacy_unit_with_8_accumulations_hardly_decays() -> None:
    run = train(
        {"steps": 765, "schedule": "cosine"}, accumulation=8, lr_schedule_unit="diffusers-legacy"
    )
    assert multiplier_at(run, 764)[1] == pytest.approx(0.962, abs=1e-3)


def test_the_legacy_unit_with_2_accumulations_ends_at_half() -> None:
    run = train(
        {"steps": 18_000, "schedule": "cosine", "warmup": 500},
        accumulation=2,
        lr_schedule_unit="diffusers-legacy",
    )
    assert multiplier_at(run, 17_999)[1] == pytest.approx(0.522, abs=1e-3)


def test_the_legacy_unit_with_the_scripts_own_warmup_barely_starts() -> None:
    run = train(
        {"steps": 765, "schedule": "cosine", "warmup": 500},
        accumulation=8,
        lr_schedule_unit="diffusers-legacy",
    )
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
    schedule = draw(st.sampled_from(["constant", *FALLING]))
    return Phase(
        steps=steps,
        rate=1.0,
        schedule=schedule,  # type: ignore[arg-type]
        warmup=draw(st.integers(0, steps - 1)),
        cycles=draw(st.integers(1, 7)) if schedule == "cosine-restarts" else 1,
        power=draw(st.floats(0.1, 8)) if schedule == "polynomial" else 1.0,
        floor=0.0 if schedule == "constant" else draw(st.floats(0, 1)),
    )


@given(phase=phases(), stretch=st.integers(1, 8))
def test_a_rate_rises_through_warmup_and_then_never_but_at_a_restart(
    phase: Phase, stretch: int
) -> None:
    found = [multiplier(phase, place, stretch) for place in range(phase.steps)]
    top = min(phase.warmup * stretch, phase.steps)
    assert all(0 <= factor <= 1 for factor in found)
    assert found[:top] == sorted(found[:top])
    rises = sum(later > sooner + 1e-12 for sooner, later in pairwise(found[top:]))
    assert rises <= phase.cycles - 1


@given(phase=phases())
def test_a_rate_starts_at_nothing_under_warmup_and_ends_at_its_floor(phase: Phase) -> None:
    assert multiplier(phase, 0) == (0 if phase.warmup else 1)
    assert multiplier(phase, phase.warmup) == pytest.approx(1, abs=1e-12)
    end = 1 if phase.schedule == "constant" else phase.floor
    assert multiplier(phase, phase.steps) == pytest.approx(end, abs=1e-12)


def test_a_phase_of_one_step_is_taken_at_its_full_rate() -> None:
    for schedule in ("constant", *FALLING):
        assert multiplier(Phase(steps=1, rate=1.0, schedule=schedule), 0) == 1  # type: ignore[arg-type]


def test_a_long_cosine_shows_an_end_of_nothing() -> None:
    shown = rates(train({"steps": 18_000, "schedule": "cosine", "warmup": 500}))
    assert shown[-1][:2] == ("100%", 17_999)
    assert shown[0][2] == 0
    assert shown[-1][2] < 1e-4 * 1e-8


def test_the_staged_run_falls_from_one_rate_to_the_other_and_to_nothing() -> None:
    phases = {"steps": 300}, {"steps": 465, "rate": 3e-5, "schedule": "cosine"}
    run = train(*phases, accumulation=8)
    assert run.steps == 765 == 5 * -(-1221 // 8), "five epochs of 153 steps"
    by_step = {
        step: run.phases[phase].rate * factor
        for step in (0, 299, 300, 532, 764)
        for phase, factor in [multiplier_at(run, step)]
    }
    assert by_step[0] == by_step[299] == 1e-4
    assert by_step[300] == 3e-5
    assert by_step[532] == pytest.approx(1.5e-5, rel=0.01), "half of the rate, half of the way"
    assert by_step[764] == pytest.approx(0, abs=1e-9)
    assert rates(run)[-1] == ("100%", 764, by_step[764])


def test_the_rates_shown_are_those_of_five_marks_of_the_run() -> None:
    run = train({"steps": 101, "schedule": "linear"})
    shown = [(name, step, rate / 1e-4) for name, step, rate in rates(run)]
    assert [each[:2] for each in shown] == [
        ("0%", 0),
        ("25%", 25),
        ("50%", 50),
        ("75%", 75),
        ("100%", 100),
    ]
    assert [each[2] for each in shown] == pytest.approx([1 - step / 101 for _, step, _ in shown])
