"""Which share of a step the card is busy, and with which kernels: why a figure is what it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator

from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from card.figures import Context, Figure, attempt

KINDS = {
    "attention": ("flash", "fmha", "attention", "sdpa"),
    "convolution": ("conv", "wgrad", "dgrad", "fprop", "implicit"),
    "matrix product": ("gemm", "nvjet", "cutlass", "cublas", "matmul"),
    "norm": ("norm", "welford"),
    "copy and layout": ("memcpy", "memset", "copy", "nchw", "nhwc", "transpose", "cat"),
    "optimizer": ("adam", "multi_tensor", "foreach"),
}
"""Words in the names of kernels, by what the kernels do; the first match counts."""
MARKERS = ("Optimizer.", "ProfilerStep")
"""How the names of spans begin that are no kernels."""
SHOWN = 12


def profiled(
    context: Context, part: str, name: str, work: Callable[[], object]
) -> Iterator[Figure]:
    """Yield the busy share of `work`, which has run before; an error is a figure with a reason."""
    yield from attempt(context, part, name, lambda: _busy(context, part, name, work))


def _busy(context: Context, part: str, name: str, work: Callable[[], object]) -> Iterator[Figure]:
    seconds = context.median(work, 3)
    activities = [ProfilerActivity.CPU]
    if context.device != "cpu":
        activities.append(ProfilerActivity.CUDA)
    with profile(activities=activities) as seen:
        context.seconds(work)
    kernels = _kernels(seen)
    total = sum(kernels.values()) / 1e6
    kinds: defaultdict[str, float] = defaultdict(float)
    for kernel, spent in kernels.items():
        kinds[_kind(kernel)] += spent / 1e6
    longest = sorted(kernels.items(), key=lambda pair: -pair[1])[:SHOWN]
    facts = {
        "seconds": seconds,
        "kernel_seconds": total,
        "kinds": dict(sorted(kinds.items(), key=lambda pair: -pair[1])),
        "longest": {kernel[:120]: round(spent / 1e6, 5) for kernel, spent in longest},
        "note": "time in kernels over the time of a step",
    }
    yield Figure(part, name, total / seconds, "", facts)


def _kernels(seen: profile) -> dict[str, float]:
    """Return the microseconds of every kernel on the card by name; annotations are none."""
    kernels: defaultdict[str, float] = defaultdict(float)
    for event in seen.events() or []:
        is_marker = getattr(event, "is_user_annotation", False) or event.name.startswith(MARKERS)
        if event.device_type == DeviceType.CUDA and not is_marker:
            kernels[event.name] += event.time_range.elapsed_us()
    return dict(kernels)


def _kind(kernel: str) -> str:
    lower = kernel.lower()
    return next(
        (kind for kind, words in KINDS.items() if any(word in lower for word in words)), "other"
    )
