"""LoRA on the attention (and feed-forward) layers of the UNet and the text encoders."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
    """Write the adapters of `models` into one file that diffusers and PEFT read.

    Rank and alpha go along in the metadata, where diffusers looks for them; equal adapters are
    equal files.
    """
    layers = {
        f"{part}_lora_layers": convert_state_dict_to_diffusers(get_peft_model_state_dict(model))
        for part, model in models.items()
    }
    StableDiffusionXLPipeline.save_lora_weights(
        folder,
        weight_name=FILE,
        safe_serialization=True,
        **layers,
        **_collate_lora_metadata(dict(models)),
    )
    _settle(folder / FILE, facts)


def _settle(file: Path, facts: Mapping[str, str]) -> None:
    """Write the file's header in one fixed order, which its own writer leaves to chance."""
    content = file.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    header["__metadata__"] |= facts
    for name, value in header["__metadata__"].items():
        if value.startswith("{"):
            plain = {key: _in_order(part) for key, part in json.loads(value).items()}
            header["__metadata__"][name] = json.dumps(plain, sort_keys=True)
    text = json.dumps(header, sort_keys=True).encode()
    text += b" " * (-len(text) % 8)
    part = file.with_suffix(".part")
    part.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + size :])
    part.replace(file)


def _in_order(value: Any) -> Any:
    """Return a list of names sorted: PEFT keeps its target modules as a set."""
    names = isinstance(value, list) and all(isinstance(part, str) for part in value)
    return sorted(value) if names else value


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
        for part in (pipeline.unet, pipeline.text_encoder, pipeline.text_encoder_2):
            part.eval()  # fresh adapter layers would still drop out
    except (SafetensorError, OSError) as error:
        raise MissingPrerequisite(
            f"{file} is not a safetensors file: {error}", hint="the file may be cut short"
        ) from error
    except (ValueError, RuntimeError, KeyError) as error:
        raise MissingPrerequisite(
            f"{file} does not fit its base: {str(error).splitlines()[0][:160]}",
            hint="give the base it was trained on with --base",
        ) from error
