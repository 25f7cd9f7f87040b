"""LoRA on the attention (and feed-forward) layers of the UNet and the text encoders."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from diffusers import StableDiffusionXLPipeline
from diffusers.training_utils import _collate_lora_metadata
from diffusers.utils import convert_state_dict_to_diffusers
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from harness.errors import MissingPrerequisite, TrainingError
from harness.recipe import Adapter

FILE = "adapter.safetensors"
_UNET = {
    "attention": ["to_k", "to_q", "to_v", "to_out.0"],
    "attention+ff": ["to_k", "to_q", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2"],
}
_TEXT = {
    "attention": ["q_proj", "k_proj", "v_proj", "out_proj"],
    "attention+ff": ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"],
}


def add_adapter(model: nn.Module, adapter: Adapter, part: str, dtype: torch.dtype) -> None:
    """Put a fresh LoRA into `model`: A from N(0, 1/r), B zero, so that nothing changes yet."""
    targets = (_UNET if part == "unet" else _TEXT)[adapter.targets]
    model.add_adapter(  # type: ignore[operator]
        LoraConfig(
            r=adapter.rank,
            lora_alpha=adapter.effective_alpha,
            lora_dropout=adapter.dropout,
            init_lora_weights="gaussian",
            target_modules=targets,
        )
    )
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.to(dtype)


def save_adapter(models: Mapping[str, nn.Module], folder: Path, facts: Mapping[str, str]) -> None:
    """Write the adapters of `models` into one file that diffusers and PEFT read, alpha included."""
    layers = {
        part: convert_state_dict_to_diffusers(get_peft_model_state_dict(model))
        for part, model in models.items()
    }
    metadata = _collate_lora_metadata(dict(models))
    metadata = {name: _plain(value) for name, value in metadata.items()}
    StableDiffusionXLPipeline.save_lora_weights(
        folder, weight_name=FILE, safe_serialization=True,
        unet_lora_layers=layers.get("unet"),
        text_encoder_lora_layers=layers.get("text_encoder"),
        text_encoder_2_lora_layers=layers.get("text_encoder_2"),
        **metadata,
    )  # fmt: skip


def _plain(value: dict[str, object]) -> dict[str, object]:
    """Return metadata in one fixed order, so that equal adapters are equal files."""
    return json.loads(  # type: ignore[no-any-return]
        json.dumps(value, sort_keys=True, default=lambda part: sorted(part))
    )


def attach(pipeline: StableDiffusionXLPipeline, file: Path, scale: float) -> None:
    """Load an adapter file into a pipeline, at `scale`."""
    try:
        names = list(load_file(file))
        if not any("lora" in name for name in names):
            raise TrainingError(
                f"{file} holds no LoRA weights", hint=f"its first key is {names[0]}"
            )
        pipeline.load_lora_weights(str(file.parent), weight_name=file.name, adapter_name="judged")
        pipeline.set_adapters(["judged"], [scale])
    except (SafetensorError, OSError) as error:
        raise MissingPrerequisite(
            f"{file} is not a safetensors file: {error}", hint="the file may be cut short"
        ) from error
    except (ValueError, RuntimeError, KeyError) as error:
        raise MissingPrerequisite(
            f"{file} does not fit its base: {str(error).splitlines()[0][:160]}",
            hint="give the base it was trained on with --base",
        ) from error
