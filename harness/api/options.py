"""The options that every function takes: where files are kept, and what the work runs on."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypedDict, TypeVar, cast

from harness.errors import UsageError
from harness.pipeline.store.disk import disk_in_words
from harness.pipeline.workspace import Workspace as Workspace
from harness.pipeline.workspace import default_store as default_store

F = TypeVar("F", bound=Callable[..., Any])


class Options(TypedDict, total=False):
    """Where files are kept, and what the work runs on; the defaults are the command line's."""

    workspace: Workspace
    """All of the following in one value."""
    store: str | Path
    """The folder of artifacts: HARNESS_STORE, else .harness/store."""
    reports: str | Path
    """The folder of result files: HARNESS_REPORTS, else reports."""
    device: str
    """auto, cpu or cuda: HARNESS_DEVICE, else auto."""
    executor: str
    """local or ray: HARNESS_EXECUTOR, else local."""
    processes: int | None
    """How many processes share training: HARNESS_PROCESSES, else one a card, or one on a CPU."""
    batch: int | None
    """How many images are drawn or looked at together: HARNESS_BATCH, else 16."""
    quiet: bool
    """Whether to leave the progress bars out."""
    wait: bool
    """Whether to wait for other processes that use the store; if not, they are an error."""
    alert_webhook: str | None
    """The address to which alerts of a training are posted: HARNESS_ALERT_WEBHOOK, else none."""


DEFAULTS: dict[str, object] = {
    "workspace": None,
    "store": None,
    "reports": None,
    "device": "auto",
    "executor": "local",
    "processes": None,
    "batch": None,
    "quiet": False,
    "wait": True,
    "alert_webhook": None,
}


def workspace_of(options: Options) -> Workspace:
    """Return the workspace that options describe."""
    unknown = options.keys() - DEFAULTS.keys()
    if unknown:
        raise TypeError(f"there is no option {min(unknown)!r}: {', '.join(DEFAULTS)}")
    whole = options.get("workspace") or _default()
    return Workspace(
        Path(options.get("store") or whole.store),
        Path(options.get("reports") or whole.reports),
        options.get("device", whole.device),
        options.get("executor", whole.executor),
        options.get("quiet", whole.quiet),
        options.get("processes", whole.processes),
        options.get("batch", whole.batch),
        options.get("wait", whole.wait),
        options.get("alert_webhook", whole.alert_webhook),
    )


def _default() -> Workspace:
    """Return the workspace of a command that is given no option."""
    return Workspace(
        default_store(),
        Path(os.environ.get("HARNESS_REPORTS") or "reports"),
        os.environ.get("HARNESS_DEVICE") or "auto",
        os.environ.get("HARNESS_EXECUTOR") or "local",
        processes=_number("HARNESS_PROCESSES"),
        batch=_number("HARNESS_BATCH"),
    )


def _number(variable: str) -> int | None:
    """Return the whole number that an environment variable holds, if it is set."""
    words = os.environ.get(variable)
    if not words:
        return None
    try:
        return int(words)
    except ValueError:
        raise UsageError(f"{variable}={words} is no whole number", hint="1 or more") from None


def making(function: F) -> F:
    """Let a function hold the store while it works, so that `gc` removes nothing under it."""
    return _holding(function, writes=True)


def reading(function: F) -> F:
    """Let a function hold the store that is there, and make none."""
    return _holding(function, writes=False)


def _holding(function: F, writes: bool) -> F:
    @wraps(function)
    def holding(*arguments: Any, **keywords: Any) -> Any:
        options: Any = {name: keywords[name] for name in DEFAULTS if name in keywords}
        workspace = workspace_of(options)
        with (
            disk_in_words(workspace.store, workspace.reports),
            workspace.open_store().hold(function.__name__, writes),
        ):
            return function(*arguments, **keywords)

    return cast(F, holding)


def with_options(function: F) -> F:
    """Let `help()` and completion show each option by its name."""
    signature = inspect.signature(function)
    own = [each for each in signature.parameters.values() if each.kind is not each.VAR_KEYWORD]
    more = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=DEFAULTS[name],
            annotation=Options.__annotations__[name],
        )
        for name in DEFAULTS
    ]
    function.__signature__ = signature.replace(parameters=[*own, *more])  # type: ignore[attr-defined]
    return function
