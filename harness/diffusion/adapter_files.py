"""LoRA files: ours to write, anybody's to read.

In between stands one plain form, `Layers`: for each part and layer, two matrices and a scale.
Every reader ends there and every writer starts there, so no format knows another.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from peft.tuners.lora import LoraLayer
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from harness.diffusion.layer_names import (
    PARTS,
    Blocks,
    bare,
    blocks_of,
    diffusers_name,
    kohya_name,
    own_place,
    spellings,
)
from harness.errors import HarnessError, MissingPrerequisite, TrainingError
from harness.files import write_bytes

FILE = "adapter.safetensors"
SETTINGS = "lora_adapter_metadata"
"""Where diffusers looks for rank and alpha in a file's metadata."""
_ROLES = {
    "down": r"\.lora_down\.weight|\.lora_A(\.[^.]+)?\.weight|[._]lora\.down\.weight"
    r"|\.lora_linear_layer\.down\.weight",
    "up": r"\.lora_up\.weight|\.lora_B(\.[^.]+)?\.weight|[._]lora\.up\.weight"
    r"|\.lora_linear_layer\.up\.weight",
    "alpha": r"\.alpha",
    "magnitude": r"\.dora_scale|\.lora_magnitude_vector(\.[^.]+){0,2}",
}
_KEY = re.compile(
    "(?P<layer>.+?)(?:" + "|".join(f"(?P<{role}>{end})" for role, end in _ROLES.items()) + ")"
)
_UNET_ENDS = ("lora_A.weight", "lora_B.weight", "lora_magnitude_vector")
_TEXT_ENDS = (
    "lora_linear_layer.down.weight",
    "lora_linear_layer.up.weight",
    "lora_magnitude_vector.weight",
)
_STRANGERS = {
    "lora_te_": "it has one text encoder: Stable Diffusion 1 or 2",
    "double_blocks": "it was made for FLUX",
    "single_transformer_blocks": "it was made for FLUX",
    "joint_": "it was made for Stable Diffusion 3",
    r"^transformer\.": "it was made for another kind of model",
    "hada_": "it holds LoHa weights, not LoRA",
    "lokr_": "it holds LoKr weights, not LoRA",
    "oft_": "it holds OFT weights, not LoRA",
    "lora_mid": "it holds Tucker-decomposed convolutions",
    r"\.diff(_b)?$": "it holds whole differences beside the LoRA",
    "bundle_emb": "it carries embeddings, which need a file of their own",
}
"""What a key that nobody knows betrays of its file."""
_UNFIT = (ValueError, TypeError, AttributeError, RuntimeError, OverflowError, re.error)
"""What a file's own words may lead to, where they are not what they should be."""
Place = tuple[str, str]
"""A part of the pipeline and a layer in it."""


@dataclass(frozen=True)
class Layer:
    """ΔW = scale · up · down; with a magnitude, every row of W + ΔW is stretched to it (DoRA)."""

    down: Tensor
    up: Tensor
    scale: float = 1.0
    magnitude: Tensor | None = None

    @property
    def rank(self) -> int:
        return self.down.shape[0]

    @property
    def alpha(self) -> float:
        """Return the alpha whose share of the rank is the scale, whatever made the scale."""
        return self.scale * self.rank


Layers = dict[str, dict[str, Layer]]
"""Layers by part, and by name without `text_model.`."""


def save_adapter(models: Mapping[str, nn.Module], folder: Path, facts: Mapping[str, str]) -> None:
    """Write the adapters of `models` into one file; equal adapters are equal files."""
    tensors, needed = diffusers_tensors(layers_of(models))
    write_tensors(tensors, folder / FILE, {**facts, **needed})


