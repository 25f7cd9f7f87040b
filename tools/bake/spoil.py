"""Deliberate defects, for teaching the aesthetic classifier what is wrong with a picture."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from harness.data.opening import image_of
from harness.pocket.draw import Face, draw

Pixels = NDArray[np.uint8]
_Spoiler = Callable[[Image.Image, np.random.Generator], Image.Image]


def spoil(face: Face, rng: np.random.Generator) -> Image.Image:
    """Return `face` drawn with one defect, chosen and sized by `rng`."""
    spoiler = _SPOILERS[int(rng.integers(len(_SPOILERS)))]
    return spoiler(draw(face), rng)


def blur(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(float(rng.uniform(1.2, 3.0))))


def jpeg(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=int(rng.integers(2, 12)))
    return image_of(buffer.getvalue()).convert("RGB")


def _noise(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    pixels = np.asarray(image, np.float64) + rng.normal(0, rng.uniform(20, 70), (64, 64, 3))
    return _picture(pixels)


def _swirl(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Broken anatomy: the face's middle twisted, so that eyes and mouth leave their places."""
    rows, columns = np.mgrid[0:64, 0:64].astype(np.float64)
    x, y = columns - rng.uniform(26, 38), rows - rng.uniform(28, 42)
    angle = rng.choice([-1, 1]) * rng.uniform(1.2, 3.0) * np.exp(-(x**2 + y**2) / (2 * 11**2))
    source_x = columns - x + x * np.cos(angle) - y * np.sin(angle)
    source_y = rows - y + x * np.sin(angle) + y * np.cos(angle)
    pixels = np.asarray(image)
    return Image.fromarray(
        pixels[
            np.clip(source_y.round(), 0, 63).astype(int),
            np.clip(source_x.round(), 0, 63).astype(int),
        ]
    )


def _shuffle(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Broken anatomy: blocks of the picture change places."""
    size = int(rng.choice([8, 16]))
    pixels = np.asarray(image).copy()
    cells = [(r, c) for r in range(0, 64, size) for c in range(0, 64, size)]
    moved = rng.permutation(len(cells))[: max(4, len(cells) // 3)]
    blocks = [pixels[r : r + size, c : c + size].copy() for r, c in (cells[i] for i in moved)]
    for index, block in zip(np.roll(moved, 1), blocks, strict=True):
        r, c = cells[int(index)]
        pixels[r : r + size, c : c + size] = block
    return Image.fromarray(pixels)


def _missing_eye(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Paint skin over one eye, found by its place in the drawing."""
    pixels = np.asarray(image).copy()
    left = bool(rng.random() < 0.5)
    columns = slice(17, 31) if left else slice(33, 47)
    pixels[29:45, columns] = (255, 226, 204)
    return Image.fromarray(pixels)


def _mush(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Colours as an over-cooked adapter makes them: saturated, blotched, posterised."""
    pixels = np.asarray(image, np.float64)
    grey = pixels.mean(axis=2, keepdims=True)
    pixels = grey + (pixels - grey) * rng.uniform(2.5, 5.0)
    pixels = 128 + (pixels - 128) * rng.uniform(1.2, 2.2)
    coarse = rng.normal(0, rng.uniform(20, 60), (8, 8, 3))
    pixels += np.kron(coarse, np.ones((8, 8, 1)))
    return _picture(pixels)


def _haze(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A picture half dissolved into one colour and smooth noise: a model that never finished."""
    coarse = np.asarray(
        Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)).resize(
            (64, 64), Image.Resampling.BICUBIC
        ),
        np.float64,
    )
    share = rng.uniform(0.4, 0.9)
    softened = np.asarray(image.filter(ImageFilter.GaussianBlur(1.2)), np.float64)
    return _picture(softened * (1 - share) + coarse * share)


def _picture(pixels: NDArray[np.float64]) -> Image.Image:
    return Image.fromarray(np.clip(pixels.round(), 0, 255).astype(np.uint8))


_SPOILERS: tuple[_Spoiler, ...] = (
    blur,
    jpeg,
    _noise,
    _swirl,
    _shuffle,
    _missing_eye,
    _mush,
    _haze,
)
