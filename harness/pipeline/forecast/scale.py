"""What a plan takes on many cards, stage by stage, and what holds it up first; pure, on paper.

Every stage has hours for each thing it uses. A process decodes and computes in turn, so these add
up; disk and network work beside them, so the slowest of the three is what a stage takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from harness.diffusion.memory import samples_per_step
from harness.errors import UsageError
from harness.interfaces import Page
from harness.pages.recipe import Recipe
from harness.pages.stages import DataSpec, LatentsSpec, SampleSpec, TextsSpec, TrainSpec
from harness.pipeline.forecast.cards import GB, Card, card_for
from harness.pipeline.forecast.costs import PNG, Cost, cost_of, pictures_of
from harness.records import Step

DECODE, RESIZE = 0.0042, 0.0169
"""CPU seconds a megapixel of a JPEG: to pixels, and by Lanczos to another size. Measured on
one core of a virtual machine, as are the others here."""
WRITE_PNG, READ_PNG = 0.195, 0.018
"""CPU seconds a megapixel of a PNG at the level that pictures are kept at."""
LOOK = 0.015
"""CPU seconds a megapixel from a picture to a VAE's tensor."""
HASH = 0.55 / GB
"""CPU seconds a byte of SHA-256."""
RAW = 0.21
"""Bytes a pixel of a source's JPEG at quality 90, of a drawn picture with grain."""
SOURCE = 1.9
"""Pixels of a source's picture for each that is kept: 1,400 a side for 1,024. An assumption."""
DISK = 1.0 * GB
"""Bytes a second of the file system that all share. An assumption."""
NETWORK = 1.25 * GB
"""Bytes a second that pictures come in by: ten gigabits, for one collector. An assumption."""
COLLECTORS = 1
"""Processes that collect: one, whatever the cards, for the rows come in one order."""
HOUR = 3600.0
USES = ("gpu", "decode", "disk", "network")


@dataclass(frozen=True)
class StageHours:
    """What one stage takes, by what it uses."""

    stage: str
    cards: int
    """How many it can use of those there are."""
    gpu: float = 0.0
    decode: float = 0.0
    disk: float = 0.0
    network: float = 0.0

    @property
    def hours(self) -> float:
        return max(self.gpu + self.decode, self.disk, self.network)

    @property
    def held_up_by(self) -> str:
        shares = {use: getattr(self, use) for use in USES}
        return max(shares, key=lambda use: shares[use])


@dataclass(frozen=True)
class Bytes:
    """What is read and kept."""

    raw: float = 0.0
    """The source's own files, as they come in."""
    pictures: float = 0.0
    latents: float = 0.0
    embeddings: float = 0.0


@dataclass(frozen=True)
class Scale:
    """A plan on so many cards."""

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
            "bottleneck": {"stage": slowest.stage, "use": slowest.held_up_by},
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
    card: Card | None = None,
) -> Scale:
    """Return what all of `steps` take on so many cards; `pictures` says how many there are."""
    if cards < 1:
        raise UsageError(f"--nodes {cards} is no number of cards", hint="such as --nodes 1,8,64")
    card = card or card_for(recipe)
    own = [step for step in steps if isinstance(step.spec, _OWN) and _is_training(step)]
    sizes = _sizes(own, pictures)
    count = sum(sizes[step.key] for step in own if isinstance(step.spec, DataSpec))
    costs = {step.key: cost_of(step, recipe, sizes, card) for step in own}
    stages = [_stage(step, recipe, costs[step.key], sizes, cards) for step in own]
    return Scale(
        cards, card.name, count, _joined(stages), _bytes(own, recipe, costs, sizes), _basis(card)
    )


_OWN: tuple[type[Page], ...] = (DataSpec, TextsSpec, LatentsSpec, TrainSpec, SampleSpec)


def _is_training(step: Step) -> bool:
    """Return whether a step is the recipe's own, and not a benchmark's real pictures."""
    return step.name.partition("-")[0] in ("data", "texts", "latents", "train", "sample", "base")


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
        decode = count * (READ_PNG + LOOK) * mega / used / HOUR
        disk += count * PNG * mega * 1e6 / DISK / HOUR
    return StageHours(name, used, gpu=cost.seconds / used / HOUR, decode=decode, disk=disk)


def _collecting(count: int, mega: float, cost: Cost) -> StageHours:
    """Return what a picture takes from the network to the store."""
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
    """Return one entry a stage, where a plan has several steps of it."""
    found: dict[str, StageHours] = {}
    for stage in stages:
        before = found.get(stage.stage)
        if before is not None:
            sums = {use: getattr(before, use) + getattr(stage, use) for use in USES}
            stage = replace(stage, cards=max(before.cards, stage.cards), **sums)
        found[stage.stage] = stage
    return tuple(found.values())


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


def _basis(card: Card) -> str:
    return (
        f"a forecast: {card.title} at {card.training / 1e12:g} TFLOP/s "
        f"({'measured on the pocket' if card.is_cpu else 'estimated'}); decode, resize, hash and "
        "PNG measured on one CPU core; 1 GB/s shared disk, 10 Gb/s network and 1.9 source pixels "
        "a pixel kept are assumed; rows are collected by one process; features and scoring are "
        "not counted"
    )


def table(scales: Sequence[Scale]) -> Iterator[str]:
    """Yield the lines of a table: stages down, numbers of cards across."""
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
    held = [f"{each.bottleneck.stage}: {each.bottleneck.held_up_by}" for each in scales]
    yield "  held up  " + "".join(f"{words:>16}" for words in held)
    yield f"           ({first.basis})"


def scales_of(words: str) -> tuple[int, ...]:
    """Return the numbers of cards that `1,8,64` names."""
    try:
        return tuple(int(word) for word in words.split(","))
    except ValueError:
        raise UsageError(f"--nodes {words} are no numbers", hint="such as --nodes 1,8,64") from None
