"""Load the models of an SDXL pipeline, one by one, from the hub, a folder or the pocket world."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from diffusers import (
    AutoencoderKL,
    DDPMScheduler,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from diffusers.utils import logging as diffusers_logging
from torch import nn
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer
from transformers.utils import logging as transformers_logging

from harness.diffusion.direct_layers import make_direct
from harness.diffusion.schedulers import SAMPLERS
from harness.diffusion.shapes import require_sdxl
from harness.diffusion.variants import files_of, variant_of
from harness.errors import MissingPrerequisite
from harness.extractors.hub import revision_of
from harness.extractors.weights import load_whole
from harness.pages.recipe import Base, Load
from harness.pages.train import Token
from harness.pocket import locate

Precision = Literal["fp32", "fp16", "bf16"]
_DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
_PARTS = {
    "unet": UNet2DConditionModel,
    "text_encoder": CLIPTextModel,
    "text_encoder_2": CLIPTextModelWithProjection,
}
"""The models of a pipeline but for its VAE. They are loaded one by one: of a pipeline's own loading
nothing tells what its files lacked."""
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


def fp32_rounding(device: str) -> str | None:
    """Return how numbers in fp32 are multiplied on a GPU, for the provenance; None on a CPU.

    Nothing here sets it: PyTorch multiplies matrices in fp32 and convolves in TF32, unless the
    program that calls us has asked for something else. The deterministic mode holds to that, and
    networks that judge images convolve in fp32.
    """
    if device == "cpu":
        return None
    products = torch.get_float32_matmul_precision()
    convolutions = "TF32" if torch.backends.cudnn.allow_tf32 else "fp32"
    return f"matrix products: {products}, convolutions: {convolutions}"


def load_part(
    kind: Any, base: Base | Load, name: str, subfolder: str | None, dtype: torch.dtype | None
) -> Any:
    """Return one part of a model, with all of its weights where it has some."""
    named = base.vae_revision if isinstance(base, Base) and name == base.vae else base.revision
    revision = revision_of(name, named)
    options: dict[str, Any] = {}
    if dtype is not None:
        variant = variant_of(files_of(locate(name), revision), subfolder, dtype)
        options = {"dtype": dtype, "use_safetensors": True, "variant": variant}
    if subfolder:
        options["subfolder"] = subfolder
    load = kind.from_pretrained if dtype is None else partial(load_whole, kind)
    return from_pretrained(load, name, revision, options)


def from_pretrained(
    load: Callable[..., Any], name: str, revision: str | None, options: dict[str, Any]
) -> Any:
    """Return what `load` makes of the hub or a folder; a failure names what could not be loaded."""
    path = locate(name)
    if not Path(path).is_dir():
        options["revision"] = revision
    try:
        return load(path, **options)
    except (OSError, ValueError) as error:
        part = f"{name}/{options['subfolder']}" if "subfolder" in options else name
        raise MissingPrerequisite(
            f"{part} cannot be loaded: {str(error).strip().splitlines()[0][:240]}",
            hint="check the name and the network; `harness rehearse` needs neither",
        ) from error


def load_vae(base: Base, device: str) -> AutoencoderKL:
    """Return the VAE in fp32, since some overflow in fp16."""
    name, subfolder = (base.vae, None) if base.vae else (base.model, "vae")
    vae = load_part(AutoencoderKL, base, name, subfolder, torch.float32)
    vae.to(device, memory_format=torch.channels_last)
    return vae.eval().requires_grad_(False)


def load_text_encoders(base: Base, device: str, dtype: torch.dtype) -> TextEncoders:
    require_sdxl(base.model)
    first = load_part(CLIPTextModel, base, base.model, "text_encoder", dtype)
    second = load_part(CLIPTextModelWithProjection, base, base.model, "text_encoder_2", dtype)
    tokenizers = tuple(
        load_part(CLIPTokenizer, base, base.model, folder, None)
        for folder in ("tokenizer", "tokenizer_2")
    )
    for model in (first, second):
        model.to(device).eval().requires_grad_(False)
    return TextEncoders(first, second, (tokenizers[0], tokenizers[1]))


def load_unet(base: Base, device: str, dtype: torch.dtype) -> UNet2DConditionModel:
    require_sdxl(base.model)
    unet = load_part(UNet2DConditionModel, base, base.model, "unet", dtype)
    return unet.to(device, memory_format=torch.channels_last).requires_grad_(False)


def load_noise_schedule(base: Base) -> DDPMScheduler:
    """Return the base's own noise schedule, for training."""
    scheduler: DDPMScheduler = load_part(DDPMScheduler, base, base.model, "scheduler", None)
    return scheduler


def load_pipeline(
    base: Base,
    load: Load | None,
    scheduler: str,
    vae: str | None,
    device: str,
    precision: str,
    vae_revision: str | None = None,
) -> StableDiffusionXLPipeline:
    """Return a pipeline ready to sample, with the scheduler and the VAE of the benchmark."""
    pipeline = pipeline_in(dtype_for(precision, device), base, load, vae, device, vae_revision)
    pipeline.scheduler = SAMPLERS[scheduler].from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def pipeline_in(
    dtype: torch.dtype,
    base: Base,
    load: Load | None,
    vae: str | None,
    device: str,
    vae_revision: str | None = None,
) -> StableDiffusionXLPipeline:
    """Return a pipeline that computes in `dtype`, but for its VAE.

    SDXL's own overflows in fp16, and bf16 has too few digits for the 256 levels of a pixel. A VAE
    that a page names decodes in fp32 too, so that its weights, which the signature names, decide.
    """
    source: Base | Load = load if load is not None and load.model else base
    name = str(source.model)
    options: dict[str, Any] = {"dtype": dtype, "use_safetensors": True}
    revision = revision_of(name, source.revision)
    files = files_of(locate(name), revision)
    variants = (variant_of(files, part, dtype) for part in _PARTS)
    options["variant"] = next((each for each in variants if each is not None), None)
    options |= {part: load_part(kind, source, name, part, dtype) for part, kind in _PARTS.items()}
    if vae or base.vae:
        other = Base(model=vae, vae=vae, vae_revision=vae_revision) if vae else base
        options["vae"] = load_vae(other, device)
    elif dtype != torch.float32 or variant_of(files, "vae", dtype) is not None:
        options["vae"] = load_vae(Base(model=name, revision=source.revision), device)
    else:
        options["vae"] = load_part(AutoencoderKL, source, name, "vae", dtype)
    pipeline: StableDiffusionXLPipeline = from_pretrained(
        StableDiffusionXLPipeline.from_pretrained, name, revision, options
    )
    for part in (pipeline.unet, pipeline.text_encoder, pipeline.text_encoder_2, pipeline.vae):
        assert isinstance(part, nn.Module)
        part.to(device).eval().requires_grad_(False)
    make_direct(pipeline.unet)
    if device.startswith(
        "cuda"
    ):  # where tensor cores want it; on a CPU images would change in a bit
        for part in (pipeline.unet, pipeline.vae):
            part.to(memory_format=torch.channels_last)
    return pipeline
