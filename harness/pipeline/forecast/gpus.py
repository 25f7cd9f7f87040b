"""The GPUs that a forecast knows, by name, and one CPU.

Memory is what a program can use. Speeds are sustained speeds of the UNet and lie far below the
data sheet; the CPU's are measured, all others are estimates.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from harness.diffusion.memory import CPU_BUDGET, CUDA_SHARE
from harness.errors import UsageError
from harness.pages.recipe import Recipe
from harness.pocket import is_pocket

GB = 10**9


@dataclass(frozen=True)
class Gpu:
    """One GPU, or a CPU: its memory and its speed."""

    name: str
    title: str
    memory: int
    """Bytes."""
    training: float
    """FLOPs a second in half precision, over a forward and backward pass."""
    sampling: float
    """The same over forward passes alone."""
    single: float
    """The fraction of that speed that fp32 reaches."""
    launch: float
    """Seconds to start the kernels of one forward pass of SDXL's UNet, however small the batch."""
    has_bf16: bool = True

    @property
    def is_cpu(self) -> bool:
        return self.name == "cpu"

    @property
    def budget(self) -> int:
        """Return the bytes that a pass of the training loop may use."""
        return CPU_BUDGET if self.is_cpu else int(CUDA_SHARE * self.memory)


def _gpu(
    name: str,
    title: str,
    gigabytes: float,
    teraflops: float,
    single: float,
    launch: float = 0.06,
    has_bf16: bool = True,
) -> Gpu:
    speed = teraflops * 1e12
    return Gpu(name, title, int(gigabytes * GB), speed, speed, single, launch, has_bf16)


GPUS = {
    gpu.name: gpu
    for gpu in (
        _gpu("t4", "T4", 15.0, 20, 0.2, launch=0.1, has_bf16=False),
        _gpu("l4", "L4", 22.5, 35, 0.4),
        _gpu("4090", "RTX 4090", 24.0, 55, 0.45),
        _gpu("a100", "A100 80 GB", 80.0, 110, 0.45),
        _gpu("a100-40", "A100 40 GB", 40.0, 110, 0.45),
        _gpu("a100-20", "A100 20 GB (three sevenths of one)", 20.0, 45, 0.45),
        _gpu("h200", "H200", 141.0, 190, 0.45, launch=0.045),
        # Two cores, measured on pocket/sdxl: 0.012 s a training sample, 0.008 s a sampler step.
        Gpu("cpu", "CPU with two cores", 8 * GB, 6.8e10, 1.02e11, 1.0, 0.0, has_bf16=False),
    )
}


def gpu_named(name: str) -> Gpu:
    """Return the GPU of that name."""
    if name not in GPUS:
        raise UsageError(f"there is no card {name!r} here", hint=f"known: {', '.join(GPUS)}")
    return GPUS[name]


def gpu_for(recipe: Recipe) -> Gpu:
    """Return the GPU that a recipe names in `hardware`; the CPU for the pocket, else a T4."""
    if is_pocket(recipe.base.model):
        return GPUS["cpu"]
    return _mentioned(recipe.hardware or "") or GPUS["t4"]


def gpu_like(name: str, memory: int) -> Gpu:
    """Return the GPU that reports `name` and `memory`, at an A100's speed if the name is unknown.

    The memory is the reported one, so that a slice of a GPU counts as a slice.
    """
    known = _mentioned(name)
    if known is not None:
        return replace(known, title=name, memory=memory)
    return replace(GPUS["a100"], name="cuda", title=name, memory=memory)


def _mentioned(text: str) -> Gpu | None:
    words = re.split(r"[^a-z0-9]+", text.lower())
    return next((GPUS[word] for word in words if word in GPUS), None)
