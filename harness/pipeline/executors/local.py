"""One machine, one step after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.records import Step


def local(steps: Sequence[Step], make: Callable[[Step], None]) -> None:
    """Make every step in order; a step's inputs stand before it."""
    for step in steps:
        make(step)
