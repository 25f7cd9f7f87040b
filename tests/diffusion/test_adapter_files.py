"""LoRA files: what we write loads everywhere, and what others write loads here or is refused."""

from __future__ import annotations

import json
import logging
import struct
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionXLPipeline, UNet2DConditionModel
from hypothesis import given
from hypothesis import strategies as st
from peft import LoraConfig
from peft.tuners.lora import LoraLayer
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from harness.diffusion.adapter_layers import Layer, Layers, layers_of
from harness.diffusion.adapter_reader import read_layers
from harness.diffusion.adapter_writer import (
    FILE,
    diffusers_tensors,
    kohya_tensors,
    save_adapter,
    write_tensors,
)
from harness.diffusion.attachment import attach
from harness.diffusion.layer_names import SDXL, bare, blocks_of, kohya_name, ldm_name
from harness.diffusion.load import load_pipeline
from harness.errors import HarnessError, MissingPrerequisite, TrainingError
from harness.pages.recipe import Base

ATTENTION = ["to_q", "to_k", "to_v", "to_out.0"]
TEXT = ["q_proj", "k_proj", "v_proj", "out_proj"]
FEED = ["ff.net.0.proj", "ff.net.2"]
CONVOLUTIONS = ["conv1", "conv_shortcut", "conv_in", "downsamplers.0.conv", "upsamplers.0.conv"]
KINDS: dict[str, dict[str, Any]] = {
    "plain": {"r": 4, "lora_alpha": 4},
    "alpha": {"r": 4, "lora_alpha": 1.5},
    "ranks": {
        "r": 4,
        "lora_alpha": 3,
        "rank_pattern": {r"down_blocks\.0.*": 2, "mid.*": 7},
        "alpha_pattern": {"mid.*": 5},
    },
    "rslora": {"r": 6, "lora_alpha": 3, "use_rslora": True},
    "dora": {"r": 4, "lora_alpha": 2, "use_dora": True},
    "layers": {
        "r": 3,
        "lora_alpha": 2,
        "target_modules": [*ATTENTION, *FEED, *CONVOLUTIONS, "proj_in", "time_emb_proj"],
    },
    "dora layers": {
        "r": 3,
        "lora_alpha": 2,
        "use_dora": True,
        "target_modules": [*FEED, *CONVOLUTIONS],
    },
}
PARTS = ("unet", "text_encoder", "text_encoder_2")
PLACES = {
    "down_blocks_0_attentions_0": "input_blocks_1_1",
    "down_blocks_1_attentions_0": "input_blocks_3_1",
    "mid_block_attentions_0": "middle_block_1",
    "up_blocks_0_attentions_0": "output_blocks_0_1",
    "up_blocks_0_attentions_1": "output_blocks_1_1",
    "up_blocks_1_attentions_0": "output_blocks_2_1",
    "up_blocks_1_attentions_1": "output_blocks_3_1",
}
"""Where the pocket's attention lies in Stability's words, counted by hand."""


def pocket() -> StableDiffusionXLPipeline:
    return load_pipeline(Base(model="pocket/sdxl"), None, "ddim", None, "cpu", "fp32")


def teach(
    pipeline: StableDiffusionXLPipeline, kind: str, text: bool = True
) -> dict[str, nn.Module]:
    """Give every part a LoRA whose B is not zero, and every DoRA other magnitudes."""
    torch.manual_seed(7)
    options = {"target_modules": ATTENTION} | KINDS[kind]
    other = {name: value for name, value in options.items() if not name.endswith("_pattern")}
    words = [*TEXT, "fc1", "fc2"] if "layers" in kind else TEXT
    models = {}
    for part in PARTS if text else PARTS[:1]:
        models[part] = getattr(pipeline, part)
        chosen = options if part == "unet" else other | {"target_modules": words}
        models[part].add_adapter(LoraConfig(**chosen))
        for name, parameter in models[part].named_parameters():
            if "lora_B" in name:
                parameter.data.normal_(0, 0.05)
            if "magnitude" in name:
                parameter.data *= 1 + 0.1 * torch.rand_like(parameter)
        models[part].eval()
    return models


