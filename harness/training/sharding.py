"""Full fine-tunes over several processes: each holds a shard of every weight (FSDP).

Weights are gathered block by block while they are needed, and gradients are summed pass by pass.
So gradients, moments and running means are shards too. On disk every tensor is whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import torch
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer
from transformers.models.clip.modeling_clip import CLIPEncoderLayer

from harness.pages.train import Train
from harness.training.team import Team

BLOCKS = (BasicTransformerBlock, ResnetBlock2D, CLIPEncoderLayer)
"""The modules that are gathered one at a time; all that is between them is one more."""


def can_shard(train: Train, team: Team) -> bool:
    """Return whether sharded weights would learn what whole weights learn."""
    return team.size > 1 and train.method == "full" and train.optimizer.state_scope != "everything"


def shard(models: Iterable[nn.Module], device: str) -> None:
    """Keep this process's shard of every weight; gradients become sums over all processes."""
    mesh = init_device_mesh(device.split(":")[0], (distributed.get_world_size(),))
    for model in models:
        for parameter in model.parameters():
            parameter.data = parameter.data.contiguous()  # sharding loses any other memory format
        kind = type(model)
        for part in [*(each for each in model.modules() if isinstance(each, BLOCKS)), model]:
            # The root too: weights that stay gathered after previews would miss the next steps.
            fully_shard(part, mesh=mesh, reshard_after_forward=True)
            part.set_gradient_divide_factor(1.0)
            part.set_force_sum_reduction_for_comms(True)
        for word in (
            "__module__",
            "__name__",
            "__qualname__",
        ):  # saved files name the class
            setattr(type(model), word, getattr(kind, word))


def is_shard(tensor: Tensor) -> bool:
    return isinstance(tensor, DTensor)


def full_tensor(tensor: Tensor) -> Tensor:
    """Return a whole tensor; if it is sharded, every process must call this."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def shard_of(tensor: Tensor, like: Tensor) -> Tensor:
    """Return this process's shard of a whole tensor, if `like` is a shard of the same shape.

    Every process has the whole tensor, so nothing is sent.
    """
    if not isinstance(like, DTensor) or tensor.shape != like.shape:
        return tensor
    return distribute_tensor(
        tensor.to(like.device), like.device_mesh, like.placements, src_data_rank=None
    )


def gathered(tensors: Iterable[tuple[str, Tensor]], leads: bool) -> dict[str, Tensor]:
    """Return whole tensors on the CPU in the first process; every process must call this."""
    whole_tensors = {}
    for name, tensor in tensors:
        full = full_tensor(tensor)
        if leads:
            whole_tensors[name] = full.cpu()
    return whole_tensors


def take_step(optimizer: Optimizer, state_scope: str) -> None:
    """Take a step; an optimizer whose state spans a tensor gets one whole tensor at a time."""
    groups = optimizer.param_groups
    if state_scope != "tensor" or not is_shard(groups[0]["params"][0]):
        optimizer.step()
        return
    for group in groups:
        for share in group["params"]:
            if share.grad is not None:
                _step_of_one(optimizer, group, share)
    optimizer.param_groups = groups


@torch.no_grad()
def _step_of_one(optimizer: Optimizer, group: dict[str, Any], share: Tensor) -> None:
    full = nn.Parameter(full_tensor(share.detach()))
    full.grad = full_tensor(cast(Tensor, share.grad))
    state = optimizer.state
    state[full] = {
        key: full_tensor(value) if isinstance(value, Tensor) else value
        for key, value in state.pop(share, {}).items()
    }
    optimizer.param_groups = [{**group, "params": [full]}]
    optimizer.step()
    share.copy_(shard_of(full.detach(), share))
    state[share] = {
        key: shard_of(value, share) if isinstance(value, Tensor) else value
        for key, value in state.pop(full).items()
    }
