"""Flags that several commands take, each defined once, and the workspace that they describe."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli import complete
from harness.pages.defaults import DEFAULT_BENCHMARK, IN_WORDS

if TYPE_CHECKING:
    from harness import Workspace

REPORTS = Path("reports")


class Device(StrEnum):
    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
StoreDir = Annotated[
    Path | None,
    typer.Option(
        "--store",
        envvar="HARNESS_STORE",
        show_default=".harness/store",
        metavar="DIR",
        help="The folder of artifacts.",
    ),
]
ReportsDir = Annotated[
    Path,
    typer.Option(
        "--reports", envvar="HARNESS_REPORTS", metavar="DIR", help="The folder of result files."
    ),
]
DeviceName = Annotated[
    Device, typer.Option("--device", envvar="HARNESS_DEVICE", help="Where networks run.")
]

AllowedHosts = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-host",
        metavar="NAME",
        show_default="this machine's",
        help="A name by which browsers reach this server, such as a proxy's; repeatable.",
    ),
]


def benchmark_flag(about: str, default: str) -> Any:
    """Return the flag `--benchmark`, which means something a little different in each command."""
    return typer.Option(
        "--benchmark",
        "-b",
        envvar="HARNESS_BENCHMARK",
        autocompletion=complete.benchmarks,
        metavar="NAME",
        show_default=default,
        help=about,
    )


BenchmarkName = Annotated[
    str | None,
    benchmark_flag("The benchmark that judges.", IN_WORDS),
]
PocketBenchmarkName = Annotated[str | None, benchmark_flag("The benchmark.", DEFAULT_BENCHMARK)]
BenchmarkFilter = Annotated[
    str | None, benchmark_flag("Only the results of this benchmark.", "all")
]
CardName = Annotated[
    str | None,
    typer.Option(
        "--card",
        envvar="HARNESS_CARD",
        metavar="NAME",
        show_default="the recipe's own",
        help="Forecast for this GPU, such as t4, a100 or h200.",
    ),
]
Anyway = Annotated[
    bool, typer.Option("--anyway", help="Go on even if the forecast says that it does not fit.")
]
Deterministic = Annotated[
    bool,
    typer.Option("--deterministic", help="Train to the same bytes in every run on one GPU."),
]
Processes = Annotated[
    int | None,
    typer.Option(
        "--processes",
        envvar="HARNESS_PROCESSES",
        show_default="one a GPU; 1 on a CPU",
        help="How many processes share the training of one adapter.",
    ),
]
Batch = Annotated[
    int | None,
    typer.Option(
        "--batch",
        envvar="HARNESS_BATCH",
        show_default="16",
        help="How many images to draw together; lower it if the GPU runs out of memory.",
    ),
]
NoWait = Annotated[
    bool,
    typer.Option(
        "--no-wait", help="Fail if another process is in the way, instead of waiting for it."
    ),
]
AlertWebhook = Annotated[
    str | None,
    typer.Option(
        "--alert-webhook",
        envvar="HARNESS_ALERT_WEBHOOK",
        metavar="URL",
        show_default="none",
        help="Post alerts of a training here, as JSON.",
    ),
]
ExecutorName = Annotated[
    str,
    typer.Option(
        "--executor", envvar="HARNESS_EXECUTOR", help="What runs the steps: local or ray."
    ),
]
Replicates = Annotated[int, typer.Option(help="How many training seeds to train.")]
RecipeName = Annotated[
    str, typer.Argument(autocompletion=complete.recipes, help="The name or the file of a recipe.")
]
RecipeNames = Annotated[
    list[str],
    typer.Argument(autocompletion=complete.recipes, help="Names or files of recipes."),
]
ResultFile = Annotated[Path, typer.Argument(autocompletion=complete.results, help="A result file.")]


def workspace_of(
    store: Path | None,
    reports: Path = REPORTS,
    device: Device = Device.auto,
    executor: str = "local",
    processes: int | None = None,
    batch: int | None = None,
    wait: bool = True,
    alert_webhook: str | None = None,
) -> Workspace:
    """Return the workspace that the flags describe."""
    from harness.pipeline.workspace import Workspace, default_store

    chosen = store or default_store()
    return Workspace(
        chosen,
        reports,
        device.value,
        executor,
        processes=processes,
        batch=batch,
        wait=wait,
        alert_webhook=alert_webhook,
    )
