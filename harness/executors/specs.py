"""The words that name our executors. Imports no network library."""

from __future__ import annotations

from typing import ClassVar, Literal

from harness.interfaces import ExecutorSpec


class Local(ExecutorSpec):
    """This process, one step after the other."""

    implementation: ClassVar[str] = "harness.executors.local:local"
    summary: ClassVar[str] = "this machine, one step after the other"
    use: Literal["local"] = "local"