def layers_of(models: Mapping[str, nn.Module], adapter: str = "default") -> Layers:
    """Return what the adapter layers inside `models` hold, at the scale they work at."""
    found: Layers = {}
    for part, model in models.items():
        found[part] = {}
        for name, module in model.named_modules():
            if isinstance(module, LoraLayer) and adapter in module.scaling:
                found[part][bare(name)] = _held(module, adapter)
    return {part: layers for part, layers in found.items() if layers}


def _held(module: Any, adapter: str) -> Layer:
    stretch = module.lora_magnitude_vector
    return Layer(
        down=_settled(module.lora_A[adapter].weight),
        up=_settled(module.lora_B[adapter].weight),
        scale=float(module.scaling[adapter]),
        magnitude=_settled(stretch[adapter].weight).flatten() if adapter in stretch else None,
    )


def _settled(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().clone().contiguous()


def diffusers_tensors(layers: Layers) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return what `load_lora_weights` reads: tensors, and metadata with rank and alpha.

    The UNet speaks PEFT's words and the text encoders those of diffusers: diffusers 0.42 with
    transformers 5 loses any other words in silence, feed-forward layers and magnitudes first.
    """
    tensors: dict[str, Tensor] = {}
    settings: dict[str, Any] = {}
    for part, found in layers.items():
        down, up, magnitude = _UNET_ENDS if part == "unet" else _TEXT_ENDS
        for name, layer in found.items():
            spelled = diffusers_name(part, name)
            tensors[f"{spelled}.{down}"], tensors[f"{spelled}.{up}"] = layer.down, layer.up
            if layer.magnitude is not None:
                tensors[f"{spelled}.{magnitude}"] = magnitude_of(layer, layer.magnitude)
        settings |= {f"{part}.{key}": value for key, value in peft_settings(found).items()}
    return tensors, {"format": "pt", SETTINGS: json.dumps(settings, sort_keys=True)}


def magnitude_of(layer: Layer, magnitude: Tensor) -> Tensor:
    """Return a magnitude as PEFT keeps it: a vector, or 1 × N × 1 × 1 for a convolution."""
    return magnitude.reshape(1, -1, 1, 1) if layer.up.ndim == 4 else magnitude


def peft_settings(layers: Mapping[str, Layer]) -> dict[str, Any]:
    """Return the few fields of a LoraConfig that say what `layers` are; every release has them."""
    ranks = {name: layer.rank for name, layer in layers.items()}
    alphas = {name: layer.alpha for name, layer in layers.items()}
    rank, alpha = _usual(ranks.values()), _usual(alphas.values())
    return {
        "r": rank,
        "lora_alpha": alpha,
        "rank_pattern": _patterns(ranks, rank),
        "alpha_pattern": _patterns(alphas, alpha),
        "target_modules": sorted(layers),
        "use_dora": any(layer.magnitude is not None for layer in layers.values()),
    }


def _patterns(values: Mapping[str, Any], usual: Any) -> dict[str, Any]:
    """Return one pattern a value that is not the usual one.

    PEFT tries every pattern on every layer: with one a layer, SDXL takes a minute longer to load.
    """
    named: dict[Any, list[str]] = {}
    for name, value in values.items():
        if value != usual:
            named.setdefault(value, []).append(name)
    return {"|".join(map(re.escape, names)): value for value, names in named.items()}


def _usual(values: Iterable[Any]) -> Any:
    """Return the most frequent value, of several the smallest."""
    counted = Counter(values)
    return min(counted, key=lambda value: (-counted[value], value))


def kohya_tensors(layers: Layers, blocks: Blocks) -> dict[str, Tensor]:
    """Return the layers under the names and in the shapes of sd-scripts, each with its alpha.

    A DoRA's `dora_scale` is N × 1: one magnitude an output, which is how PEFT trains it.
    """
    tensors = {}
    for part, found in layers.items():
        for name, layer in found.items():
            spelled = kohya_name(part, name, blocks)
            tensors[f"{spelled}.lora_down.weight"] = layer.down
            tensors[f"{spelled}.lora_up.weight"] = layer.up
            tensors[f"{spelled}.alpha"] = _exact(layer.alpha)
            if layer.magnitude is not None:
                shape = (-1, *(1,) * (layer.up.ndim - 1))
                tensors[f"{spelled}.dora_scale"] = layer.magnitude.reshape(shape)
    return tensors


def _exact(alpha: float) -> Tensor:
    """Return a number as float32 where that holds it, else as float64."""
    single = torch.tensor(alpha, dtype=torch.float32)
    return single if single.item() == alpha else torch.tensor(alpha, dtype=torch.float64)


def write_tensors(tensors: Mapping[str, Tensor], file: Path, metadata: Mapping[str, str]) -> None:
    """Write a safetensors file, whole or not at all, its header in one fixed order.

    The library's own writer leaves the order of the metadata to chance.
    """
    header, data = _packed(tensors)
    text = json.dumps({**header, "__metadata__": dict(metadata)}, sort_keys=True).encode()
    text += b" " * (-len(text) % 8)
    write_bytes(file, len(text).to_bytes(8, "little") + text + data)


def digest_of(tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of the bytes that `write_tensors` writes behind the header."""
    return sha256(_packed(tensors)[1]).hexdigest()


def _packed(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Any], bytes]:
    content = save({name: tensors[name].contiguous() for name in sorted(tensors)})
    size = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + size]), content[8 + size :]


