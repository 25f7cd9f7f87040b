"""The facts of one file as plain values, and how much two files overlap."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from harness.diffusion.adapter_files import trainers
from harness.diffusion.adapter_files.base import BaseWeights
from harness.diffusion.adapter_files.factors import Product, inner
from harness.diffusion.adapter_files.facts import AdapterFile, InspectedLayer
from harness.diffusion.adapter_files.keys import NAMES
from harness.diffusion.adapter_files.tensors import Array
from harness.escaping import without_secrets

_ENDS = 2
"""Words of a layer's name that tell its sort, as `attn1.to_q`."""


@dataclass(frozen=True)
class Block:
    """What a file changes in one block of the base."""

    part: str
    block: str
    layers: int
    energy: float | None
    """‖ΔW‖² of all layers whose change the file tells alone; None where it tells no layer's."""
    share: float | None
    """Its share of the energy of the file."""
    effective_rank: float | None
    """The mean over its layers."""
    relative: float | None = None
    """‖ΔW‖ / ‖W‖, where the base is at hand."""


@dataclass(frozen=True)
class Overlap:
    """How much the changes of two files are the same."""

    a: str
    b: str
    layers: int
    """Layers that both change."""
    cosine: float | None
    """Of both changes over the layers that both have; 0 for unrelated ones, 1 for the same."""
    outputs: float | None
    inputs: float | None
    """The shared part of the spaces that both write to and read from: mean cos² of the angles."""
    together: float | None
    """‖ΔW₁ + ΔW₂‖ / √(‖ΔW₁‖² + ‖ΔW₂‖²): 1 where they stack as if alone."""


def blocks_of(file: AdapterFile, base: BaseWeights | None = None) -> list[Block]:
    """Return the blocks that a file changes, in the order in which the base runs them."""
    grouped: dict[tuple[str, str], list[InspectedLayer]] = {}
    for layer in file.layers:
        grouped.setdefault((layer.place.part, layer.place.block), []).append(layer)
    total = energy_of(file.layers)
    return [
        Block(
            part=part,
            block=block,
            layers=len(layers),
            energy=(energy := told_energy(layers)),
            share=None if energy is None else energy / total if total else 0.0,
            effective_rank=mean_rank(layers),
            relative=None if base is None else base.relative(layers),
        )
        for (part, block), layers in grouped.items()
    ]


def energy_of(layers: Iterable[InspectedLayer]) -> float:
    return math.fsum(each.energy for each in layers if each.energy is not None)


def told_energy(layers: Sequence[InspectedLayer]) -> float | None:
    """Return the energy of layers; None where the file alone tells that of no layer."""
    return None if all(each.energy is None for each in layers) else energy_of(layers)


def mean_rank(layers: Iterable[InspectedLayer]) -> float | None:
    ranks = [rank for each in layers if (rank := each.effective_rank) is not None]
    return math.fsum(ranks) / len(ranks) if ranks else None


def overlaps(files: Sequence[AdapterFile]) -> list[Overlap]:
    """Return the overlap of every two files."""
    return [overlap(one, other) for one, other in combinations(files, 2)]


def overlap(one: AdapterFile, other: AdapterFile) -> Overlap:
    pairs = [
        (layer, other.by_place[place])
        for place, layer in one.by_place.items()
        if place in other.by_place and _both_known(layer, other.by_place[place])
    ]
    shared = math.fsum(inner(a.change, b.change) for a, b in pairs)  # type: ignore[arg-type]
    first, second = (energy_of(pair[side] for pair in pairs) for side in (0, 1))
    spaces = [
        (a.change, b.change)
        for a, b in pairs
        if isinstance(a.change, Product) and isinstance(b.change, Product)
    ]
    alone = first + second
    return Overlap(
        a=str(one.file),
        b=str(other.file),
        layers=len(pairs),
        cosine=shared / math.sqrt(first * second) if first and second else None,
        outputs=_mean(shared_space(a.up, b.up) for a, b in spaces),
        inputs=_mean(shared_space(a.down.T, b.down.T) for a, b in spaces),
        together=math.sqrt(max(0.0, alone + 2 * shared) / alone) if alone else None,
    )


