"""Several adapters on one base: their changes add up, whatever their order."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from peft import LoraConfig
from torch import Tensor, nn

from harness.diffusion.adapter_layers import layers_of
from harness.diffusion.adapter_reader import read_layers
from harness.diffusion.adapter_writer import save_adapter
from harness.diffusion.attachment import attach, attach_all
from harness.diffusion.layer_names import PARTS, bare
from harness.diffusion.load import load_pipeline
from harness.errors import UsageError
from harness.pages.recipe import Base

TEXT = ["q_proj", "v_proj"]
UNET = ["to_q", "to_v", "to_out.0", "conv1"]


def pocket() -> StableDiffusionXLPipeline:
    return load_pipeline(Base(model="pocket/sdxl"), None, "ddim", None, "cpu", "fp32")


def adapter(
    folder: Path, seed: int, rank: int, targets: list[str], text: bool, dora: bool = False
) -> Path:
    """Write a LoRA whose every layer changes something."""
    pipeline = pocket()
    torch.manual_seed(seed)
    models = {part: getattr(pipeline, part) for part in PARTS if text or part == "unet"}
    for part, model in models.items():
        words = targets if part == "unet" else TEXT
        model.add_adapter(LoraConfig(r=rank, lora_alpha=2.0, target_modules=words, use_dora=dora))
        for name, value in model.named_parameters():
            if "lora_B" in name:
                value.data.normal_(0, 0.05)
    folder.mkdir()
    save_adapter(models, folder, {})
    return folder / "adapter.safetensors"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two adapters of unlike rank; the first has text encoders, the second more of the UNet."""
    root = tmp_path_factory.mktemp("adapters")
    return adapter(root / "a", 1, 4, UNET[:2], True), adapter(root / "b", 2, 3, UNET, False)


def merged(adapters: list[tuple[Path, float]]) -> StableDiffusionXLPipeline:
    """Return the pocket with the sum of the deltas in its own weights."""
    pipeline = pocket()
    models = {part: getattr(pipeline, part) for part in PARTS}
    for file, scale in adapters:
        for part, layers in read_layers(file).items():
            modules = {bare(name): module for name, module in models[part].named_modules()}
            for name, layer in layers.items():
                weight = modules[name].weight
                assert isinstance(weight, nn.Parameter)
                delta = layer.up.flatten(1) @ layer.down.flatten(1)
                weight.data += scale * layer.scale * delta.reshape(weight.shape)
    return pipeline


@torch.no_grad()
def said(pipeline: StableDiffusionXLPipeline) -> Tensor:
    """Return what the UNet says of some noise and some words."""
    words, _, pooled, _ = pipeline.encode_prompt("1girl, red hair", device="cpu")
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(1, pipeline.unet.config.in_channels, 8, 8, generator=generator)
    known = {"text_embeds": pooled, "time_ids": torch.tensor([[64.0, 64, 0, 0, 64, 64]])}
    found: Tensor = pipeline.unet(noise, 500, words, added_cond_kwargs=known).sample
    return found


@pytest.mark.slow
@pytest.mark.parametrize("scales", [(1.0, 1.0), (0.7, -0.4)])
def test_two_adapters_change_the_base_by_the_sum_of_their_deltas(
    files: tuple[Path, Path], scales: tuple[float, float]
) -> None:
    adapters = list(zip(files, scales, strict=True))
    pupil = pocket()
    attach_all(pupil, adapters)
    expected = said(merged(adapters))
    assert torch.allclose(said(pupil), expected, atol=2e-5)
    alone = pocket()
    attach(alone, *adapters[0])
    assert not torch.allclose(said(alone), expected, atol=1e-2)


def test_the_order_of_adapters_changes_nothing(files: tuple[Path, Path]) -> None:
    forth, back = pocket(), pocket()
    attach_all(forth, [(files[0], 1.0), (files[1], 0.5)])
    attach_all(back, [(files[1], 0.5), (files[0], 1.0)])
    assert torch.allclose(said(forth), said(back), atol=2e-5)


def test_one_file_twice_at_half_is_the_file_once(files: tuple[Path, Path]) -> None:
    once, twice = pocket(), pocket()
    attach(once, files[1], 1.0)
    attach_all(twice, [(files[1], 0.5), (files[1], 0.5)])
    assert torch.allclose(said(once), said(twice), atol=2e-5)


def test_attached_layers_are_read_back_one_adapter_at_a_time(files: tuple[Path, Path]) -> None:
    pupil = pocket()
    attach_all(pupil, [(file, 1.0) for file in files])
    for number, file in enumerate(files):
        found = layers_of({part: getattr(pupil, part) for part in PARTS}, f"judged-{number}")
        assert {part: set(layers) for part, layers in found.items()} == {
            part: set(layers) for part, layers in read_layers(file).items()
        }


def test_a_dora_is_refused_beside_others_and_taken_alone(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    dora = adapter(tmp_path / "dora", 3, 2, UNET[:2], False, dora=True)
    with pytest.raises(UsageError, match="is a DoRA"):
        attach_all(pocket(), [(files[0], 1.0), (dora, 1.0)])
    attach_all(pocket(), [(dora, 1.0)])
