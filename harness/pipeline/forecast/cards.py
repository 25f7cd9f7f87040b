"""The machines that a forecast can be made for, by name.

Memory is what a program can have of it. Speeds are sustained over the UNet's own work and lie
far under what a data sheet says; all but the CPU's are estimates until someone measures them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from harness.diffusion.memory import CPU_BUDGET, CUDA_SHARE
from harness.errors import UsageError
from harness.pages.recipe import Recipe
from harness.pocket import is_pocket

GB = 10**9


@dataclass(frozen=True)
class Card:
    """One device: what it holds and how fast it counts."""

    name: str
    title: str
    memory: int
    """Bytes."""
    training: float
    """FLOPs a second in half precision, over a forward and backward pass."""
    sampling: float
    """The same over forward passes alone."""
    single: float
    """The share of it that is left in fp32."""
    launch: float
    """Seconds that one forward pass of SDXL's UNet takes even where there is nothing to count."""
    has_bf16: bool = True

    @property
    def is_cpu(self) -> bool:
        return self.name == "cpu"

    @property
    def budget(self) -> int:
        """Return the bytes that the training loop makes its passes fit into."""
        return CPU_BUDGET if self.is_cpu else int(CUDA_SHARE * self.memory)


def _gpu(
    name: str,
    title: str,
    gigabytes: float,
    teraflops: float,
    single: float,
    launch: float = 0.06,
    has_bf16: bool = True,
) -> Card:
    speed = teraflops * 1e12
    return Card(name, title, int(gigabytes * GB), speed, speed, single, launch, has_bf16)


CARDS = {
    card.name: card
    for card in (
        _gpu("t4", "T4", 15.0, 20, 0.2, launch=0.1, has_bf16=False),
        _gpu("l4", "L4", 22.5, 35, 0.4),
        _gpu("4090", "RTX 4090", 24.0, 55, 0.45),
        _gpu("a100", "A100 80 GB", 80.0, 110, 0.45),
        _gpu("a100-40", "A100 40 GB", 40.0, 110, 0.45),
        _gpu("a100-20", "A100 20 GB (three sevenths of one)", 20.0, 45, 0.45),
        _gpu("h200", "H200", 141.0, 190, 0.45, launch=0.045),
        # Two cores, measured on pocket/sdxl: 0.012 s a training sample, 0.008 s a sampler step.
        Card("cpu", "CPU with two cores", 8 * GB, 6.8e10, 1.02e11, 1.0, 0.0, has_bf16=False),
    )
}


def card_named(name: str) -> Card:
    """Return the card of that name."""
    if name not in CARDS:
        raise UsageError(f"there is no card {name!r} here", hint=f"known: {', '.join(CARDS)}")
    return CARDS[name]


def card_for(recipe: Recipe) -> Card:
    """Return the card a recipe names in its `hardware`; the CPU for the pocket, else a T4."""
    if is_pocket(recipe.base.model):
        return CARDS["cpu"]
    return _mentioned(recipe.hardware or "") or CARDS["t4"]


def card_at_hand(name: str, memory: int) -> Card:
    """Return the card that calls itself `name`, with the memory it has; an A100's speed if unknown.

    The memory is the device's own, so that shares of a card count as what they are.
    """
    known = _mentioned(name)
    if known is not None:
        return replace(known, title=name, memory=memory)
    return replace(CARDS["a100"], name="cuda", title=name, memory=memory)


def _mentioned(text: str) -> Card | None:
    words = re.split(r"[^a-z0-9]+", text.lower())
    return next((CARDS[word] for word in words if word in CARDS), None)
