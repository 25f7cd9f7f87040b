"""Commands that judge what is there, and the judge itself."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.common import (
    REPORTS,
    BenchmarkName,
    Device,
    DeviceName,
    Json,
    ReportsDir,
    StoreDir,
    app,
    console,
    guarded,
    print_outcomes,
    show,
    workspace_of,
)
from harness.errors import UsageError

if TYPE_CHECKING:
    pass


@app.command()
@guarded
def score(
    name: Annotated[str, typer.Option(help="What to call the result.")],
    images: Annotated[Path | None, typer.Option(help="A folder of images.")] = None,
    prompts: Annotated[
        Path | None,
        typer.Option(
            help="CSV or JSONL: file, prompt[, prompt_id, seed]; or TXT. Without it, the "
            "benchmark's own file names, or what A1111, ComfyUI and others wrote into the images."
        ),
    ] = None,
    adapter: Annotated[Path | None, typer.Option(help="A LoRA file (.safetensors).")] = None,
    base: Annotated[str | None, typer.Option(help="The base the LoRA was trained on.")] = None,
    benchmark: BenchmarkName = None,
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """Judge images or a LoRA that were made elsewhere."""
    from harness import api

    workspace = workspace_of(store, reports, device)
    if images is not None and adapter is None:
        chosen = benchmark or api.DEFAULT_BENCHMARK
        outcome = api.score_images(images, prompts, chosen, name, workspace)
        if benchmark is None:
            print(f"judged by {chosen}, a toy; --benchmark names another", file=sys.stderr)
    elif adapter is not None and images is None:
        if base is None:
            raise UsageError("--adapter needs --base", hint="such as --base pocket/sdxl")
        outcome = api.score_adapter(adapter, base, benchmark, name, workspace)
    else:
        raise UsageError("give either --images or --adapter", hint="`harness score --help`")
    print_outcomes([outcome], as_json)


@app.command()
@guarded
def sanity(
    benchmark: BenchmarkName = None,
    base: Annotated[
        str | None, typer.Option(help="The recipe that draws pictures of another style.")
    ] = None,
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """A benchmark's sanity card: known damage, and which metric notices it."""
    from harness import api
    from harness.report.sanity import card_document, print_card

    chosen = benchmark or api.DEFAULT_BENCHMARK
    found = api.sanity(chosen, workspace_of(store, reports, device), base)
    silent = api.silent_on(found)
    if as_json:
        return show(card_document(found, silent))
    print_card(found, silent, console())


@app.command()
@guarded
def calibrate(
    benchmark: Annotated[str, typer.Argument(help="A benchmark.")] = "pocket-v1",
    recipe: Annotated[str, typer.Option(help="Whose noise is measured.")] = "pocket-ninja",
    draws: Annotated[int, typer.Option(help="Sets of sampling seeds.", min=0)] = 9,
    trainings: Annotated[int, typer.Option(help="Training seeds.", min=0)] = 9,
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """A baseline against itself: what noise does, and how often a gate raises a false alarm."""
    from harness.api import verdicts
    from harness.report.reproduction import calibration_document, print_calibration

    found = verdicts.calibrate(
        benchmark, recipe, workspace_of(store, reports, device), draws, trainings
    )
    if as_json:
        return show(calibration_document(found))
    return print_calibration(found, console())
