"""What pixels alone say of an image: black, of one colour, in bands, or clipped. No network."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from harness.extractors.batches import split
from harness.extractors.specs import Pixels
from harness.interfaces import Network

Grey = NDArray[np.int16]
NEAR = 8
"""How far, of 255, a pixel may lie from the middle colour and still count as the same."""
QUIET = 1
"""Up to which difference, of 255, neighbours count as level."""
STEPS = (3, 48)
"""Differences, of 255, that make a step of a band: below is a gradient, above is a line."""


def pixels(spec: Pixels, device: str) -> Network:
    """See the statistics that the spec names, one row a picture."""

    def prepare(picture: Image.Image) -> Tensor:
        return torch.tensor(statistics(picture), dtype=torch.float32)

    return split(prepare, lambda rows: rows, "cpu")


def statistics(picture: Image.Image) -> tuple[float, float, float, float]:
    """Return the brightest, even, banding and clipped shares of a picture, each from 0 to 1."""
    rows = np.asarray(picture.convert("RGB"), np.int16)
    colour = np.ascontiguousarray(rows.transpose(2, 0, 1))  # a channel after the other is faster
    grey = np.asarray(picture.convert("L"), np.int16)
    return brightest(colour), even(colour), max(banding(grey), banding(grey.T)), clipped(colour)


def brightest(colour: Grey) -> float:
    """Return how bright the brightest hundredth of the pixels is, in its strongest channel."""
    return quantile(colour.max(0), 0.99) / 255


def quantile(values: Grey, share: float) -> int:
    """Return the smallest of 256 values that this share of all does not exceed, by counting."""
    counts = np.bincount(values.ravel(), minlength=256).cumsum()
    return int(np.searchsorted(counts, share * values.size))


def even(colour: Grey) -> float:
    """Return the share of pixels that all but have the middle colour of the picture."""
    middle = np.array([[[quantile(channel, 0.5)]] for channel in colour], np.int16)
    return float((np.abs(colour - middle).max(0) <= NEAR).mean())


def clipped(colour: Grey) -> float:
    """Return the share of pixels with two channels at an end of their range, white and black apart.

    Paper and ink are no fault, and skin or sky may well reach one end in one channel.
    """
    ends = ((colour == 0) | (colour == 255)).sum(0) >= 2
    plain = (colour == 0).all(0) | (colour == 255).all(0)
    return float((ends & ~plain).mean())


def banding(grey: Grey) -> float:
    """Return the share of pixels that lie on stairs along the rows.

    A stair is three or more small steps the same way with level ground between them, which is
    how too few values show a gradient. Flat colours with lines between them have no stairs, and
    a gradient with all its values has no steps.
    """
    rows, columns, way = _steps(grey)
    if len(rows) < 3:
        return 0.0
    linked = (rows[1:] == rows[:-1]) & (way[1:] == way[:-1]) & (way[1:] != 0)
    beside = np.zeros_like(linked)
    beside[1:] |= linked[:-1]
    beside[:-1] |= linked[1:]
    return float((columns[1:] - columns[:-1])[linked & beside].sum() / grey.size)


def _steps(grey: Grey) -> tuple[NDArray[np.intp], NDArray[np.intp], Grey]:
    """Return where neighbours in a row differ, and which way; 0 for what is no step of a band."""
    slope = np.diff(grey, axis=1)
    level = np.abs(slope) <= QUIET
    around = np.zeros_like(level)
    around[:, 1:-1] = level[:, :-2] & level[:, 2:]
    small = (np.abs(slope) >= STEPS[0]) & (np.abs(slope) <= STEPS[1])
    rows, columns = np.nonzero(~level)
    way = np.where(small & around, np.sign(slope), 0).astype(np.int16)
    return rows, columns, way[rows, columns]
