"""What a file is, gathered: its layers with their changes, and all that follows from these."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from harness.diffusion.adapter_files import keys, trainers
from harness.diffusion.adapter_files.factors import Change, change_of, effective_rank, rank_of
from harness.diffusion.adapter_files.names import Family, Place, family_of, place_of, table
from harness.diffusion.adapter_files.tensors import Array, TensorFile, open_tensors
from harness.diffusion.name_patterns import NamePatterns
from harness.errors import MissingPrerequisite, TrainingError
from harness.files import is_regular, read_regular

CONFIG = "adapter_config.json"
_MOST = 4_000_000
_BASES = {"SDXL": "stabilityai/stable-diffusion-xl-base-1.0", "pocket": "pocket/sdxl"}
"""The bases whose layers are known by name."""
_DEAD = 1e-12
"""The energy below which a layer changes nothing."""


@dataclass(frozen=True)
class InspectedLayer:
    """One layer that a file changes."""

    place: Place
    kind: str
    rank: int | None
    alpha: float | None
    scale: float
    change: Change | None
    """None for kinds whose change depends on the weights of the base."""
    not_finite: bool = False
    strength: float | None = None
    """For a kind without `change`: how far its own numbers are from changing nothing."""
    roles: Mapping[str, Array] = field(default_factory=dict, repr=False)

    @cached_property
    def energy(self) -> float | None:
        """Return ‖ΔW‖²; None where only the base tells, or where it is not finite."""
        if self.change is None or self.not_finite:
            return None
        energy = self.change.energy
        return energy if math.isfinite(energy) else None

    @property
    def is_dead(self) -> bool:
        size = self.energy if self.change is not None else self.strength
        return size is not None and size < _DEAD

    @cached_property
    def effective_rank(self) -> float | None:
        return None if self.change is None or self.not_finite else effective_rank(self.change)


@dataclass(frozen=True)
class AdapterFile:
    """A file, and every layer that it changes."""

    file: Path
    bytes: int
    digest: str
    format: str
    family: Family
    layers: tuple[InspectedLayer, ...]
    dtypes: Mapping[str, int]
    parameters: int
    metadata: Mapping[str, str]
    alpha_from: str
    """Where the alphas stand: in the file, in PEFT's settings, or nowhere."""
    unknown: tuple[str, ...] = ()
    """Keys that belong to no adapter."""
    extras: tuple[str, ...] = ()
    """What the file brings beside layers, such as embeddings."""

    @cached_property
    def by_place(self) -> dict[tuple[str, str], InspectedLayer]:
        return {(each.place.part, each.place.name): each for each in self.layers}


def read_facts(file: Path) -> AdapterFile:
    """Read a file; raise an error that names what is wrong with a damaged one."""
    stored = open_tensors(file)
    gathered, unknown, extras = _gather(file, stored)
    family = family_of({layer: _reads(roles, stored) for layer, roles in gathered.items()})
    known = table(_BASES[family.name]) if family.name in _BASES else {}
    settings, alpha_from = _settings(file, stored)
    layers = tuple(
        _layer(file, stored, place_of(layer, known), roles, settings)
        for layer, roles in gathered.items()
    )
    return AdapterFile(
        file=file,
        bytes=stored.bytes,
        digest=hashlib.sha256(stored.content).hexdigest(),
        format=_format(gathered, stored),
        family=family,
        layers=_in_order(layers),
        dtypes=dict(Counter(each.dtype for each in stored.entries.values())),
        parameters=sum(each.count for each in stored.entries.values() if each.is_float),
        metadata=stored.metadata,
        alpha_from=alpha_from,
        unknown=tuple(unknown),
        extras=tuple(extras),
    )


def _gather(
    file: Path, stored: TensorFile
) -> tuple[dict[str, dict[str, str]], list[str], list[str]]:
    """Return the key of every role of every layer, keys of no adapter, and what else is there."""
    gathered: dict[str, dict[str, str]] = {}
    unknown: list[str] = []
    for key in stored.entries:
        parsed = keys.parse(key)
        if parsed is None:
            unknown.append(key)
            continue
        layer, role = parsed
        if role in gathered.setdefault(layer, {}):
            raise _damaged(file, f"it names the {role} of {layer[:90]} twice")
        gathered[layer][role] = key
    for layer, roles in list(gathered.items()):
        if set(roles) <= {"weight"}:  # no layer of an adapter, but a whole weight or an embedding
            unknown += gathered.pop(layer).values()
    if not gathered:
        first = next(iter(stored.entries))
        raise TrainingError(
            f"{file} holds no adapter", hint=f"its first key is {first[:80]}: a whole model?"
        )
    extras = ["embeddings"] if any(key.startswith("bundle_emb") for key in unknown) else []
    return gathered, unknown, extras


def _reads(roles: Mapping[str, str], stored: TensorFile) -> int | None:
    """Return how many channels a layer reads, where one tensor tells."""
    for role in ("down", "hada_w1_b", "diff"):
        if role in roles and len(stored.entries[roles[role]].shape) >= 2:
            return stored.entries[roles[role]].shape[1]
    halves = [
        stored.entries[roles[role]].shape
        for pair in (("lokr_w1", "lokr_w1_b"), ("lokr_w2", "lokr_w2_b"))
        for role in pair
        if role in roles
    ]
    return math.prod(shape[1] for shape in halves if len(shape) >= 2) if len(halves) == 2 else None


