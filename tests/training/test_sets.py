"""The order of pictures, and how their latents are read."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.training.sets import BatchOrder, mapped, save_tensors


def order(sizes: list[int], batch: int, seed: int = 0) -> BatchOrder:
    ends = np.cumsum(sizes)
    groups = [np.arange(end - size, end) for size, end in zip(sizes, ends, strict=True)]
    return BatchOrder(groups, batch, seed, "set")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 23), min_size=1, max_size=4), st.integers(1, 7))
def test_every_epoch_shows_every_picture_and_mixes_no_shapes(sizes, batch):
    pictures = order(sizes, batch)
    epoch = sum(-(-size // batch) for size in sizes)
    ends = np.cumsum(sizes)
    for first in (0, epoch, 5 * epoch):
        batches = [pictures[number] for number in range(first, first + epoch)]
        if (len(sizes) == 1 and sizes[0] % batch == 0) or batch == 1:
            assert Counter(n for each in batches for n in each) == Counter(range(sum(sizes)))
        for each in batches:
            assert len(each) == batch
            assert len({int(np.searchsorted(ends, n, side="right")) for n in each}) == 1


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 23), min_size=1, max_size=3), st.integers(1, 5))
def test_no_picture_falls_behind_by_more_than_one_turn(sizes, batch):
    pictures = order(sizes, batch)
    epoch = sum(-(-size // batch) for size in sizes)
    seen = Counter(n for number in range(6 * epoch) for n in pictures[number])
    ends = [0, *np.cumsum(sizes)]
    for low, high in pairwise(ends):
        counts = [seen[n] for n in range(low, high)]
        assert max(counts) - min(counts) <= 1
        assert min(counts) >= 6


def test_batches_can_be_asked_for_in_any_order():
    sizes, batch = [7, 5], 3
    forward = [order(sizes, batch)[n] for n in range(40)]
    pictures = order(sizes, batch)
    backward = [pictures[n] for n in reversed(range(40))][::-1]
    assert forward == backward


def test_epochs_and_seeds_shuffle_anew():
    pictures = order([50], 50)
    assert sorted(pictures[0]) == sorted(pictures[1]) == list(range(50))
    assert pictures[0] != pictures[1]
    assert pictures[0] != order([50], 50, seed=1)[0]


def test_a_mapped_file_equals_what_was_saved(tmp_path):
    tensors = {
        "mean": torch.randn(3, 2, 4, 8, 8).half(),
        "ids": torch.rand(3, 2, 6),
        "members": torch.arange(3),
    }
    save_tensors(tmp_path / "a.safetensors", tensors)
    found = mapped(tmp_path / "a.safetensors")
    assert found.keys() == tensors.keys()
    for name, value in tensors.items():
        assert np.array_equal(found[name], value.numpy())
