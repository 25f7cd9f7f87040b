"""Weights that are not finite: one of them turns every image into nothing, so none is used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, dtype, isfinite

from harness.errors import TrainingError


def refuse_not_finite(file: Path, tensors: Mapping[str, Tensor]) -> None:
    """Refuse a file whose numbers are not all finite, by the names of its tensors."""
    bad = [name for name, tensor in tensors.items() if not is_finite(tensor)]
    if bad:
        shown = ", ".join(name[:90] for name in bad[:3])
        more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
        raise TrainingError(
            f"{len(bad)} of the {len(tensors)} tensors in {file} are not finite: {shown}{more}",
            hint="its training has diverged, or the file is damaged",
        )


def is_finite(tensor: Tensor) -> bool:
    if not tensor.is_floating_point():
        return True
    wide = tensor.float() if tensor.element_size() < 2 else tensor  # no such test of eight bits
    return bool(isfinite(wide).all())


def in_precision(tensor: Tensor, precision: dtype, name: str) -> Tensor:
    """Return a finite tensor in another precision; refuse one whose numbers it cannot hold."""
    cast = tensor.to(precision)
    if not is_finite(cast):
        kind = str(precision).removeprefix("torch.")
        raise TrainingError(
            f"{name} holds numbers that are too large for {kind}",
            hint="sampler.precision: fp32 holds them",
        )
    return cast
