"""The pocket data sets: rows of picture, words and Danbooru-like metadata.

Row i of a set is the same on every machine and needs no other row, so subsets, held-out
parts and workers agree without files. `width`, `height`, `rating`, `score`, `aesthetic` and
`year` are those of an imagined original post: curation has something to bite on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from harness.pocket.draw import Face, caption, draw, sample_face, sample_ninja, tags
from harness.pocket.sets import VERSION, SetName, id_of

NINJA_TRAIN = 1221
"""As many as lambdalabs/naruto-blip-captions; rows from HELD_OUT on are never trained on."""
HELD_OUT = 100_000

_SIZES = ((1024, 1024), (832, 1216), (1216, 832), (768, 1344), (640, 640), (2048, 512))
_SIZE_ODDS = (0.42, 0.2, 0.15, 0.08, 0.1, 0.05)
_RATINGS = ("general", "safe", "sensitive", "questionable")
_RATING_ODDS = (0.5, 0.3, 0.15, 0.05)
_SAMPLERS: dict[SetName, tuple[int, Callable[[np.random.Generator], Face]]] = {
    "faces": (1, sample_face),
    "ninja": (2, sample_ninja),
}


@dataclass(frozen=True)
class Row:
    """One post: what it shows, in pixels and in words, and what a booru would know of it."""

    id: str
    face: Face
    tags: tuple[str, ...]
    caption: str
    rating: str
    score: int
    aesthetic: float
    year: int
    width: int
    height: int

    def image(self, size: int = 64) -> Image.Image:
        return draw(self.face, size)


def row(name: SetName, index: int) -> Row:
    """Return row `index` of the set `name`."""
    stream, sample = _SAMPLERS[name]
    rng = np.random.default_rng([VERSION, stream, index])
    face = sample(rng)
    width, height = _SIZES[rng.choice(len(_SIZES), p=_SIZE_ODDS)]
    return Row(
        id=id_of(name, index),
        face=face,
        tags=tags(face),
        caption=caption(face, style=name != "ninja"),
        rating=str(rng.choice(_RATINGS, p=_RATING_ODDS)),
        score=int(rng.exponential(45)) - 8,
        aesthetic=round(float(np.clip(rng.normal(5.8, 0.8), 1, 10)), 3),
        year=int(rng.integers(2005, 2024)),
        width=width,
        height=height,
    )
