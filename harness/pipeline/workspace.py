"""Where things are kept and on what they run."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from harness.errors import MissingPrerequisite, UsageError
from harness.pipeline.run_settings import RunSettings
from harness.pipeline.store.local import Store

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Workspace:
    """Where things are kept and on what they run.

    >>> place = harness.Workspace(scratch / "store", scratch / "reports", device="cpu")
    >>> harness.plan("tiny", benchmark="tiny-v1", workspace=place).to_do[0]
    'data'
    """

    store: Path
    reports: Path
    device: str = "auto"
    executor: str = "local"
    quiet: bool = False
    processes: int | None = None
    """How many processes share training; None: one for each GPU, or one on a CPU."""
    batch: int | None = None
    """How many images are drawn or looked at together; None: 16."""
    wait: bool = True
    """Whether to wait for other processes that use the store; if not, they are an error."""
    alert_webhook: str | None = field(default=None, repr=False)
    """The address to which alerts are posted; None: that of HARNESS_ALERT_WEBHOOK, if any."""

    def __post_init__(self) -> None:
        """Take folders as people write them, as text too."""
        for name in ("store", "reports"):
            object.__setattr__(self, name, Path(getattr(self, name)))

    def open_store(self) -> Store:
        return Store(self.store, self.wait)

    @property
    def images_at_once(self) -> int:
        """Return how many images are drawn or looked at together."""
        if self.batch is not None and self.batch < 1:
            raise UsageError(f"--batch {self.batch} is no number of images", hint="1 or more")
        return self.batch or RunSettings.batch

    def settings(self) -> RunSettings:
        # Only work needs what runs and shows it; who reads results does not wait for its import.
        from harness.pipeline.executors.choice import executor, executor_named
        from harness.pipeline.watch.alerts import Alerts
        from harness.pipeline.watch.bars import watcher
        from harness.pipeline.watch.live import Live, Together

        if self.processes is not None and self.processes < 1:
            raise UsageError(
                f"--processes {self.processes} is no number of processes", hint="1 or more"
            )
        store = self.open_store()
        spec = executor_named(self.executor, self.processes)
        return RunSettings(
            store=store,
            reports=self.reports,
            device=partial(resolve_device, self.device),
            executor=executor(spec),
            watcher=Together([watcher(self.quiet), Live(store), Alerts(self.alert_webhook)]),
            batch=self.images_at_once,
            processes=partial(count_processes, 1 if spec.together else self.processes),
            together=spec.together,
        )


def resolve_device(device: str) -> str:
    """Return `cpu` or `cuda`; `auto` takes CUDA where there is some."""
    if device not in ("auto", "cpu", "cuda"):
        raise UsageError(f"there is no device {device!r}", hint="auto, cpu or cuda")
    if device == "cpu":
        return device
    import torch

    from harness.pipeline.installation import unusable_gpu

    there = torch.cuda.is_available()
    unusable = unusable_gpu()
    if device == "cuda" and not there:
        what, remedy = unusable or ("there is no CUDA device here", "use --device cpu")
        raise MissingPrerequisite(what, hint=remedy)
    if unusable is not None:
        log.warning("%s (%s); a CPU does the work", *unusable)
    return "cuda" if there else "cpu"


def count_processes(asked: int | None, device: str) -> int:
    """Return how many processes share a step: those asked for, else one for each GPU."""
    if device == "cpu":
        return asked or 1
    import torch

    gpus = torch.cuda.device_count()
    if asked is not None and asked > gpus:
        raise UsageError(
            f"--processes {asked} is more than the {gpus} GPUs here",
            hint="at most one process for each GPU",
        )
    return asked or gpus


def default_store() -> Path:
    return Path(os.environ.get("HARNESS_STORE") or ".harness/store")
