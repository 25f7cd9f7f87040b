"""Commands that make something: demo, import, check, plan, rehearse, run, sweep, export, serve."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import harness
from harness.cli.options import (
    REPORTS,
    AlertWebhook,
    AllowedHosts,
    Anyway,
    Batch,
    BenchmarkName,
    CardName,
    Deterministic,
    Device,
    DeviceName,
    ExecutorName,
    Json,
    NoWait,
    Processes,
    RecipeName,
    RecipeNames,
    Replicates,
    ReportsDir,
    StoreDir,
    benchmark_flag,
    workspace_of,
)
from harness.cli.output import console, print_runs, run_document, say, show, write_report
from harness.cli.program import command, fail
from harness.errors import MissingPrerequisite, UsageError
from harness.pages.defaults import ANIME, DEMO_REPORTS, POCKET

if TYPE_CHECKING:
    from harness.pipeline.forecast import Planned


@command("make", "harness demo --html leaderboard.html")
def demo(
    html: Annotated[Path, typer.Option(metavar="FILE", help="Where to write the report.")] = Path(
        ".harness/leaderboard.html"
    ),
    store: StoreDir = None,
    reports: ReportsDir = DEMO_REPORTS,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """Make the pocket leaderboard from nothing, on any CPU.

    Its results are in a folder of their own; `--reports` of other commands reads them there.
    """
    from harness.api.demo import demo as make
    from harness.report.leaderboard import board_document, print_boards

    boards = make(
        workspace=workspace_of(store, reports, device),
        page=html,
        say=lambda text: say(text, file=sys.stderr),
    )
    say(f"wrote {html}", file=sys.stderr)
    if as_json:
        return show(board_document(boards[0]))
    print_boards(boards.boards, console())


@command("make", "harness import kohya.toml --pictures 240 --out recipes/mine.yaml", "import")
def import_config(
    config: Annotated[
        Path, typer.Argument(metavar="CONFIG", help="The config's file; - reads stdin.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", show_default="stdout", help="The recipe page to write."
        ),
    ] = None,
    base: Annotated[
        str | None, typer.Option(metavar="MODEL", help="The base to name in place of the config's.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The pictures to name in place of the config's."),
    ] = None,
    pictures: Annotated[
        int | None,
        typer.Option(
            min=1,
            show_default="counted, where they are here",
            help="How many pictures there are; repeats in the config count too.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Turn another trainer's config into a recipe page.

    Reads kohya, ai-toolkit, OneTrainer, SimpleTuner, and command lines of diffusers and sd-scripts.
    A table says what became of each figure.
    """
    from harness.report.configs import import_document, print_fates

    made = harness.import_config(config, out=out, base=base, data=data, pictures=pictures)
    if as_json:
        return show(import_document(made.imported, made.file))
    if made.file is None:
        say(made.page, end="")
        say(made, file=sys.stderr)
    else:
        print_fates(made.imported, console())
        say(f"wrote {made.file}; try it: harness rehearse {made.file}", file=sys.stderr)


