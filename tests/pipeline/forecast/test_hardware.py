"""Speeds measured on a GPU take the place of estimates, and a forecast says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError
from harness.pages import recipe as recipes
from harness.pipeline.forecast import Forecast, forecast
from harness.pipeline.forecast.gpus import ESTIMATES, gpu_like, gpu_named, gpus
from harness.pipeline.forecast.hardware import FOLDER
from harness.pipeline.request import requested

H100 = "NVIDIA H100 80GB HBM3"
MEASURED = {
    "name": H100,
    "memory_bytes": 85_000_000_000,
    "training_flops": 3.21e14,
    "sampling_flops": 4.5e14,
    "launch_seconds": 0.02,
}


@pytest.fixture
def folder(nothing_measured: Path) -> Path:
    """The only place of hardware files; it is empty."""
    (nothing_measured / FOLDER).mkdir(parents=True)
    return nothing_measured / FOLDER


def write(folder: Path, card: str = H100, **constants: Any) -> Path:
    """Write a file as `performance/gpu.py` does, with what else it holds."""
    content = {
        "schema_version": 1,
        "card": card,
        "versions": {"torch": "2.14.1"},
        "commit": "0123456789abcdef",
        "figures": [{"part": "training", "name": "lora-16", "value": 5.0, "unit": "images/s"}],
        "forecast": {**MEASURED, "name": card, **constants},
    }
    file = folder / f"{card.lower().replace(' ', '-')}.json"
    file.write_text(json.dumps(content))
    return file


def asked(card: str) -> Forecast:
    recipe = recipes.load("danbooru-1024")
    steps = requested(recipe).plan().steps
    return forecast(recipe, steps, steps, gpu_named(card))


def test_a_measured_gpu_is_as_fast_as_it_was_measured_and_the_plan_says_where(
    folder: Path,
) -> None:
    before = asked("h100")
    assert "180 TFLOP/s, estimated" in before.basis
    write(folder)
    gpu, after = gpu_named("h100"), asked("h100")
    assert (gpu.training, gpu.sampling, gpu.launch) == (3.21e14, 4.5e14, 0.02)
    assert gpu.memory == 85_000_000_000
    assert gpu.single == ESTIMATES["h100"].single
    assert after.seconds < before.seconds
    assert (
        "321 TFLOP/s; training, sampling, launch measured on NVIDIA H100 80GB HBM3 at 0123456789ab"
    ) in after.basis
    assert "estimated" not in after.basis


def test_what_was_not_measured_stays_estimated_and_is_named(folder: Path) -> None:
    write(folder, sampling_flops=None, launch_seconds=None)
    gpu = gpu_named("h100")
    assert (gpu.training, gpu.sampling) == (3.21e14, ESTIMATES["h100"].sampling)
    assert "training measured on NVIDIA H100" in gpu.basis
    assert "sampling, launch estimated" in gpu.basis


def test_a_file_without_any_speed_changes_nothing(folder: Path) -> None:
    write(folder, training_flops=None, sampling_flops=None, launch_seconds=None)
    assert gpus() == ESTIMATES


def test_a_gpu_that_no_list_knows_is_known_once_it_was_measured(folder: Path) -> None:
    write(folder, "NVIDIA GeForce RTX 5090", memory_bytes=34_000_000_000)
    assert gpu_named("rtx-5090").training == 3.21e14
    here = gpu_like("NVIDIA GeForce RTX 5090", 33_000_000_000)
    assert (here.training, here.memory) == (3.21e14, 33_000_000_000)


def test_a_slice_and_a_second_form_of_a_gpu_leave_the_first_alone(folder: Path) -> None:
    write(folder, "NVIDIA A100-SXM4-40GB", memory_bytes=42_000_000_000)
    write(folder, "NVIDIA H100 80GB HBM3 MIG 1g.10gb", memory_bytes=10_000_000_000)
    write(folder, training_flops=3e14)
    write(folder, "NVIDIA H100 PCIe", training_flops=2e14)
    assert gpu_named("a100") == ESTIMATES["a100"]
    assert gpu_named("a100-40").training == 3.21e14
    assert gpu_named("h100").training == 3e14
    assert gpu_named("h100-pcie").training == 2e14
    assert gpu_named("h100-80gb-hbm3-mig-1g-10gb").memory == 10_000_000_000


def test_a_file_that_holds_no_figures_is_named(folder: Path) -> None:
    file = write(folder, training_flops=-1)
    with pytest.raises(UsageError, match=rf"{file.name} holds no figures of a GPU: forecast\."):
        gpu_named("h100")
