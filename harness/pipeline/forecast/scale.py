"""Forecast the hours of a plan on many GPUs, stage by stage, and its bottleneck; pure.

Every stage has hours for each resource it uses. A process decodes and computes in turn, so these
two add up; disk and network work beside them. The slowest of the three is the time of the stage.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from harness.diffusion.memory import samples_per_step
from harness.errors import UsageError
from harness.interfaces import Page, StageContext
from harness.pages.recipe import Recipe
from harness.pages.stages import DataSpec, LatentsSpec, SampleSpec, TextsSpec, TrainSpec
from harness.pipeline.forecast.costs import PNG, Cost, cost_of, pictures_of
from harness.pipeline.forecast.gpus import GB, Gpu, gpu_for
from harness.pipeline.probe_steps import HELD
from harness.records import Step

DECODE, RESIZE = 0.0042, 0.0169
"""CPU seconds to decode a megapixel of JPEG, and to resize it by Lanczos. Measured, as the other
CPU figures here, on one core of a virtual machine."""
WRITE_PNG, READ_PNG = 0.195, 0.018
"""CPU seconds of a megapixel of PNG, at the compression that we write."""
TO_TENSOR = 0.015
"""CPU seconds to turn a megapixel into the tensor that the VAE reads."""
HASH = 0.55 / GB
"""CPU seconds of SHA-256 over a byte."""
RAW = 0.21
"""Bytes of a pixel in a source's JPEG at quality 90, measured on a drawn picture with grain."""
SOURCE = 1.9
"""Source pixels for each pixel that is kept: 1,400 a side for 1,024. An assumption."""
DISK = 1.0 * GB
"""Bytes a second of the shared file system. An assumption."""
NETWORK = 1.25 * GB
"""Bytes a second that one collecting process downloads: ten gigabits. An assumption."""
COLLECTORS = 1
"""Processes that collect: always one, because rows come in one order."""
HOUR = 3600.0
USES = ("gpu", "decode", "disk", "network")


@dataclass(frozen=True)
class StageHours:
    """The hours of one stage, by resource."""

    stage: str
    cards: int
    """How many of the GPUs the stage can use."""
    gpu: float = 0.0
    decode: float = 0.0
    disk: float = 0.0
    network: float = 0.0

    @property
    def hours(self) -> float:
        return max(self.gpu + self.decode, self.disk, self.network)

    @property
    def slowest_use(self) -> str:
        shares = {use: getattr(self, use) for use in USES}
        return max(shares, key=lambda use: shares[use])


@dataclass(frozen=True)
class Bytes:
    """What is read and kept on disk."""

    raw: float = 0.0
    """The files of the source."""
    pictures: float = 0.0
    latents: float = 0.0
    embeddings: float = 0.0


@dataclass(frozen=True)
class Scale:
    """A plan on a number of GPUs."""

    cards: int
    card: str
    pictures: int
    stages: tuple[StageHours, ...]
    bytes: Bytes
    basis: str

    @property
    def hours(self) -> float:
        return sum(stage.hours for stage in self.stages)

    @property
    def bottleneck(self) -> StageHours:
        return max(self.stages, key=lambda stage: stage.hours)

    def as_json(self) -> dict[str, Any]:
        slowest = self.bottleneck
        return {
            "cards": self.cards,
            "card": self.card,
            "pictures": self.pictures,
            "hours": round(self.hours, 2),
            "stages": [_shown(stage) for stage in self.stages],
            "gigabytes": {name: round(size / GB, 1) for name, size in asdict(self.bytes).items()},
            "bottleneck": {"stage": slowest.stage, "use": slowest.slowest_use},
            "basis": self.basis,
        }


def _shown(stage: StageHours) -> dict[str, Any]:
    uses = {use: round(getattr(stage, use), 2) for use in USES}
    return {"stage": stage.stage, "cards": stage.cards, "hours": round(stage.hours, 2), **uses}


def scale(
    recipe: Recipe,
    steps: Sequence[Step],
    cards: int,
    pictures: int | None = None,
    gpu: Gpu | None = None,
    batch: int = StageContext.batch,
) -> Scale:
    """Forecast all of `steps` on `cards` GPUs; `pictures` is the size of the set, if given."""
    if cards < 1:
        raise UsageError(f"--nodes {cards} is no number of GPUs", hint="such as --nodes 1,8,64")
    gpu = gpu or gpu_for(recipe)
    counted = [step for step in steps if isinstance(step.spec, _COUNTED) and _is_of_recipe(step)]
    sizes = _sizes(counted, pictures)
    count = sum(sizes[step.key] for step in counted if isinstance(step.spec, DataSpec))
    costs = {step.key: cost_of(step, recipe, sizes, gpu, batch) for step in counted}
    stages = [_stage(step, recipe, costs[step.key], sizes, cards) for step in counted]
    return Scale(
        cards, gpu.name, count, _joined(stages), _bytes(counted, recipe, costs, sizes), _basis(gpu)
    )


_COUNTED: tuple[type[Page], ...] = (DataSpec, TextsSpec, LatentsSpec, TrainSpec, SampleSpec)


ROLES = frozenset({"data", "class", "texts", "latents", "train", "sample", "base"})


