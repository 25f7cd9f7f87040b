"""SDXL at its real size: what the pocket cannot show about names and counts.

Needs about 18 GB of memory and two minutes; no figure here is about quality.
"""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path

import pytest
import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
from full_size import full_size, write_pictures, write_sdxl
from safetensors.torch import load_file
from schooling import school

from harness.diffusion.adapter_reader import read_layers
from harness.diffusion.adapter_writer import kohya_tensors
from harness.diffusion.layer_names import SDXL

MEMORY = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(MEMORY < 22e9, reason="SDXL in fp32 needs 18 GB of memory"),
    pytest.mark.skipif(sys.platform != "linux", reason="reads its peak memory as Linux tells it"),
]


@pytest.fixture(scope="module")
def sdxl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sdxl(tmp_path_factory.mktemp("sdxl"))


@pytest.fixture(scope="module")
def trained(sdxl: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recipe naruto-256 on one small picture, for one step.

    Names, counts and memory of weights do not depend on the size of pictures; the time does.
    """
    folder = tmp_path_factory.mktemp("trained")
    train = {
        "method": "lora",
        "adapter": {"rank": 16},
        "resolution": 64,
        "batch": 1,
        "optimizer": {"use": "adamw"},
        "phases": [{"steps": 1, "rate": 1e-4}],
        "precision": "fp16",
        "gradient_checkpointing": True,
    }
    pictures = write_pictures(folder / "pictures", 1, (64, 75))
    own = school(full_size(sdxl, pictures, train), folder / "store")
    place = own.train(folder / "run")
    assert place.notes["peak_memory_mb"] < 20_000, place.notes
    return folder / "run"


def test_a_step_of_recipe_a_leaves_560_layers_of_rank_16(trained: Path):
    lines = [json.loads(line) for line in (trained / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1]
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
        vae=None,
        text_encoder=None,
        text_encoder_2=None,
        tokenizer=None,
        tokenizer_2=None,
        unet=unet,
        scheduler=EulerDiscreteScheduler(),
    )
    pipeline.load_lora_weights(trained, weight_name="adapter.safetensors")
    loaded = {name: parameter for name, parameter in unet.named_parameters() if "lora_" in name}
    assert len(loaded) == 1120
    stored = load_file(trained / "adapter.safetensors")
    given = sorted(float(value.bfloat16().double().sum()) for value in stored.values())
    taken = sorted(float(value.detach().double().sum()) for value in loaded.values())
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