def deltas(models: dict[str, nn.Module]) -> dict[str, Tensor]:
    """Return scale · B · A of every layer, and the magnitudes, by our own arithmetic."""
    found = {}
    for part, model in models.items():
        for name, module in model.named_modules():
            if isinstance(module, LoraLayer):
                (adapter,) = module.scaling
                b, a = module.lora_B[adapter].weight, module.lora_A[adapter].weight
                where = f"{part}.{name.replace('text_model.', '')}"
                found[where] = module.scaling[adapter] * (b.flatten(1) @ a.flatten(1))
                if adapter in module.lora_magnitude_vector:
                    stretch = module.lora_magnitude_vector[adapter].weight
                    found[f"{where} magnitude"] = stretch.flatten()
    return {name: value.detach() for name, value in found.items()}


def assert_equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    assert len(one) >= 18
    for name, value in one.items():
        assert (value - other[name]).abs().max().item() == 0, name


@torch.no_grad()
def answer(pipeline: StableDiffusionXLPipeline) -> Tensor:
    """Return what UNet and text encoders make of one prompt, in one step."""
    generator = torch.Generator().manual_seed(3)
    words, _, pooled, _ = pipeline.encode_prompt("1girl, smile", do_classifier_free_guidance=False)
    latents = torch.randn((1, 16, 8, 8), generator=generator)
    known = {"text_embeds": pooled, "time_ids": torch.tensor([[64, 64, 0, 0, 64, 64]])}
    noise: Tensor = pipeline.unet(latents, 400, words, added_cond_kwargs=known).sample
    return torch.cat([noise.flatten(), words.flatten(), pooled.flatten()])


def kohya_file(models: dict[str, nn.Module], folder: Path) -> Path:
    file = folder / "kohya.safetensors"
    blocks = blocks_of(models["unet"].config)
    write_tensors(kohya_tensors(layers_of(models), blocks), file, {"format": "pt"})
    return file


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """Everything that diffusers, transformers and PEFT would warn a user of."""
    heard: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record.getMessage())

    ear = Ear(logging.WARNING)
    loggers = [logging.getLogger(name) for name in ("diffusers", "transformers", "peft")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(ear)
        logger.setLevel(logging.WARNING)
    yield heard
    for logger, level in zip(loggers, levels, strict=True):
        logger.removeHandler(ear)
        logger.setLevel(level)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_loads_in_plain_diffusers_with_every_key_used(
    kind: str, tmp_path: Path, complaints: list[str]
) -> None:
    teacher = pocket()
    models = teach(teacher, kind)
    save_adapter(models, tmp_path, {"base": "pocket/sdxl"})
    pupil = pocket()
    before = answer(pupil)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)  # PEFT's word for patterns without a match
        pupil.load_lora_weights(str(tmp_path), weight_name=FILE)
    assert complaints == []
    assert_equal(deltas(models), deltas({part: getattr(pupil, part) for part in PARTS}))
    assert (answer(pupil) - answer(teacher)).abs().max() < 1e-6
    assert (before - answer(teacher)).abs().max() > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_an_adapter_goes_to_kohya_and_back_unchanged(kind: str, tmp_path: Path) -> None:
    teacher = pocket()
    models = teach(teacher, kind)
    file = kohya_file(models, tmp_path)
    pupil = pocket()
    attach(pupil, file, 1.0)
    back = {part: getattr(pupil, part) for part in PARTS}
    assert_equal(deltas(models), deltas(back))
    assert (answer(pupil) - answer(teacher)).abs().max() < 1e-6
    save_adapter(models, tmp_path, {})
    first = load_file(tmp_path / FILE)
    tensors, said = diffusers_tensors(layers_of(back, "judged-0"))
    write_tensors(tensors, tmp_path / "again.safetensors", said)
    again = load_file(tmp_path / "again.safetensors")
    assert first.keys() == again.keys()
    assert all(torch.equal(first[name], again[name]) for name in first)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["plain", "alpha", "ranks", "rslora"])
