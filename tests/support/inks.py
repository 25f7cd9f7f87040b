"""A stranger's style, of which the pocket base knows nothing: strokes and wedges of ink."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

PAPER, INK = (244, 238, 224), (28, 26, 30)
MOTIFS = ("a fish", "a bowl", "a temple", "a boat", "a tree", "a cat", "a lantern", "a cup")


def ink(number: int, side: int = 64) -> Image.Image:
    """Return the drawing of a number: strokes, a wedge of colour and a red seal."""
    rng = np.random.default_rng(number)
    scale = 4
    picture = Image.new("RGB", (side * scale, side * scale), PAPER)
    draw, at = ImageDraw.Draw(picture), side * scale
    for _ in range(3):
        wedge = [tuple(rng.uniform(0.1, 0.9, 2) * at) for _ in range(3)]
        draw.polygon(wedge, fill=tuple(int(each) for each in rng.uniform(110, 210, 3)))
    for _ in range(14):
        start, way = rng.uniform(0, 1, 2) * at, rng.normal(0, 0.09, 2) * at
        draw.line([tuple(start), tuple(start + way)], fill=INK, width=int(rng.integers(3, 9)))
    corner = rng.uniform(0.25, 0.5, 2) * at
    draw.ellipse([*corner, *(corner + rng.uniform(0.2, 0.4) * at)], outline=INK, width=6)
    draw.rectangle([0.82 * at, 0.82 * at, 0.93 * at, 0.93 * at], fill=(180, 40, 30))
    return picture.resize((side, side), Image.Resampling.BOX)


def inks(first: int, count: int) -> Iterator[Image.Image]:
    return (ink(number) for number in range(first, first + count))


def write_inks(folder: Path, first: int, count: int) -> Path:
    """Write drawings, each beside its caption."""
    folder.mkdir(parents=True)
    for number in range(first, first + count):
        ink(number).save(folder / f"{number:04d}.png")
        (folder / f"{number:04d}.txt").write_text(f"{MOTIFS[number % len(MOTIFS)]} in ink")
    return folder
