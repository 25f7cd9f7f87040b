"""A recipe and a benchmark with pocket parts in place of the real ones, and what was replaced.

Method, optimizer, schedule, loss, caption rules and export stay as the page has them; only what
needs a download, a GPU or hours is exchanged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.data.curation.rules import NEAR_DUPLICATES, CurationSettings, asked, failed_rule
from harness.data.sources.pocket import pocket
from harness.data.specs import Pocket
from harness.pages.benchmark import Judgement, PromptSuite
from harness.pages.data import Curate, Data
from harness.pages.recipe import Base, Load, Recipe
from harness.pages.train import Buckets, Phase, Train
from harness.training.specs import AdamW, AdamW8bit

SIZE, ROWS, STEPS, PROMPTS, CLASS = 64, 48, 12, 3, 4
HELD = 50_000
"""The first row of the pocket world that stands for pictures held out."""
REAL, SEEDS = 60, 2
"""Real pictures and seeds enough for every metric to say something."""
_BASE = Base(model="pocket/sdxl")


@dataclass(frozen=True)
class Rehearsal:
    """What is run in the recipe's place, and every exchange in words."""

    recipe: Recipe
    judgement: Judgement
    replaced: tuple[str, ...]


def rehearsal(recipe: Recipe, judgement: Judgement) -> Rehearsal:
    """Return the rehearsal of `recipe`, judged by a small part of `judgement`."""
    notes: list[str] = []
    changes: dict[str, object] = {"name": f"rehearsal-{recipe.name}"[:64], "base": _BASE}
    if recipe.base != _BASE:
        vae = f" and {recipe.base.vae}" if recipe.base.vae else ""
        notes.append(f"base {recipe.base.model}{vae} → pocket/sdxl")
    if recipe.load is not None:
        what = recipe.load.model or " + ".join(each.file for each in recipe.load.attached())
        notes.append(f"released weights {what} → pocket/sdxl itself")
        changes["load"] = Load(model=_BASE.model)
    if recipe.data is not None:
        changes["data"] = _data(recipe.data, notes)
    if recipe.train is not None:
        changes["train"] = _train(recipe.train, notes)
    small = _judgement(judgement)
    notes.append(f"benchmark → {small.images} images of {judgement.benchmark.name}, at 8 steps")
    return Rehearsal(recipe.model_copy(update=changes), small, tuple(notes))


def _data(data: Data, notes: list[str]) -> Data:
    more = [each.source for each in data.boosters]
    sources = [source for source in (data.source, data.booster, *more) if source is not None]
    real = [source for source in sources if not isinstance(source, Pocket)]
    shown = ", ".join(
        str(getattr(source, "id", getattr(source, "path", source.use))) for source in real
    )
    notes.append(f"data {shown or 'as it is'} → {ROWS} rows of the pocket world")
    source = Pocket(use="pocket", set="ninja", first=0, count=ROWS * 8)
    curate = _reachable(data.curate, source, notes)
    changes = {"source": source, "booster": None, "boosters": (), "curate": curate, "without": ()}
    if data.recaption is not None:
        notes.append(f"captions of {data.recaption.file} → the rows' own")
        changes["recaption"] = None
    return data.model_copy(update=changes)


def _reachable(rules: Curate, source: Pocket, notes: list[str]) -> Curate:
    """Return the rules with a limit; without those that no pocket row can meet."""
    rows = list(pocket(source))
    dropped = []
    for name in Curate.model_fields:
        if name == "limit" or getattr(rules, name) is None:
            continue
        alone = asked(CurationSettings(curate=Curate(**{name: getattr(rules, name)})))
        resembling = name == NEAR_DUPLICATES  # as drawn faces are
        if resembling or all(failed_rule(row, alone) for row in rows):
            dropped.append(name)
    if dropped:
        notes.append(f"curate rules no pocket row can meet, left out: {', '.join(dropped)}")
    return rules.model_copy(update={"limit": ROWS, **dict.fromkeys(dropped)})