def _settings(file: Path, stored: TensorFile) -> tuple[dict[str, Any], str]:
    """Return PEFT's settings by part, and where alphas come from."""
    if any(key.endswith(".alpha") for key in stored.entries):
        return {}, "the file"
    inside = trainers.settings_of(stored.metadata)
    if inside:
        return inside, "its metadata"
    beside = file.with_name(CONFIG)
    if is_regular(beside):
        try:
            table = json.loads(read_regular(beside, _MOST))
        except (OSError, ValueError, RecursionError):
            table = None
        if isinstance(table, dict):
            return table, CONFIG
        raise _damaged(file, f"the {CONFIG} beside it cannot be read")
    return {}, "nowhere: taken as the rank"


def _layer(
    file: Path,
    stored: TensorFile,
    place: Place,
    named: Mapping[str, str],
    settings: Mapping[str, Any],
) -> InspectedLayer:
    try:
        kind = keys.kind_of(named)
        roles = {role: _weights(stored, key) for role, key in named.items()}
        rank = rank_of(kind, roles)
        alpha, scale = _scale(kind, roles, rank, settings, place)
        is_bad = not all(np.isfinite(each).all() for each in roles.values())
        with np.errstate(all="ignore"):
            change = change_of(kind, roles, scale)
        return InspectedLayer(
            place=place,
            kind=_refined(kind, roles),
            rank=rank,
            alpha=alpha,
            scale=scale,
            change=change,
            not_finite=is_bad,
            strength=None if change is not None else _strength(kind, roles),
            roles=roles,
        )
    except ValueError as error:
        raise _damaged(file, f"{place.name[:120]}: {error}") from error


def _weights(stored: TensorFile, key: str) -> Array:
    entry = stored.entries[key]
    if not entry.is_float and not key.endswith((".on_input", ".alpha", ".scalar")):
        raise ValueError(f"it holds {entry.dtype}, which are no weights")
    return stored[key]


def _scale(
    kind: str,
    roles: Mapping[str, Array],
    rank: int | None,
    settings: Mapping[str, Any],
    place: Place,
) -> tuple[float | None, float]:
    """Return the alpha and what ΔW is multiplied by."""
    scalar = _number(roles["scalar"], "scalar") if "scalar" in roles else 1.0
    alpha = _number(roles["alpha"], "alpha") if "alpha" in roles else None
    if rank is None or kind not in ("lora", "loha", "lokr"):
        return alpha, scalar
    if not rank:
        raise ValueError("its rank is 0")
    if alpha is None and settings:
        return _of_settings(rank, settings, place)
    return alpha, scalar * (1.0 if alpha is None else alpha / rank)


def _number(tensor: Array, name: str) -> float:
    if tensor.size != 1:
        raise ValueError(f"its {name} is {tensor.size} numbers")
    number = float(tensor.reshape(()))
    if not math.isfinite(number):
        raise ValueError(f"its {name} is not a finite number")
    return number


def _of_settings(
    rank: int, settings: Mapping[str, Any], place: Place
) -> tuple[float | None, float]:
    prefix = f"{place.part}."
    own = {k.removeprefix(prefix): v for k, v in settings.items() if k.startswith(prefix)}
    own = own or dict(settings)
    alpha = own.get("lora_alpha", own.get("alpha", 8))
    patterns = own.get("alpha_pattern") or {}
    if not isinstance(patterns, dict):
        raise ValueError("the alpha_pattern of its settings is no table")
    chosen = NamePatterns(patterns).find(place.name, f"text_model.{place.name}")
    alpha = alpha if chosen is None else chosen
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not math.isfinite(alpha):
        raise ValueError("the alpha of its settings is not a finite number")
    return float(alpha), alpha / (math.sqrt(rank) if own.get("use_rslora") else rank)


def _refined(kind: str, roles: Mapping[str, Array]) -> str:
    if kind == "lora" and "magnitude" in roles:
        return "dora"
    return "boft" if kind == "oft" and roles["oft_blocks"].ndim == 4 else kind


def _strength(kind: str, roles: Mapping[str, Array]) -> float:
    """Return the sum of squares of what moves a layer away from the base."""
    neutral = 1.0 if kind == "ia3-peft" else 0.0
    chosen = ("oft_blocks", "oft_R", "ia3_l", "weight", "glora_a2", "glora_b2")
    return sum(float(np.sum((roles[each] - neutral) ** 2)) for each in chosen if each in roles)


def _format(gathered: Mapping[str, Any], stored: TensorFile) -> str:
    """Return whose way of naming keys a file follows."""
    layers = list(gathered)
    if any(each.startswith("lycoris_") for each in layers):
        return "LyCORIS"
    if any(each.startswith(("lora_unet_", "lora_te", "lora_transformer_")) for each in layers):
        return "kohya"
    if any(each.startswith(("oft_unet_", "oft_te")) for each in layers):
        return "kohya"
    if any(".processor." in key for key in stored.entries):
        return "diffusers, before 0.22"
    if any(each.startswith("base_model.model.") for each in layers):
        return "PEFT"
    if any(each.startswith(("diffusion_model.", "text_encoders.", "clip_l.")) for each in layers):
        return "ComfyUI"
    if any(each.startswith(("unet.", "transformer.", "text_encoder", "prior.")) for each in layers):
        return "diffusers"
    return "unknown"


def _in_order(layers: tuple[InspectedLayer, ...]) -> tuple[InspectedLayer, ...]:
    sides = {"down": 0, "input": 0, "mid": 1, "middle": 1, "up": 2, "output": 2}

    def turn(each: InspectedLayer) -> tuple[Any, ...]:
        block, _, number = each.place.block.partition(".")
        side = sides.get(block.split("_")[0], 3)
        return each.place.part != "unet", each.place.part, side, block, int(number or 0)

    return tuple(sorted(layers, key=turn))


def _damaged(file: Path, what: str) -> MissingPrerequisite:
    return MissingPrerequisite(f"{file} is damaged: {what}", hint="download or save it again")
