"""The change ΔW of a layer through its small factors: its energy, its rank in effect, its overlap.

Energy is ‖ΔW‖², the sum of squares. ΔW itself is never made where its factors tell the same:
‖s·BA‖² = s²·tr(BᵀB·AAᵀ), which needs r × r numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from harness.diffusion.adapter_files.tensors import Array

MOST_PAIRS = 64
"""Up to this rank the product of two products is kept as one product of as many columns."""


@dataclass(frozen=True)
class Product:
    """ΔW = scale · up · down."""

    up: Array
    down: Array
    scale: float

    @property
    def shape(self) -> tuple[int, int]:
        return self.up.shape[0], self.down.shape[1]

    @cached_property
    def _grams(self) -> tuple[Array, Array]:
        return self.up.T @ self.up, self.down @ self.down.T

    @cached_property
    def energy(self) -> float:
        of_up, of_down = self._grams
        return self.scale**2 * max(0.0, float(np.sum(of_up * of_down, dtype=np.float64)))

    @cached_property
    def fourth(self) -> float | None:
        """Return the sum of the fourth powers of ΔW's singular values."""
        of_up, of_down = self._grams
        both = of_up.astype(np.float64) @ of_down
        return self.scale**4 * float(np.sum(both * both.T))

    def inner(self, other: Product) -> float:
        """Return the inner product of two changes of one layer."""
        across = (self.up.T @ other.up) * (self.down @ other.down.T)
        return self.scale * other.scale * float(np.sum(across, dtype=np.float64))

    def dense(self) -> Array:
        product: Array = np.float32(self.scale) * (self.up @ self.down)
        return product


@dataclass(frozen=True)
class Kron:
    """ΔW = scale · first ⊗ second, where either factor may be a product itself."""

    first: Product
    second: Product
    scale: float

    @property
    def shape(self) -> tuple[int, int]:
        (a, b), (c, d) = self.first.shape, self.second.shape
        return a * c, b * d

    @cached_property
    def energy(self) -> float:
        return self.scale**2 * self.first.energy * self.second.energy

    @cached_property
    def fourth(self) -> float | None:
        one, other = self.first.fourth, self.second.fourth
        return None if one is None or other is None else self.scale**4 * one * other

    def dense(self) -> Array:
        return kron(self.first.dense(), self.second.dense(), self.scale)


@dataclass(frozen=True)
class Dense:
    """ΔW = scale · first ∘ second, number by number; or `first` alone."""

    first: Product | Array
    second: Product | None = None
    scale: float = 1.0

    @property
    def shape(self) -> tuple[int, int]:
        return self.first.shape

    @cached_property
    def energy(self) -> float:
        if self.second is None:
            flat = self.dense()
            return float(np.sum(flat * flat, dtype=np.float64))
        rows = range(0, self.shape[0], 256)
        return sum(float(np.sum(self._rows(at) ** 2, dtype=np.float64)) for at in rows)

    fourth: None = None
    """Its singular values would need ΔW itself."""

    def _rows(self, at: int) -> Array:
        assert isinstance(self.first, Product)
        assert self.second is not None
        each = [
            factor.scale * (factor.up[at : at + 256] @ factor.down)
            for factor in (self.first, self.second)
        ]
        rows: Array = np.float32(self.scale) * each[0] * each[1]
        return rows

    def dense(self) -> Array:
        if isinstance(self.first, Product):
            return np.concatenate([self._rows(at) for at in range(0, self.shape[0], 256)])
        flat: Array = np.float32(self.scale) * self.first
        return flat


Change = Product | Kron | Dense


def inner(one: Change, other: Change) -> float:
    """Return the inner product of two changes of one layer, through factors where both have."""
    if isinstance(one, Product) and isinstance(other, Product):
        return one.inner(other)
    if isinstance(one, Kron) and isinstance(other, Kron) and one.first.shape == other.first.shape:
        product = one.first.inner(other.first) * one.second.inner(other.second)
        return one.scale * other.scale * product
    return float(np.sum(one.dense() * other.dense(), dtype=np.float64))


def kron(first: Array, second: Array, scale: float) -> Array:
    (a, b), (c, d) = first.shape, second.shape
    blocks = np.float32(scale) * first[:, None, :, None] * second[None, :, None, :]
    return blocks.reshape(a * c, b * d)


def effective_rank(change: Change) -> float | None:
    """Return (Σσ²)² / Σσ⁴: how many directions share the energy; None without any."""
    fourth = change.fourth
    if not fourth or not math.isfinite(fourth):
        return None
    return change.energy**2 / fourth


