"""The package's public face: every verb of the command line as a function of values.

Nothing here prints; nothing here loads a network library before there is work for it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import benchmark as benchmarks
from harness import board, pages, plugins
from harness import recipe as recipes
from harness.anatomy import unet_layers, unet_of
from harness.benchmark import Benchmark, PromptSuite
from harness.cards import Card, card_at_hand, card_named
from harness.doctor import Finding, examine
from harness.errors import (
    HarnessError,
    MissingPrerequisite,
    PageError,
    Problem,
    StoreError,
    UsageError,
)
from harness.executors.specs import Local
from harness.fingerprint import digest
from harness.forecast import Forecast, Planned, forecast
from harness.interfaces import Page
from harness.plan import RunPlan, plan, plan_supplied
from harness.pocket import pinned
from harness.progress import watcher
from harness.recipe import Base, Load, Recipe
from harness.records import Artifact, Result, Step
from harness.rehearsal import rehearsal
from harness.run import Outcome, Settings, execute, make_all, missing
from harness.store import Store, damage, read_artifact
from harness.supplied import read_supplied
from harness.training import TARGETS, Train

if TYPE_CHECKING:
    from harness.export.hub import Hub
    from harness.export.write import Exported

DEMO = ("pocket-base", "pocket-ninja", "pocket-ninja-short", "pocket-ninja-overfit",
        "pocket-ninja-broken")  # fmt: skip
DEFAULT_BENCHMARK = "pocket-v1"
SCHEMAS: dict[str, type[Page]] = {
    "recipe.v1": Recipe, "benchmark.v1": Benchmark, "suite.v1": PromptSuite, "result.v1": Result,
}  # fmt: skip


@dataclass(frozen=True)
class Place:
    """Where things are kept and on what they run."""

    store: Path
    reports: Path
    device: str = "auto"
    executor: str = "local"
    quiet: bool = False
    processes: int | None = None
    """How many processes share training; None: one a card, or one on a CPU."""

    def settings(self) -> Settings:
        if self.processes is not None and self.processes < 1:
            raise UsageError(f"--processes {self.processes} is no number of processes",
                             hint="1 or more")  # fmt: skip
        return Settings(
            store=Store(self.store),
            reports=self.reports,
            device=partial(resolve_device, self.device),
            executor=executor(self.executor),
            watcher=watcher(self.quiet),
            processes=partial(count_processes, self.processes),
        )


def executor(word: str) -> Any:
    """Return the executor called `word`."""
    known = plugins.specs("executors")
    if word not in known:
        raise UsageError(
            f"there is no executor {word!r} here", hint=f"installed: {', '.join(known)}"
        )
    if known[word] is Local:
        return plugins.implementation(Local())
    spec = known[word](use=word)
    return partial(plugins.implementation(spec), spec)


def resolve_device(device: str) -> str:
    """Return `cpu` or `cuda`; `auto` takes CUDA where there is some."""
    if device not in ("auto", "cpu", "cuda"):
        raise UsageError(f"there is no device {device!r}", hint="auto, cpu or cuda")
    if device == "cpu":
        return device
    import torch

    there = torch.cuda.is_available()
    if device == "cuda" and not there:
        raise MissingPrerequisite("there is no CUDA device here", hint="use --device cpu")
    return "cuda" if there else "cpu"


def count_processes(asked: int | None, device: str) -> int:
    """Return how many processes share a step: those asked for, else one a card."""
    if device == "cpu":
        return asked or 1
    import torch

    cards = torch.cuda.device_count()
    if asked is not None and asked > cards:
        raise UsageError(f"--processes {asked} is more than the {cards} GPUs here",
                         hint="one process a card at most")  # fmt: skip
    return asked or cards


def default_benchmark(recipe: Recipe) -> str:
    """Return the benchmark that suits a recipe's base where none is named."""
    return "pocket-v1" if recipe.base.model.startswith("pocket/") else "naruto-v1"


def plans(names: Sequence[str], benchmark: str | None, replicates: int = 1) -> list[RunPlan]:
    """Return the plan of every recipe; with replicates, one a training seed."""
    found = []
    for name in names:
        recipe, step = asked_for(name)
        judgement = benchmarks.load(benchmark or default_benchmark(recipe))
        found += [plan(each, judgement, step) for each in _replicates(recipe, replicates)]
    return found


