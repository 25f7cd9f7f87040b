"""The state of a training run on disk: tensors as safetensors, the rest as JSON, never a pickle.

What is read is what was written, bit for bit and type for type: JSON knows no tuple, no infinity
and no float32, so each of these is written as a mapping of one word that says what it is.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from harness.errors import TrainingError
from harness.files import whole
from harness.training.sharding import gathered, shard_of

Tensors = dict[str, Tensor]


def write_state(
    file: Path,
    tensors: Mapping[str, Tensor],
    optimizer: torch.optim.Optimizer,
    facts: Mapping[str, Any],
    leads: bool = True,
) -> None:
    """Write weights, optimizer and `facts`, whole or not at all.

    Only the process that leads writes; the others give it their shares.
    """
    flat = {f"weights/{name}": value.detach() for name, value in tensors.items()}
    state = {
        "optimizer": _packed(optimizer.state_dict(), flat, "optimizer"),
        "facts": _packed(dict(facts), flat, "facts"),
    }
    full = gathered(flat.items(), leads)
    if not leads:
        return
    tensors, said = _apart(full), json.dumps(state, allow_nan=False)
    with whole(file) as part:
        save_file(tensors, part, metadata={"state": said, "checksum": _checksum(tensors, said)})


def read_state(file: Path, optimizer: torch.optim.Optimizer) -> tuple[Tensors, dict[str, Any]]:
    """Restore `optimizer`, as shards if its parameters are, and return whole weights and facts.

    A state that is damaged is refused: training would go on from it to other weights.
    """
    flat, state = _read(file)
    _restore(optimizer, _unpacked(state["optimizer"], flat))
    weights = {
        name.removeprefix("weights/"): value
        for name, value in flat.items()
        if name.startswith("weights/")
    }
    return weights, _unpacked(state["facts"], flat)


def _read(file: Path) -> tuple[Tensors, dict[str, Any]]:
    try:
        with safe_open(file, framework="pt") as stored:
            flat = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
            said = stored.metadata()["state"]
            expected = stored.metadata().get("checksum")  # states of older versions have none
    except (SafetensorError, KeyError, TypeError) as error:
        raise _damaged(file) from error
    if expected is not None and expected != _checksum(flat, said):
        raise _damaged(file)
    state: dict[str, Any] = json.loads(said)
    return flat, state


def _damaged(file: Path) -> TrainingError:
    return TrainingError(
        "the state has changed since it was written",
        where=str(file),
        hint=f"remove {file.parent} and train again",
    )


def _checksum(tensors: Tensors, said: str) -> str:
    """Return a checksum of every byte: it tells of damage, not of a forger."""
    found = zlib.crc32(said.encode("utf-8"))
    for name in sorted(tensors):
        value = tensors[name].cpu()
        shape = f"{name} {value.dtype} {list(value.shape)}"
        found = zlib.crc32(shape.encode("utf-8"), found)
        found = zlib.crc32(value.reshape(-1).view(torch.uint8).numpy().data, found)
    return f"{found:08x}"


def _restore(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load a state, and undo torch's cast of it to the dtype of the parameters."""
    for saved, group in zip(state["param_groups"], optimizer.param_groups, strict=True):
        for index, parameter in zip(saved["params"], group["params"], strict=True):
            held = state["state"].get(index, {})
            held |= {
                key: shard_of(value, parameter)
                for key, value in held.items()
                if isinstance(value, Tensor)
            }
    optimizer.load_state_dict(state)
    for saved, group in zip(state["param_groups"], optimizer.param_groups, strict=True):
        for index, parameter in zip(saved["params"], group["params"], strict=True):
            held = optimizer.state.get(parameter, {})
            for key, value in state["state"].get(index, {}).items():
                if isinstance(value, Tensor) and held[key].dtype != value.dtype:
                    held[key] = value.to(held[key].device)


def _apart(tensors: Tensors) -> Tensors:
    """Return the tensors contiguous, each in its own memory, as safetensors needs them."""
    taken: set[int] = set()
    separate = {}
    for name, value in tensors.items():
        dense = value.contiguous()
        address = dense.untyped_storage().data_ptr()
        separate[name] = dense.clone() if address in taken else dense
        taken.add(address)
    return separate


def _packed(value: Any, tensors: Tensors, name: str) -> Any:
    """Return `value` as JSON can hold it; its tensors go into `tensors`, by their path."""
    match value:
        case Tensor():
            tensors[name] = value.detach()
            return {"tensor": name}
        case np.generic():
            return {"numpy": [value.dtype.str, _packed(value.item(), tensors, name)]}
        case float() if not math.isfinite(value):
            return {"float": str(value)}
        case None | bool() | int() | float() | str():
            return value
        case tuple():
            return {"tuple": _packed(list(value), tensors, name)}
        case list():
            return [_packed(each, tensors, f"{name}/{i}") for i, each in enumerate(value)]
        case Mapping():
            return {
                "mapping": [[key, _packed(value[key], tensors, f"{name}/{key}")] for key in value]
            }
    raise TypeError(f"a state cannot hold {name}, a {type(value).__name__}")


def _unpacked(value: Any, tensors: Tensors) -> Any:
    match value:
        case {"tensor": name}:
            return tensors[name]
        case {"numpy": [kind, number]}:
            return np.dtype(kind).type(_unpacked(number, tensors))
        case {"float": text}:
            return float(text)
        case {"tuple": items}:
            return tuple(_unpacked(items, tensors))
        case {"mapping": pairs}:
            return {key: _unpacked(each, tensors) for key, each in pairs}
        case list():
            return [_unpacked(each, tensors) for each in value]
    return value
