"""Batches that do not fit into memory are done in halves."""

from __future__ import annotations

import pytest
import torch

from harness.halving import Halving


class Small:
    """A memory that holds so many numbers, and what was asked of it."""

    def __init__(self, room: int) -> None:
        self._room = room
        self.asked: list[int] = []

    def work(self, batch: list[int]) -> int:
        self.asked.append(len(batch))
        if len(batch) > self._room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return sum(batch)


def test_a_batch_that_fits_is_done_at_once() -> None:
    memory = Small(8)
    assert Halving("it").run(memory.work, [1, 2, 3]) == [6]
    assert memory.asked == [3]


def test_a_batch_that_does_not_fit_is_done_in_parts_in_its_order(
    caplog: pytest.LogCaptureFixture,
) -> None:
    memory = Small(2)
    assert Halving("eggs").run(memory.work, [1, 2, 3, 4, 5]) == [3, 7, 5]
    assert caplog.messages == ["out of memory: from now on eggs at once: 2"]


def test_a_size_that_did_not_fit_is_not_tried_again() -> None:
    memory, halving = Small(2), Halving("it")
    halving.run(memory.work, [1] * 8)
    memory.asked.clear()
    assert halving.run(memory.work, [1] * 4) == [2, 2]
    assert memory.asked == [2, 2]


def test_one_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(torch.OutOfMemoryError):
        Halving("it").run(Small(0).work, [1, 2])


def test_other_errors_pass() -> None:
    def broken(batch: list[int]) -> int:
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        Halving("it").run(broken, [1, 2])