def asked_for(name: str) -> tuple[Recipe, int | None]:
    """Return the recipe that `NAME` or `NAME@STEP` asks for, and the checkpoint if it does."""
    whole, at, step = name.rpartition("@")
    if not at or Path(name).exists():
        return recipes.load(name), None
    recipe, name = recipes.load(whole), whole
    every = recipe.train.checkpoint_every if recipe.train else None
    if recipe.train is None or every is None:
        raise UsageError(f"{name} keeps no checkpoints", hint="give it train.checkpoint_every")
    if not step.isdecimal() or not 0 < int(step) <= recipe.train.steps or int(step) % every:
        raise UsageError(
            f"{name} has no checkpoint {step!r}",
            hint=f"it keeps one every {every} steps up to {recipe.train.steps}",
        )
    return recipe, int(step)


def _replicates(recipe: Recipe, count: int) -> list[Recipe]:
    if count < 1:
        raise UsageError(f"--replicates {count} is not a number of runs", hint="1 or more")
    if count == 1 or recipe.train is None:
        return [recipe]
    first = recipe.train.seed
    return [
        recipe.with_seed(first + number).model_copy(
            update={"name": f"{recipe.name}.seed{first + number}"}
        )
        for number in range(count)
    ]


def plan_all(
    names: Sequence[str], benchmark: str | None, store: Path, card: str | None = None
) -> list[Planned]:
    """Return every plan beside the store, with what it takes on the card named, if any."""
    house, chosen = Store(store), None if card is None else card_named(card)
    found = []
    for recipe, each in _wanted(names, benchmark):
        to_do, cost = _ahead(recipe, each, house, chosen)
        done = frozenset(step.key for step in each.steps if house.has(step))
        found.append(Planned(each, recipe, to_do, cost, done))
    return found


def _wanted(
    names: Sequence[str], benchmark: str | None, replicates: int = 1
) -> list[tuple[Recipe, RunPlan]]:
    return [
        (asked_for(name)[0], each)
        for name in names
        for each in plans([name], benchmark, replicates)
    ]


def _ahead(
    recipe: Recipe, whole: RunPlan, house: Store, card: Card | None
) -> tuple[tuple[Step, ...], Forecast]:
    to_do = tuple(missing(whole, house))
    return to_do, forecast(recipe, whole.steps, to_do, card)


def run(
    names: Sequence[str], benchmark: str | None, place: Place, replicates: int = 1, *,
    anyway: bool = False,
) -> list[Outcome]:  # fmt: skip
    """Make what is missing for every recipe and write one result file each.

    What cannot fit into the GPU it would run on is refused before any work, unless `anyway`.
    """
    wanted = _wanted(names, benchmark, replicates)
    complaints = [] if anyway else fits(wanted, place)
    if complaints:
        raise MissingPrerequisite("; ".join(complaints), hint="--anyway tries all the same")
    settings = place.settings()
    return [execute(each, settings) for _, each in wanted]


def fits(wanted: Sequence[tuple[Recipe, RunPlan]], place: Place) -> list[str]:
    """Return why what is to do cannot be done on the device it would run on."""
    house, found = Store(place.store), []
    busy = [pair for pair in wanted if missing(pair[1], house)]
    if not busy:
        return []
    device = resolve_device(place.device)
    for recipe, _ in busy:
        if recipe.train is not None:
            found += [f"{recipe.name}: {lack}" for lack in _lacks(recipe.train, device)]
    if device == "cpu":
        return found
    card = card_here()
    for recipe, each in busy:
        _, cost = _ahead(recipe, each, house, card)
        found += [f"{each.recipe}: {complaint}" for complaint in cost.complaints]
    return found


def _lacks(train: Train, device: str) -> Iterator[str]:
    """Yield what the page asks for and this machine does not have."""
    optimizer = train.optimizer
    if optimizer.needs_cuda and device == "cpu":
        yield (f"optimizer {optimizer.use} needs CUDA (adamw does without; "
               "`harness rehearse` takes it for you)")  # fmt: skip
    elif optimizer.needs_cuda and find_spec("bitsandbytes") is None:
        yield f"optimizer {optimizer.use} needs bitsandbytes: pip install bitsandbytes"
    if train.tracker is not None and find_spec(train.tracker) is None:
        yield f"tracker {train.tracker} is not installed: pip install {train.tracker}"


def card_here() -> Card:
    """Return the first GPU of this machine, with the memory it really has."""
    import torch

    memory = torch.cuda.get_device_properties(0).total_memory
    known = card_at_hand(torch.cuda.get_device_name(0), memory)
    return replace(known, has_bf16=torch.cuda.is_bf16_supported(including_emulation=False))


def train(recipe: Recipe, place: Place) -> Path:
    """Train a recipe without judging it; return the folder with what was learned."""
    whole = plan(recipe, benchmarks.load(default_benchmark(recipe)))
    settings = place.settings()
    goal = whole.step("train")
    make_all(whole, missing(whole, settings.store, goal), settings)
    return settings.store.place(goal)


