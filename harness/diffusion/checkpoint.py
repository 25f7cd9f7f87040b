"""The state of a training run on disk: tensors as safetensors, numbers as JSON, never a pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor


def write_state(
    file: Path,
    tensors: Mapping[str, Tensor],
    optimizer: torch.optim.Optimizer,
    facts: Mapping[str, Any],
) -> None:
    """Write weights, optimizer and `facts`, whole or not at all."""
    state = optimizer.state_dict()
    flat = {f"weights/{name}": value.detach().contiguous() for name, value in tensors.items()}
    numbers: dict[str, dict[str, Any]] = {}
    for index, moments in state["state"].items():
        for key, value in moments.items():
            if isinstance(value, Tensor):
                flat[f"optimizer/{index}/{key}"] = value.contiguous()
            else:
                numbers.setdefault(str(index), {})[key] = value
    metadata = {"numbers": numbers, "groups": state["param_groups"], "facts": dict(facts)}
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    save_file(flat, part, metadata={"state": json.dumps(metadata)})
    part.replace(file)


def read_state(
    file: Path, optimizer: torch.optim.Optimizer
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Restore `optimizer` and return the weights and facts."""
    weights: dict[str, Tensor] = {}
    moments: dict[int, dict[str, Any]] = {}
    with safe_open(file, framework="pt") as stored:
        metadata = json.loads(stored.metadata()["state"])
        for name in stored.keys():  # noqa: SIM118 (not a mapping)
            kind, _, rest = name.partition("/")
            if kind == "weights":
                weights[rest] = stored.get_tensor(name)
            else:
                index, key = rest.split("/")
                moments.setdefault(int(index), {})[key] = stored.get_tensor(name)
    for index, values in metadata["numbers"].items():
        moments.setdefault(int(index), {}).update(values)
    optimizer.load_state_dict({"state": moments, "param_groups": metadata["groups"]})
    return weights, metadata["facts"]
