"""The facts of a file that may tell its fate: numbers that need neither the base nor pictures."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from harness.diffusion.adapter_files.factors import Product
from harness.diffusion.adapter_files.facts import AdapterFile, InspectedLayer
from harness.diffusion.adapter_files.summary import energy_of, mean_rank

FACTS = (
    "size",
    "spread",
    "rank",
    "effective_rank",
    "effective_share",
    "up",
    "down",
    "down_rank",
    "cross",
    "concentration",
)
"""The names of the facts, in order."""
_NOTHING = -12.0
"""The logarithm of no change at all."""
FAMILY = "pocket"
"""The only family of bases on which a judgement was tried."""
BROKEN_ABOVE = 0.04616
"""The largest root of the mean square of ΔW that does not say broken; chosen on all styles."""
TOLD = {"broken": (25, 26), "others": (184, 193)}
"""Of the broken ones and of all others, how many were told right on styles left out."""


def facts_of(file: AdapterFile) -> dict[str, float]:
    """Return the facts of a LoRA file, each by its name; sizes are natural logarithms.

    size: ‖ΔW‖ of the mean number of ΔW. spread: how unlike layers are in it. up, down: the mean
    number of both factors. cross: the share of the energy that reads text. concentration: the share
    in the tenth of layers with most.
    """
    layers = [each for each in file.layers if isinstance(each.change, Product)]
    sizes = np.array([_size(each) for each in layers]) if layers else np.array([_NOTHING])
    energies = np.sort([each.energy or 0.0 for each in layers])[::-1]
    total, numbers = energy_of(layers), sum(math.prod(_shape(each)) for each in layers)
    ranks = [each.rank for each in layers if each.rank]
    rank = sum(ranks) / len(ranks) if ranks else 0.0
    effective = mean_rank(layers) or 0.0
    cross = energy_of(each for each in layers if "attn2" in each.place.name)
    return {
        "size": _log(math.sqrt(total / numbers)) if numbers else _NOTHING,
        "spread": float(sizes.std()),
        "rank": _log(rank),
        "effective_rank": _log(effective),
        "effective_share": effective / rank if rank else 0.0,
        "up": _mean_log(layers, "up"),
        "down": _mean_log(layers, "down"),
        "down_rank": _down_rank(layers),
        "cross": cross / total if total else 0.0,
        "concentration": _top(energies, total),
    }


def judgement_of(file: AdapterFile) -> dict[str, Any] | None:
    """Return what the size of a LoRA says of its fate, with how often it is right.

    None where it was never tried: on other bases, for other kinds, with text encoders.
    """
    kinds = {each.kind for each in file.layers}
    parts = {each.place.part for each in file.layers}
    if file.family.name != FAMILY or kinds != {"lora"} or parts != {"unet"}:
        return None
    if any(each.not_finite for each in file.layers):
        return None
    size = math.exp(facts_of(file)["size"])
    is_broken = size > BROKEN_ABOVE
    (found, broken), (spared, others) = TOLD["broken"], TOLD["others"]
    verdict = "broken" if is_broken else "not broken"
    return {
        "broken": is_broken,
        "size": size,
        "threshold": BROKEN_ABOVE,
        "sentence": (
            f"{verdict}: the root mean square of ΔW is {size:.2g}, and {BROKEN_ABOVE:.2g} divides "
            f"them; on pocket styles left out this was right for {found} of {broken} broken "
            f"adapters and {spared} of {others} others. Whether it is overtrained, its file does "
            "not tell."
        ),
    }


def _top(energies: np.ndarray[tuple[int], np.dtype[np.float64]], total: float) -> float:
    count = max(1, len(energies) // 10)
    return float(energies[:count].sum() / total) if total else 0.0


def _shape(layer: InspectedLayer) -> tuple[int, int]:
    assert layer.change is not None
    return layer.change.shape


def _size(layer: InspectedLayer) -> float:
    return _log(math.sqrt((layer.energy or 0.0) / math.prod(_shape(layer))))


def _log(number: float) -> float:
    return math.log(number) if number > 1e-9 and math.isfinite(number) else _NOTHING


def _mean_log(layers: list[InspectedLayer], side: str) -> float:
    found = [_log(float(np.sqrt(np.mean(np.square(getattr(e.change, side)))))) for e in layers]
    return float(np.mean(found)) if found else _NOTHING


def _down_rank(layers: list[InspectedLayer]) -> float:
    """Return the mean share of directions that the down factors use: 1 for a fresh one."""
    shares = []
    for layer in layers:
        assert isinstance(layer.change, Product)
        gram = layer.change.down @ layer.change.down.T
        fourth = float(np.sum(gram * gram, dtype=np.float64))
        if fourth > 0 and math.isfinite(fourth):
            shares.append(float(np.trace(gram)) ** 2 / fourth / len(gram))
    return float(np.mean(shares)) if shares else 0.0
