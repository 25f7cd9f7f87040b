"""The models of a training run: which parameters are trained, and how they are saved."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from harness.diffusion.adapter_writer import save_adapter
from harness.diffusion.adapters import add_adapter, hash_dropouts
from harness.diffusion.direct_layers import make_direct
from harness.diffusion.fused import fuse
from harness.diffusion.load import TextEncoders, dtype_for, load_text_encoders, load_unet
from harness.diffusion.slicing import HeadByHead
from harness.diffusion.tokens import add_tokens, save_tokens
from harness.fingerprint import number_of
from harness.keys import described
from harness.pages.stages import TrainSpec
from harness.pages.train import Train
from harness.training.sets import save_tensors
from harness.training.sharding import gathered


@dataclass
class TrainedModels:
    """The models of one run."""

    unet: UNet2DConditionModel
    encoders: TextEncoders | None
    """Both text encoders, if their embeddings change during training."""
    train: Train
    device: str
    by_part: dict[str, nn.Module] = field(default_factory=dict)
    """The trained models, by part."""
    tokens: list[nn.Parameter] = field(default_factory=list)
    """The new rows of both vocabularies."""
    salts: list[Tensor] = field(default_factory=list)
    """The numbers that give each sample of the current pass its own dropout mask."""

    @cached_property
    def parts(self) -> dict[str, list[nn.Parameter]]:
        """Return the trained parameters by part; each part has its own rate.

        Looked up once: a walk through the modules of a UNet takes longer than a step of AdamW.
        """
        new = {id(row) for row in self.tokens}
        parts = {
            part: [one for one in model.parameters() if one.requires_grad and id(one) not in new]
            for part, model in self.by_part.items()
        }
        return parts | ({"tokens": list(self.tokens)} if self.tokens else {})

    @cached_property
    def tensors(self) -> dict[str, nn.Parameter]:
        """Return the trained parameters by names that are the same in every process."""
        new = {id(row) for row in self.tokens}
        tensors = {
            f"{part}.{name}": parameter
            for part, model in self.by_part.items()
            for name, parameter in model.named_parameters()
            if parameter.requires_grad and id(parameter) not in new
        }
        return tensors | {f"tokens.{number}": row for number, row in enumerate(self.tokens)}


def prepare(spec: TrainSpec, device: str) -> TrainedModels:
    """Load the models that the recipe trains, with new adapters if it trains a LoRA."""
    train, dtype = spec.train, weights_dtype(spec.train, device)
    unet = load_unet(spec.base, device, dtype)
    encoders = load_text_encoders(spec.base, device, dtype) if train.trains_text else None
    return make_trainable(train, device, unet, encoders)


def weights_dtype(train: Train, device: str) -> torch.dtype:
    """Return the number format in which the models are loaded."""
    return torch.float32 if train.method == "full" else dtype_for(train.precision, device)


def make_trainable(
    train: Train, device: str, unet: UNet2DConditionModel, encoders: TextEncoders | None
) -> TrainedModels:
    """Return loaded models ready to train: with new tokens and adapters where `train` has them."""
    models = TrainedModels(unet, None, train, device, {"unet": unet})
    if encoders is not None:
        _take_text_encoders(models, encoders)
    torch.manual_seed(number_of(train.seed, "init"))
    for part, model in models.by_part.items():
        _make_trainable(models, part, model)
    for row in models.tokens:
        row.requires_grad_(True)  # add_adapter turned it off
    _save_memory(models)
    make_direct(unet)
    return models


def _take_text_encoders(models: TrainedModels, loaded: TextEncoders) -> None:
    """Take both text encoders, with the new tokens; they train if a phase gives them a rate."""
    train = models.train
    if train.tokens:
        models.tokens = add_tokens(loaded, train.tokens, None, train.seed)
    encoders = TextEncoders(loaded.first, loaded.second, loaded.tokenizers, train.tokens)
    models.encoders = encoders
    if any(phase.text_encoder_rates for phase in train.phases):
        models.by_part |= {"text_encoder": encoders.first, "text_encoder_2": encoders.second}


def _make_trainable(models: TrainedModels, part: str, model: nn.Module) -> None:
    """Add an adapter to a model, or make all of its weights trainable."""
    train = models.train
    if train.adapter is not None:
        dtype = torch.bfloat16 if train.adapter_dtype == "bfloat16" else torch.float32
        add_adapter(model, train.adapter, part, dtype)
        hash_dropouts(model, part, models.salts)
        fuse(model)
    else:
        model.requires_grad_(True)
    model.train()


def _save_memory(models: TrainedModels) -> None:
    wanted = models.train.gradient_checkpointing
    if wanted:
        models.unet.enable_gradient_checkpointing(_every(int(wanted)))
        if models.encoders is not None:
            for encoder in (models.encoders.first, models.encoders.second):
                encoder.train()  # it recomputes only in training mode
                old = encoder.gradient_checkpointing_enable  # transformers before 5.20 or so
                enable = getattr(encoder, "activation_checkpointing_enable", old)
                enable({"use_reentrant": False})
    if models.train.attention_slicing:
        models.unet.set_attn_processor(HeadByHead())


def _every(count: int) -> Callable[..., Any]:
    """Return the function that recomputes every `count`-th block in the backward pass."""
    numbers: dict[int, int] = {}

    def call(block: nn.Module, *inputs: Any) -> Any:
        number = numbers.setdefault(id(block), len(numbers))
        if number % count:
            return block(*inputs)
        return checkpoint(block.__call__, *inputs, use_reentrant=False)

    return call


def keep(models: TrainedModels, spec: TrainSpec, folder: Path, leads: bool = True) -> None:
    """Write the trained weights: an adapter with its tokens, or whole models in fp16.

    Only the first process writes; the others give it their shards.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if models.train.method == "full":
        for part, model in models.by_part.items():
            _save_half(model, folder / part, leads)
    elif leads:
        facts = {"base": spec.base.model, "train": json.dumps(described(spec.train))}
        save_adapter(models.by_part, folder, facts)
        if models.tokens:
            save_tokens(models.tokens, models.train.tokens, folder)


def _save_half(model: Any, folder: Path, leads: bool) -> None:
    """Write a model in fp16, as its library would; the model itself stays in fp32."""
    halves = ((name, value.detach().half()) for name, value in model.state_dict().items())
    state = {name: value.contiguous() for name, value in gathered(halves, leads).items()}
    if not leads:
        return
    if isinstance(model, UNet2DConditionModel):
        model.save_config(folder)
        save_tensors(folder / "diffusion_pytorch_model.safetensors", state)
    else:
        model.save_pretrained(folder, state_dict=state)