def test_a_kohya_file_says_the_same_in_its_own_words(kind: str, tmp_path: Path) -> None:
    """ΔW = alpha / rank · up · down, read from the bare file with a table of our own."""
    models = teach(pocket(), kind, text=False)
    tensors = load_file(kohya_file(models, tmp_path))
    wanted = deltas(models)
    assert len(tensors) == 3 * len(wanted)
    for name, delta in wanted.items():
        flat = name.removeprefix("unet.").replace(".", "_")
        start = next(place for place in PLACES if flat.startswith(place))
        key = f"lora_unet_{PLACES[start]}{flat.removeprefix(start)}"
        down, up = tensors[f"{key}.lora_down.weight"], tensors[f"{key}.lora_up.weight"]
        scale = tensors[f"{key}.alpha"].item() / down.shape[0]
        assert (scale * (up @ down) - delta).abs().max().item() == 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["alpha", "rslora", "layers"])
def test_diffusers_reads_our_kohya_file_by_its_own_converter(
    kind: str, tmp_path: Path, complaints: list[str]
) -> None:
    """An independent witness to names and alphas, where it can be one.

    Trap: diffusers 0.42 reads a kohya file's alphas into patterns that match nothing where they
    differ, and drops its dora_scale; so `attach` converts by itself.
    """
    teacher = pocket()
    models = teach(teacher, kind)
    file = kohya_file(models, tmp_path)
    pupil = pocket()
    pupil.load_lora_weights(str(tmp_path), weight_name=file.name)
    assert complaints == []
    assert (answer(pupil) - answer(teacher)).abs().max() < 1e-5


def test_equal_adapters_are_equal_files(tmp_path: Path) -> None:
    models = teach(pocket(), "ranks")
    contents = set()
    for number in range(5):
        folder = tmp_path / str(number)
        folder.mkdir()
        save_adapter(models, folder, {"zebra": "1", "base": "pocket/sdxl", "apple": "{}"})
        contents.add((folder / FILE).read_bytes())
    assert len(contents) == 1


def test_a_file_names_no_folder_of_the_machine_that_trained_it(tmp_path: Path) -> None:
    """Trap: transformers writes the place of the base into PEFT's settings."""
    models = teach(pocket(), "plain")
    save_adapter(models, tmp_path, {})
    assert str(Path.cwd()).encode() not in (tmp_path / FILE).read_bytes()
    assert b"weights/sdxl" not in (tmp_path / FILE).read_bytes()


def test_trap_alpha_survives_the_way_to_kohya(tmp_path: Path) -> None:
    """Trap: diffusers' own converter writes the rank in place of alpha."""
    tensors = load_file(kohya_file(teach(pocket(), "alpha"), tmp_path))
    alphas = {value.item() for key, value in tensors.items() if key.endswith(".alpha")}
    assert alphas == {1.5}


def test_trap_rslora_gets_the_alpha_that_makes_its_true_scale(tmp_path: Path) -> None:
    tensors = load_file(kohya_file(teach(pocket(), "rslora"), tmp_path))
    alphas = [value.item() for key, value in tensors.items() if key.endswith(".alpha")]
    assert alphas == pytest.approx([3 * 6**0.5] * len(alphas), rel=1e-12)


def test_trap_dora_is_called_dora_scale_in_kohya_and_has_one_number_an_output(
    tmp_path: Path,
) -> None:
    """Trap: diffusers' own converter leaves `lora_magnitude_vector`, which no interface reads."""
    models = teach(pocket(), "dora layers")
    tensors = load_file(kohya_file(models, tmp_path))
    assert not [key for key in tensors if "magnitude" in key]
    scales = {key: value for key, value in tensors.items() if key.endswith(".dora_scale")}
    assert len(scales) == len(tensors) // 4
    for key, value in scales.items():
        up = tensors[key.replace("dora_scale", "lora_up.weight")]
        assert value.shape == (up.shape[0], *(1 for _ in up.shape[1:]))


def test_trap_the_first_text_encoder_keeps_text_model_in_its_names(tmp_path: Path) -> None:
    """Trap: transformers 5 has no `text_model` in CLIPTextModel, and every interface wants it."""
    models = teach(pocket(), "plain")
    save_adapter(models, tmp_path, {})
    text = [key for key in load_file(tmp_path / FILE) if key.startswith("text_encoder")]
    assert len(text) == 2 * 4 * 3 * 2
    assert all(key.split(".")[1:4] == ["text_model", "encoder", "layers"] for key in text)
    kohya = [key for key in load_file(kohya_file(models, tmp_path)) if "lora_te" in key]
    assert len(kohya) == 2 * 4 * 3 * 3
    assert all(
        key.startswith(("lora_te1_text_model_encoder_layers_", "lora_te2_text_model_encoder_"))
        for key in kohya
    )


