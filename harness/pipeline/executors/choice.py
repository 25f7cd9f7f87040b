"""An executor by its word, and the code behind it."""

from __future__ import annotations

from functools import partial
from typing import Any

from harness import plugins
from harness.errors import UsageError
from harness.interfaces import ExecutorSpec
from harness.pipeline.executors.specs import Local


def executor_named(word: str, workers: int | None) -> ExecutorSpec:
    """Return the executor called `word`, with as many workers as it may use."""
    known = plugins.words("executors")
    if word not in known:
        raise UsageError(
            f"there is no executor {word!r} here", hint=f"installed: {', '.join(known)}"
        )
    spec = plugins.spec("executors", word)(use=word, workers=workers)  # type: ignore[call-arg]
    assert isinstance(spec, ExecutorSpec)
    return spec


def executor(spec: ExecutorSpec) -> Any:
    """Return the code behind an executor's word."""
    code = plugins.implementation(spec)
    return code if isinstance(spec, Local) else partial(code, spec)
