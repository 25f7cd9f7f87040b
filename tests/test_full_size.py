"""SDXL at its real size, with random weights: what the pocket cannot show about names and counts.

Needs about 20 GB of memory and some minutes; no figure here is about quality.
"""

from __future__ import annotations

import gc
import gzip
import json
import math
import os
import sys
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from diffusers import (
    AutoencoderKL,
    EulerDiscreteScheduler,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from PIL import Image
from safetensors.torch import load_file, save_file
from schooling import school
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from harness.diffusion.adapter_files import kohya_tensors, read_layers
from harness.diffusion.layer_names import SDXL
from harness.recipe import Recipe

MEMORY = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(MEMORY < 22e9, reason="SDXL in fp32 needs 20 GB of memory"),
    pytest.mark.skipif(sys.platform != "linux", reason="reads its peak memory as Linux tells it"),
]
UNET = {
    "sample_size": 128, "in_channels": 4, "out_channels": 4, "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "layers_per_block": 2, "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20), "cross_attention_dim": 2048, "use_linear_projection": True,
    "addition_embed_type": "text_time", "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}  # fmt: skip
VAE = {
    "block_out_channels": (128, 256, 512, 512), "layers_per_block": 2, "latent_channels": 4,
    "down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4,
    "sample_size": 1024, "scaling_factor": 0.13025,
}  # fmt: skip
TEXTS = {
    "text_encoder": (CLIPTextModel, {
        "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
        "num_attention_heads": 12, "projection_dim": 768, "hidden_act": "quick_gelu"}),
    "text_encoder_2": (CLIPTextModelWithProjection, {
        "hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32,
        "num_attention_heads": 20, "projection_dim": 1280, "hidden_act": "gelu"}),
}  # fmt: skip


@pytest.fixture(scope="module")
def sdxl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `from_pretrained` expects it: real shapes, real vocabulary, random bf16."""
    folder = tmp_path_factory.mktemp("sdxl")
    with torch.device("meta"):
        unet, vae = UNet2DConditionModel(**UNET), AutoencoderKL(**VAE)
        texts = {part: kind(CLIPTextConfig(**words)) for part, (kind, words) in TEXTS.items()}
    for part, model in {"unet": unet, "vae": vae}.items():
        model.save_config(folder / part)
        fill(model, folder / part / "diffusion_pytorch_model.safetensors")
    for part, model in texts.items():
        model.config.save_pretrained(folder / part)
        fill(model, folder / part / "model.safetensors")
    EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear"
    ).save_pretrained(folder / "scheduler")
    for part, pad in (("tokenizer", "<|endoftext|>"), ("tokenizer_2", "!")):
        vocabulary(folder / part, pad)
    return folder


def fill(model: torch.nn.Module, file: Path) -> None:
    """Write random weights for a model that is only shapes; one block of noise serves all."""
    noise = (0.02 * torch.randn(2**20, generator=torch.Generator().manual_seed(0))).bfloat16()
    state = {}
    for name, value in model.state_dict().items():
        size = value.numel()
        is_norm = "norm" in name and name.endswith("weight")
        random = noise.repeat(math.ceil(size / len(noise)))[:size].view(value.shape).clone()
        state[name] = torch.ones_like(random) if is_norm else random
    save_file(state, file, metadata={"format": "pt"})


def vocabulary(folder: Path, pad: str) -> None:
    """Write CLIP's real vocabulary, which open_clip carries, in the form of a tokenizer."""
    packed = Path(open_clip.__file__).parent / "bpe_simple_vocab_16e6.txt.gz"
    with gzip.open(packed, "rt", encoding="utf-8") as text:
        merges = text.read().split("\n")[1 : 49152 - 256 - 2 + 1]
    letters = list(open_clip.tokenizer.bytes_to_unicode().values())
    words = [*letters, *(letter + "</w>" for letter in letters)]
    words += ["".join(merge.split()) for merge in merges] + ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir()
    numbers = {word: number for number, word in enumerate(words)}
    (folder / "vocab.json").write_text(json.dumps(numbers), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges), encoding="utf-8")
    settings = {
        "tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "pad_token": pad,
        "bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>",
    }  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