def test_trap_magnitudes_of_text_encoders_reach_plain_diffusers(tmp_path: Path) -> None:
    """Trap: transformers 5 drops `lora_magnitude_vector` without `.weight`, with a mere report."""
    save_adapter(teach(pocket(), "dora"), tmp_path, {})
    keys = [key for key in load_file(tmp_path / FILE) if "magnitude" in key]
    assert {key.endswith(".weight") for key in keys if key.startswith("text")} == {True}
    assert {key.endswith("_vector") for key in keys if key.startswith("unet")} == {True}


def test_trap_many_ranks_make_few_patterns(tmp_path: Path) -> None:
    """Trap: PEFT tries each pattern on each layer, a minute where SDXL has one a layer."""
    save_adapter(teach(pocket(), "ranks", text=False), tmp_path, {})
    with safe_open(tmp_path / FILE, "pt") as stored:
        settings = json.loads(stored.metadata()["lora_adapter_metadata"])
    assert sorted(settings["unet.rank_pattern"].values()) == [2, 7]
    assert settings["unet.r"] == 4


@given(rank=st.integers(1, 300), alpha=st.floats(1e-3, 1e3))
def test_no_scale_is_lost_between_scale_and_alpha(rank: int, alpha: float) -> None:
    layer = Layer(torch.ones(rank, 1), torch.ones(1, rank), alpha / rank)
    tensors = kohya_tensors({"unet": {"conv_in": layer}}, SDXL)
    back = tensors["lora_unet_input_blocks_0_0.alpha"].item() / rank
    assert torch.tensor(back) == torch.tensor(layer.scale)


@pytest.fixture(scope="module")
def sdxl() -> UNet2DConditionModel:
    """The UNet of SDXL, without weights."""
    with torch.device("meta"):
        return UNet2DConditionModel(
            sample_size=128,
            block_out_channels=(320, 640, 1280),
            layers_per_block=2,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            transformer_layers_per_block=[1, 2, 10],
            attention_head_dim=[5, 10, 20],
            cross_attention_dim=2048,
            addition_embed_type="text_time",
            addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=2816,
            use_linear_projection=True,
        )


def test_sdxl_has_the_560_attention_layers_that_kohya_knows(sdxl: UNet2DConditionModel) -> None:
    depths = {f"input_blocks_{number}_1": 2 for number in (4, 5)}
    depths |= {f"input_blocks_{number}_1": 10 for number in (7, 8)}
    depths |= {"middle_block_1": 10}
    depths |= {f"output_blocks_{number}_1": 10 for number in (0, 1, 2)}
    depths |= {f"output_blocks_{number}_1": 2 for number in (3, 4, 5)}
    wanted = {
        f"lora_unet_{block}_transformer_blocks_{depth}_{attention}_{layer}"
        for block, count in depths.items()
        for depth in range(count)
        for attention in ("attn1", "attn2")
        for layer in ("to_q", "to_k", "to_v", "to_out_0")
    }
    names = [name for name, _ in sdxl.named_modules() if name.endswith(tuple(ATTENTION))]
    assert len(names) == len(wanted) == 560
    assert blocks_of(sdxl.config) == SDXL
    assert {kohya_name("unet", name, SDXL) for name in names} == wanted


