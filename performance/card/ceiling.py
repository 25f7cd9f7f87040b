"""The ceiling: what the card reaches in one matrix product, and in one copy of its memory."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from card.figures import Context, Figure, attempt

PART = "ceiling"


def figures(context: Context) -> Iterator[Figure]:
    """Measure what all later figures are a share of."""
    side, size = (64, 2**20) if context.is_dry else (8192, 4 * 2**30)
    for dtype in (torch.bfloat16, torch.float16):
        name = f"product-{'bf16' if dtype == torch.bfloat16 else 'fp16'}"
        yield from attempt(
            context, PART, name, lambda n=name, d=dtype: _product(context, n, side, d)
        )
    yield from attempt(context, PART, "copy", lambda: _copy(context, size))


def _product(context: Context, name: str, side: int, dtype: torch.dtype) -> Iterator[Figure]:
    """Time a product of random square matrices: zeros would draw less power and run faster."""
    a, b = (torch.randn(side, side, device=context.device).to(dtype) for _ in range(2))
    out = torch.empty_like(a)

    def several() -> None:
        for _ in range(10):
            torch.mm(a, b, out=out)

    seconds = context.median(several) / 10
    rate = 2 * side**3 / seconds
    yield Figure(PART, name, rate / 1e12, "TFLOP/s", {"side": side, "seconds": seconds})


def _copy(context: Context, size: int) -> Iterator[Figure]:
    source = torch.zeros(size, dtype=torch.uint8, device=context.device)
    target = torch.empty_like(source)
    seconds = context.median(lambda: target.copy_(source))
    facts = {"bytes": size, "seconds": seconds, "counts": "bytes read and bytes written"}
    yield Figure(PART, "copy", 2 * size / seconds / 1e9, "GB/s", facts)
