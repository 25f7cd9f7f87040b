"""Compile the UNet's transformer blocks, which are most of its time; the rest stays as it is.

All blocks share their code, so one compilation serves every block of one shape. It pays where a
GPU waits for kernels to be started, in small batches, and in runs that are longer than the minutes
of compiling.

It promises the same arithmetic in another order of additions: losses and gradients agree to the
last digits, bytes do not, and a compiler may choose other code on another day. So `train.compile`
is part of the key, and contradicts `train.deterministic`.
"""

from __future__ import annotations

from typing import Any

from diffusers.models.attention import BasicTransformerBlock

from harness.training.trained_models import TrainedModels


def compile_blocks(models: TrainedModels, backend: Any = "inductor") -> None:
    """Compile each block at its first pass, if the recipe asks for it; weights stay the same."""
    if not models.train.compile:
        return
    for module in models.unet.modules():
        if isinstance(module, BasicTransformerBlock):
            module.compile(backend=backend)
