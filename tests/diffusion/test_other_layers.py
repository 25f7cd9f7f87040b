"""LoKr, LoHa, OFT and (IA)³: trained through PEFT, kept, drawn with, and written for others."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import adapter_makers as makers
import numpy as np
import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from pydantic import ValidationError
from safetensors.torch import load_file, save_file

from harness.diffusion.adapter_reader import read_parts
from harness.diffusion.adapter_writer import FILE, change_tensors, save_adapter
from harness.diffusion.adapters import add_adapter
from harness.diffusion.anatomy import unet_layers
from harness.diffusion.attachment import attach, attach_all
from harness.diffusion.layer_names import blocks_of, kohya_name
from harness.diffusion.load import load_pipeline
from harness.diffusion.merged_layers import as_interfaces_read
from harness.diffusion.other_layers import changes_of
from harness.diffusion.shapes import unet_of
from harness.diffusion.targets import adapter_parameters, factors
from harness.errors import MissingPrerequisite, TrainingError
from harness.pages.recipe import Base
from harness.pages.train import Adapter

BASE = Base(model="pocket/sdxl")
SHAPES: dict[str, dict[str, Any]] = {
    "lokr": {"rank": 4, "alpha": 2.0, "factor": 8},
    "lokr, both": {"rank": 2, "decompose_both": True},
    "lokr, whole": {"rank": 64, "alpha": 32.0},
    "loha": {"rank": 3, "alpha": 2.0},
    "oft": {"rank": 8},
    "ia3": {"rank": 1},
}


def adapter(name: str) -> Adapter:
    return Adapter.model_validate({"use": name.split(",")[0], **SHAPES[name]})


@pytest.fixture(scope="module")
def pocket() -> Callable[[], StableDiffusionXLPipeline]:
    """Return a fresh pipeline at each call; it is read from disk once."""
    pipeline = load_pipeline(BASE, None, "ddim", None, "cpu", "fp32")
    return lambda: copy.deepcopy(pipeline)


@torch.no_grad()
def answer(pipeline: StableDiffusionXLPipeline) -> torch.Tensor:
    """Return what the UNet makes of fixed noise, and an encoder of fixed words."""
    generator = torch.Generator().manual_seed(3)
    words = torch.randn((1, 7, 128), generator=generator)
    known = {
        "text_embeds": torch.randn((1, 64), generator=generator),
        "time_ids": torch.tensor([[64, 64, 0, 0, 64, 64]]),
    }
    noise = torch.randn((1, 16, 8, 8), generator=generator)
    made = pipeline.unet(noise, 400, words, added_cond_kwargs=known).sample
    ids = torch.tensor([[1, 2, 3, 4]])
    return torch.cat([made.flatten(), pipeline.text_encoder(ids).last_hidden_state.flatten()])


def taught(pipeline: StableDiffusionXLPipeline, name: str) -> dict[str, Any]:
    """Give UNet and a text encoder an adapter that changes something."""
    torch.manual_seed(7)
    models = {part: getattr(pipeline, part) for part in ("unet", "text_encoder")}
    for part, model in models.items():
        add_adapter(model, adapter(name), part, torch.float32)
        before = {key: value.clone() for key, value in model.named_parameters()}
        for key, value in model.named_parameters():
            if value.requires_grad:
                assert torch.equal(value, before[key])
                value.data += 0.05 * torch.randn_like(value)
        model.eval()
    return models


@pytest.mark.slow
@pytest.mark.parametrize("name", SHAPES)
def test_an_adapter_is_kept_and_drawn_with_as_it_was_trained(
    name: str, pocket: Callable[[], StableDiffusionXLPipeline], tmp_path: Path
) -> None:
    """Kept in our form and in that of user interfaces; both end in what PEFT computes."""
    teacher = pocket()
    before = answer(teacher)
    models = taught(teacher, name)
    wanted = answer(teacher)
    assert (wanted - before).abs().max() > 1e-3
    save_adapter(models, tmp_path, {})
    blocks = blocks_of(models["unet"].config)
    changes = as_interfaces_read(read_parts(tmp_path / FILE).changes, BASE)
    tensors, _ = change_tensors(changes, lambda part, layer: kohya_name(part, layer, blocks))
    save_file(tensors, tmp_path / "ui.safetensors")
    pupil = pocket()
    attach(pupil, tmp_path / FILE, 0.0)
    assert torch.equal(answer(pupil), before)
    for file in (tmp_path / FILE, tmp_path / "ui.safetensors"):
        pupil = pocket()
        attach(pupil, file, 1.0)
        assert (answer(pupil) - wanted).abs().max() < 2e-5


@pytest.mark.parametrize("name", SHAPES)
def test_a_fresh_adapter_changes_nothing_and_has_the_parameters_that_were_counted(
    name: str, pocket: Callable[[], StableDiffusionXLPipeline]
) -> None:
    pipeline = pocket()
    before = answer(pipeline)
    add_adapter(pipeline.unet, adapter(name), "unet", torch.float32)
    assert torch.allclose(answer(pipeline), before, atol=1e-6)
    made = sum(each.numel() for each in pipeline.unet.parameters() if each.requires_grad)
    layers = unet_layers(unet_of("pocket/sdxl"), 8, 8)
    assert made == sum(adapter_parameters(adapter(name), layer) for layer in layers)


def test_keys_are_those_that_interfaces_know(
    pocket: Callable[[], StableDiffusionXLPipeline], tmp_path: Path
) -> None:
    ends = {
        "lokr": {"lokr_w1", "lokr_w2_a", "lokr_w2_b", "alpha"},
        "loha": {"hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "alpha"},
        "oft": {"diff"},
        "ia3": {"weight", "on_input"},
    }
    for name, wanted in ends.items():
        pipeline = pocket()
        add_adapter(pipeline.unet, adapter(name), "unet", torch.float32)
        changes = as_interfaces_read(changes_of({"unet": pipeline.unet}), BASE)
        tensors, _ = change_tensors(changes, lambda part, layer: f"{part}_{layer}")
        assert {key.rsplit(".", 1)[1] for key in tensors} == wanted
        save_adapter({"unet": pipeline.unet}, tmp_path, {})
        assert all(key.startswith("unet.") for key in load_file(tmp_path / FILE))


def test_several_adapters_of_any_kind_add_up(
    pocket: Callable[[], StableDiffusionXLPipeline], tmp_path: Path
) -> None:
    """Rotations are told by the base's own weights, whatever is added beside them."""
    name = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
    plain = pocket()
    weight = plain.unet.get_submodule(name).weight.detach().clone()
    up, down = makers.pair(name, 160, 160, 2)
    makers.save(
        {f"unet.{name}.lora_B.weight": up, f"unet.{name}.lora_A.weight": down},
        tmp_path / "lora.safetensors",
    )
    blocks = makers.numbers("blocks", 20, 8, 8)
    makers.save({f"unet.{name}.oft_blocks": blocks}, tmp_path / "oft.safetensors")
    makers.save({f"unet.{name}.diff": makers.numbers("d", 160, 160)}, tmp_path / "full.safetensors")
    pupil = pocket()
    files = ("oft", "full", "lora")
    attach_all(pupil, [(tmp_path / f"{each}.safetensors", 0.5) for each in files])
    rotated = pocket()
    attach(rotated, tmp_path / "oft.safetensors", 1.0)
    turned = rotated.unet.get_submodule(name).weight.detach() - weight
    assert turned.norm() > 0.1
    wanted = weight + 0.5 * (turned + torch.from_numpy(makers.numbers("d", 160, 160)))
    layer = pupil.unet.get_submodule(name)
    torch.testing.assert_close(layer.get_base_layer().weight.detach(), wanted, atol=1e-5, rtol=0)
    assert layer.scaling["judged-2"] == 0.5