def read_foreign(file: Path, models: Mapping[str, nn.Module]) -> Layers:
    """Return the layers of a file from anywhere, in the shapes of the `models` they are for."""
    blocks = blocks_of(models["unet"].config)  # type: ignore[arg-type]
    bases: dict[Place, nn.Module] = {}
    for part, model in models.items():
        for name, module in model.named_modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                bases[part, bare(name)] = module
    places = {key: place for place in bases for key in spellings(*place, blocks)}
    layers = read_layers(file, places.get)
    try:
        return {
            part: {name: _fitted(layer, bases[part, name]) for name, layer in found.items()}
            for part, found in layers.items()
        }
    except ValueError as error:
        raise _misfit(file, str(error)) from error


def read_layers(file: Path, find: Callable[[str], Place | None] = own_place) -> Layers:
    """Return the layers of a file; `find` tells which layer a name in it stands for."""
    tensors, metadata = _read(file)
    gathered: dict[Place, dict[str, Tensor]] = {}
    unknown = []
    for key, tensor in tensors.items():
        match = _KEY.fullmatch(key.replace(".processor.", "."))
        place = find(match["layer"]) if match else None
        if match is None or place is None:
            unknown.append(key)
            continue
        role = next(role for role in _ROLES if match[role])
        if role in gathered.setdefault(place, {}):
            raise _misfit(file, f"it names the {role} of {'.'.join(place)} twice")
        gathered[place][role] = tensor
    if unknown:
        raise _unknown(file, unknown, len(tensors))
    _beside(file, tensors, metadata)
    layers: Layers = {}
    try:
        settings = {part: _settings_of(metadata, part) for part in PARTS}
        for (part, name), roles in sorted(gathered.items()):
            layers.setdefault(part, {})[name] = _layer(roles, name, settings[part])
    except _UNFIT as error:
        raise _misfit(file, str(error)) from error
    for part, found in layers.items():
        if len({layer.magnitude is None for layer in found.values()}) > 1:
            raise _misfit(file, f"its {part} mixes DoRA with plain LoRA")
    return layers