@pytest.mark.parametrize(
    ("name", "ldm"),
    [
        ("conv_in", "input_blocks.0.0"),
        ("time_embedding.linear_2", "time_embed.2"),
        ("add_embedding.linear_1", "label_emb.0.0"),
        ("down_blocks.0.resnets.1.conv1", "input_blocks.2.0.in_layers.2"),
        ("down_blocks.0.downsamplers.0.conv", "input_blocks.3.0.op"),
        ("down_blocks.1.attentions.0.proj_in", "input_blocks.4.1.proj_in"),
        ("down_blocks.2.resnets.0.conv_shortcut", "input_blocks.7.0.skip_connection"),
        ("mid_block.resnets.0.conv2", "middle_block.0.out_layers.3"),
        ("mid_block.attentions.0.proj_out", "middle_block.1.proj_out"),
        ("mid_block.resnets.1.time_emb_proj", "middle_block.2.emb_layers.1"),
        ("up_blocks.0.upsamplers.0.conv", "output_blocks.2.2.conv"),
        ("up_blocks.1.upsamplers.0.conv", "output_blocks.5.2.conv"),
        ("up_blocks.2.resnets.2.conv2", "output_blocks.8.0.out_layers.3"),
        ("conv_out", "out.2"),
    ],
)
def test_every_corner_of_sdxl_has_its_name(name: str, ldm: str, sdxl: UNet2DConditionModel) -> None:
    assert ldm_name(name, SDXL) == ldm
    assert sdxl.get_submodule(name) is not None


def test_no_two_layers_of_sdxl_share_a_name(sdxl: UNet2DConditionModel) -> None:
    names = [name for name, each in sdxl.named_modules() if isinstance(each, nn.Linear | nn.Conv2d)]
    assert len({kohya_name("unet", name, SDXL) for name in names}) == len(names) == 794


def test_both_text_encoders_of_sdxl_have_the_names_that_kohya_knows() -> None:
    with torch.device("meta"):
        first = CLIPTextModel(CLIPTextConfig(num_hidden_layers=12))
        second = CLIPTextModelWithProjection(CLIPTextConfig(num_hidden_layers=32))
    found = {
        kohya_name(part, bare(name), SDXL)
        for part, model in (("text_encoder", first), ("text_encoder_2", second))
        for name, _ in model.named_modules()
        if name.endswith((*TEXT, "fc1", "fc2"))
    }
    assert found == {
        f"lora_{encoder}_text_model_encoder_layers_{layer}_{name}"
        for encoder, count in (("te1", 12), ("te2", 32))
        for layer in range(count)
        for name in (*(f"self_attn_{word}" for word in TEXT), "mlp_fc1", "mlp_fc2")
    }
    assert kohya_name("text_encoder_2", "text_projection", SDXL) == "lora_te2_text_projection"


def spelled(
    layers: Layers,
    name_of: Callable[[str, str], str],
    ends: tuple[str, str, str],
    old: bool = False,
) -> dict[str, Tensor]:
    """Return the tensors of a stranger's file, alpha folded into B where it has no room for it."""
    tensors = {}
    for part, found in layers.items():
        for name, layer in found.items():
            where = name_of(part, name)
            if old:
                where = where.replace("to_out.0", "to_out")
            down, up, alpha = ends
            tensors[f"{where}{down}"] = layer.down
            tensors[f"{where}{up}"] = layer.up if alpha else layer.up * layer.scale
            if alpha:
                tensors[f"{where}{alpha}"] = torch.tensor(layer.alpha)
    return tensors


KOHYA = (".lora_down.weight", ".lora_up.weight", ".alpha")
TE = {"text_encoder": ("te1", "clip_l"), "text_encoder_2": ("te2", "clip_g")}


def kohya_with_diffusers_names(part: str, name: str) -> str:
    if part == "unet":
        return "lora_unet_" + name.replace(".", "_")
    return f"lora_{TE[part][0]}_text_model_" + name.replace(".", "_")


def comfy(part: str, name: str) -> str:
    if part != "unet":
        return f"text_encoders.{TE[part][1]}.transformer.text_model.{name}"
    for start, place in PLACES.items():
        dotted = start.replace("blocks_", "blocks.").replace("_attentions_", ".attentions.")
        if name.startswith(dotted):
            block, number = place.split("block")[0] + "block", place.split("block")[1]
            inner = number.removeprefix("s").lstrip("_").replace("_", ".")
            block += "s" if number.startswith("s") else ""
            return f"diffusion_model.{block}.{inner}{name.removeprefix(dotted)}"
    raise AssertionError(name)


def peft(part: str, name: str) -> str:
    return f"base_model.model.{part}.{name}"


