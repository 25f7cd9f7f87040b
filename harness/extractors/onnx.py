"""Networks as ONNX files: fetched, opened on a device, and run on batches of any size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub import hf_hub_download
from torch import Tensor

from harness.errors import MissingPrerequisite
from harness.extractors.hub import revision_of
from harness.extractors.weights import UNLOADABLE, absent
from harness.pocket import locate


def fetched(what: str, model: str, revision: str | None, name: str, files: str) -> str:
    """Return the path of one file of a model, a folder or a repository of the hub.

    `what` is what an error calls the model, and `files` are all that `hf download` should fetch.
    """
    folder = Path(locate(model))
    try:
        if folder.is_dir():
            return str((folder / name).resolve(strict=True))
        return str(hf_hub_download(model, name, revision=revision_of(model, revision)))
    except UNLOADABLE as error:
        raise absent(what, model, error, f"hf download {model} {files}") from error


def opened(what: str, file: str, model: str, device: str) -> Any:
    """Return the session of an ONNX file, on a GPU where onnxruntime can use it."""
    try:
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as state
    except ImportError as error:
        raise MissingPrerequisite(
            f"{what} {model} needs onnxruntime", hint="pip install onnxruntime"
        ) from error
    wanted = ["CUDAExecutionProvider"] if device.startswith("cuda") else []
    there = [each for each in wanted if each in onnxruntime.get_available_providers()]
    try:
        return onnxruntime.InferenceSession(file, providers=[*there, "CPUExecutionProvider"])
    except (state.Fail, state.InvalidProtobuf, state.InvalidGraph) as error:
        raise absent(what, file, error) from error


def runner(session: Any) -> Callable[[Tensor], Tensor]:
    """Return what gives a session's first output for a batch, in parts where it takes no other."""
    entry = session.get_inputs()[0]
    batch = entry.shape[0]

    def run(rows: Tensor) -> Tensor:
        at_once = batch if isinstance(batch, int) else len(rows)
        parts = [
            session.run(None, {entry.name: rows[at : at + at_once].numpy()})[0]
            for at in range(0, len(rows), at_once)
        ]
        return torch.from_numpy(np.concatenate(parts))

    return run
