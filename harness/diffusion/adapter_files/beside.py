"""The change of a layer beside the weights of its base, for every kind that is known.

Kinds that add have one change, whatever the base. Kinds that multiply rotate the outputs of a layer
(OFT of sd-scripts and LyCORIS), its inputs (OFT of PEFT), or scale either ((IA)³).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from harness.diffusion.adapter_files.factors import change_of, flat
from harness.diffusion.adapter_files.keys import NAMES
from harness.diffusion.adapter_files.tensors import Array

ADDING = ("lora", "loha", "lokr", "full", "bias")
MULTIPLYING = ("oft", "oft-input", "ia3", "ia3-peft")
_TERMS = 5
"""Terms of the Neumann series that PEFT takes for a rotation, unless it is told to be exact."""


@dataclass(frozen=True)
class WeightChange:
    """What an adapter does to one layer, by the tensors of its file."""

    kind: str
    roles: Mapping[str, Array]
    scale: float = 1.0
    exact: bool = False
    """Of PEFT's OFT: rotate exactly, not by the first terms of a series."""

    def require_fit(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError if a layer of this shape cannot be changed so."""
        if self.kind not in (*ADDING, *MULTIPLYING):
            raise ValueError(f"{NAMES.get(self.kind, self.kind)} is not supported")
        if "magnitude" in self.roles:
            raise ValueError(f"it is a DoRA of {NAMES[self.kind]}, which is not supported")
        out, into = shape[0], math.prod(shape[1:])
        if self.kind in ("loha", "lokr", "lora", "full"):
            change = change_of(self.kind, self.roles, self.scale)
            if change is not None and change.shape != (out, into):
                a, b = change.shape
                raise ValueError(f"a layer of {out} × {into} met a change of {a} × {b}")
        self._require_bias(out)
        if self.kind in _REQUIRE:
            _REQUIRE[self.kind](self.roles, shape)

    def _require_bias(self, out: int) -> None:
        if "diff_b" in self.roles and self.roles["diff_b"].size != out:
            raise ValueError(f"{self.roles['diff_b'].size} changes of a bias met {out} outputs")

    def of(self, weight: Array, bias: Array | None) -> tuple[Array, Array | None]:
        """Return what is added to a layer's weight, and to its bias."""
        if self.kind == "bias":
            return np.zeros_like(weight), self.roles["diff_b"].reshape(-1)
        if self.kind in ADDING:
            change = change_of(self.kind, self.roles, self.scale)
            assert change is not None
            extra = self.roles.get("diff_b")
            return change.dense().reshape(weight.shape), None if extra is None else extra.ravel()
        multiply = {
            "oft": _rotate_outputs,
            "oft-input": self._rotate_inputs,
            "ia3": _scale_either,
            "ia3-peft": _scale_either,
        }[self.kind]
        return multiply(self.roles, weight, bias)

    def _rotate_inputs(
        self, roles: Mapping[str, Array], weight: Array, bias: Array | None
    ) -> tuple[Array, None]:
        """Return W·Rᵀ − W: PEFT rotates the rows x of y = xWᵀ to xR before the layer sees them."""
        packed = roles["oft_R"]
        size = _side(packed.shape[1])
        rotation = (
            rotation_of_series(skew(packed, size))
            if not self.exact
            else cayley(-skew(packed, size))
        )
        count = weight.shape[1] // size
        if len(rotation) == 1:
            rotation = np.repeat(rotation, count, axis=0)
        cut = weight.reshape(len(weight), count, size)
        turned = np.einsum("okc,krc->okr", cut, rotation).reshape(weight.shape)
        return turned - weight, None


def _require_blocks(roles: Mapping[str, Array], shape: tuple[int, ...]) -> None:
    blocks = roles["oft_blocks"]
    if blocks.ndim == 4:
        raise ValueError("BOFT is not supported")
    if blocks.ndim != 3 or blocks.shape[1] != blocks.shape[2]:
        raise ValueError(f"its blocks of {blocks.shape} are no rotations")
    if blocks.shape[0] * blocks.shape[1] != shape[0]:
        raise ValueError(f"{len(blocks)} blocks of {blocks.shape[1]} met {shape[0]} outputs")
    if "rescale" in roles and roles["rescale"].size != shape[0]:
        raise ValueError(f"{roles['rescale'].size} scales met {shape[0]} outputs")


def _require_packed(roles: Mapping[str, Array], shape: tuple[int, ...]) -> None:
    packed = roles["oft_R"]
    if len(shape) != 2:
        raise ValueError("PEFT's OFT of a convolution is not supported")
    if packed.ndim != 2 or (size := _side(packed.shape[1])) == 0:
        raise ValueError(f"its rotations of {packed.shape} are no triangles")
    if len(packed) not in (1, shape[1] // size) or shape[1] % size:
        raise ValueError(f"{len(packed)} rotations of {size} met {shape[1]} inputs")


def _require_scales(roles: Mapping[str, Array], shape: tuple[int, ...]) -> None:
    values, on_input = _scales(roles, shape)
    wanted = shape[1] if on_input else shape[0]
    if values.size != wanted:
        side = "inputs" if on_input else "outputs"
        raise ValueError(f"{values.size} scales met {wanted} {side}")


_REQUIRE: dict[str, Callable[[Mapping[str, Array], tuple[int, ...]], None]] = {
    "oft": _require_blocks,
    "oft-input": _require_packed,
    "ia3": _require_scales,
    "ia3-peft": _require_scales,
}
"""What a layer must be like for a kind that multiplies."""


def _side(count: int) -> int:
    """Return the side of a skew matrix with so many numbers above its diagonal; 0 for none."""
    side = (1 + math.isqrt(1 + 8 * count)) // 2
    return side if side * (side - 1) // 2 == count and count else 0


def skew(packed: Array, size: int) -> Array:
    """Return the skew-symmetric matrices whose numbers above the diagonal are given row by row."""
    full = np.zeros((len(packed), size, size), np.float32)
    rows, columns = np.triu_indices(size, 1)
    full[:, rows, columns] = packed
    result: Array = full - full.transpose(0, 2, 1)
    return result


def cayley(skewed: Array) -> Array:
    """Return (I + Q)(I − Q)⁻¹, which is orthogonal."""
    one = np.eye(skewed.shape[-1])
    wide = skewed.astype(np.float64)
    turned: Array = ((one + wide) @ np.linalg.inv(one - wide)).astype(np.float32)
    return turned


def rotation_of_series(skewed: Array) -> Array:
    """Return I + 2Q + 2Q² + … + Qⁿ with PEFT's number of terms; its last term has no 2."""
    wide = skewed.astype(np.float64)
    total, power = np.eye(wide.shape[-1]) + 2 * wide, wide
    for term in range(2, _TERMS):
        power = power @ wide
        total = total + (1 if term == _TERMS - 1 else 2) * power
    turned: Array = total.astype(np.float32)
    return turned


def _rotate_outputs(
    roles: Mapping[str, Array], weight: Array, bias: Array | None
) -> tuple[Array, None]:
    """Return R applied to the rows of W, block by block, minus W (arXiv:2306.07280)."""
    blocks = roles["oft_blocks"]
    skewed = blocks - blocks.transpose(0, 2, 1)
    most = float(roles["alpha"].reshape(())) * len(weight) if "alpha" in roles else 0.0
    length = float(np.linalg.norm(skewed)) + 1e-8
    if 0 < most < length:
        skewed = skewed * np.float32(most / length)
    rows = flat(weight).reshape(len(blocks), blocks.shape[1], -1)
    turned = np.einsum("knm,kni->kmi", cayley(skewed), rows).reshape(weight.shape)
    if "rescale" in roles:
        turned = turned * roles["rescale"].reshape(-1, *(1,) * (weight.ndim - 1))
    return turned - weight, None


def _scales(roles: Mapping[str, Array], shape: tuple[int, ...]) -> tuple[Array, bool]:
    """Return what a layer is scaled by, less 1, and whether its inputs are."""
    if "on_input" in roles:
        return roles["weight"].reshape(-1), bool(float(roles["on_input"].reshape(())))
    values = roles["ia3_l"]
    # Linear: 1 × inputs, or outputs × 1. Convolution: 1 × outputs × 1 × 1 unless only inputs fit.
    is_column = values.ndim == 2 and values.shape[1] == 1
    if values.ndim == 2:
        return values.reshape(-1) - 1, not is_column
    return values.reshape(-1) - 1, values.size != shape[0]


def _scale_either(
    roles: Mapping[str, Array], weight: Array, bias: Array | None
) -> tuple[Array, Array | None]:
    """Return the change of scaled inputs or outputs; PEFT scales the bias of outputs too."""
    values, on_input = _scales(roles, weight.shape)
    if on_input:
        return weight * values.reshape(1, -1, *(1,) * (weight.ndim - 2)), None
    change = weight * values.reshape(-1, *(1,) * (weight.ndim - 1))
    return change, None if bias is None or "on_input" in roles else bias * values
