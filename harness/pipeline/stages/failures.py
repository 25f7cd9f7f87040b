"""Errors of a GPU in words: what ran out of memory or does not fit, and what to set.

Every stage's function runs inside `worded`. PyTorch reports these errors as RuntimeError.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from types import FrameType
from typing import Any

from harness.diffusion.memory import memory_of
from harness.errors import DeviceError, HarnessError, MissingPrerequisite
from harness.interfaces import StageContext
from harness.pages.stages import FeaturesSpec, GradientsSpec, LatentsSpec, SampleSpec, TrainSpec
from harness.pages.train import Train
from harness.pipeline.forecast.costs import sampling_memory
from harness.pipeline.installation import versions

GB = 1e9
LARGER = "close other programs on the GPU, or take a larger one"
_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "_ALLOC_FAILED")
_KERNELS = ("no kernel image is available", "not compatible with the current PyTorch")
_DRIVER = ("system is too old", "driver version is insufficient", "No CUDA GPUs are available")
_COMPILER = ("torch._dynamo", "torch._inductor")
"""The packages whose errors come from train.compile."""
_PARTS = {
    "load_pipeline": "loading the models",
    "load_unet": "loading the UNet",
    "load_vae": "loading the VAE",
    "load_text_encoders": "loading the text encoders",
    "take_step": "the optimizer's step",
    "Tensor.backward": "the backward pass",
    "UNet2DConditionModel.forward": "the UNet",
    "AutoencoderKL.encode": "the VAE",
    "AutoencoderKL.decode": "the VAE",
    "CLIPTextModel.forward": "the text encoders",
    "CLIPTextModelWithProjection.forward": "the text encoders",
}
"""The parts of the work, by the function that does them."""


def worded(function: Callable[[Any, StageContext], None]) -> Callable[[Any, StageContext], None]:
    """Return a stage's function that raises the errors of a GPU in words."""

    @wraps(function)
    def run(spec: Any, context: StageContext) -> None:
        with in_words(spec, context):
            function(spec, context)

    return run


@contextmanager
def in_words(spec: Any, context: StageContext) -> Iterator[None]:
    """Raise the errors of a GPU in words; let all other errors pass."""
    try:
        yield
    except RuntimeError as error:
        told = _told(error, spec, context)
        if told is None:
            raise
        raise told from error


def _told(error: RuntimeError, spec: Any, context: StageContext) -> HarnessError | None:
    message = str(error)
    if type(error).__name__ == "OutOfMemoryError" or any(each in message for each in _MEMORY):
        part = _part(error)
        return _out_of_memory(f" in {part}" if part else "", spec, context)
    if any(each in message for each in _KERNELS):
        return MissingPrerequisite(
            f"this PyTorch has no code for {_gpu()}: {versions()}",
            hint="install a PyTorch that is built for this GPU, see pytorch.org/get-started",
        )
    if any(each in message for each in _DRIVER):
        return MissingPrerequisite(
            f"the NVIDIA driver does not serve this PyTorch: {versions()}",
            hint="update the driver, or install a PyTorch that is built for an older CUDA",
        )
    if type(error).__module__.startswith(_COMPILER):
        return MissingPrerequisite(
            f"train.compile cannot compile here: {_first_line(message)}",
            hint="install a C++ compiler and Triton, or turn train.compile off",
        )
    return None


def _first_line(message: str) -> str:
    return next((line for line in message.splitlines() if line.strip()), "")[:160]


def _part(error: BaseException) -> str | None:
    """Return the part of the work that an error comes from, by its traceback."""
    traceback = error.__traceback__
    while traceback is not None:
        part = _PARTS.get(_name(traceback.tb_frame))
        if part is not None:
            return part
        traceback = traceback.tb_next
    return None


def _name(frame: FrameType) -> str:
    return frame.f_code.co_qualname


def _out_of_memory(part: str, spec: Any, context: StageContext) -> DeviceError:
    """Return the error with the stage's own figures and its own remedies."""
    what, hint = "the work", f"pass --batch {max(1, context.batch // 2)}"
    match spec:
        case TrainSpec():
            what, hint = _of_training(spec, context)
        case SampleSpec(sampler=sampler):  # in halves down to one image, so --batch is no help
            half = sampler.precision != "fp32"
            need = sampling_memory(spec, 1, half=half) / GB
            what = f"sampling one image of {sampler.width}×{sampler.height}"
            what += f" (forecast {need:.1f} GB)"
            hint = LARGER if half else f"take a benchmark in fp16, or {LARGER}"
        case LatentsSpec():
            what = f"encoding pictures of about {spec.resolution} px to latents"
        case GradientsSpec():
            what = "taking the gradient of one picture"
            hint = f"set train.gradient_checkpointing: true, or {LARGER}"
        case FeaturesSpec():
            what, hint = f"extracting {spec.extractor.use} features of one image", LARGER
    holder = "this machine" if context.device == "cpu" else _gpu()
    return DeviceError(f"{holder} ran out of memory{part}, {what}{_in_use(context)}", hint=hint)


def _of_training(spec: TrainSpec, context: StageContext) -> tuple[str, str]:
    train, samples = spec.train, int(context.notes.get("samples_per_pass", 1))
    need = memory_of(train, spec.base.model).peak(samples) / GB
    step = f"batch {train.batch} × accumulation {train.accumulation}"
    count = f"{samples} sample{'s' * (samples > 1)} a pass of {step}"
    return f"training with {count} (forecast {need:.1f} GB)", remedies(train)


def remedies(train: Train) -> str:
    """Return what a page can set so that training takes less memory, the cheapest first."""
    words = []
    if train.gradient_checkpointing is not True:
        words.append("gradient_checkpointing: true")
    if train.precision == "fp32":
        words.append("precision: bf16 or fp16")
    if not train.attention_slicing:
        words.append("attention_slicing: true")
    if train.optimizer.use in ("adamw", "prodigy", "schedule-free"):
        words.append("optimizer: adafactor")
    if train.batch > 1:
        words.append("a smaller batch with more accumulation")
    words.append("a lower resolution" + (" or rank" if train.adapter else ""))
    return f"set in train: {', or '.join(words)}; close other programs on the GPU"


def _in_use(context: StageContext) -> str:
    """Return how much of the GPU's memory this process and others hold."""
    torch = sys.modules.get("torch")
    if context.device == "cpu" or torch is None or not torch.cuda.is_available():
        return ""
    free, total = torch.cuda.mem_get_info()
    own = torch.cuda.max_memory_allocated()
    other = max(0, total - free - torch.cuda.memory_reserved())
    return (
        f": this process held {own / GB:.1f} of {total / GB:.1f} GB at most, "
        f"other programs hold {other / GB:.1f} GB"
    )


def _gpu() -> str:
    """Return the name of the GPU with its compute capability, as far as it is known."""
    torch = sys.modules.get("torch")
    try:
        assert torch is not None
        major, minor = torch.cuda.get_device_capability()
        return f"{torch.cuda.get_device_name()} (compute capability {major}.{minor})"
    except (AssertionError, RuntimeError):
        return "this GPU"
