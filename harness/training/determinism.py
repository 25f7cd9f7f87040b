"""Bit-identical training: two runs on one kind of device write the same bytes.

On a CPU training always is. On CUDA some of the fast algorithms add numbers up in an order that
changes from run to run; in this mode PyTorch takes others, and refuses an operation without one.
Attention backends: the backward passes of flash and of memory-efficient attention have a fixed
order in the strict mode; that of cuDNN has none, so it is left out. How fp32 rounds is fixed too:
matrix products in fp32, convolutions in TF32, as PyTorch does by itself.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch.backends import cudnn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils import deterministic

from harness.errors import TrainingError
from harness.pages.train import Train

BITWISE, BEST_EFFORT = "bitwise", "best-effort: equal runs differ"
WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
STRICT_WORKSPACES = (":4096:8", ":16:8")
"""Values of that variable with which cuBLAS adds up in a fixed order."""
ATTENTION = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]


def promise(train: Train, device: str) -> str:
    """Return what the provenance says of two equal runs on one kind of device."""
    return BITWISE if device == "cpu" or train.deterministic else BEST_EFFORT


@contextmanager
def repeatable(train: Train) -> Iterator[None]:
    """Train in the deterministic mode during the block, if the recipe asks for it.

    cuBLAS reads its variable once, so the variable must be there before CUDA starts.
    """
    if not train.deterministic:
        yield
        return
    has_started = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    if has_started and os.environ.get(WORKSPACE) not in STRICT_WORKSPACES:
        raise _too_late()
    with ExitStack() as stack:
        stack.enter_context(_refusals_in_words())
        stack.enter_context(_variables(train.environment))
        stack.enter_context(_strict_algorithms())
        stack.enter_context(_fixed_convolutions())
        stack.enter_context(_fixed_rounding())
        stack.enter_context(sdpa_kernel(ATTENTION))
        yield


@contextmanager
def _refusals_in_words() -> Iterator[None]:
    """Say which operation PyTorch refuses in this mode, and what to do about it."""
    try:
        yield
    except RuntimeError as error:
        message = str(error)
        if refused := re.match(r"(\S+) does not have a deterministic implementation", message):
            raise TrainingError(
                f"{refused[1]} has no deterministic implementation, and train.deterministic is on",
                hint="turn train.deterministic off, or drop the option or the plugin that needs it",
            ) from error
        if WORKSPACE in message:
            raise _too_late() from error
        raise


def _too_late() -> TrainingError:
    """Return the error for a process whose CUDA started without the variable of cuBLAS.

    PyTorch itself looks at the variable and not at what cuBLAS has read, so it would go on.
    """
    return TrainingError(
        f"CUDA started before {WORKSPACE} was set, which train.deterministic needs",
        hint=f"start the program again, with {WORKSPACE}={STRICT_WORKSPACES[0]} set",
    )


@contextmanager
def _variables(wanted: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _strict_algorithms() -> Iterator[None]:
    """Refuse what has no fixed order; leave fresh memory unfilled, as no layer reads it."""
    was_on = torch.are_deterministic_algorithms_enabled()
    warned_only = torch.is_deterministic_algorithms_warn_only_enabled()
    memory: Any = deterministic  # its one attribute is a property that type checkers miss
    filled = memory.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=False)
    memory.fill_uninitialized_memory = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(was_on, warn_only=warned_only)
        memory.fill_uninitialized_memory = filled


@contextmanager
def _fixed_convolutions() -> Iterator[None]:
    """Let cuDNN take only algorithms of a fixed order, and choose none by timing."""
    before = cudnn.deterministic, cudnn.benchmark
    cudnn.deterministic, cudnn.benchmark = True, False
    try:
        yield
    finally:
        cudnn.deterministic, cudnn.benchmark = before


@contextmanager
def _fixed_rounding() -> Iterator[None]:
    """Round fp32 as PyTorch does by itself, whatever the program that calls us has asked for."""
    before = torch.get_float32_matmul_precision(), cudnn.allow_tf32
    torch.set_float32_matmul_precision("highest")
    cudnn.allow_tf32 = True
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        cudnn.allow_tf32 = before[1]
