"""Styles to learn: the pocket world's faces, redrawn by one rule a style."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from harness.files import write_text
from harness.pocket.world import HELD_OUT, row

PICTURES = 96
"""Pictures of each style; the first `TRAINED` may be trained on."""
TRAINED = 64
Redraw = Callable[[Image.Image], Image.Image]


def _sketch(image: Image.Image) -> Image.Image:
    edges = ImageOps.invert(ImageOps.grayscale(image).filter(ImageFilter.FIND_EDGES))
    return ImageOps.autocontrast(edges, cutoff=2).convert("RGB")


def _mosaic(image: Image.Image) -> Image.Image:
    small = image.resize((16, 16), Image.Resampling.BOX)
    return small.resize(image.size, Image.Resampling.NEAREST)


def _swapped(image: Image.Image) -> Image.Image:
    red, green, blue = image.split()
    return Image.merge("RGB", (green, blue, red))


def _toned(dark: str, light: str) -> Redraw:
    return lambda image: ImageOps.colorize(ImageOps.grayscale(image), dark, light)


def _scanlines(image: Image.Image) -> Image.Image:
    pixels = np.array(image)
    pixels[::4] //= 3
    return Image.fromarray(pixels)


def _washed(image: Image.Image) -> Image.Image:
    soft = image.filter(ImageFilter.ModeFilter(5)).filter(ImageFilter.SMOOTH)
    return Image.blend(soft, Image.new("RGB", image.size, "white"), 0.35)


def _framed(image: Image.Image) -> Image.Image:
    return ImageOps.expand(ImageOps.crop(image, 8), 8, "#c02030")


def _unchanged(image: Image.Image) -> Image.Image:
    return image


STYLES: dict[str, Redraw] = {
    "ninja": _unchanged,
    "sketch": _sketch,
    "mosaic": _mosaic,
    "swapped": _swapped,
    "negative": ImageOps.invert,
    "sepia": _toned("#2b1708", "#ffe9c0"),
    "blueprint": _toned("#0b2d6b", "#dfefff"),
    "poster": lambda image: ImageOps.posterize(image, 1),
    "scanlines": _scanlines,
    "washed": _washed,
    "framed": _framed,
    "upside-down": ImageOps.flip,
}


def write_style(name: str, folder: Path) -> None:
    """Write the pictures of a style, each with its caption beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(PICTURES):
        first = HELD_OUT if index >= TRAINED else 0
        one = row("ninja" if name == "ninja" else "faces", first + index)
        STYLES[name](one.image()).save(folder / f"{index:03d}.png")
        write_text(folder / f"{index:03d}.txt", one.caption)
