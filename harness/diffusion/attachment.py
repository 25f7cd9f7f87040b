"""Attach adapters of any known format to a pipeline; the changes of several add up."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionXLPipeline
from peft import LoraConfig
from torch import Tensor

from harness.diffusion.adapter_files.beside import WeightChange
from harness.diffusion.adapter_files.tensors import Array
from harness.diffusion.adapter_layers import Layer, Layers
from harness.diffusion.adapter_reader import read_adapter
from harness.diffusion.adapter_writer import magnitude_of, peft_settings
from harness.diffusion.finite import in_precision
from harness.diffusion.layer_names import PARTS, bare
from harness.errors import MissingPrerequisite, UsageError


def attach(pipeline: StableDiffusionXLPipeline, file: Path, scale: float) -> None:
    """Load one adapter file into a pipeline, at `scale`; every key of the file must be used."""
    attach_all(pipeline, [(file, scale)])


def attach_all(pipeline: StableDiffusionXLPipeline, adapters: Sequence[tuple[Path, float]]) -> None:
    """Load adapter files into a pipeline, each at its scale; their changes are added up.

    LoRA layers stay beside the base's; what other kinds change is added to the base's weights.
    """
    models = {part: getattr(pipeline, part) for part in PARTS}
    whole = [read_adapter(file, models) for file, _ in adapters]
    read = [each.layers for each in whole]
    if len(read) > 1:
        _refuse_dora(adapters, read)
    for part, model in models.items():
        found = [
            (each.changes.get(part, {}), scale, file)
            for each, (file, scale) in zip(whole, adapters, strict=True)
        ]
        _add_changes(model, found)
    scales = {}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Already found a `peft_config`")  # several are meant
        for number, (layers, (file, scale)) in enumerate(zip(read, adapters, strict=True)):
            for part, named in layers.items():
                scales[f"judged-{number}"] = scale
                _insert(models[part], named, f"judged-{number}", file)
    if scales:
        pipeline.set_adapters(list(scales), list(scales.values()))
    for model in models.values():
        model.eval()  # new adapter layers start in training mode


Found = tuple[Mapping[str, WeightChange], float, Path]
"""The changes of one model by layer, at which scale, and the file that they are from."""


@torch.no_grad()
def _add_changes(model: Any, found: Sequence[Found]) -> None:
    """Add all changes to the weights of a model; each is told by the weights as they were."""
    names = {bare(name): name for name, _ in model.named_modules()}
    for layer in sorted({name for changes, _, _ in found for name in changes}):
        module = model.get_submodule(names[layer])
        bias = None if module.bias is None else _as_array(module.bias)
        weight = _as_array(module.weight)
        total, more, changed = weight.copy(), None if bias is None else bias.copy(), False
        for changes, scale, file in found:
            if layer in changes and scale:
                added, extra = changes[layer].of(weight, bias)
                total += scale * added
                if extra is not None:
                    more = _with_bias(more, scale * extra, layer, file)
                changed = True
        if changed:
            where = f"{layer} of {', '.join(str(file) for _, _, file in found)}"
            _replace(module.weight, total, where)
            if more is not None:
                _replace(module.bias, more, where)


def _with_bias(bias: Array | None, extra: Array, layer: str, file: Path) -> Array:
    if bias is None:
        raise MissingPrerequisite(
            f"{file} does not fit its base: it changes the bias of {layer}, which has none",
            hint="give the base it was trained on with --base",
        )
    return bias + extra


def _as_array(parameter: Tensor) -> Array:
    values: Array = parameter.detach().float().cpu().numpy()
    return values


def _replace(parameter: Tensor, values: Array, where: str) -> None:
    cast = in_precision(torch.from_numpy(np.ascontiguousarray(values)), parameter.dtype, where)
    parameter.copy_(cast.to(parameter.device))


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