def _both_known(one: InspectedLayer, other: InspectedLayer) -> bool:
    return (
        one.energy is not None
        and other.energy is not None
        and one.change is not None
        and other.change is not None
        and one.change.shape == other.change.shape
    )


def shared_space(one: Array, other: Array) -> float:
    """Return the mean cos² of the principal angles between the columns of two matrices.

    ‖Q₁ᵀQ₂‖² / min(r₁, r₂), where the columns of Qᵢ = Bᵢ·Gᵢ^(−½) are orthonormal, Gᵢ = BᵢᵀBᵢ.
    """
    across = _inverse_root(one) @ (one.T @ other).astype(np.float64) @ _inverse_root(other).T
    most = min(_rank(one), _rank(other))
    return float(np.sum(across**2) / most) if most else 0.0


def _inverse_root(matrix: Array) -> np.ndarray[Any, np.dtype[np.float64]]:
    values, vectors = np.linalg.eigh((matrix.T @ matrix).astype(np.float64))
    kept = values > max(values.max(initial=0.0), 0.0) * 1e-6
    roots = np.where(kept, 1 / np.sqrt(np.where(kept, values, 1.0)), 0.0)
    product: np.ndarray[Any, np.dtype[np.float64]] = roots[:, None] * vectors.T
    return product


def _rank(matrix: Array) -> int:
    values = np.linalg.eigvalsh((matrix.T @ matrix).astype(np.float64))
    return int(np.sum(values > max(values.max(initial=0.0), 0.0) * 1e-6))


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return math.fsum(found) / len(found) if found else None


def document(file: AdapterFile, base: BaseWeights | None = None) -> dict[str, Any]:
    """Return the facts of a file as JSON holds them."""
    layers = file.layers
    metadata = {key: without_secrets(value) for key, value in file.metadata.items()}
    return {
        "file": str(file.file),
        "bytes": file.bytes,
        "sha256": file.digest,
        "format": file.format,
        "kinds": _counted(NAMES.get(each.kind, each.kind) for each in layers),
        "base": {"family": file.family.name, "because": file.family.because},
        "parts": _counted(each.place.part for each in layers),
        "text_encoders": any(each.place.part.startswith("text") for each in layers),
        "targets": _counted(".".join(_words(each)) for each in layers),
        "ranks": _counted(str(each.rank) for each in layers if each.rank is not None),
        "alphas": _counted(_short(each.alpha) for each in layers if each.alpha is not None),
        "alpha_from": file.alpha_from,
        "dtypes": dict(file.dtypes),
        "parameters": file.parameters,
        "not_finite": [_name(each) for each in layers if each.not_finite],
        "dead": [_name(each) for each in layers if each.is_dead],
        "energy": told_energy(layers),
        "effective_rank": mean_rank(layers),
        "relative": None if base is None else base.relative(layers),
        "blocks": [vars(each) for each in blocks_of(file, base)],
        "unknown": list(file.unknown),
        "extras": list(file.extras),
        "trainer": trainers.trainer_of(metadata),
        "recipe": trainers.recipe_of(metadata),
        "specification": trainers.specification_of(metadata),
        "metadata": {key[:90]: value[:300] for key, value in sorted(metadata.items())},
    }


def _words(layer: InspectedLayer) -> list[str]:
    words = layer.place.name.replace(layer.place.block, "").strip(".").split(".")
    kept = [word for word in words if not word.isdigit()]
    return kept[-_ENDS:] or ["itself"]


def _name(layer: InspectedLayer) -> str:
    return f"{layer.place.part}.{layer.place.name}"


def _short(number: float) -> str:
    return f"{number:.6g}"


def _counted(words: Iterable[str]) -> Mapping[str, int]:
    return dict(Counter(words).most_common())
