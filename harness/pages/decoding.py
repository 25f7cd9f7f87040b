"""The rules by which pictures are read: what becomes of transparent, animated or huge ones."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from harness.interfaces import Page


class Reading(Page):
    """What becomes of pictures that are transparent, animated, huge, tiny or repeated."""

    transparent: Literal["white", "black", "drop"] = "white"
    """The background of a picture that is not opaque; drop leaves the picture out."""
    animated: Literal["first", "drop"] = "first"
    """What becomes of a picture with several frames: take the first, or drop the picture."""
    megapixels: Annotated[float, Field(gt=0, le=178)] = 178.0
    """A picture with more megapixels is left out, before it is decoded."""
    smallest: Annotated[int, Field(ge=1)] = 8
    """Pixels that the shorter side must have at least; eight make one of a latent."""
    duplicates: Literal["keep", "same-file", "same-pixels"] = "keep"
    """Leave out a picture with the same file, or the same pixels, as an earlier one."""
    near_duplicates: Annotated[int, Field(ge=0, le=11)] | None = None
    """Leave out what differs from a picture before it in so many bits of its dhash, of 64."""
