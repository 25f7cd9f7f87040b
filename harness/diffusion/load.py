"""Load the models of an SDXL pipeline, one by one, from the hub, a folder or the pocket world."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DDPMScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from diffusers.utils import logging as diffusers_logging
from torch import nn
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer
from transformers.utils import logging as transformers_logging

from harness.errors import MissingPrerequisite
from harness.pages.recipe import Base, Load
from harness.pages.train import Token
from harness.pocket import locate

Precision = Literal["fp32", "fp16", "bf16"]
_DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
_SAMPLERS = {
    "ddim": DDIMScheduler,
    "euler": EulerDiscreteScheduler,
    "euler-a": EulerAncestralDiscreteScheduler,
}
diffusers_logging.set_verbosity_error()
diffusers_logging.disable_progress_bar()
transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()


@dataclass(frozen=True)
class TextEncoders:
    """Both text encoders of SDXL with their tokenizers."""

    first: CLIPTextModel
    second: CLIPTextModelWithProjection
    tokenizers: tuple[CLIPTokenizer, CLIPTokenizer]
    tokens: tuple[Token, ...] = ()
    """New tokens that a text may contain."""


def dtype_for(precision: str, device: str) -> torch.dtype:
    """Return the number format to compute in; a CPU always computes in fp32."""
    if device == "cpu":
        return torch.float32
    if precision == "bf16" and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise MissingPrerequisite(
            f"{torch.cuda.get_device_name()} does not compute in bf16",
            hint="use precision fp16, or another GPU",
        )
    return _DTYPES[precision]


def _load(
    kind: Any, base: Base | Load, name: str, subfolder: str | None, dtype: torch.dtype | None
) -> Any:
    path = locate(name)
    options: dict[str, Any] = {} if dtype is None else {"dtype": dtype, "use_safetensors": True}
    if subfolder:
        options["subfolder"] = subfolder
    if not Path(path).is_dir():
        options["revision"] = base.revision if name == base.model else None
    try:
        return kind.from_pretrained(path, **options)
    except (OSError, ValueError) as error:
        part = f"{name}/{subfolder}" if subfolder else name
        raise MissingPrerequisite(
            f"{part} cannot be loaded: {str(error).strip().splitlines()[0][:160]}",
            hint="check the name and the network; `harness rehearse` needs neither",
        ) from error


def load_vae(base: Base, device: str) -> AutoencoderKL:
    """Return the VAE in fp32, since some overflow in fp16."""
    name, subfolder = (base.vae, None) if base.vae else (base.model, "vae")
    vae = _load(AutoencoderKL, base, name, subfolder, torch.float32)
    vae.to(device, memory_format=torch.channels_last)
    return vae.eval().requires_grad_(False)


def load_text_encoders(base: Base, device: str, dtype: torch.dtype) -> TextEncoders:
    first = _load(CLIPTextModel, base, base.model, "text_encoder", dtype)
    second = _load(CLIPTextModelWithProjection, base, base.model, "text_encoder_2", dtype)
    tokenizers = tuple(
        _load(CLIPTokenizer, base, base.model, folder, None)
        for folder in ("tokenizer", "tokenizer_2")
    )
    for model in (first, second):
        model.to(device).eval().requires_grad_(False)
    return TextEncoders(first, second, (tokenizers[0], tokenizers[1]))


def load_unet(base: Base, device: str, dtype: torch.dtype) -> UNet2DConditionModel:
    unet = _load(UNet2DConditionModel, base, base.model, "unet", dtype)
    return unet.to(device, memory_format=torch.channels_last).requires_grad_(False)


def load_noise_schedule(base: Base) -> DDPMScheduler:
    """Return the base's own noise schedule, for training."""
    scheduler: DDPMScheduler = _load(DDPMScheduler, base, base.model, "scheduler", None)
    return scheduler


def set_prediction(
    pipeline: StableDiffusionXLPipeline, prediction: str | None, zero_terminal: bool
) -> None:
    """Set what the UNet was trained to predict in the pipeline's scheduler."""
    changes: dict[str, Any] = {"prediction_type": prediction} if prediction else {}
    if zero_terminal:
        changes |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    if changes:
        scheduler = pipeline.scheduler
        pipeline.scheduler = type(scheduler).from_config(scheduler.config, **changes)


def load_pipeline(
    base: Base, load: Load | None, scheduler: str, vae: str | None, device: str, precision: str
) -> StableDiffusionXLPipeline:
    """Return a pipeline ready to sample, with the scheduler and the VAE of the benchmark."""
    dtype = dtype_for(precision, device)
    source: Base | Load = load if load is not None and load.model else base
    pipeline = _load(StableDiffusionXLPipeline, source, str(source.model), None, dtype)
    other = vae or base.vae
    if other:
        pipeline.vae = load_vae(Base(model=other, vae=other), device)
    elif dtype == torch.float16:  # SDXL's VAE overflows in fp16
        pipeline.vae = load_vae(Base(model=str(source.model), revision=source.revision), device)
    pipeline.scheduler = _SAMPLERS[scheduler].from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    for part in (pipeline.unet, pipeline.text_encoder, pipeline.text_encoder_2, pipeline.vae):
        assert isinstance(part, nn.Module)
        part.to(device).eval().requires_grad_(False)
    return pipeline
