"""Any base that diffusers draws with: noise of its own for every image, and clear refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from families import FAMILIES, OPTIONS, save_family, save_lora
from once import Once
from safetensors.torch import load_file, save_file

from harness.diffusion.any_pipeline import (
    AnySampler,
    attach_files,
    class_of,
    load_any,
    offload,
    place,
)
from harness.diffusion.sampler import Request
from harness.diffusion.shapes import other_pipeline, require_sdxl
from harness.errors import MissingPrerequisite, UsageError
from harness.pages.benchmark import Sampler
from harness.pages.recipe import Attached, Base

CAT, DOGS = Request("a", 1, "a red cat"), Request("b", 2, "a long story about two dogs")


def settings(family: str = "FluxPipeline", **changes: Any) -> Sampler:
    options = OPTIONS.get(family, {})
    return Sampler(
        **{"scheduler": "own", "steps": 2, "guidance": 3.0, "width": 32, "height": 32}
        | {"options": options}
        | changes
    )


def saved(family: str, once: Once) -> Path:
    return once(family, lambda folder: save_family(family, folder) and None)


def ready(family: str, once: Once, **changes: Any) -> Any:
    base, sampler = Base(model=str(saved(family, once))), settings(family, **changes)
    pipeline = load_any(base, None, sampler, "cpu")
    place(pipeline, "cpu")
    return pipeline


@pytest.mark.parametrize("family", FAMILIES)
def test_an_image_depends_on_its_prompt_and_seed_alone(family: str, once: Once) -> None:
    sampler = AnySampler(ready(family, once), settings(family))
    cat, dogs = sampler.draw([CAT, DOGS])
    (alone,) = sampler.draw([DOGS])
    assert cat is not None
    assert dogs is not None
    assert cat.shape == (32, 32, 3)
    assert np.array_equal(dogs, alone)
    assert (cat != dogs).mean() > 0.5
    (other,) = sampler.draw([Request("a", 2, CAT.text)])
    assert (cat != other).mean() > 0.5


def test_there_are_families_of_every_kind() -> None:
    assert len(FAMILIES) >= 8


def test_the_model_says_which_pipeline_it_is(once: Once, tmp_path: Path) -> None:
    folder = saved("FluxPipeline", once)
    assert class_of(Base(model=str(folder))) == "FluxPipeline"
    assert other_pipeline(str(folder)) == "FluxPipeline"
    assert class_of(Base(model="pocket/sdxl")) == "StableDiffusionXLPipeline"
    assert other_pipeline("pocket/sdxl") is None
    assert class_of(Base(model=str(tmp_path))) is None
    with pytest.raises(UsageError, match="training takes SDXL alone"):
        require_sdxl(str(folder))


def test_a_weight_that_is_missing_is_refused_by_name(once: Once, tmp_path: Path) -> None:
    folder = save_family("ZImagePipeline", tmp_path / "torn")
    file = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    weights = load_file(file)
    lost = weights.pop(next(name for name in weights if name.endswith("weight")))
    save_file(weights, file)
    assert lost.numel()
    with pytest.raises(MissingPrerequisite, match=r"transformer cannot be loaded: .* is missing"):
        load_any(Base(model=str(folder)), None, settings("ZImagePipeline"), "cpu")


@pytest.mark.parametrize(
    ("named", "complaint"),
    [("NoSuchPipeline", "does not have"), ("os", "does not have"), ("DDPMPipeline", "no prompt")],
)
def test_only_text_to_image_pipelines_of_diffusers_are_run(
    named: str, complaint: str, tmp_path: Path
) -> None:
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": named}))
    with pytest.raises((UsageError, MissingPrerequisite), match=complaint):
        load_any(Base(model=str(tmp_path)), None, settings(), "cpu")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"options": {"max_sequence_lenght": 32}}, "no option max_sequence_lenght"),
        ({"options": {"prompt": "another"}}, "no option prompt"),
        ({"options": {"num_images_per_prompt": 2}}, "no option num_images_per_prompt"),
        ({"prompt_style": "webui"}, "reads prompts as they stand"),
    ],
)
def test_what_a_pipeline_cannot_take_is_refused(
    changes: dict[str, Any], complaint: str, once: Once
) -> None:
    with pytest.raises(UsageError, match=complaint):
        AnySampler(ready("FluxPipeline", once), settings(**changes))


def test_a_scheduler_of_another_kind_of_noise_is_refused(once: Once) -> None:
    with pytest.raises(UsageError, match="and not with ddim"):
        ready("FluxPipeline", once, scheduler="ddim")
    assert (
        "FlowMatchEuler" in type(ready("FluxPipeline", once, scheduler="euler").scheduler).__name__
    )
    classic = ready("StableDiffusionPipeline", once, scheduler="euler-a").scheduler
    assert type(classic).__name__ == "EulerAncestralDiscreteScheduler"


def test_a_negative_prompt_that_is_not_taken_is_refused(once: Once) -> None:
    sampler = AnySampler(ready("Flux2KleinPipeline", once), settings("Flux2KleinPipeline"))
    with pytest.raises(UsageError, match="takes no negative prompt"):
        sampler.draw([Request("a", 1, "a cat", negative="blurry")])


def test_numbers_that_are_not_finite_are_no_image(once: Once) -> None:
    pipeline = ready("FluxPipeline", once)
    with torch.no_grad():
        next(pipeline.vae.decoder.parameters()).fill_(float("nan"))
    assert AnySampler(pipeline, settings()).draw([CAT]) == [None]


def test_an_adapter_changes_images_by_its_scale(once: Once, tmp_path: Path) -> None:
    file = save_lora(ready("FluxPipeline", once), tmp_path)
    drawn = {}
    for scale in (0.0, 0.5, 1.0):
        pipeline = ready("FluxPipeline", once)
        attach_files(pipeline, [(Attached(file=str(file)), scale)] if scale else [])
        (image,) = AnySampler(pipeline, settings()).draw([CAT])
        assert image is not None
        drawn[scale] = image.astype(int)
    half, whole = (np.abs(drawn[scale] - drawn[0.0]).mean() for scale in (0.5, 1.0))
    assert 0 < half < whole


def test_an_adapter_of_another_base_is_refused(once: Once, tmp_path: Path) -> None:
    weights = load_file(save_lora(ready("FluxPipeline", once), tmp_path))
    moved = {
        name.replace("transformer_blocks.0", "transformer_blocks.7"): each.clone()
        for name, each in weights.items()
    }
    file = tmp_path / "foreign.safetensors"
    save_file(weights | moved, file)
    with pytest.raises(UsageError, match="does not fit FluxPipeline"):
        attach_files(ready("FluxPipeline", once), [(Attached(file=str(file)), 1.0)])


@pytest.mark.parametrize(
    ("sizes", "free", "kept"),
    [([8, 2], 12, "none"), ([8, 2], 11, "models"), ([8, 2], 9, "layers"), ([0], 0, "none")],
)
def test_what_does_not_fit_a_gpu_waits_in_main_memory(
    sizes: list[int], free: int, kept: str
) -> None:
    assert offload(sizes, free) == kept