def flat(tensor: Array) -> Array:
    """Return a matrix: of a convolution, one row an output."""
    return tensor.reshape(len(tensor), -1) if tensor.ndim else tensor.reshape(1, 1)


def whole(matrix: Array) -> Product:
    """Return a matrix as a product, with the smaller side as its rank."""
    out, into = matrix.shape
    if out <= into:
        return Product(np.eye(out, dtype=np.float32), matrix, 1.0)
    return Product(matrix, np.eye(into, dtype=np.float32), 1.0)


def change_of(kind: str, roles: Mapping[str, Array], scale: float) -> Change | None:
    """Return the change of a layer; None if it depends on the base's own weights.

    Raise ValueError if its tensors do not fit each other.
    """
    if kind in ("lora", "dora"):
        return _lora(roles, scale)
    if kind == "loha":
        return _loha(roles, scale)
    if kind == "lokr":
        return _lokr(roles, scale)
    if kind == "full":
        return Dense(flat(roles["diff"]))
    if kind in ("bias", "norm"):
        return Dense(roles["diff_b" if kind == "bias" else "w_norm"].reshape(-1, 1))
    return None


def _lora(roles: Mapping[str, Array], scale: float) -> Product:
    up, down = roles["up"], roles["down"]
    if "mid" in roles:
        mid = roles["mid"]
        if mid.ndim != 4 or mid.shape[:2] != (up.shape[1], down.shape[0]):
            raise ValueError(f"its middle of {mid.shape} fits no {up.shape} by {down.shape}")
        joined = np.einsum("rskl,si->rikl", mid, flat(down))
        return Product(flat(up), flat(joined), scale)
    if up.ndim not in (2, 4) or down.ndim not in (2, 4) or not 0 < down.shape[0] == up.shape[1]:
        raise ValueError(f"{up.shape} by {down.shape} is no LoRA")
    return Product(flat(up), flat(down), scale)


def _loha(roles: Mapping[str, Array], scale: float) -> Change:
    first, second = (_half(roles, "hada", number) for number in (1, 2))
    if first.shape != second.shape:
        raise ValueError(f"its halves have the shapes {first.shape} and {second.shape}")
    ranks = first.up.shape[1] * second.up.shape[1]
    if ranks > MOST_PAIRS:
        return Dense(first, second, scale)
    up = (first.up[:, :, None] * second.up[:, None, :]).reshape(len(first.up), ranks)
    down = (first.down[:, None, :] * second.down[None, :, :]).reshape(ranks, -1)
    return Product(up, down, scale)


def _lokr(roles: Mapping[str, Array], scale: float) -> Kron:
    return Kron(_half(roles, "lokr", 1), _half(roles, "lokr", 2), scale)


def _half(roles: Mapping[str, Array], kind: str, number: int) -> Product:
    """Return one half of a LoHa or LoKr: a whole matrix, a product, or one with a Tucker core."""
    name = f"{kind}_w{number}"
    if name in roles:
        return whole(flat(roles[name]))
    up, down = roles[f"{name}_a"], roles[f"{name}_b"]
    core = roles.get(f"{kind}_t{number}")
    if core is not None:
        return _tucker(core, up, down)
    if up.ndim != 2 or down.ndim != 2 or not 0 < up.shape[1] == down.shape[0]:
        raise ValueError(f"its {name} of {up.shape} by {down.shape} is no product")
    return Product(up, down, 1.0)


def _tucker(core: Array, up: Array, down: Array) -> Product:
    """Return Σ core[i, j, k, l] · up[i, p] · down[j, q] as one row an output p."""
    if core.ndim != 4 or core.shape[:2] != (up.shape[0], down.shape[0]):
        raise ValueError(f"its core of {core.shape} fits no {up.shape} and {down.shape}")
    joined = np.einsum("ijkl,jq->iqkl", core, down)
    return Product(up.T, joined.reshape(len(joined), -1), 1.0)


def rank_of(kind: str, roles: Mapping[str, Array]) -> int | None:
    """Return the rank of a layer as its trainer counts it; None if its kind has none."""
    if kind in ("lora", "dora"):
        return int(roles["down"].shape[0])
    if kind == "loha":
        return int(roles["hada_w1_b"].shape[0])
    if kind == "lokr":
        halves = [roles[name] for name in ("lokr_w2_b", "lokr_w1_b") if name in roles]
        return int(halves[0].shape[0]) if halves else None
    return None
