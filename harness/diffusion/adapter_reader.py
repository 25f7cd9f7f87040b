"""Read LoRA files of any origin, and refuse those that do not fit with the reason."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from harness.diffusion.adapter_files import keys
from harness.diffusion.adapter_files.beside import WeightChange
from harness.diffusion.adapter_files.factors import change_of, rank_of
from harness.diffusion.adapter_files.keys import NAMES
from harness.diffusion.adapter_layers import Layer, Layers
from harness.diffusion.adapter_settings import SETTINGS
from harness.diffusion.finite import refuse_not_finite
from harness.diffusion.layer_names import PARTS, bare, blocks_of, own_layer, spellings
from harness.diffusion.name_patterns import NamePatterns
from harness.errors import HarnessError, MissingPrerequisite, TrainingError
from harness.files import is_regular, megabytes, open_regular, read_regular

_OTHER_FILES = {
    "lora_te_": "it has one text encoder: Stable Diffusion 1 or 2",
    "double_blocks": "it was made for FLUX",
    "single_transformer_blocks": "it was made for FLUX",
    "joint_": "it was made for Stable Diffusion 3",
    r"^transformer\.": "it was made for another kind of model",
    r"oft_r\b": "it was written by a PEFT whose OFT was another",
    r"\.[wb]_norm$": "it changes norms, which are not supported",
    "bundle_emb": "it carries embeddings, which need a file of their own",
}
"""What an unknown key tells about its file."""
_UNFIT = (ValueError, TypeError, AttributeError, RuntimeError, OverflowError)
"""What wrong values in a file may raise."""
_LARGEST, _LARGEST_METADATA, _MOST_TENSORS = 4_000_000_000, 4_000_000, 50_000
"""Bytes that a file and its settings may have, and how many tensors: SDXL has 8,000 at most."""
LayerId = tuple[str, str]
"""A part of the pipeline and a layer in it."""


@dataclass(frozen=True)
class AdapterParts:
    """What a file holds: layers of a LoRA or DoRA, and layers of every other kind."""

    layers: Layers
    changes: dict[str, dict[str, WeightChange]]
    """By part, and by name without `text_model.`; they are added to the weights of the base."""


def read_adapter(file: Path, models: Mapping[str, nn.Module]) -> AdapterParts:
    """Return the layers of a file of any origin, in the shapes of the `models` they are for."""
    blocks = blocks_of(models["unet"].config)  # type: ignore[arg-type]
    bases: dict[LayerId, nn.Module] = {}
    for part, model in models.items():
        for name, module in model.named_modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                bases[part, bare(name)] = module
    ids = {key: layer for layer in bases for key in spellings(*layer, blocks)}
    read = read_parts(file, ids.get)
    try:
        for part, changes in read.changes.items():
            for name, change in changes.items():
                change.require_fit(tuple(bases[part, name].weight.shape))  # type: ignore[arg-type]
        fitting = {
            part: {name: _fit(layer, bases[part, name]) for name, layer in named.items()}
            for part, named in read.layers.items()
        }
    except ValueError as error:
        raise _does_not_fit(file, str(error)) from error
    return AdapterParts(fitting, read.changes)


def read_layers(file: Path, find: Callable[[str], LayerId | None] = own_layer) -> Layers:
    """Return the layers of a LoRA or DoRA; refuse a file that holds another kind."""
    read = read_parts(file, find)
    for named in read.changes.values():
        for name, change in named.items():
            kind = NAMES.get(change.kind, change.kind)
            raise MissingPrerequisite(
                f"{file} is no LoRA: {name} is of the kind {kind}",
                hint="this reads LoRA and DoRA alone; drawing, export and inspect read all kinds",
            )
    return read.layers


def read_parts(file: Path, find: Callable[[str], LayerId | None] = own_layer) -> AdapterParts:
    """Return the layers of a file; `find` returns the layer that a name in it stands for."""
    tensors, metadata = _read(file)
    gathered: dict[LayerId, dict[str, Tensor]] = {}
    unknown = []
    for key, tensor in tensors.items():
        parsed = keys.parse(key)
        layer = find(_as_lora(parsed[0])) if parsed else None
        if parsed is None or layer is None:
            unknown.append(key)
            continue
        role = parsed[1]
        if role in gathered.setdefault(layer, {}):
            raise _does_not_fit(file, f"it names the {role} of {'.'.join(layer)} twice")
        gathered[layer][role] = tensor
    if unknown:
        raise _has_unknown_keys(file, unknown, len(tensors))
    _check_alpha_is_here(file, tensors, metadata)
    return _sorted(file, gathered, metadata)


def _as_lora(name: str) -> str:
    """Return a name with the beginning that sd-scripts gives to layers of a LoRA."""
    for own in ("lycoris_unet_", "oft_unet_", "lycoris_te", "oft_te"):
        if name.startswith(own):
            return "lora_" + name.split("_", 1)[1]
    return name


def _sorted(
    file: Path, gathered: Mapping[LayerId, Mapping[str, Tensor]], metadata: Mapping[str, str]
) -> AdapterParts:
    """Return every layer in its own form: LoRA as two matrices, other kinds as changes."""
    read = AdapterParts({}, {})
    try:
        settings = {part: _settings_of(metadata, part) for part in PARTS}
        for (part, name), roles in sorted(gathered.items()):
            own = settings[part]
            if "up" in roles or ("down" in roles and "mid" not in roles):
                keys_of_lora = set(roles) <= {"up", "down", "alpha", "magnitude"}
                if keys_of_lora:
                    read.layers.setdefault(part, {})[name] = _layer(roles, name, own)
                    continue
            read.changes.setdefault(part, {})[name] = _change(roles, name, own)
    except _UNFIT as error:
        raise _does_not_fit(file, str(error)) from error
    for part, named in read.layers.items():
        if len({layer.magnitude is None for layer in named.values()}) > 1:
            raise _does_not_fit(file, f"its {part} mixes DoRA with plain LoRA")
    return read


def _change(roles: Mapping[str, Tensor], name: str, settings: Mapping[str, Any]) -> WeightChange:
    """Return a layer of another kind than LoRA; raise ValueError if its tensors are none."""
    try:
        kind = keys.kind_of(roles)
        numbers = {role: tensor.float().numpy() for role, tensor in roles.items()}
        rank = rank_of(kind, numbers)
        change = WeightChange(kind, numbers, exact=settings.get("use_cayley_neumann") is False)
        if kind not in ("lora", "loha", "lokr"):
            return change
        scale = float(roles["scalar"].double().item()) if "scalar" in roles else 1.0
        if rank:
            alpha = float(roles["alpha"].double().item()) / rank if "alpha" in roles else None
            scale *= _scale(settings, name, rank) if alpha is None else alpha
        elif rank == 0 or not math.isfinite(scale):
            raise ValueError("it has no rank")
        if not math.isfinite(scale):
            raise ValueError("its alpha is not a finite number")
        change_of(kind, numbers, scale)
        return replace(change, scale=scale)
    except ValueError as error:
        raise ValueError(f"{name} {error}") from error


def _read(file: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with open_regular(file) as stream:
            _refuse_size(os.fstat(stream.fileno()).st_size, _LARGEST, megabytes(_LARGEST))
        with safe_open(file, framework="pt") as stored:
            _refuse_size(len(stored.keys()), _MOST_TENSORS, f"{_MOST_TENSORS:,} tensors")
            tensors = {key: stored.get_tensor(key) for key in sorted(stored.keys())}
            metadata = stored.metadata() or {}
    except (SafetensorError, OSError, ValueError, TypeError, RuntimeError) as error:
        what = " ".join(str(error).split())[:300]
        raise MissingPrerequisite(
            f"{file} is not a safetensors file: {what}", hint="the file may be cut short"
        ) from error
    if not any(_is_of_adapter(key) for key in tensors):
        first = next(iter(tensors), None)
        hint = f"its first key is {first[:80]}" if first else "it is empty"
        raise TrainingError(f"{file} holds no LoRA weights", hint=hint)
    refuse_not_finite(file, tensors)
    return tensors, metadata


def _is_of_adapter(key: str) -> bool:
    parsed = keys.parse(key)
    return parsed is not None and parsed[1] not in ("weight", "alpha", "scalar")


def _refuse_size(count: int, most: int, words: str) -> None:
    if count > most:
        raise ValueError(f"it has more than {words}")


def _layer(roles: Mapping[str, Tensor], name: str, settings: Mapping[str, Any]) -> Layer:
    if not {"down", "up"} <= set(roles):
        raise ValueError(f"{name} has {' and '.join(sorted(roles))} alone")
    down, up = roles["down"], roles["up"]
    if not (down.is_floating_point() and up.is_floating_point()):
        raise ValueError(f"{name} holds {down.dtype} and {up.dtype}, which are no weights")
    if down.ndim not in (2, 4) or up.ndim not in (2, 4) or not 0 < down.shape[0] == up.shape[1]:
        raise ValueError(f"{name}: {tuple(up.shape)} by {tuple(down.shape)} is no LoRA")
    rank = down.shape[0]
    if "alpha" in roles:
        scale = float(roles["alpha"].double().item()) / rank
    else:
        scale = _scale(settings, name, rank)
    if not math.isfinite(scale):
        raise ValueError(f"the alpha of {name} is not a finite number")
    return Layer(down, up, scale, roles.get("magnitude"))


def _settings_of(metadata: Mapping[str, str], part: str) -> dict[str, Any]:
    """Return the settings of one part, if diffusers wrote the file."""
    text = metadata.get(SETTINGS) or "{}"
    if len(text) > _LARGEST_METADATA:
        raise ValueError(f"its metadata has more than {megabytes(_LARGEST_METADATA)}")
    own = {
        key.removeprefix(f"{part}."): value
        for key, value in json.loads(text).items()
        if key.startswith(f"{part}.")
    }
    patterns = NamePatterns(own.get("alpha_pattern") or {})
    return own | {"alpha_pattern": patterns} if own else {}


def _scale(settings: Mapping[str, Any], name: str, rank: int) -> float:
    """Return the scale of one layer as PEFT would; without settings it is 1, as elsewhere."""
    if not settings:
        return 1.0
    alpha = settings.get("lora_alpha", 8)  # PEFT's own default
    own = settings["alpha_pattern"].find(name, f"text_model.{name}")
    return float(alpha if own is None else own) / (
        math.sqrt(rank) if settings.get("use_rslora") else rank
    )


def _check_alpha_is_here(
    file: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]
) -> None:
    """Refuse a file whose alpha is in another file: only this file is judged."""
    config_file = file.with_name("adapter_config.json")
    own = SETTINGS in metadata or any(key.endswith(".alpha") for key in tensors)
    if own or not is_regular(config_file):
        return
    try:
        config = json.loads(read_regular(config_file, _LARGEST_METADATA))
        plain = _says_nothing_more(config)
    except (OSError, ValueError, AttributeError, RecursionError):
        plain = False
    if not plain:
        raise MissingPrerequisite(
            f"{file} leaves its alpha to {config_file.name}, and one file is judged alone",
            hint="save it with diffusers' save_lora_weights, which writes alpha into the file",
        )


def _says_nothing_more(config: Mapping[str, Any]) -> bool:
    """Return whether a file means the same without PEFT's settings beside it."""
    if config.get("peft_type") == "IA3":
        return True
    if config.get("peft_type") == "OFT":
        exact = config.get("use_cayley_neumann", True) is not True or config.get("coft")
        return not exact and config.get("num_cayley_neumann_terms", 5) == 5
    alpha = config.get("lora_alpha", config.get("alpha"))
    plain = alpha == config.get("r") and not config.get("alpha_pattern")
    return plain and not config.get("use_rslora")


