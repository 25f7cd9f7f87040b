"""The GPUs that a forecast knows, by name, and one CPU.

Memory is what a program can use. Speeds are sustained speeds of the UNet and lie far below the
data sheet. The CPU's are measured, and those of a GPU with a file of measured figures
(hardware.py); all others are estimates.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from harness.diffusion.memory import CPU_BUDGET, CUDA_SHARE
from harness.errors import UsageError
from harness.pages.recipe import Recipe
from harness.pipeline.forecast.hardware import HardwareFile, measured
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
    measured: tuple[str, ...] = ()
    """Which of its speeds were measured: training, sampling, launch."""
    source: str = ""
    """Where they were measured."""

    @property
    def is_cpu(self) -> bool:
        return self.name == "cpu"

    @property
    def basis(self) -> str:
        """Return in words how fast it is in training, and how that is known."""
        if self.is_cpu:
            return "measured on the pocket"
        speed = f"{self.training / 1e12:.3g} TFLOP/s"
        if not self.measured:
            return f"{speed}, estimated"
        guessed = [each for each in SPEEDS if each not in self.measured]
        rest = f", {', '.join(guessed)} estimated" if guessed else ""
        return f"{speed}; {', '.join(self.measured)} measured on {self.source}{rest}"

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


SPEEDS = ("training", "sampling", "launch")
ESTIMATES = {
    gpu.name: gpu
    for gpu in (
        _gpu("t4", "T4", 15.0, 20, 0.2, launch=0.1, has_bf16=False),
        _gpu("l4", "L4", 22.5, 35, 0.4),
        _gpu("4090", "RTX 4090", 24.0, 55, 0.45),
        _gpu("a100", "A100 80 GB", 80.0, 110, 0.45),
        _gpu("a100-40", "A100 40 GB", 40.0, 110, 0.45),
        _gpu("a100-20", "A100 20 GB (three sevenths of one)", 20.0, 45, 0.45),
        _gpu("h100", "H100 80 GB", 80.0, 180, 0.45, launch=0.045),
        _gpu("h200", "H200", 141.0, 190, 0.45, launch=0.045),
        # Two cores, measured on pocket/sdxl: 0.012 s a training sample, 0.008 s a sampler step.
        Gpu("cpu", "CPU with two cores", 8 * GB, 6.8e10, 1.02e11, 1.0, 0.0, has_bf16=False),
    )
}
MAKERS = frozenset({"nvidia", "tesla", "geforce"})
ALIKE = 0.15
"""By how much the memory of two GPUs of one kind may differ."""


def gpus() -> dict[str, Gpu]:
    """Return every known GPU by name, with its measured speeds where there are some."""
    known = dict(ESTIMATES)
    for file in measured():
        gpu = _with_measured(known, file)
        if gpu.measured and not gpu.is_cpu:
            known[gpu.name] = gpu
    return known


def _with_measured(known: Mapping[str, Gpu], file: HardwareFile) -> Gpu:
    """Return the GPU of a file: a known one with its measured speeds, or one more.

    Of one more, what was not measured counts as an A100's.
    """
    hardware = file.forecast
    speeds = (hardware.training_flops, hardware.sampling_flops, hardware.launch_seconds)
    gpu = _of_kind(known, hardware.name, hardware.memory_bytes)
    if gpu is None or gpu.measured:
        gpu = replace(known["a100"], name=_slug(hardware.name), title=hardware.name)
    return replace(
        gpu,
        memory=hardware.memory_bytes or gpu.memory,
        training=hardware.training_flops or gpu.training,
        sampling=hardware.sampling_flops or gpu.sampling,
        launch=hardware.launch_seconds or gpu.launch,
        measured=tuple(name for name, each in zip(SPEEDS, speeds, strict=True) if each),
        source=file.source,
    )


def _of_kind(known: Mapping[str, Gpu], name: str, memory: int | None) -> Gpu | None:
    """Return the known GPU that a name means, if its memory is about the same; a slice is none."""
    mentioned = _mentioned(name, known)
    if mentioned is None or memory is None:
        return mentioned
    kind = mentioned.name.partition("-")[0]
    kin = [gpu for gpu in known.values() if gpu.name.partition("-")[0] == kind]
    nearest = min(kin, key=lambda gpu: abs(gpu.memory - memory))
    return nearest if abs(nearest.memory - memory) <= ALIKE * memory else None


def gpu_named(name: str) -> Gpu:
    """Return the GPU of that name."""
    known = gpus()
    if name not in known:
        raise UsageError(f"there is no card {name!r} here", hint=f"known: {', '.join(known)}")
    return known[name]


def gpu_for(recipe: Recipe) -> Gpu:
    """Return the GPU that a recipe names in `hardware`; the CPU for the pocket, else a T4."""
    known = gpus()
    if is_pocket(recipe.base.model):
        return known["cpu"]
    return _mentioned(recipe.hardware or "", known) or known["t4"]


def gpu_like(name: str, memory: int) -> Gpu:
    """Return the GPU that reports `name` and `memory`, at an A100's speed if the name is unknown.

    The memory is the reported one, so that a slice of a GPU counts as a slice.
    """
    known = gpus()
    same = _mentioned(name, known)
    if same is not None:
        return replace(same, title=name, memory=memory)
    return replace(known["a100"], name="cuda", title=name, memory=memory)


def _mentioned(text: str, known: Mapping[str, Gpu]) -> Gpu | None:
    """Return the GPU that a text is the name of, or that a word of it names."""
    words = (_slug(text), *_words(text))
    return next((known[word] for word in words if word in known), None)


def _slug(name: str) -> str:
    """Return a name as `--card` takes it, without its maker's: NVIDIA L40S is l40s."""
    return "-".join(word for word in _words(name) if word not in MAKERS)


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[^a-z0-9]+", text.lower()) if word]
