"""Commands that judge what others made, and that test the judge: score, sanity, calibrate."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from harness.cli import complete
from harness.cli.options import (
    REPORTS,
    BenchmarkName,
    Device,
    DeviceName,
    Json,
    PocketBenchmarkName,
    ReportsDir,
    StoreDir,
    workspace_of,
)
from harness.cli.output import console, print_outcomes, show
from harness.cli.program import command
from harness.errors import UsageError


@command("judge", "harness score --images renders --prompts prompts.csv --name mine")
def score(
    name: Annotated[str, typer.Option(help="The name of the result.")],
    images: Annotated[Path | None, typer.Option(metavar="DIR", help="A folder of images.")] = None,
    prompts: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            show_default="what the file names or the images themselves say",
            help="The prompts: CSV or JSONL (file, prompt[, prompt_id, seed]), or TXT.",
        ),
    ] = None,
    adapter: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A LoRA file (.safetensors).")
    ] = None,
    base: Annotated[
        str | None, typer.Option(metavar="MODEL", help="With --adapter: the base it was made for.")
    ] = None,
    benchmark: BenchmarkName = None,
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """Judge images or a LoRA that were made elsewhere.

    Without --prompts, file names that follow the benchmark name the prompts, or else the metadata
    that A1111, ComfyUI and others write into images. Images without --benchmark are judged by
    pocket-v1, a toy.
    """
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


@command("judge", "harness sanity --benchmark pocket-v1")
def sanity(
    benchmark: PocketBenchmarkName = None,
    base: Annotated[
        str | None,
        typer.Option(
            metavar="RECIPE",
            autocompletion=complete.recipes,
            show_default="pocket-base or sdxl-base",
            help="The recipe that draws images of another style.",
        ),
    ] = None,
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """Test a benchmark's metrics on known damage: its sanity card."""
    from harness import api
    from harness.report.sanity import card_document, print_card

    chosen = benchmark or api.DEFAULT_BENCHMARK
    card = api.sanity(chosen, workspace_of(store, reports, device), base)
    silent = api.silent_on(card)
    if as_json:
        return show(card_document(card, silent))
    print_card(card, silent, console())


@command("judge", "harness calibrate pocket-v1 --recipe pocket-ninja --draws 3 --trainings 2")
def calibrate(
    benchmark: Annotated[
        str, typer.Argument(autocompletion=complete.benchmarks, help="The benchmark.")
    ] = "pocket-v1",
    recipe: Annotated[
        str, typer.Option(autocompletion=complete.recipes, help="The recipe to run again.")
    ] = "pocket-ninja",
    draws: Annotated[int, typer.Option(help="How many sets of sampling seeds.", min=0)] = 9,
    trainings: Annotated[int, typer.Option(help="How many training seeds.", min=0)] = 9,
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """Measure noise: run a recipe again with other seeds.

    Writes the noise beside the recipe's baseline, and says how often a gate raises a false alarm.
    """
    from harness.api import verdicts
    from harness.report.reproduction import calibration_document, print_calibration

    workspace = workspace_of(store, reports, device)
    found = verdicts.calibrate(benchmark, recipe, workspace, draws, trainings)
    if as_json:
        return show(calibration_document(found))
    return print_calibration(found, console())