def _train(train: Train, notes: list[str]) -> Train:
    phases = tuple(_phase(phase, train.steps) for phase in train.phases)
    if any(phase.source is not None for phase in train.phases):
        notes.append("each phase's own pictures → other rows of the pocket world")
    steps = sum(phase.steps for phase in phases)
    notes.append(f"{train.steps:,} steps → {steps}, schedule and warm-up in proportion")
    changes: dict[str, object] = {"phases": phases, "resolution": SIZE, "checkpoint_every": None}
    if train.resolution != SIZE:
        notes.append(f"{train.resolution} px → {SIZE} px")
    few = min(train.batch, 2), min(train.accumulation, 2), min(train.processes, 2)
    if few != (train.batch, train.accumulation, train.processes):
        notes.append(f"effective batch {train.effective_batch} → {math.prod(few)}")
    changes |= dict(zip(("batch", "accumulation", "processes"), few, strict=True))
    if isinstance(train.optimizer, AdamW8bit):
        fields = train.optimizer.model_dump(exclude={"use"})
        changes["optimizer"] = AdamW(use="adamw", **fields)
        notes.append("optimizer adamw-8bit → adamw (8-bit state needs CUDA)")
    if train.precision != "fp32":
        notes.append(f"precision {train.precision} → fp32 where there is no GPU")
    if train.compile:
        changes["compile"] = False
        notes.append("compiled blocks → plain ones (compiling takes longer than the rehearsal)")
    if train.tracker is not None:
        changes["tracker"] = None
        notes.append(f"tracker {train.tracker} → none")
    if train.checkpoint_every is not None:
        changes["checkpoint_every"] = steps // 2
    if train.buckets is not None:
        changes["buckets"] = _small_buckets(train.buckets, train.resolution, notes)
    if train.validation is not None and train.validation.source is not None:
        held = Pocket(use="pocket", set="ninja", first=HELD, count=ROWS)
        changes["validation"] = train.validation.model_copy(update={"source": held})
        if not isinstance(train.validation.source, Pocket):
            notes.append("held-out pictures → other rows of the pocket world")
    if train.validate_every is not None:
        changes["validate_every"] = steps // 2
    if train.prior is not None:
        small = {"images": CLASS, "size": None, "sampler_steps": 4}
        changes["prior"] = train.prior.model_copy(update=small)
        notes.append(f"{train.prior.images} class images → {CLASS}, drawn in 4 steps")
    return train.model_copy(update=changes)


def _small_buckets(buckets: Buckets, resolution: int, notes: list[str]) -> Buckets:
    share = SIZE / resolution
    small = Buckets(
        step=16,
        longest=round(buckets.longest * share / 16) * 16,
        shortest=max(16, round(buckets.shortest * share / 16) * 16),
    )
    notes.append(
        f"buckets {buckets.shortest} to {buckets.longest} px → "
        f"{small.shortest} to {small.longest} px"
    )
    return small


def _phase(phase: Phase, total: int) -> Phase:
    steps = max(3, round(STEPS * phase.steps / total))
    warmup = min(steps - 1, round(phase.warmup * steps / phase.steps))
    own = phase.curate is not None or phase.source is not None
    limited = (phase.curate or Curate()).model_copy(update={"limit": ROWS // 2}) if own else None
    changes = {"steps": steps, "warmup": warmup, "curate": limited, "source": None}
    return phase.model_copy(update=changes)


def _judgement(judgement: Judgement) -> Judgement:
    benchmark = judgement.benchmark
    changes: dict[str, object] = {
        "name": "rehearsal",
        "seeds": benchmark.seeds[:SEEDS],
        "sampler": judgement.sampler.model_copy(update={"steps": 8}),
        "licences": False,  # so few pictures license nothing
    }
    for side in ("reference", "originals"):
        if (pictures := getattr(benchmark, side)) is not None:
            source = pictures.source.model_copy(update={"count": REAL})
            changes[side] = pictures.model_copy(update={"source": source})
    for field in ("leakage", "extraction"):
        if (asked := getattr(benchmark, field)) is not None:
            changes[field] = asked.model_copy(update={"seeds": asked.seeds[:1]})
    return Judgement(
        benchmark.model_copy(update=changes),
        _few(judgement.suites),
        _few(judgement.leakage),
        _few(judgement.extraction),
    )


def _few(suites: Sequence[PromptSuite]) -> tuple[PromptSuite, ...]:
    return tuple(suite.model_copy(update={"prompts": suite.prompts[:PROMPTS]}) for suite in suites)