@pytest.fixture(scope="module")
def trained(sdxl: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recipe naruto-256 on two pictures, a picture a step, for two steps."""
    folder = tmp_path_factory.mktemp("trained")
    rng = np.random.default_rng(0)
    for number in range(2):
        pixels = rng.integers(0, 256, (300, 256, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text("a naruto anime character with red hair")
    page = {
        "name": "full-size", "summary": "-", "base": {"model": str(sdxl)},
        "data": {"source": {"use": "folder", "path": str(folder)}},
        "train": {
            "method": "lora", "adapter": {"rank": 16}, "resolution": 256, "batch": 1,
            "optimizer": {"use": "adamw"}, "phases": [{"steps": 2, "rate": 1e-4}],
            "precision": "fp16", "gradient_checkpointing": True,
        },
    }  # fmt: skip
    own = school(Recipe.model_validate(page, strict=False), folder / "store")
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak from here on, not that of the fixture
    place = own.train(folder / "run")
    assert place.notes["peak_memory_mb"] < 20_000, place.notes
    return folder / "run"


def test_two_steps_of_recipe_a_leave_560_layers_of_rank_16(trained: Path):
    lines = [json.loads(line) for line in (trained / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2]
    assert all(math.isfinite(line["loss"]) and line["grad_norm"] > 0 for line in lines)
    weights = load_file(trained / "adapter.safetensors")
    downs = [name for name in weights if "lora_A" in name or "lora.down" in name]
    assert len(downs) == 560
    assert len(weights) == 1120
    assert sum(value.numel() for value in weights.values()) == 23_224_320
    assert sum(float(weights[name].abs().sum()) > 0 for name in weights) == 1120


def test_the_file_loads_in_plain_diffusers_with_every_key_used(trained: Path, sdxl: Path):
    unet = UNet2DConditionModel.from_pretrained(sdxl / "unet", torch_dtype=torch.bfloat16)
    pipeline = StableDiffusionXLPipeline(
        vae=None, text_encoder=None, text_encoder_2=None, tokenizer=None, tokenizer_2=None,
        unet=unet, scheduler=EulerDiscreteScheduler(),
    )  # fmt: skip
    pipeline.load_lora_weights(trained, weight_name="adapter.safetensors")
    loaded = {name: parameter for name, parameter in unet.named_parameters() if "lora_" in name}
    assert len(loaded) == 1120
    stored = load_file(trained / "adapter.safetensors")
    given = sorted(float(value.bfloat16().double().sum()) for value in stored.values())
    taken = sorted(float(value.double().sum()) for value in loaded.values())
    assert taken == pytest.approx(given, abs=1e-12)


def test_its_kohya_form_has_every_name_that_user_interfaces_look_for(trained: Path):
    transformers = {
        **{f"input_blocks_{number}_1": 2 for number in (4, 5)},
        **{f"input_blocks_{number}_1": 10 for number in (7, 8)},
        "middle_block_1": 10,
        **{f"output_blocks_{number}_1": 10 for number in (0, 1, 2)},
        **{f"output_blocks_{number}_1": 2 for number in (3, 4, 5)},
    }
    expected = {
        f"lora_unet_{block}_transformer_blocks_{number}_attn{which}_{layer}.{kind}"
        for block, count in transformers.items()
        for number in range(count)
        for which in (1, 2)
        for layer in ("to_q", "to_k", "to_v", "to_out_0")
        for kind in ("lora_down.weight", "lora_up.weight", "alpha")
    }
    assert len(expected) == 3 * 560
    written = kohya_tensors(read_layers(trained / "adapter.safetensors"), SDXL)
    assert set(written) == expected
    assert {float(value) for name, value in written.items() if name.endswith("alpha")} == {16.0}