@command("make", "harness check recipes/pocket-ninja.yaml")
def check(
    files: Annotated[
        list[Path] | None, typer.Argument(show_default="all", help="Files of pages.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check pages: every problem at once, with file and line."""
    checked = harness.check(*(files or []))
    if as_json:
        show(
            {
                "ok": checked.ok,
                "problems": [vars(problem) for problem in checked.problems],
                "warnings": [vars(warning) for warning in checked.warnings],
            }
        )
    for warning in checked.warnings if files else ():
        say(f"warning: {warning}", file=sys.stderr)
    if checked.warnings and not files:
        pages = len({warning.file for warning in checked.warnings})
        say(
            f"{len(checked.warnings)} models and sets in {pages} pages have no fixed revision and "
            "may change under their names: `harness check FILE` lists those of a page",
            file=sys.stderr,
        )
    for problem in checked.problems:
        say(problem, file=sys.stderr)
    if not checked.ok:
        raise SystemExit(2)
    if not as_json:
        say(checked)


@command("make", "harness plan naruto-1024 --card a100")
def plan(
    recipes: RecipeNames,
    benchmark: BenchmarkName = None,
    card: CardName = None,
    batch: Batch = None,
    anyway: Anyway = False,
    nodes: Annotated[
        str | None,
        typer.Option(
            "--nodes", metavar="COUNTS", help="Forecast for these numbers of GPUs, as 1,8,64."
        ),
    ] = None,
    pictures: Annotated[
        int | None,
        typer.Option(
            min=1, show_default="what the source says", help="With --nodes: how many images."
        ),
    ] = None,
    store: StoreDir = None,
    as_json: Json = False,
) -> None:
    """Show the steps of a run, its cost and memory; run nothing.

    Exit code 1: the forecast says that a run does not fit on its GPU.
    """
    from harness.pipeline.forecast.scale import scales_of

    plans = harness.plan_all(
        recipes,
        benchmark=benchmark,
        card=card,
        nodes=scales_of(nodes) if nodes else (),
        pictures=pictures,
        workspace=workspace_of(store, batch=batch),
    )
    if as_json:
        documents = [each.as_json() for each in plans]
        show(documents[0] if len(documents) == 1 else {"plans": documents})
    else:
        for each in plans:
            say(each)
    _refuse([] if anyway else [each.planned for each in plans])


def _refuse(planned: list[Planned]) -> None:
    """Fail where a plan does not fit on its GPU, and say what to do."""
    lines = [
        f"{each.plan.recipe}: {complaint} (--anyway accepts it)"
        for each in planned
        for complaint in each.forecast.complaints
    ]
    if lines:
        fail("\n".join(lines), 1)


@command("make", "harness rehearse naruto-1024")
def rehearse(
    recipe: RecipeName,
    no_wait: NoWait = False,
    store: StoreDir = None,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """Try a whole recipe on the pocket world in a minute."""
    rehearsed = harness.rehearse(
        recipe, workspace=workspace_of(store, device=device, wait=not no_wait)
    )
    if as_json:
        return show({**run_document(rehearsed.run), "replaced": list(rehearsed.replaced)})
    say(f"{recipe} ran from end to end. Replaced for the rehearsal:")
    for line in rehearsed.replaced:
        say(f"  {line}")
    say("The scores mean nothing: they only show that the recipe runs.")


@command("make", "harness run pocket-ninja pocket-base --benchmark pocket-v1")
def run(
    recipes: RecipeNames,
    benchmark: BenchmarkName = None,
    replicates: Replicates = 1,
    anyway: Anyway = False,
    deterministic: Deterministic = False,
    executor: ExecutorName = "local",
    processes: Processes = None,
    batch: Batch = None,
    alert_webhook: AlertWebhook = None,
    no_wait: NoWait = False,
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """Train, sample and score recipes; write result files.

    Only missing steps run, so the same command goes on after a stop.
    """
    runs = harness.run_all(
        recipes,
        benchmark=benchmark,
        replicates=replicates,
        anyway=anyway,
        deterministic=deterministic,
        workspace=workspace_of(
            store, reports, device, executor, processes, batch, not no_wait, alert_webhook
        ),
    )
    print_runs(runs, as_json)


class Over(StrEnum):
    strength = "strength"
    checkpoint = "checkpoint"


@command("make", "harness sweep pocket-ninja --at 0.5,1 --html sweep.html")
def sweep(
    recipe: RecipeName,
    over: Annotated[Over, typer.Option(help="What changes from point to point.")] = Over.strength,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="STRENGTHS", show_default="0,0.25 … 1.25", help="The strengths, as 0,0.5,1."
        ),
    ] = None,
    benchmark: BenchmarkName = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write the curves as HTML.")
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    race: Annotated[
        bool, typer.Option("--race", help="Ask few prompts first, more of those still in question.")
    ] = False,
    no_wait: NoWait = False,
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """Score an adapter at many strengths or checkpoints.

    The answer says which to take, and which cannot be told apart from it.
    """
    from harness.report.sweep import print_sweep

    swept = harness.sweep(
        recipe,
        over=over.value,
        at=_numbers(at),
        benchmark=benchmark,
        race=race,
        workspace=workspace_of(store, reports, device, wait=not no_wait),
    )
    if html is not None:
        write_report(html, swept.page())
    if as_json:
        return show(swept.as_json())
    if markdown:
        return say(swept.markdown())
    print_sweep(recipe, over.value, swept.points, swept.advice, console())
    if swept.raced is not None:
        say(swept.raced)


def _numbers(words: str | None) -> tuple[float, ...] | None:
    try:
        numbers = None if words is None else tuple(float(word) for word in words.split(","))
    except ValueError:
        raise UsageError(
            f"--at {words} is not a list of numbers", hint="such as --at 0,0.5,1"
        ) from None
    if numbers is not None and not all(0 <= number <= 4 for number in numbers):
        raise UsageError(f"--at {words}: a strength is between 0 and 4", hint="0 is the base")
    return numbers


@command("make", "harness export reports/pocket-v1/pocket-ninja.json lora --to kohya")
def export(
    result: Annotated[
        Path, typer.Argument(help="A result's file; with --config, a recipe by name or file.")
    ],
    out: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to write into.")],
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="FORM", help="diffusers, or kohya for A1111 and ComfyUI."),
    ] = None,
    config: Annotated[
        str | None,
        typer.Option(
            "--config", metavar="FORM", help="Write a recipe's config for kohya or diffusers."
        ),
    ] = None,
    strip_metadata: Annotated[
        bool, typer.Option("--strip-metadata", help="Write only the metadata that loaders need.")
    ] = False,
    push: Annotated[
        str | None, typer.Option(metavar="OWNER/NAME", help="Upload to the hub, as private.")
    ] = None,
    public: Annotated[
        bool, typer.Option("--public", help="With --push: upload as public.")
    ] = False,
    store: StoreDir = None,
    as_json: Json = False,
) -> None:
    """Write a result's LoRA or a recipe's config for other programs."""
    if (to is None) == (config is None):
        raise UsageError("give either --to or --config", hint="`harness export --help`")
    if config is not None:
        return _export_config(result, out, config, as_json)
    written = harness.export(
        result,
        out,
        to=to or "",
        strip_metadata=strip_metadata,
        push=push,
        public=public,
        workspace=workspace_of(store),
    )
    if as_json:
        return show({"files": [str(file) for file in written.files], "url": written.url})
    for file in [*written.files, *([written.url] if written.url else [])]:
        say(file)


def _export_config(recipe: Path, out: Path, form: str, as_json: bool) -> None:
    """Write a recipe's config, and tell what it does not say."""
    made = harness.export_config(recipe, out, to=form)
    if not as_json:
        return say(made)
    losses = [{"field": each.field, "why": each.why} for each in made.losses]
    show({"files": [str(file) for file in made.files], "losses": losses})


@command("make", "harness serve reports/pocket-v1/pocket-ninja.json --port 8700")
def serve(
    source: Annotated[Path, typer.Argument(help="A result file, or a LoRA (.safetensors).")],
    base: Annotated[
        str | None, typer.Option(metavar="MODEL", help="With a LoRA: the base it was made for.")
    ] = None,
    benchmark: Annotated[
        str | None,
        benchmark_flag(
            "With a LoRA: the benchmark whose sampler draws.",
            f"{POCKET} on a pocket base, else {ANIME}",
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="The address to listen on; 0.0.0.0 lets every machine in.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port to listen on.")] = 8700,
    queue: Annotated[int, typer.Option(min=1, help="How many requests may wait.")] = 64,
    batch: Annotated[int, typer.Option(min=1, help="How many images to draw together.")] = 8,
    connections: Annotated[
        int, typer.Option(min=8, help="How many connections are open at once; others get 503.")
    ] = 256,
    allow_host: AllowedHosts = None,
    max_side: Annotated[int, typer.Option(min=32, help="The largest side, in pixels.")] = 1536,
    max_steps: Annotated[int, typer.Option(min=1, help="The most sampler steps.")] = 60,
    store: StoreDir = None,
    device: DeviceName = Device.auto,
) -> None:
    """Draw images over HTTP, as those of a result were drawn.

    POST /images takes prompts. Only this machine can ask, unless --host says otherwise.
    """
    _require_server(queue, connections)
    from harness.delivery.service.app import Limits
    from harness.delivery.service.connections import ConnectionLimits
    from harness.delivery.service.model import model_of
    from harness.delivery.service.run import ServiceOptions
    from harness.delivery.service.run import serve as listen
    from harness.pages import benchmark as benchmarks
    from harness.pages.defaults import default_for_adapter
    from harness.pipeline.workspace import resolve_device

    page = benchmark or default_for_adapter(base or "")
    judgement = None if source.suffix == ".json" else benchmarks.load(page)
    limits, most = Limits(side=max_side, steps=max_steps), ConnectionLimits(count=connections)
    options = ServiceOptions(host, port, queue, batch, most, tuple(allow_host or ()))
    local = workspace_of(store).open_store()
    with ExitStack() as loading:
        loading.enter_context(local.hold("serve", writes=False))
        model = model_of(source, base, judgement, local)
        listen(model, resolve_device(device.value), options, limits, loaded=loading.close)


def _require_server(queue: int, connections: int) -> None:
    """Refuse to serve without the packages that listen, or without room for those who wait."""
    if connections <= queue:
        raise UsageError("--connections is no larger than --queue", hint="a job holds one open")
    for package in ("fastapi", "uvicorn"):
        if find_spec(package) is None:
            raise MissingPrerequisite(f"serve needs {package}", hint="pip install 'harness[serve]'")
