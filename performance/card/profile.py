"""Which share of a step the card is busy, and with which kernels: why a figure is what it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping

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
    kernels = _kernels(seen, DeviceType.CPU if context.device == "cpu" else DeviceType.CUDA)
    total = sum(kernels.values()) / 1e6
    kinds: defaultdict[str, float] = defaultdict(float)
    for kernel, spent in kernels.items():
        kinds[_kind(kernel)] += spent / 1e6
    longest = sorted(kernels.items(), key=lambda pair: -pair[1])[:SHOWN]
    by_time = dict(sorted(kinds.items(), key=lambda pair: -pair[1]))
    facts = {
        "seconds": seconds,
        "kernel_seconds": total,
        "kinds": by_time,
        "longest": {kernel[:120]: round(spent / 1e6, 5) for kernel, spent in longest},
        "note": _shares(by_time, seconds),
    }
    yield Figure(part, name, total / seconds, "", facts)


def _shares(kinds: Mapping[str, float], seconds: float) -> str:
    """Return in words what a step's time goes to, and how long no kernel runs."""
    shares = {kind: spent / seconds for kind, spent in kinds.items()}
    idle = max(0.0, 1 - sum(shares.values()))
    largest = sorted({**shares, "no kernel": idle}.items(), key=lambda pair: -pair[1])[:4]
    return ", ".join(f"{kind} {share:.0%}" for kind, share in largest)


def _kernels(seen: profile, device: DeviceType) -> dict[str, float]:
    """Return the microseconds of every kernel of a device by name, without those that it calls;
    annotations are none."""
    kernels: defaultdict[str, float] = defaultdict(float)
    for event in seen.events() or []:
        is_marker = getattr(event, "is_user_annotation", False) or event.name.startswith(MARKERS)
        if event.device_type != device or is_marker:
            continue
        is_op = device == DeviceType.CPU
        kernels[event.name] += event.self_cpu_time_total if is_op else event.time_range.elapsed_us()
    return dict(kernels)


def _kind(kernel: str) -> str:
    lower = kernel.lower()
    return next(
        (kind for kind, words in KINDS.items() if any(word in lower for word in words)), "other"
    )