@dataclass(frozen=True)
class Rehearsed:
    """A rehearsal that went through."""

    outcome: Outcome
    replaced: tuple[str, ...]


def rehearse(name: str, place: Place) -> Rehearsed:
    """Run the whole recipe on the pocket world."""
    exchanged = rehearsal(recipes.load(name), benchmarks.load(DEFAULT_BENCHMARK))
    kept = Place(place.store, place.store / "rehearsals", place.device, quiet=place.quiet)
    outcome = execute(plan(exchanged.recipe, exchanged.judgement), kept.settings())
    return Rehearsed(outcome, exchanged.replaced)


def score_images(
    folder: Path, prompts: Path | None, benchmark: str, name: str, place: Place
) -> Outcome:
    """Judge images that were made elsewhere."""
    name, judgement = _named(name), benchmarks.load(benchmark)
    supplied = read_supplied(folder, prompts, judgement)
    return execute(plan_supplied(name, supplied, judgement), place.settings())


def score_adapter(file: Path, base: str, benchmark: str | None, name: str, place: Place) -> Outcome:
    """Judge a LoRA file that was trained elsewhere."""
    recipe = Recipe(
        name=_named(name), summary=f"The adapter {file.name}, trained elsewhere.",
        base=Base(model=base), load=Load(adapter=str(file)),
    )  # fmt: skip
    judgement = benchmarks.load(benchmark or default_benchmark(recipe))
    return execute(plan(recipe, judgement), place.settings())


def _named(name: str) -> str:
    try:
        return Recipe(name=name, summary="-", base=Base(model="-")).name
    except ValueError:
        raise UsageError(
            f"{name!r} is no name for a result", hint="small letters, digits, dot, dash"
        ) from None


def export(
    result: Path, form: str, out: Path, store: Path, strip_metadata: bool = False,
    push: str | None = None, public: bool = False, hub: Hub | None = None,
) -> Exported:  # fmt: skip
    """Write the adapter that a result judged as others read it; push it only where asked."""
    from harness.export.write import Order
    from harness.export.write import export as write

    return write(result, Store(store), Order(form, out, strip_metadata, push, public), hub)


def leaderboard(reports: Path, benchmark: str | None) -> list[board.Board]:
    return board.boards(board.read_results(reports, benchmark))


def check(files: Sequence[Path]) -> tuple[int, list[Problem]]:
    """Return how many pages were read and every problem; without files, of all pages."""
    chosen = list(files) or [
        file for kind in pages.FOLDERS for file in pages.available(kind).values()
    ]
    problems: list[Problem] = []
    for file in chosen:
        try:
            _check_one(file)
        except PageError as error:
            problems += error.problems
        except HarnessError as error:
            problems.append(Problem(str(file), 1, "", error.what, error.hint))
    return len(chosen), problems


def _check_one(file: Path) -> None:
    fields = set(pages.read(file).data)
    if "prompts" in fields:
        pages.load(PromptSuite, file)
    elif {"suites", "metrics", "sampler"} & fields:
        benchmarks.load(str(file) if file.suffix in (".yaml", ".yml") else file.stem)
    else:
        _check_recipe(file)


def _check_recipe(file: Path) -> None:
    """Look for what a recipe names, too: a page that holds can still name what is not there."""
    recipe, located = pages.load(Recipe, file), pages.read(file)
    problems = []
    for field, name in (("model", recipe.base.model), ("vae", recipe.base.vae)):
        try:
            pinned(name)
        except UsageError as error:
            line = located.line(("base", field))
            problems.append(Problem(located.file, line, f"base.{field}", error.what, error.hint))
    adapter = recipe.load.adapter if recipe.load else None
    if adapter and not Path(adapter).is_file():
        line = located.line(("load", "adapter"))
        message = f"names a file that is not there: {adapter}"
        problems.append(Problem(located.file, line, "load.adapter", message, "correct the path"))
    for place, message, hint in _layers_missed(recipe):
        problems.append(Problem(located.file, located.line(place), ".".join(place), message, hint))
    if recipe.name != file.stem:
        line = located.line(("name",))
        message = f"is {recipe.name!r} in a file called {file.stem!r}"
        problems.append(Problem(located.file, line, "name", message, "give both one name"))
    if problems:
        raise PageError(problems)


