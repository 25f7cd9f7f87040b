"""What only a card can show: memory against the forecast, half precision, and speed.

SDXL at its real size with random weights. Figures are printed (`pytest -m gpu -s`).
"""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest
import torch
from full_size import full_size, write_pictures, write_sdxl
from schooling import School, school

from harness.diffusion.memory import memory_of, samples_per_pass
from harness.interfaces import Progress, StageContext
from harness.pages import recipe as recipes
from harness.pages.train import Train
from harness.training import training_run

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here"),
]
RECIPES = ("naruto-256", "naruto-1024", "danbooru-1024")
STEPS = 6


@pytest.fixture(scope="module")
def sdxl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sdxl(tmp_path_factory.mktemp("sdxl"))


def shortened(name: str, **changes: object) -> Train:
    """Return a recipe's training for a few steps, at its own batch and size."""
    train = recipes.load(name).train
    assert train is not None
    phase = train.phases[0].model_copy(update={"steps": STEPS, "warmup": 0})
    return train.model_copy(update={"phases": (phase,), "checkpoint_every": None, **changes})


def prepared(train: Train, base: Path, folder: Path) -> School:
    side = train.resolution
    pictures = write_pictures(folder / "pictures", train.batch, (side, side))
    return school(full_size(base, pictures, train.model_dump()), folder / "store", "cuda")


def trained(own: School, folder: Path) -> tuple[StageContext, list[Progress]]:
    told: list[Progress] = []
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    return own.train(folder, told.append), told


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_takes_the_memory_that_was_forecast(name: str, sdxl: Path, tmp_path: Path) -> None:
    train = shortened(name)
    place, told = trained(prepared(train, sdxl, tmp_path), tmp_path / "run")
    budget = training_run.budget("cuda")
    passes = samples_per_pass(train, str(sdxl), budget)
    forecast = memory_of(train, str(sdxl)).peak(passes) / 2**20
    measured = place.notes["peak_memory_mb"]
    speeds = [each.facts["images_per_second"] for each in told[2:] if each.facts]
    print(
        f"{torch.cuda.get_device_name()} {name}: {measured} MB (forecast {forecast:.0f}), "
        f"{passes} samples a pass, {statistics.median(speeds):.1f} images/s"
    )
    assert measured == pytest.approx(forecast, rel=0.1)


def test_recipe_a_at_1024_runs_under_a_cap_of_16_gb(
    sdxl: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cap, whole = 15e9, torch.cuda.get_device_properties(0).total_memory
    monkeypatch.setattr(training_run, "budget", lambda device: int(0.85 * cap))
    torch.cuda.set_per_process_memory_fraction(cap / whole)
    try:
        place, _ = trained(prepared(shortened("naruto-1024"), sdxl, tmp_path), tmp_path / "run")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert place.notes["peak_memory_mb"] < cap / 2**20
