"""Commands that judge what others made, and that test the judge: score, sanity, calibrate."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import harness
from harness.cli import complete
from harness.cli.folders import FoldersAsked, score_folders
from harness.cli.options import (
    REPORTS,
    BenchmarkName,
    Device,
    DeviceName,
    Json,
    NoWait,
    PocketBenchmarkName,
    Processes,
    RecipeName,
    ReportsDir,
    StoreDir,
    workspace_of,
)
from harness.cli.output import console, print_runs, say, show
from harness.cli.program import command
from harness.cli.series import SeriesAsked, score_series
from harness.errors import UsageError
from harness.escaping import as_name
from harness.pages.defaults import DEFAULT_BENCHMARK, MEGAPIXELS

if TYPE_CHECKING:
    from harness import Run

TwoFolders = Annotated[
    list[Path] | None,
    typer.Argument(metavar="[IMAGES REAL]", help="Two folders: --images and --reference."),
]
ResultName = Annotated[
    str | None, typer.Option(show_default="as the folder or file", help="The name of the result.")
]
Images = Annotated[
    list[Path] | None,
    typer.Option(metavar="DIR", help="A folder of images; several beside a --reference."),
]
RealPictures = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Real pictures to judge by, without prompts.")
]
Originals = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="With --reference: the pictures trained on; find copies."),
]
PageFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="With --reference: write the benchmark it amounts to."),
]
PromptsFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        show_default="what the file names or the images themselves say",
        help="The prompts: CSV or JSONL (file, prompt[, prompt_id, seed]), or TXT.",
    ),
]
AdapterFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="A LoRA file (.safetensors).")
]
BaseModel = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        help="The base of the adapter; with --images: draw it too, to compare and to license.",
    ),
]
Megapixels = Annotated[
    float, typer.Option(help="With --images: what an image may have; 178 at most.")
]


SeriesFolder = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="A training's folder: samples and weights of every step."),
]
Watch = Annotated[
    bool, typer.Option("--watch", help="With --series: judge each new step as it comes.")
]


@command("judge", "harness score renders real --name mine")
def score(
    folders: TwoFolders = None,
    name: ResultName = None,
    images: Images = None,
    reference: RealPictures = None,
    originals: Originals = None,
    page: PageFile = None,
    prompts: PromptsFile = None,
    adapter: AdapterFile = None,
    base: BaseModel = None,
    series: SeriesFolder = None,
    watch: Watch = False,
    benchmark: BenchmarkName = None,
    megapixels: Megapixels = MEGAPIXELS,
    no_wait: NoWait = False,
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """Judge images or a LoRA that were made elsewhere.

    Two folders are enough: images, and real pictures to judge them by. With a benchmark instead,
    images answer its prompts: --prompts names them, or file names that follow the benchmark, or
    the metadata that A1111, ComfyUI and others write into images. Images without either are
    judged by pocket-v1, a toy. --series judges each step of a training by one of these.
    """
    workspace = workspace_of(store, reports, device, wait=not no_wait)
    images, reference = _folders(folders or [], images or [], reference)
    benchmark = _judge_beside(reference, benchmark)
    _refuse_for_series(series, watch, images, page, adapter, megapixels)
    if series is not None:
        by = (reference, originals, benchmark, base, prompts, name)
        return score_series(SeriesAsked(series, watch, *by), workspace, as_json)
    if reference is not None:
        _refuse_beside("reference", prompts=prompts, adapter=adapter, base=base)
        given = (images, reference, originals, name, page, megapixels)
        return score_folders(FoldersAsked(*given), workspace, as_json)
    _refuse_without_reference(images, originals, page)
    judged = harness.score(
        images[0] if images else None,
        name=name or _own_name(images, adapter),
        prompts=prompts,
        adapter=adapter,
        base=base,
        benchmark=benchmark,
        megapixels=megapixels,
        workspace=workspace,
    )
    _print_judged(judged, as_json, by_default=bool(images) and benchmark is None)


def _print_judged(run: Run, as_json: bool, by_default: bool) -> None:
    if by_default:
        say(f"judged by {run.result.benchmark}, a toy; --benchmark names another", file=sys.stderr)
    print_runs([run], as_json)


_HELP = "`harness score --help`"


def _folders(
    named: list[Path], images: list[Path], reference: Path | None
) -> tuple[list[Path], Path | None]:
    """Return the folders of images and the one of real pictures, however they were named."""
    if not named:
        return images, reference
    if images or reference is not None or len(named) != 2:
        raise UsageError(
            f"{len(named)} folders are named without an option",
            hint="two are needed, `harness score IMAGES REAL`, or --images and --reference",
        )
    return named[:1], named[1]


def _refuse_without_reference(
    images: list[Path], originals: Path | None, page: Path | None
) -> None:
    """Refuse what has no meaning without a folder of real pictures."""
    if originals is not None or page is not None:
        raise UsageError("--originals and --page go with --reference", hint=_HELP)
    if len(images) > 1:
        raise UsageError("several folders of images need --reference", hint=_HELP)


def _refuse_for_series(
    series: Path | None,
    watch: bool,
    images: list[Path],
    page: Path | None,
    adapter: Path | None,
    megapixels: float,
) -> None:
    """Refuse what has no meaning beside the folder of a training, or without one."""
    if series is None:
        if watch:
            raise UsageError("--watch goes with --series", hint=_HELP)
        return
    larger = None if megapixels == MEGAPIXELS else megapixels
    _refuse_beside("series", images=images, page=page, adapter=adapter, megapixels=larger)


def _refuse_beside(option: str, **others: object) -> None:
    """Refuse options that another one leaves without a meaning."""
    for other, value in others.items():
        if value:
            raise UsageError(f"--{option} and --{other} do not go together", hint=_HELP)


def _judge_beside(reference: Path | None, benchmark: str | None) -> str | None:
    """Return the benchmark that judges; refuse one beside a folder of real pictures.

    One that the environment names is only a default, and gives way.
    """
    if reference is None:
        return benchmark
    if benchmark != os.environ.get("HARNESS_BENCHMARK"):
        _refuse_beside("reference", benchmark=benchmark)
    return None


def _own_name(images: list[Path], adapter: Path | None) -> str:
    """Return a name for a result, from that of what is judged."""
    if images:
        return as_name(images[0].resolve().name)
    return "adapter" if adapter is None else as_name(adapter.stem)


@command("judge", "harness blame pocket-ninja")
def blame(
    recipe: RecipeName,
    on: Annotated[
        str,
        typer.Option(
            metavar="WHAT",
            help="What is asked: held-out, a prompt, or an image file with its caption in a .txt.",
        ),
    ] = "held-out",
    benchmark: BenchmarkName = None,
    checkpoints: Annotated[
        int, typer.Option(help="How many of the kept checkpoints are asked at most.", min=1)
    ] = 1,
    noises: Annotated[
        int, typer.Option(help="How many noises at each of four timesteps.", min=1, max=64)
    ] = 1,
    show_pictures: Annotated[
        int, typer.Option("--show", help="How many of the worst and of the best to print.", min=1)
    ] = 8,
    processes: Processes = None,
    no_wait: NoWait = False,
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """Say which training pictures helped and which hurt.

    From gradients of the adapter's own weights, at about the cost of a short training. Held-out
    pictures are those that the recipe keeps from training, else the benchmark's reference. Writes
    a table of all pictures and sheets of the worst and the best below --reports. `data.without`
    leaves pictures out.
    """
    from harness.report.blame import print_blame

    report = harness.blame(
        recipe,
        on=on,
        benchmark=benchmark,
        checkpoints=checkpoints,
        noises=noises,
        workspace=workspace_of(store, reports, device, processes=processes, wait=not no_wait),
    )
    if as_json:
        return show(report.as_json(show_pictures))
    return print_blame(report.blame, report.folder, show_pictures, console())


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