def _is_of_recipe(step: Step) -> bool:
    """Return whether a step belongs to the recipe, not to the real pictures of the benchmark.

    The few pictures that the loss probe holds out do not grow with the set.
    """
    return step.title.role in ROLES and step.title.set != HELD


def _sizes(steps: Sequence[Step], pictures: int | None) -> Mapping[str, int]:
    sizes = {}
    for step in steps:
        known = pictures_of(step)
        if isinstance(step.spec, DataSpec):
            known = pictures or known or getattr(step.spec.source, "rows", None)
            if known is None:
                raise UsageError(
                    f"how many pictures {step.subject} has is not known",
                    hint="--pictures says it, such as --pictures 5000000",
                )
        if known is not None:
            sizes[step.key] = known
    return sizes


def _side(recipe: Recipe) -> int:
    return recipe.train.resolution if recipe.train else 1024


def _stage(
    step: Step, recipe: Recipe, cost: Cost, sizes: Mapping[str, int], cards: int
) -> StageHours:
    spec, mega = step.spec, _side(recipe) ** 2 / 1e6
    name, disk = step.stage, cost.disk / DISK / HOUR
    if isinstance(spec, DataSpec):
        return replace(_collecting(sizes[step.key], mega, cost), disk=disk)
    if isinstance(spec, TrainSpec):
        used = min(cards, samples_per_step(spec.train))
        return StageHours(name, used, gpu=cost.seconds / used / HOUR, disk=disk)
    used = min(cards, max(1, sizes.get(step.inputs.get("data", step.key), cards)))
    decode = 0.0
    if isinstance(spec, LatentsSpec):
        count = sizes.get(step.inputs.get("data", ""), 0)
        decode = count * (READ_PNG + TO_TENSOR) * mega / used / HOUR
        disk += count * PNG * mega * 1e6 / DISK / HOUR
    return StageHours(name, used, gpu=cost.seconds / used / HOUR, decode=decode, disk=disk)


def _collecting(count: int, mega: float, cost: Cost) -> StageHours:
    """Return the hours to bring all pictures from the network into the store."""
    raw = RAW * SOURCE * mega * 1e6
    each = (DECODE + RESIZE) * SOURCE * mega + WRITE_PNG * mega
    each += (cost.disk / max(1, count)) * HASH
    return StageHours(
        "data",
        COLLECTORS,
        decode=count * each / COLLECTORS / HOUR,
        network=count * raw / NETWORK / HOUR,
    )


def _joined(stages: Sequence[StageHours]) -> tuple[StageHours, ...]:
    """Return one entry a stage: the sum of its steps."""
    by_stage: dict[str, StageHours] = {}
    for stage in stages:
        before = by_stage.get(stage.stage)
        if before is not None:
            sums = {use: getattr(before, use) + getattr(stage, use) for use in USES}
            stage = replace(stage, cards=max(before.cards, stage.cards), **sums)
        by_stage[stage.stage] = stage
    return tuple(by_stage.values())


def _bytes(
    steps: Sequence[Step], recipe: Recipe, costs: Mapping[str, Cost], sizes: Mapping[str, int]
) -> Bytes:
    def disk(kind: type[Page]) -> float:
        return sum(costs[step.key].disk for step in steps if isinstance(step.spec, kind))

    count = sum(sizes[step.key] for step in steps if isinstance(step.spec, DataSpec))
    return Bytes(
        raw=count * RAW * SOURCE * _side(recipe) ** 2,
        pictures=disk(DataSpec),
        latents=disk(LatentsSpec),
        embeddings=disk(TextsSpec),
    )


def _basis(gpu: Gpu) -> str:
    return (
        f"a forecast: {gpu.title}, speed {gpu.basis}; decode, resize, hash and PNG measured on one "
        "CPU core; 1 GB/s shared disk, 10 Gb/s network and 1.9 source pixels a pixel kept are "
        "assumed; rows are collected by one process; features and scoring are not counted"
    )


def table(scales: Sequence[Scale]) -> Iterator[str]:
    """Yield the lines of a table: one row a stage, one column a number of GPUs."""
    first = scales[0]
    size = first.bytes
    yield f"  {first.pictures:,} pictures: " + ", ".join(
        f"{getattr(size, name) / GB:,.0f} GB {name}"
        for name in ("raw", "pictures", "latents", "embeddings")
    )
    yield "  hours    " + "".join(f"{f'{each.cards} × {each.card}':>16}" for each in scales)
    for at, stage in enumerate(first.stages):
        yield f"  {stage.stage:<9}" + "".join(f"{each.stages[at].hours:>16,.1f}" for each in scales)
    yield "  together " + "".join(f"{each.hours:>16,.1f}" for each in scales)
    slowest = [f"{each.bottleneck.stage}: {each.bottleneck.slowest_use}" for each in scales]
    yield "  slowest  " + "".join(f"{words:>16}" for words in slowest)
    yield f"           ({first.basis})"


def scales_of(words: str) -> tuple[int, ...]:
    """Return the numbers in `1,8,64`."""
    try:
        return tuple(int(word) for word in words.split(","))
    except ValueError:
        raise UsageError(f"--nodes {words} are no numbers", hint="such as --nodes 1,8,64") from None
