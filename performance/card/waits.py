"""How often a piece of work waits for the device, and where: each wait lets the device run dry."""

from __future__ import annotations

import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from card.figures import Context, Figure, attempt

READINGS = ("_local_scalar_dense", "nonzero", "masked_select", "_unique2", "bincount")
"""Operations that must know numbers of the device before the program can go on."""
WARNING = "called a synchronizing CUDA operation"
OURS = ("harness", "performance", "diffusers", "transformers", "prodigyopt", "optim")
"""Folders that a place is told in; a library below them only does what they ask."""


def counted(context: Context, part: str, name: str, work: Callable[[], object]) -> Iterator[Figure]:
    """Yield how often `work` waits, which has run before; an error is a figure with a reason."""
    yield from attempt(context, part, name, lambda: _counted(context, part, name, work))


def _counted(
    context: Context, part: str, name: str, work: Callable[[], object]
) -> Iterator[Figure]:
    places = waits(work) if context.device == "cpu" else _waits_on_card(work)
    words = ", ".join(f"{count} in {place}" for place, count in places.most_common(4))
    facts = {"places": dict(places.most_common(20)), "note": words or "it waits for nothing"}
    yield Figure(part, name, float(places.total()), "waits a step", facts)


def _waits_on_card(work: Callable[[], object]) -> Counter[str]:
    """Return the places where CUDA itself says that it waits."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            work()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return Counter(_place(each.filename, each.lineno) for each in caught if _is_wait(each))


def _is_wait(each: warnings.WarningMessage) -> bool:
    return WARNING in str(each.message)


def waits(work: Callable[[], object]) -> Counter[str]:
    """Return the places where `work` reads numbers of tensors, on any device.

    `tolist` is not seen on a CPU, where it starts no operation.
    """
    with Readings() as readings:
        work()
    return readings.places


class Readings(TorchDispatchMode):
    """Notes the place of every operation that reads numbers of a tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.places: Counter[str] = Counter()

    def __torch_dispatch__(
        self,
        operation: Any,
        types: Any,
        words: tuple[Any, ...] = (),
        options: dict[str, Any] | None = None,
    ) -> Any:
        if any(reading in str(operation) for reading in READINGS):
            stack = traceback.extract_stack()[:-1]
            frames = [(each.filename, each.lineno) for each in stack if each.filename != __file__]
            own = [frame for frame in frames if set(Path(frame[0]).parts[:-1]) & set(OURS)]
            file, line = (own or frames)[-1]
            self.places[_place(file, line or 0)] += 1
        return operation(*words, **(options or {}))


def _place(file: str, line: int) -> str:
    return f"{'/'.join(Path(file).parts[-2:])}:{line}"