def _read(file: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(file, framework="pt") as stored:
            tensors = {key: stored.get_tensor(key) for key in sorted(stored.keys())}
            metadata = stored.metadata() or {}
    except (SafetensorError, OSError, ValueError) as error:
        raise MissingPrerequisite(
            f"{file} is not a safetensors file: {error}", hint="the file may be cut short"
        ) from error
    if not any("lora" in key for key in tensors):
        first = next(iter(tensors), None)
        hint = f"its first key is {first[:80]}" if first else "it is empty"
        raise TrainingError(f"{file} holds no LoRA weights", hint=hint)
    return tensors, metadata


def _layer(roles: Mapping[str, Tensor], name: str, settings: Mapping[str, Any]) -> Layer:
    if not {"down", "up"} <= set(roles):
        raise ValueError(f"{name} has {' and '.join(sorted(roles))} alone")
    down, up = roles["down"], roles["up"]
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
    """Return what a file that diffusers wrote says of its LoRA in one part."""
    known = json.loads(metadata.get(SETTINGS) or "{}")
    return {
        key.removeprefix(f"{part}."): value
        for key, value in known.items()
        if key.startswith(f"{part}.")
    }


def _scale(settings: Mapping[str, Any], name: str, rank: int) -> float:
    """Return the scale of one layer as PEFT would; without settings it is 1, by custom."""
    if not settings:
        return 1.0
    alpha = settings.get("lora_alpha", 8)  # PEFT's own default
    for pattern, value in (settings.get("alpha_pattern") or {}).items():
        if any(re.match(rf"(.*\.)?({pattern})$", each) for each in (name, f"text_model.{name}")):
            alpha = value
            break
    return float(alpha) / (math.sqrt(rank) if settings.get("use_rslora") else rank)


def _beside(file: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Refuse a file whose scale stands in another one: what is judged is this file alone."""
    beside = file.with_name("adapter_config.json")
    own = SETTINGS in metadata or any(key.endswith(".alpha") for key in tensors)
    if own or not beside.is_file():
        return
    try:
        config = json.loads(beside.read_text(encoding="utf-8"))
        plain = config.get("lora_alpha") == config.get("r") and not config.get("alpha_pattern")
    except (ValueError, AttributeError):
        plain = False
    if not plain or config.get("use_rslora"):
        raise MissingPrerequisite(
            f"{file} leaves its alpha to {beside.name}, and one file is judged alone",
            hint="save it with diffusers' save_lora_weights, which writes alpha into the file",
        )


def _fitted(layer: Layer, base: Any) -> Layer:
    """Return a layer in the shapes of the module it is for; raise ValueError where it has others.

    A 1 × 1 convolution and a matrix are the same numbers: files have either for either.
    """
    out, into, *window = base.weight.shape
    down, up = (layer.rank, into, *window), (out, layer.rank, *(1 for _ in window))
    given = (tuple(layer.up.shape), tuple(layer.down.shape))
    if [_essence(each) for each in given] != [_essence(up), _essence(down)]:
        raise ValueError(f"a layer of {out} × {into} met matrices of {given[0]} and {given[1]}")
    fitted = replace(layer, down=layer.down.reshape(down), up=layer.up.reshape(up))
    if layer.magnitude is None:
        return fitted
    shape = tuple(layer.magnitude.shape)
    if shape not in ((out,), (out, *(1,) * (1 + len(window))), (1, out, 1, 1)):
        raise ValueError(
            f"its DoRA scale of {shape} is not one number an output: LyCORIS scales inputs, "
            "which diffusers cannot"
        )
    return replace(fitted, magnitude=layer.magnitude.flatten())


def _essence(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[:2] if shape[2:] == (1, 1) else shape


def _unknown(file: Path, unknown: list[str], total: int) -> HarnessError:
    shown = ", ".join(key[:90] for key in unknown[:3])
    more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
    why = [reason for sign, reason in _STRANGERS.items() for key in unknown if re.search(sign, key)]
    what = f"{len(unknown)} of its {total} keys name nothing there: {shown}{more}"
    return _misfit(file, what, why[0] if why else None)


def _misfit(file: Path, what: str, why: str | None = None) -> HarnessError:
    return MissingPrerequisite(
        f"{file} does not fit its base: {what}",
        hint=why or "give the base it was trained on with --base",
    )
