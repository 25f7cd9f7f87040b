"""Which PyTorch, CUDA and NVIDIA driver are here, and whether they fit together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from harness.pipeline.forecast.gpus import Gpu, gpu_like

DRIVER = Path("/proc/driver/nvidia/version")
"""Where Linux says which NVIDIA driver is loaded."""


def driver() -> str | None:
    """Return the version of the NVIDIA driver that is loaded; None if there is none."""
    if not DRIVER.is_file():
        return None
    words = DRIVER.read_text(encoding="utf-8").split()
    return next((word for word in words if word[:1].isdigit() and "." in word), "unknown")


def versions() -> str:
    """Return the versions that must fit together: of PyTorch, of CUDA, and of the driver."""
    import torch

    built = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "built without CUDA"
    kinds = torch.cuda.get_arch_list()
    code = f" and {', '.join(kinds)}" if kinds else ""
    here = driver()
    kernel = f"the NVIDIA driver is {here}" if here else "there is no NVIDIA driver"
    return f"PyTorch {torch.__version__} is {built}{code}, {kernel}"


def unusable_gpu() -> tuple[str, str] | None:
    """Return what keeps PyTorch from a GPU that has a driver here, and what to do; else None."""
    import torch

    if torch.cuda.is_available() or driver() is None:
        return None
    remedy = (
        "update the driver, or install a PyTorch that is built for an older CUDA; "
        "an empty CUDA_VISIBLE_DEVICES hides a GPU"
        if torch.version.cuda
        else "install a PyTorch that is built for CUDA, see pytorch.org/get-started"
    )
    return f"there is an NVIDIA GPU here that PyTorch cannot use: {versions()}", remedy


def gpu_here() -> Gpu:
    """Return the first GPU of this machine, with the memory it really has."""
    import torch

    memory = torch.cuda.get_device_properties(0).total_memory
    known = gpu_like(torch.cuda.get_device_name(0), memory)
    return replace(known, has_bf16=torch.cuda.is_bf16_supported(including_emulation=False))