def _layers_missed(recipe: Recipe) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Yield each pattern of the adapter that matches no layer of its base."""
    adapter = recipe.train.adapter if recipe.train else None
    if adapter is None or not (adapter.ranks or adapter.targets not in TARGETS):
        return
    names = [each.name for each in unet_layers(unet_of(recipe.base.model), 8, 8)
             if each.kind in ("linear", "conv")]  # fmt: skip
    patterns = {("train", "adapter", "ranks"): list(adapter.ranks)}
    if adapter.targets not in TARGETS:
        patterns["train", "adapter", "targets"] = [adapter.targets]
    for place, asked in patterns.items():
        for pattern in asked:
            if not any(re.search(pattern, name) for name in names):
                example = names[len(names) // 2]
                yield place, f"{pattern!r} matches no layer of the UNet", f"such as {example}"


def schemas() -> dict[str, str]:
    """Return the JSON Schema of every kind of page, as text."""
    return {
        f"{name}.json": json.dumps(model.model_json_schema(), indent=1, sort_keys=True) + "\n"
        for name, model in SCHEMAS.items()
    }


def verify(file: Path, store: Path) -> list[str]:
    """Return everything about a result file that does not hold any more."""
    result, house = board.read_result(file), Store(store)
    found: list[str] = []
    if digest(result.protocol)[:16] != result.signature:
        found.append(f"{file}: the signature is not that of its protocol")
    if file.stem != result.recipe:
        found.append(f"{file} is filed under another name than {result.recipe}")
    by_key = {artifact.key: artifact for artifact in _artifacts(house, found)}
    for name, key in result.keys.items():
        if key in by_key:
            found += damage(by_key[key])
        elif name in ("sample", "score"):
            found.append(f"{name} ({key[:12]}) is not in {store}")
    score = by_key.get(result.keys.get("score", ""))
    if score is not None and not found:
        document = json.loads((score.path / "scores.json").read_text(encoding="utf-8"))
        written = [each.model_dump(mode="json") for each in result.scores]
        if document["scores"] != written:
            found.append(f"{file} differs from the scores in the store")
        if document["images"] != result.images.model_dump(mode="json"):
            found.append(f"{file} counts other images than the store")
    return found


def _artifacts(house: Store, found: list[str]) -> list[Artifact]:
    artifacts = []
    for manifest in sorted(house.root.glob("*/??/*/manifest.json")):
        try:
            artifacts.append(read_artifact(manifest.parent))
        except HarnessError as error:
            found.append(str(error))
    return artifacts


@dataclass(frozen=True)
class Garbage:
    """What `gc` would remove or has removed."""

    folders: tuple[Path, ...]
    bytes: int


def gc(place: Place, dry_run: bool) -> Garbage:
    """Remove artifacts that no result names, and the leftovers of steps that never finished."""
    house = Store(place.store)
    if not place.reports.is_dir():
        raise UsageError(
            f"there is no folder {place.reports}: every artifact would look unused",
            hint="give --reports the folder with the results that are to stay",
        )
    if house.in_use():
        raise StoreError(f"{place.store} is in use by another run", hint="wait for it to end")
    named = {
        key
        for reports in (place.reports, place.store / "rehearsals")
        if reports.is_dir() and any(reports.glob("*/*.json"))
        for result in board.read_results(reports)
        for key in result.keys.values()
    }
    unused = [artifact.path for artifact in house.artifacts() if artifact.key not in named]
    folders = [*unused, *house.leftovers()]
    size = sum(
        file.stat().st_size for folder in folders for file in folder.rglob("*") if file.is_file()
    )
    if not dry_run:
        for folder in folders:
            shutil.rmtree(folder)
    return Garbage(tuple(folders), size)


def doctor(place: Place) -> list[Finding]:
    return examine(place.store)


def dashboard(place: Place, port: int) -> int:
    """Serve the dashboard on localhost until it is stopped; return its exit code."""
    if find_spec("streamlit") is None:
        raise MissingPrerequisite(
            "the dashboard needs streamlit", hint="pip install 'harness[dashboard]'"
        )
    here = Path(__file__).parent
    app = next(
        root / "app.py"
        for root in (here.parent / "dashboard", here / "shipped" / "dashboard")
        if (root / "app.py").is_file()
    )
    environment = os.environ | {
        "HARNESS_STORE": str(place.store.resolve()),
        "HARNESS_REPORTS": str(place.reports.resolve()),
    }
    command = [sys.executable, "-m", "streamlit", "run", str(app)]
    options = ["--server.address=127.0.0.1", f"--server.port={port}", "--server.headless=true",
               "--browser.gatherUsageStats=false"]  # fmt: skip
    return subprocess.run([*command, *options], env=environment, check=False).returncode


def images_of(result: Result, store: Path) -> Path | None:
    """Return the folder with a result's images, where this store has it."""
    key = result.keys.get("sample", "")
    folder = store / "sample" / key[:2] / key
    return folder if (folder / "manifest.json").is_file() else None


def default_store() -> Path:
    return Path(os.environ.get("HARNESS_STORE") or ".harness/store")
