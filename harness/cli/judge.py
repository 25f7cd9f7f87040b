"""Commands that judge what others made, and that test the judge: score, sanity, calibrate."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

import harness
from harness.cli import complete
from harness.cli.options import (
    REPORTS,
    BenchmarkName,
    Device,
    DeviceName,
    Json,
    NoWait,
    PocketBenchmarkName,
    ReportsDir,
    StoreDir,
    workspace_of,
)
from harness.cli.output import console, print_runs, say, show
from harness.cli.program import command
from harness.pages.defaults import DEFAULT_BENCHMARK, MEGAPIXELS


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
    megapixels: Annotated[
        float, typer.Option(help="With --images: what an image may have; 178 at most.")
    ] = MEGAPIXELS,
    no_wait: NoWait = False,
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
    run = harness.score(
        images,
        name=name,
        prompts=prompts,
        adapter=adapter,
        base=base,
        benchmark=benchmark,
        megapixels=megapixels,
        workspace=workspace_of(store, reports, device, wait=not no_wait),
    )
    if images is not None and benchmark is None:
        judge = run.result.benchmark
        say(f"judged by {judge}, a toy; --benchmark names another", file=sys.stderr)
    print_runs([run], as_json)


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
    no_wait: NoWait = False,
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """Test a benchmark's metrics on known damage: its sanity card."""
    from harness.report.sanity import card_document, print_card

    workspace = workspace_of(store, reports, device, wait=not no_wait)
    report = harness.sanity(benchmark or DEFAULT_BENCHMARK, base=base, workspace=workspace)
    if as_json:
        return show(card_document(report.benchmark, report.card, report.licences))
    print_card(report.benchmark, report.card, report.licences, console())


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
    no_wait: NoWait = False,
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """Measure noise: run a recipe again with other seeds.

    Writes the noise beside the recipe's baseline, and says how often a gate raises a false alarm.
    """
    from harness.report.reproduction import calibration_document, print_calibration

    calibration = harness.calibrate(
        recipe,
        benchmark=benchmark,
        draws=draws,
        trainings=trainings,
        workspace=workspace_of(store, reports, device, wait=not no_wait),
    )
    if as_json:
        return show(calibration_document(calibration))
    return print_calibration(calibration, console())
