"""Attach adapters of any known format to a pipeline; the changes of several add up."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from diffusers import StableDiffusionXLPipeline
from peft import LoraConfig
from torch import Tensor

from harness.diffusion.adapter_layers import Layer, Layers
from harness.diffusion.adapter_reader import read_adapter
from harness.diffusion.adapter_writer import magnitude_of, peft_settings
from harness.diffusion.finite import in_precision
from harness.diffusion.layer_names import PARTS, bare
from harness.errors import UsageError


def attach(pipeline: StableDiffusionXLPipeline, file: Path, scale: float) -> None:
    """Load one adapter file into a pipeline, at `scale`; every key of the file must be used."""
    attach_all(pipeline, [(file, scale)])


def attach_all(pipeline: StableDiffusionXLPipeline, adapters: Sequence[tuple[Path, float]]) -> None:
    """Load adapter files into a pipeline, each at its scale; their changes are added up."""
    models = {part: getattr(pipeline, part) for part in PARTS}
    read = [read_adapter(file, models) for file, _ in adapters]
    if len(read) > 1:
        _refuse_dora(adapters, read)
    names = [f"judged-{number}" for number in range(len(read))]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Already found a `peft_config`")  # several are meant
        for name, layers, (file, _) in zip(names, read, adapters, strict=True):
            for part, named in layers.items():
                _insert(models[part], named, name, file)
    pipeline.set_adapters(names, [scale for _, scale in adapters])
    for model in models.values():
        model.eval()  # new adapter layers start in training mode


def _refuse_dora(adapters: Sequence[tuple[Path, float]], read: Sequence[Layers]) -> None:
    for (file, _), layers in zip(adapters, read, strict=True):
        if any(layer.magnitude is not None for part in layers.values() for layer in part.values()):
            raise UsageError(
                f"{file} is a DoRA: it rescales the layers that other adapters add to",
                hint="load it alone, as load.adapter",
            )


def _insert(model: Any, layers: Mapping[str, Layer], adapter: str, file: Path) -> None:
    """Put `layers` into a model, each in the precision of the layer it changes."""
    names = {bare(name): name for name, _ in model.named_modules()}
    by_full_name = {names[name]: layer for name, layer in layers.items()}
    model.add_adapter(LoraConfig(**peft_settings(by_full_name)), adapter)
    for name, layer in by_full_name.items():
        module = model.get_submodule(name)
        roles = {"lora_A": layer.down, "lora_B": layer.up}
        if layer.magnitude is not None:
            roles["lora_magnitude_vector"] = magnitude_of(layer, layer.magnitude)
        precision = module.get_base_layer().weight.dtype
        for role, values in roles.items():
            cast = in_precision(values, precision, f"{name} of {file}")
            _fill(module, role, cast, adapter)


def _fill(module: Any, role: str, values: Tensor, adapter: str) -> None:
    weight, base = getattr(module, role)[adapter].weight, module.get_base_layer().weight
    assert weight.shape == values.shape
    weight.data = values.to(base.device)
