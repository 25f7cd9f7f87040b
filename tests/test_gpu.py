"""What only a card can show: memory against the forecast, equal runs, and equal images.

SDXL at its real size with random weights, made on the card; `performance/gpu.py` measures speed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from card import trial
from card.determinism import weights_of
from card.figures import Context, Deadline
from card.sampling import levels_apart
from card.sdxl import pipeline, write_base

from harness.diffusion.memory import memory_of, samples_per_step
from harness.diffusion.sampler import ImageSampler, Request
from harness.interfaces import StageContext
from harness.pages.benchmark import Sampler
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
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # before CUDA starts
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


def test_an_image_alone_and_in_a_batch_are_as_near_as_fp16_can_tell(card: Context) -> None:
    """Two sums of fp16 in another order are each as far from the exact one as fp16 rounds.

    How far that is, the same image in fp32 tells; so the bound is twice that, and one level for the
    rounding to bytes.
    """
    sampler = Sampler(steps=8, guidance=7.0, width=512, height=512, precision="fp16")
    drawing = pipeline(card.base, card.device, torch.float16)
    requests = [Request(f"p{number}", number, f"1girl, hat {number}") for number in range(4)]
    distance = levels_apart(ImageSampler(drawing, sampler, card.device), requests)
    alone = ImageSampler(drawing, sampler, card.device).draw(requests[:1])[0]
    exact_sampler = sampler.model_copy(update={"precision": "fp32"})
    exact_drawing = drawing.to(torch.float32)
    exact = ImageSampler(exact_drawing, exact_sampler, card.device).draw(requests[:1])[0]
    assert alone is not None
    assert exact is not None
    error = np.abs(exact.astype(int) - alone.astype(int))
    print(f"levels: fp16 errs by {error.max()}, a batch moves by {distance.max()}")
    assert distance.max() <= 2 * error.max() + 1
    assert distance.mean() <= 2 * error.mean() + 0.5


@pytest.mark.parametrize("name", ["inception", "clip", "dinov2"])
def test_features_do_not_depend_on_their_batch(name: str, card: Context) -> None:
    for module in ("open_clip", "torch_fidelity"):
        pytest.importorskip(module)
    from card import random_networks
    from card.features import write_pictures

    from harness.pipeline.stages.feature_pass import exact_convolutions
    from harness.pipeline.stages.files import open_picture

    _, network = getattr(random_networks, name)(card)
    pictures = [open_picture(file) for file in write_pictures(card)[0][:8]]
    with torch.inference_mode(), exact_convolutions():
        together = network.see(pictures, [""] * 8)["images"]
        alone = np.concatenate([network.see([each], [""])["images"] for each in pictures])
    scale = np.abs(together).max()
    np.testing.assert_allclose(alone / scale, together / scale, atol=1e-4)
    assert np.abs(together[0] - together[1]).max() > 1e-3 * scale


def test_a_pass_over_files_gives_what_the_network_sees(card: Context) -> None:
    for module in ("open_clip", "torch_fidelity"):
        pytest.importorskip(module)
    from card.features import networks, write_pictures

    from harness.pipeline.stages.cached_extractor import ImageFile
    from harness.pipeline.stages.feature_pass import exact_convolutions
    from harness.pipeline.stages.features import fill_caches
    from harness.pipeline.stages.files import open_picture

    files = write_pictures(card)[0][:40]
    images = [ImageFile(file, file.stem, "a cat") for file in files]
    extractors = networks(card)
    place = StageContext(card.folder, {}, card.device, batch=4)
    fill_caches(images, list(extractors.values()), place)
    for extractor in extractors.values():
        with torch.inference_mode(), exact_convolutions():
            seen = extractor.network.see([open_picture(files[-1])], ["a cat"])["images"][0]
        kept = extractor.features(images)["images"][-1]
        np.testing.assert_allclose(kept, seen, atol=1e-4 * np.abs(seen).max())
