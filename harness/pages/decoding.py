"""The rules by which pictures are read: what becomes of those that are not plain ones."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from harness.interfaces import Page


class Reading(Page):
    """What becomes of pictures that are not plain ones; each kind is counted by its name."""

    transparent: Literal["white", "black", "drop"] = "white"
    """What shows through a picture that is not opaque, or that it is left out."""
    animated: Literal["first", "drop"] = "first"
    """Take the first frame of several, or none."""
    megapixels: Annotated[float, Field(gt=0, le=178)] = 178.0
    """A picture with more is left out by what its head says, before anything is decoded."""
    smallest: Annotated[int, Field(ge=1)] = 8
    """Pixels that the shorter side has at least; eight are one of a latent."""
    duplicates: Literal["keep", "same-file", "same-pixels"] = "keep"
    """Leave out what is the same file, or shows the same pixels, as a picture before it."""
    near_duplicates: Annotated[int, Field(ge=0, le=11)] | None = None
    """Leave out what differs from a picture before it in so many bits of its dhash, of 64."""
