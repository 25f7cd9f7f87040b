"""A small network trained whole and in two processes' shares; for tests of sharding."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed, multiprocessing, nn
from warm import no_main

from harness.interfaces import OptimizerSpec
from harness.plugins import implementation
from harness.training.averages import Averages
from harness.training.checkpoint import read_state, write_state
from harness.training.sharding import full_tensor, shard, shard_of, take_step

STEPS = 6


def compare(specs: dict[str, OptimizerSpec], folder: Path) -> dict[str, dict[str, Any]]:
    """Return, by optimizer, how far shares end from whole weights and a resumed run from its own.

    `apart` and `stopped` are the greatest differences, `moved` the greatest way any weight went.
    """
    with no_main():
        multiprocessing.start_processes(_work, (specs, str(folder)), 2, start_method="forkserver")
    found: dict[str, dict[str, Any]] = json.loads((folder / "found.json").read_text())
    return found


def _work(rank: int, specs: dict[str, OptimizerSpec], folder: str) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2
    )
    found = {word: _compared(spec, rank, Path(folder)) for word, spec in specs.items()}
    if rank == 0:
        (Path(folder) / "found.json").write_text(json.dumps(found))
    distributed.destroy_process_group()


def _compared(spec: OptimizerSpec, rank: int, folder: Path) -> dict[str, Any]:
    alone = _Run(spec)
    alone.go(0, STEPS)
    together = _Run(spec, rank)
    together.go(0, STEPS)
    stopped, resumed = _Run(spec, rank), _Run(spec, rank)
    stopped.go(0, STEPS // 2)
    file = folder / f"{spec.use}.safetensors"
    write_state(file, stopped.tensors(), stopped.optimizer, {}, leads=rank == 0)
    distributed.barrier()
    resumed.restore(file)
    resumed.go(STEPS // 2, STEPS)
    first, ends = _Run(spec).flat(), together.flat()
    return {
        "moved": float((ends - first).abs().max()),
        "apart": float((ends - alone.flat()).abs().max()),
        "stopped": float((ends - resumed.flat()).abs().max()),
    }


class _Run:
    """The network, whole or with rank `rank`'s shares, its optimizer and its running mean."""

    def __init__(self, spec: OptimizerSpec, rank: int | None = None) -> None:
        torch.manual_seed(0)
        self.network = nn.Sequential(  # sizes that two processes cannot halve, and one of 1
            nn.Conv2d(3, 5, 3, padding=1),
            nn.Conv2d(5, 1, 3, padding=1),
            nn.Flatten(),
            nn.Linear(16, 7),
            nn.LayerNorm(7),
            nn.Linear(7, 1),
        )
        self.rank, self.state_scope = rank, spec.state_scope
        if rank is not None:
            shard([self.network], "cpu")
        groups = [{"params": list(self.network.parameters()), "lr": 0.01}]
        self.optimizer = implementation(spec)(spec, groups)
        self.means = Averages(dict(self.network.named_parameters()), 0.9)

    def tensors(self) -> dict[str, Tensor]:
        means = {f"mean/{name}": mean for name, mean in self.means.means.items()}
        return dict(self.network.named_parameters()) | means

    def flat(self) -> Tensor:
        return torch.cat([full_tensor(each.detach()).flatten() for each in self.tensors().values()])

    def restore(self, file: Path) -> None:
        stored, _ = read_state(file, self.optimizer)
        with torch.no_grad():
            for name, tensor in self.tensors().items():
                tensor.copy_(shard_of(stored[name], tensor))

    def go(self, first: int, last: int) -> None:
        """Take steps on four samples each; a share sees two of them."""
        for step in range(first, last):
            samples = torch.randn((4, 3, 4, 4), generator=torch.Generator().manual_seed(step))
            mine = samples if self.rank is None else samples[2 * self.rank :][:2]
            self.optimizer.zero_grad()
            apart = self.network(mine).squeeze(1) - mine.sum((1, 2, 3))
            (apart.square().sum() / len(samples)).backward()
            take_step(self.optimizer, self.state_scope)
            self.means.add(dict(self.network.named_parameters()), step)
