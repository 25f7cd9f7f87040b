"""Aspect buckets: shapes of about one area, so that few pixels are cropped away."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from harness.interfaces import Array
from harness.pages.train import Buckets

Shape = tuple[int, int]
"""Height and width in pixels."""


def shapes(rules: Buckets, resolution: int) -> list[Shape]:
    """Return every shape whose sides are whole steps and whose area is at most resolution²."""
    fitting = {(resolution, resolution)}
    first = math.ceil(rules.shortest / rules.step) * rules.step
    for side in range(first, rules.longest + 1, rules.step):
        other = min(resolution * resolution // side, rules.longest) // rules.step * rules.step
        if other >= rules.shortest:
            fitting |= {(side, other), (other, side)}
    return sorted(fitting)


def nearest(ratio: float, allowed: list[Shape]) -> Shape:
    """Return the shape whose height / width is nearest to `ratio` by proportion.

    Of equally near ones the larger is taken.
    """
    return min(
        allowed,
        key=lambda shape: (abs(math.log(shape[0] / shape[1] / ratio)), -shape[0] * shape[1]),
    )


def nearest_each(ratios: Array, allowed: list[Shape]) -> NDArray[np.int64]:
    """Return for each height / width the index in `allowed` of its nearest shape."""
    order = sorted(range(len(allowed)), key=lambda at: -allowed[at][0] * allowed[at][1])
    shares = np.array([allowed[at][0] / allowed[at][1] for at in order])
    distances = np.abs(np.log(shares[None, :] / ratios[:, None]))
    nearest: NDArray[np.int64] = np.array(order)[distances.argmin(axis=1)]
    return nearest