def peft_text_model(part: str, name: str) -> str:
    inner = name if part == "unet" else f"text_model.{name}"
    return f"{part}.base_model.model.{inner}"


def diffusers_old(part: str, name: str) -> str:
    if part != "unet":
        for new, old in (
            ("q_proj", "to_q"),
            ("k_proj", "to_k"),
            ("v_proj", "to_v"),
            ("out_proj", "to_out"),
        ):
            name = name.replace(new, old)
        return f"{part}.text_model.{name}"
    return "unet." + name.replace("attn1", "attn1.processor").replace("attn2", "attn2.processor")


def diffusers_new(part: str, name: str) -> str:
    return f"{part}.{name}" if part == "unet" else f"{part}.text_model.{name}"


def flattened(part: str, name: str) -> str:
    return f"{part}.{name}"


FORMATS: dict[str, tuple[Callable[[str, str], str], tuple[str, str, str], bool]] = {
    "kohya, diffusers names": (kohya_with_diffusers_names, KOHYA, False),
    "comfyui": (comfy, KOHYA, False),
    "comfyui, PEFT ends": (comfy, (".lora_A.weight", ".lora_B.weight", ".alpha"), False),
    "peft": (peft, (".lora_A.weight", ".lora_B.weight", ""), False),
    "peft default": (peft, (".lora_A.default.weight", ".lora_B.default.weight", ""), False),
    "peft within": (peft_text_model, (".lora_A.weight", ".lora_B.weight", ""), False),
    "diffusers old": (diffusers_old, ("_lora.down.weight", "_lora.up.weight", ""), True),
    "diffusers new": (diffusers_new, (".lora.down.weight", ".lora.up.weight", ""), False),
    "diffusers linear": (
        diffusers_new,
        (".lora_linear_layer.down.weight", ".lora_linear_layer.up.weight", ""),
        False,
    ),
    "transformers 5": (flattened, (".lora_A.weight", ".lora_B.weight", ".alpha"), False),
}


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMATS)
def test_a_strangers_file_works_as_it_did_where_it_was_made(form: str, tmp_path: Path) -> None:
    teacher = pocket()
    models = teach(teacher, "alpha")
    name_of, ends, old = FORMATS[form]
    tensors = spelled(layers_of(models), name_of, ends, old)
    save_file(tensors, tmp_path / "lora.safetensors")
    pupil = pocket()
    attach(pupil, tmp_path / "lora.safetensors", 1.0)
    found = layers_of({part: getattr(pupil, part) for part in PARTS}, "judged-0")
    assert {part: len(each) for part, each in found.items()} == {
        part: len(each) for part, each in layers_of(models).items()
    }
    assert (answer(pupil) - answer(teacher)).abs().max() < 1e-5


def test_a_file_without_alpha_has_scale_one_as_everywhere_else(tmp_path: Path) -> None:
    layers = layers_of(teach(pocket(), "alpha", text=False))
    save_file(
        spelled(layers, diffusers_new, (".lora_A.weight", ".lora_B.weight", "")),
        tmp_path / "lora.safetensors",
    )
    read = read_layers(tmp_path / "lora.safetensors")
    assert {layer.scale for layer in read["unet"].values()} == {1.0}


def test_a_file_of_an_older_harness_still_loads(tmp_path: Path) -> None:
    """It had diffusers' mixed words, and PEFT's whole settings in its metadata."""
    from diffusers.utils import convert_state_dict_to_diffusers
    from peft.utils import get_peft_model_state_dict

    teacher = pocket()
    models = teach(teacher, "ranks")
    packed = {
        f"{part}_lora_layers": convert_state_dict_to_diffusers(get_peft_model_state_dict(model))
        for part, model in models.items()
    }
    settings = {
        f"{part}_lora_adapter_metadata": model.peft_config["default"].to_dict()
        for part, model in models.items()
    }
    StableDiffusionXLPipeline.save_lora_weights(tmp_path, weight_name=FILE, **packed, **settings)
    pupil = pocket()
    attach(pupil, tmp_path / FILE, 1.0)
    assert_equal(deltas(models), deltas({part: getattr(pupil, part) for part in PARTS}))


