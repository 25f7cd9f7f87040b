"""The words that name our executors. Imports no network library."""

from __future__ import annotations

from typing import ClassVar, Literal

from harness.interfaces import ExecutorSpec


class Local(ExecutorSpec):
    """This process, one step after the other."""

    implementation: ClassVar[str] = "harness.pipeline.executors.local:local"
    summary: ClassVar[str] = "this machine, one step after the other"
    use: Literal["local"] = "local"


class Ray(ExecutorSpec):
    """A cluster: several steps at once, and pieces spread over its processes."""

    implementation: ClassVar[str] = "harness.pipeline.executors.cluster:cluster"
    summary: ClassVar[str] = "a Ray cluster (RAY_ADDRESS), or this machine's cores or GPUs"
    together: ClassVar[bool] = True
    use: Literal["ray"] = "ray"
