"""What only a card can show: memory against the forecast, and equal runs.

SDXL at its real size with random weights, made on the card; `performance/gpu.py` measures speed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from card import trial
from card.determinism import weights_of
from card.figures import Context, Deadline
from card.sdxl import write_base

from harness.diffusion.memory import memory_of, samples_per_step
from harness.pages.train import Train
from harness.training import training_run

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here"),
]
RECIPES = ("naruto-256", "naruto-1024", "danbooru-1024")
STEPS = 3


@pytest.fixture
def card(tmp_path: Path) -> Iterator[Context]:
    context = Context("cuda", False, tmp_path, write_base(tmp_path / "sdxl"), Deadline(600))
    context.release()
    yield context
    context.release()


def peak(card: Context, train: Train) -> tuple[int, int]:
    """Return the bytes that a few steps took, and those that were forecast."""
    run = trial.begun(card, train)
    for _ in range(STEPS):
        trial.advance(run)
    taken = card.peak_memory
    assert taken is not None
    samples = min(run.objective.most, samples_per_step(train))
    return taken, memory_of(train, str(card.base)).peak(samples)


def without_8bit(name: str, card: Context) -> Train:
    """Return a recipe's training with AdamW, so that it needs no bitsandbytes."""
    return trial.of_recipe(card, name, optimizer=trial.lora(card).optimizer)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_takes_the_memory_that_was_forecast(name: str, card: Context) -> None:
    taken, forecast = peak(card, without_8bit(name, card))
    assert taken == pytest.approx(forecast, rel=0.1)


def test_recipe_a_at_1024_runs_under_a_cap_of_16_gb(
    card: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    cap, memory = 15e9, torch.cuda.get_device_properties(0).total_memory
    monkeypatch.setattr(training_run, "budget", lambda device: int(0.85 * cap))
    torch.cuda.set_per_process_memory_fraction(min(1.0, cap / memory))
    try:
        taken, _ = peak(card, without_8bit("naruto-1024", card))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert taken < cap


def test_two_deterministic_runs_end_in_the_same_bytes(card: Context) -> None:
    train = trial.lora(card, resolution=512, batch=2, deterministic=True)
    first, second = (weights_of(card, train, STEPS)[0] for _ in range(2))
    assert len(first) == 1120
    assert all(torch.equal(value, second[name]) for name, value in first.items())