@pytest.mark.slow
@pytest.mark.parametrize("scale", [0.0, 0.5])
def test_the_benchmarks_scale_is_applied(scale: float, tmp_path: Path) -> None:
    models = teach(pocket(), "alpha")
    save_adapter(models, tmp_path, {})
    pupil = pocket()
    before = answer(pupil)
    attach(pupil, tmp_path / FILE, scale)
    whole = deltas(models)
    scaled = deltas({part: getattr(pupil, part) for part in PARTS})
    assert all(torch.allclose(scaled[name], scale * whole[name]) for name in whole)
    assert torch.equal(before, answer(pupil)) == (scale == 0)


def test_a_one_by_one_convolution_fits_a_linear_layer(tmp_path: Path) -> None:
    name = "down_blocks.0.attentions.0.proj_in"
    key = "lora_unet_" + name.replace(".", "_")
    down, up = torch.ones(2, 96, 1, 1), torch.ones(96, 2, 1, 1)
    save_file(
        {f"{key}.lora_down.weight": down, f"{key}.lora_up.weight": up},
        tmp_path / "lora.safetensors",
    )
    pupil = pocket()
    attach(pupil, tmp_path / "lora.safetensors", 1.0)
    module = pupil.unet.get_submodule(name)
    assert module.lora_A["judged-0"].weight.shape == (2, 96)


def one_layer(**others: Tensor) -> dict[str, Tensor]:
    """Return a file with one attention layer of the pocket, and whatever else is given."""
    key = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q"
    return {
        f"{key}.lora_down.weight": torch.ones(2, 160),
        f"{key}.lora_up.weight": torch.ones(160, 2),
    } | {name.replace("KEY", key).replace("__", "."): value for name, value in others.items()}


