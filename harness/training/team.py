"""Several processes at one training run: each takes some micro-batches, all see one gradient.

Gradients are summed once a step, whatever number of passes each process needed for its share,
so buckets may leave the processes with unlike work. Random numbers belong to samples, so the
sum is that of one process doing everything, up to the order of additions. Where weights are
sharded, gradients are summed pass by pass, and every process takes as many passes as any.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.distributed.tensor import DTensor

Word = TypeVar("Word")


@dataclass(frozen=True)
class Team:
    """Who this process is among how many."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Return whether this process is the one that writes and reports."""
        return self.rank == 0

    def has(self, micro: int) -> bool:
        return micro % self.size == self.rank

    def add_up(self, parameters: Sequence[nn.Parameter], total: Tensor) -> Tensor:
        """Replace every gradient by the sum over all processes; return the sum of `total`.

        Gradients of sharded weights are sums already.
        """
        if self.size == 1:
            return total
        parameters = [each for each in parameters if not isinstance(each, DTensor)]
        given = [each.grad is not None for each in parameters]
        facts = torch.tensor([float(each) for each in given], device=total.device)
        gradients = [
            torch.zeros_like(each) if each.grad is None else each.grad for each in parameters
        ]
        flat = torch.cat(
            [total.reshape(1).float(), facts, *(each.float().flatten() for each in gradients)]
        )
        distributed.all_reduce(flat)
        place = 1 + len(parameters)
        for number, (parameter, gradient) in enumerate(zip(parameters, gradients, strict=True)):
            size, by_any = gradient.numel(), bool(flat[1 + number])
            found = flat[place : place + size].view_as(gradient).to(gradient.dtype)
            parameter.grad = found if by_any else None  # else decay would move what rests
            place += size
        return flat[0]

    def gather(self, word: Word) -> list[Word]:
        """Return what every process says here, by rank."""
        if self.size == 1:
            return [word]
        words: list[Word] = [word] * self.size
        distributed.all_gather_object(words, word)
        return words

    def wait(self) -> None:
        if self.size > 1:
            distributed.barrier()


def join(rank: int | None, device: str) -> Team:
    """Return the team this process belongs to: of one, unless `accelerate launch` started it."""
    if rank is None:
        return Team()
    from accelerate import PartialState

    state = PartialState(cpu=device == "cpu")
    return Team(state.process_index, state.num_processes)
