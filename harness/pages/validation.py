"""Pictures that a recipe trains on and others that it does not, for the loss probe.

Nothing here changes the weights, so it is in no key of a training. Only `share` changes which
rows are trained on, and with them the keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from harness import plugins
from harness.conflicts import Conflict, refuse
from harness.interfaces import Page
from harness.pages.split import Split

Side = Literal["trained", "held-out"]


class Validation(Page):
    """What the loss probe asks about; with neither share nor source, `part: train` holds out."""

    share: Annotated[float, Field(gt=0, le=0.5)] | None = None
    """The share of the rows that is held out of training, by a digest of their ids. It changes what
    is trained on."""
    source: plugins.Source | None = None
    """Pictures of the same kind that no phase trains on. They are not curated."""
    rows: Annotated[int, Field(ge=8, le=4096)] = 32
    """How many pictures are asked about at most: of those trained on, and of those held out."""
    timesteps: Annotated[int, Field(ge=1, le=100)] = 4
    """How many timesteps every picture is asked about, spread evenly."""
    noises: Annotated[int, Field(ge=1, le=16)] = 1
    """How many noises every picture is asked about at each timestep."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.share is not None and self.source is not None:
            refuse([Conflict(("source",), "and share exclude each other")])
        return self

    @property
    def names_rows(self) -> bool:
        """Return whether it says by itself which rows are held out."""
        return self.share is not None or self.source is not None


class HeldShare(Page):
    """A share of the rows is held out; which side of it is wanted."""

    share: float
    side: Side


def conflicts(
    validation: Validation | None, every: int | None, steps: int, parts: Set[Split]
) -> Iterator[Conflict]:
    """Yield what is wrong with a recipe's validation; `parts` are those that its phases learn."""
    holds_out = parts == {"train"}
    if validation is not None and not (validation.names_rows or holds_out):
        message = "holds nothing out: give it share or source, or say data.part: train"
        yield Conflict(("train", "validation"), message)
    if every is not None and validation is None and not holds_out:
        message = "needs pictures that are held out: add train.validation"
        yield Conflict(("train", "validate_every"), message)
    if every is not None and every > steps:
        message = f"({every}) is more than there are steps ({steps})"
        yield Conflict(("train", "validate_every"), message)
