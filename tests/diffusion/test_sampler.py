"""One (prompt, seed) is one image, in whatever company it is drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from harness.diffusion.load import load_pipeline
from harness.diffusion.sampler import ImageSampler, Request
from harness.pages.benchmark import Sampler
from harness.pages.recipe import Base

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("scheduler", ["ddim", "euler", "euler-a"])
def test_an_image_does_not_depend_on_its_batch(scheduler: str) -> None:
    base = Base(model="pocket/sdxl")
    sampler = Sampler(scheduler=scheduler, steps=6, guidance=4.0, width=64, height=64)  # type: ignore[arg-type]
    image_sampler = ImageSampler(
        load_pipeline(base, None, scheduler, None, "cpu", "fp32"), sampler, "cpu"
    )
    requests = [
        Request(f"p{n}", n % 3, f"1girl, {c} hair")
        for n, c in enumerate(["red", "blue", "green", "pink"] * 4)
    ]
    together = np.stack(image_sampler.draw(requests)).astype(int)
    reverse = np.stack(image_sampler.draw(requests[::-1])[::-1]).astype(int)
    alone = np.stack([image_sampler.draw([request])[0] for request in requests[:3]]).astype(int)
    assert np.abs(together - reverse).max() <= 1
    assert np.abs(together[:3] - alone).max() <= 1
    assert len(np.unique(together.reshape(16, -1), axis=0)) == 16


def test_a_batch_too_large_for_the_memory_is_drawn_in_parts(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline = load_pipeline(Base(model="pocket/sdxl"), None, "euler", None, "cpu", "fp32")
    sampler = Sampler(steps=2, guidance=4.0, width=64, height=64)
    requests = [Request(f"p{number}", number, "1girl, red hair") for number in range(5)]
    at_once = np.stack(ImageSampler(pipeline, sampler, "cpu").draw(requests)).astype(int)
    forward = pipeline.unet.forward

    def small(sample: torch.Tensor, *words: Any, **more: Any) -> Any:
        if len(sample) > 4:  # two images, each with and without its prompt
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(sample, *words, **more)

    monkeypatch.setattr(pipeline.unet, "forward", small)
    in_parts = np.stack(ImageSampler(pipeline, sampler, "cpu").draw(requests)).astype(int)
    assert caplog.messages == ["out of memory: from now on images drawn at once: 2"]
    assert np.abs(at_once - in_parts).max() <= 1
