"""Several processes in one training run: each takes some micro-batches, all get the same gradient.

Gradients are summed once a step, however many passes each process needed; so the work of the
processes may differ. Random numbers belong to samples, so the sum is that of one process doing
everything, up to the order of additions. With sharded weights, gradients are summed pass by
pass, and every process takes the same number of passes.
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
    """The rank of this process, and the number of processes."""

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
        start = 1 + len(parameters)
        for number, (parameter, gradient) in enumerate(zip(parameters, gradients, strict=True)):
            size, by_any = gradient.numel(), bool(flat[1 + number])
            total_gradient = flat[start : start + size].view_as(gradient).to(gradient.dtype)
            parameter.grad = total_gradient if by_any else None  # else weight decay would move it
            start += size
        return flat[0]

    def gather(self, word: Word) -> list[Word]:
        """Return what every process passes here, by rank."""
        if self.size == 1:
            return [word]
        words: list[Word] = [word] * self.size
        distributed.all_gather_object(words, word)
        return words

    def wait(self) -> None:
        if self.size > 1:
            distributed.barrier()


def join(rank: int | None, device: str) -> Team:
    """Return this process's team: of one, unless `accelerate launch` started it."""
    if rank is None:
        return Team()
    from accelerate import PartialState

    state = PartialState(cpu=device == "cpu")
    return Team(state.process_index, state.num_processes)