def _fit(layer: Layer, base: Any) -> Layer:
    """Return a layer in the shapes of its module; raise ValueError if it does not fit.

    A 1 × 1 convolution and a matrix hold the same numbers, and files have either.
    """
    out, into, *window = base.weight.shape
    down, up = (layer.rank, into, *window), (out, layer.rank, *(1 for _ in window))
    shapes = (tuple(layer.up.shape), tuple(layer.down.shape))
    if [_without_window(each) for each in shapes] != [_without_window(up), _without_window(down)]:
        raise ValueError(f"a layer of {out} × {into} met matrices of {shapes[0]} and {shapes[1]}")
    reshaped = replace(layer, down=layer.down.reshape(down), up=layer.up.reshape(up))
    if layer.magnitude is None:
        return reshaped
    shape = tuple(layer.magnitude.shape)
    if shape not in ((out,), (out, *(1,) * (1 + len(window))), (1, out, 1, 1)):
        raise ValueError(
            f"its DoRA scale of {shape} is not one number an output: LyCORIS scales inputs, "
            "which diffusers cannot"
        )
    return replace(reshaped, magnitude=layer.magnitude.flatten())


def _without_window(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[:2] if shape[2:] == (1, 1) else shape


def _has_unknown_keys(file: Path, unknown: list[str], total: int) -> HarnessError:
    shown = ", ".join(key[:90] for key in unknown[:3])
    more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
    why = [
        reason for sign, reason in _OTHER_FILES.items() for key in unknown if re.search(sign, key)
    ]
    what = f"{len(unknown)} of its {total} keys name nothing there: {shown}{more}"
    return _does_not_fit(file, what, why[0] if why else None)


def _does_not_fit(file: Path, what: str, why: str | None = None) -> HarnessError:
    return MissingPrerequisite(
        f"{file} does not fit its base: {what}",
        hint=why or "give the base it was trained on with --base",
    )