NO_LAYER = "lora_unet_down_blocks_7_attentions_0_proj_in__lora_down__weight"
REFUSED: list[tuple[dict[str, Tensor], str]] = [
    (one_layer(**{NO_LAYER: torch.ones(2, 4)}), "1 of its 3 keys name nothing there"),
    (
        one_layer(lora_te_text_model_encoder_layers_0_mlp_fc1__alpha=torch.tensor(1.0)),
        "Stable Diffusion 1 or 2",
    ),
    (one_layer(lora_unet_double_blocks_0_img_attn_proj__alpha=torch.tensor(1.0)), "FLUX"),
    (one_layer(KEY__hada_w1_a=torch.ones(2, 2)), "has hada_w1_a alone"),
    (one_layer(KEY__diff_b=torch.ones(2)), "no kind of adapter"),
    (one_layer(KEY__lora_mid__weight=torch.ones(2, 2, 3, 3)), "met a change of 160 × 1440"),
    (one_layer(bundle_emb__ninja__string_to_param=torch.ones(2)), "embeddings"),
    (one_layer(KEY__alpha=torch.ones(3)), "does not fit its base"),
    (one_layer(KEY__dora_scale=torch.ones(1, 160)), "LyCORIS scales inputs"),
    (one_layer(KEY__lora_up__weight=torch.ones(160, 3)), "is no LoRA"),
    (one_layer(KEY__lora_down__weight=torch.ones(2)), "is no LoRA"),
    (
        one_layer(
            KEY__lora_down__weight=torch.ones(0, 160), KEY__lora_up__weight=torch.ones(160, 0)
        ),
        "is no LoRA",
    ),
    (one_layer(KEY__lora_down__weight=torch.ones(2, 320)), "160 × 160 met matrices"),
    (one_layer(KEY__lora_up__weight=torch.ones(160, 2, 3, 3)), "160 × 160 met matrices"),
    (one_layer(lora_unet_conv_in__lora_up__weight=torch.ones(96, 2, 1, 1)), "has up alone"),
    (
        one_layer(
            lora_unet_middle_block_1_transformer_blocks_0_attn1_to_q__lora_up__weight=torch.ones(
                160, 2
            )
        ),
        "twice",
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("tensors", "says"), REFUSED, ids=[says for _, says in REFUSED])
def test_what_does_not_fit_is_refused_with_the_reason(
    tensors: dict[str, Tensor], says: str, tmp_path: Path
) -> None:
    save_file(tensors, tmp_path / "lora.safetensors")
    pupil = pocket()
    before = answer(pupil)
    with pytest.raises(MissingPrerequisite, match="does not fit its base") as caught:
        attach(pupil, tmp_path / "lora.safetensors", 1.0)
    assert says in str(caught.value)
    assert len(str(caught.value)) < 700
    assert torch.equal(before, answer(pupil))


def test_dora_beside_plain_layers_is_refused(tmp_path: Path) -> None:
    other = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_k"
    tensors = one_layer(KEY__dora_scale=torch.ones(160, 1))
    tensors |= {
        f"{other}.lora_down.weight": torch.ones(2, 160),
        f"{other}.lora_up.weight": torch.ones(160, 2),
    }
    save_file(tensors, tmp_path / "lora.safetensors")
    with pytest.raises(MissingPrerequisite, match="mixes DoRA with plain LoRA"):
        attach(pocket(), tmp_path / "lora.safetensors", 1.0)


@pytest.mark.slow
@pytest.mark.parametrize(
    "said",
    [
        "{",
        "[1]",
        '{"unet.lora_alpha": "much"}',
        '{"unet.lora_alpha": [1]}',
        '{"unet.lora_alpha": 1e999}',
        '{"unet.alpha_pattern": {"(": 2}}',
        "[" * 5000,
    ],
)
def test_settings_that_make_no_sense_are_refused(said: str, tmp_path: Path) -> None:
    layers = layers_of(teach(pocket(), "plain", text=False))
    tensors = spelled(layers, diffusers_new, (".lora_A.weight", ".lora_B.weight", ""))
    save_file(tensors, tmp_path / "lora.safetensors", {"lora_adapter_metadata": said})
    with pytest.raises(MissingPrerequisite, match="does not fit its base"):
        attach(pocket(), tmp_path / "lora.safetensors", 1.0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "fits"),
    [
        ({"r": 4, "lora_alpha": 4}, True),
        ({"r": 4, "lora_alpha": 8}, False),
        ({"r": 4, "lora_alpha": 4, "use_rslora": True}, False),
        ({"r": 4, "lora_alpha": 4, "alpha_pattern": {"to_q": 2}}, False),
        ([], False),
    ],
)
def test_an_alpha_that_stands_in_another_file_is_not_guessed(
    config: Any, fits: bool, tmp_path: Path
) -> None:
    layers = layers_of(teach(pocket(), "plain", text=False))
    tensors = spelled(layers, peft, (".lora_A.weight", ".lora_B.weight", ""))
    save_file(tensors, tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    if fits:
        attach(pocket(), tmp_path / "adapter_model.safetensors", 1.0)
        return
    with pytest.raises(MissingPrerequisite, match=r"leaves its alpha to adapter_config\.json"):
        attach(pocket(), tmp_path / "adapter_model.safetensors", 1.0)


def _cut(whole: bytes) -> bytes:
    return whole[: len(whole) // 2]


def _huge_header(whole: bytes) -> bytes:
    return struct.pack("<Q", 2**62) + whole[8:]


def _pickle(whole: bytes) -> bytes:
    return b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00}\x94."


def _nothing(whole: bytes) -> bytes:
    return b""


@pytest.mark.parametrize("spoil", [_cut, _huge_header, _pickle, _nothing])
def test_a_spoilt_file_is_refused(spoil: Callable[[bytes], bytes], tmp_path: Path) -> None:
    save_file(one_layer(), tmp_path / "whole.safetensors")
    file = tmp_path / "lora.safetensors"
    file.write_bytes(spoil((tmp_path / "whole.safetensors").read_bytes()))
    with pytest.raises(MissingPrerequisite, match="is not a safetensors file"):
        attach(pocket(), file, 1.0)


@pytest.mark.parametrize("tensors", [{}, {"conv_in.weight": torch.ones(2)}])
def test_a_file_of_something_else_is_refused(tensors: dict[str, Tensor], tmp_path: Path) -> None:
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(TrainingError, match="holds no LoRA weights"):
        attach(pocket(), tmp_path / "model.safetensors", 1.0)


def test_a_missing_file_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(HarnessError):
        attach(pocket(), tmp_path / "nowhere.safetensors", 1.0)