KEY = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "half a LoKr": ({"lokr_w1": (8, 8)}, "lokr_w2 is missing"),
    "half of a half": ({"lokr_w1": (8, 8), "lokr_w2_a": (20, 2)}, "lokr_w2_b is missing"),
    "a LoKr of another layer": ({"lokr_w1": (8, 8), "lokr_w2": (8, 8)}, "met a change of 64 × 64"),
    "a LoKr without rank": (
        {"lokr_w1": (8, 8), "lokr_w2_a": (20, 0), "lokr_w2_b": (0, 20)},
        "no rank",
    ),
    "half a LoHa": ({"hada_w1_a": (160, 2), "hada_w1_b": (2, 160)}, "is missing"),
    "a LoHa of two sizes": (
        {
            "hada_w1_a": (160, 2),
            "hada_w1_b": (2, 160),
            "hada_w2_a": (80, 2),
            "hada_w2_b": (2, 160),
        },
        "its halves have the shapes",
    ),
    "crooked blocks": ({"oft_blocks": (20, 8, 4)}, "are no rotations"),
    "too few blocks": ({"oft_blocks": (10, 8, 8)}, "10 blocks of 8 met 160 outputs"),
    "butterflies": ({"oft_blocks": (2, 20, 8, 8)}, "BOFT is not supported"),
    "no triangle": ({"oft_R.weight": (20, 29)}, "are no triangles"),
    "too few triangles": ({"oft_R.weight": (10, 28)}, "10 rotations of 8 met 160 inputs"),
    "an old rotation": ({"oft_r": (20, 8, 8)}, "which is no kind of adapter"),
    "too few factors": ({"ia3_l": (1, 80)}, "80 scales met 160 inputs"),
    "factors of nobody knows what": ({"weight": (160,)}, "holds no LoRA weights"),
    "a difference of another layer": ({"diff": (80, 160)}, "met a change of 80 × 160"),
    "a bias of another layer": ({"diff": (160, 160), "diff_b": (80,)}, "80 changes of a bias"),
    "a bias where there is none": ({"diff": (160, 160), "diff_b": (160,)}, "which has none"),
    "GLoRA": (
        {"a1.weight": (2, 2), "a2.weight": (2, 2), "b1.weight": (2, 2), "b2.weight": (2, 2)},
        "GLoRA is not supported",
    ),
    "DoRA of a LoKr": (
        {"lokr_w1": (8, 8), "lokr_w2": (20, 20), "dora_scale": (160, 1)},
        "DoRA of LoKr",
    ),
    "DoRA of a difference": (
        {"diff": (160, 160), "dora_scale": (160, 1)},
        "DoRA of full difference",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_used_is_refused_by_name(
    name: str, pocket: Callable[[], StableDiffusionXLPipeline], tmp_path: Path
) -> None:
    shapes, says = REFUSED[name]
    tensors = {f"{KEY}.{role}": np.ones(shape, np.float32) for role, shape in shapes.items()}
    makers.save(tensors, tmp_path / "x.safetensors")
    pipeline = pocket()
    with pytest.raises((MissingPrerequisite, TrainingError), match=re.escape(says)):
        attach(pipeline, tmp_path / "x.safetensors", 1.0)


def test_numbers_that_are_not_finite_are_refused(
    pocket: Callable[[], StableDiffusionXLPipeline], tmp_path: Path
) -> None:
    values = np.ones((160, 160), np.float32)
    values[3, 3] = np.inf
    makers.save({f"{KEY}.diff": values}, tmp_path / "x.safetensors")
    with pytest.raises(TrainingError, match="not finite"):
        attach(pocket(), tmp_path / "x.safetensors", 1.0)


def test_peft_files_say_what_they_need_in_one_file(tmp_path: Path) -> None:
    """Trap: PEFT keeps the alpha of a LoKr, and how OFT rotates, in another file."""
    file = tmp_path / "adapter_model.safetensors"
    tensors = {f"{KEY}.lokr_w1": makers.numbers("a", 8, 8)}
    tensors |= {f"{KEY}.lokr_w2": makers.numbers("b", 20, 20)}
    makers.save(tensors, file)
    config = file.with_name("adapter_config.json")
    for text, fits in (
        ('{"peft_type": "LOKR", "r": 8, "alpha": 8}', True),
        ('{"peft_type": "LOKR", "r": 8, "alpha": 4}', False),
        ('{"peft_type": "OFT", "use_cayley_neumann": true}', True),
        ('{"peft_type": "OFT", "use_cayley_neumann": false}', False),
        ('{"peft_type": "OFT", "coft": true}', False),
        ('{"peft_type": "IA3"}', True),
        ("[", False),
    ):
        config.write_text(text)
        if fits:
            assert read_parts(file).changes["unet"]
            continue
        with pytest.raises(MissingPrerequisite, match=r"adapter_config\.json"):
            read_parts(file)


def test_sides_are_factored_as_in_peft() -> None:
    from peft.tuners.lokr.layer import factorization

    for side in (96, 128, 160, 320, 384, 640, 768, 1280, 2048, 97, 1):
        for most in (None, 2, 3, 4, 7, 8, 16, 1000):
            assert factors(side, most) == factorization(side, most or -1)


def test_oft_is_refused_where_blocks_do_not_fill_a_layer(
    pocket: Callable[[], StableDiffusionXLPipeline],
) -> None:
    wrong = Adapter(use="oft", rank=7)
    with pytest.raises(TrainingError, match="in blocks of 7"):
        add_adapter(pocket().unet, wrong, "unet", torch.float32)
    conv = Adapter(use="oft", rank=8, targets="conv1")
    with pytest.raises(TrainingError, match="a convolution"):
        add_adapter(pocket().unet, conv, "unet", torch.float32)


@pytest.mark.parametrize(
    ("page", "says"),
    [
        ({"use": "lora", "rank": 4, "factor": 8}, "belongs to lokr, not to lora"),
        ({"use": "loha", "rank": 4, "dora": True}, "belongs to lora, not to loha"),
        ({"use": "lokr", "rank": 4, "dropout": 0.5}, "belongs to lora, not to lokr"),
        ({"use": "oft", "rank": 8, "alpha": 4.0}, "scales a product"),
        ({"use": "oft", "rank": 1}, "cannot be rotated"),
        ({"use": "ia3", "rank": 4}, "must be 1"),
        ({"use": "lora4", "rank": 4}, "Input should be"),
    ],
)
def test_a_page_that_contradicts_itself_is_refused(page: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(says)):
        Adapter.model_validate(page)
