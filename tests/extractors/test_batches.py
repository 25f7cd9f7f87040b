"""A network in parts sees what it sees as a whole, at every size of picture and of memory."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from harness.extractors.batches import bytes_of, planes, split

SIZES = [(4, 6), (5, 5), (4, 6), (5, 5), (4, 6)]


def pictures() -> list[Image.Image]:
    rng = np.random.default_rng(0)
    return [
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
        for width, height in SIZES
    ]


def mean(levels: Tensor) -> Tensor:
    return planes(levels).float().mean((2, 3))


def test_rows_stand_in_the_order_of_their_pictures() -> None:
    rows = split(bytes_of, mean, "cpu").see(pictures(), [""] * 5)["images"]
    expected = [np.asarray(each, np.float32).mean((0, 1)) for each in pictures()]
    np.testing.assert_allclose(rows, expected, rtol=1e-6)


def test_the_parts_make_the_rows_of_the_whole() -> None:
    network = split(bytes_of, mean, "cpu")
    assert network.split is not None
    inputs = [network.split.prepare(each) for each in pictures()]
    rows = network.split.compute(network.split.gather(inputs))["images"]
    assert rows.tobytes() == network.see(pictures(), [""] * 5)["images"].tobytes()


def test_a_batch_too_large_for_the_memory_is_seen_in_parts() -> None:
    def small(levels: Tensor) -> Tensor:
        if len(levels) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return mean(levels)

    whole = split(bytes_of, mean, "cpu").see(pictures(), [""] * 5)["images"]
    parts = split(bytes_of, small, "cpu").see(pictures(), [""] * 5)["images"]
    np.testing.assert_allclose(parts, whole, rtol=1e-6)
