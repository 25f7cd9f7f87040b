"""Our own training loop on a card: models and sets are made there, the steps are harness's own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from card import sdxl
from card.counting import forecast_flops, training_flops
from card.figures import Context, Figure
from harness.diffusion.anatomy import FACTOR, WINDOW
from harness.diffusion.memory import memory_of, samples_per_step
from harness.diffusion.shapes import texts_of, unet_of
from harness.interfaces import StageContext
from harness.pages import recipe as recipes
from harness.pages.recipe import Base
from harness.pages.stages import TrainSpec
from harness.pages.train import Train
from harness.training.compilation import compile_blocks
from harness.training.sets import READINGS, TEXTS, EncodedSet, read_set, save_tensors
from harness.training.step import one_step
from harness.training.team import Team
from harness.training.trained_models import make_trainable, weights_dtype
from harness.training.training_run import TrainingRun, begin, restore

LORA: dict[str, Any] = {
    "method": "lora",
    "adapter": {"rank": 16},
    "resolution": 1024,
    "batch": 1,
    "optimizer": {"use": "adamw"},
    "phases": ({"steps": 1000, "rate": 1e-4},),
    "precision": "bf16",
}
SECONDS = 5.0
"""How long a configuration is timed, after its first steps."""
FULL_SIDE, FULL_PASS, SHARE = 1024, 4, 0.4
"""The share of the measured ceiling that training should reach from this size and batch on."""
MEMORY = 0.1
"""How far memory may lie from its forecast."""
CAPTION = "a naruto anime character with red hair and a blue jacket"


def lora(context: Context, **changes: Any) -> Train:
    """Return the settings of a LoRA of rank 16 at 1024 px, with other fields."""
    return Train.model_validate(LORA | {"resolution": context.side} | changes)


def of_recipe(context: Context, name: str, **changes: Any) -> Train:
    """Return a recipe's training, without its schedule; in a rehearsal, with tiny pictures."""
    train = recipes.load(name).train
    assert train is not None
    phases = tuple(phase.model_copy(update={"warmup": 0}) for phase in train.phases)
    if context.is_dry:
        small = {"batch": min(2, train.batch), "accumulation": 2, "resolution": context.side}
        changes = small | changes
    return train.model_copy(update={"phases": phases, "checkpoint_every": None, **changes})


def begun(context: Context, train: Train, name: str = "run") -> TrainingRun:
    """Return a run before its first step, or as its folder's state has it."""
    base, device = context.base, context.device
    dtype = weights_dtype(train, device)
    encoders = sdxl.text_encoders(base, device, dtype) if train.trains_text else None
    models = make_trainable(train, device, sdxl.unet(base, device, dtype), encoders)
    compile_blocks(models)
    spec = TrainSpec(
        base=Base(model=str(base)),
        pins={},
        train=train,
        phase_sets=(0,) * len(train.phases),
        caption_dropouts=(0.0,),
    )
    data = encoded_set(context, train)
    folder = context.folder / name
    folder.mkdir(exist_ok=True)
    place = StageContext(folder, {}, device)
    run = begin(spec, [data], data if train.prior else None, models, Team(), place)
    restore(run)
    return run


def advance(run: TrainingRun) -> dict[str, Any]:
    """Take one optimizer step; return what the log would say of it."""
    facts = one_step(run)
    run.step += 1
    return facts


def encoded_set(context: Context, train: Train) -> EncodedSet:
    """Return a few made-up pictures in the format of the stages, a caption each."""
    side, count = train.resolution // FACTOR, max(8, train.batch)
    folder = context.folder / f"set-{side}-{count}"
    if not folder.exists():
        _write_latents(folder, unet_of(str(context.base)).ends[0], side, count)
        _write_texts(folder, context.base, count)
    return read_set(folder, folder, [f"{number}.png" for number in range(count)], [1.0] * count)


def _write_latents(folder: Path, channels: int, side: int, count: int) -> None:
    generator = torch.Generator().manual_seed(0)
    mean = torch.randn((count, 1, channels, side, side), generator=generator).half()
    pixels = float(side * FACTOR)
    ids = torch.tensor([pixels, pixels, 0.0, 0.0, pixels, pixels]).repeat(count, 1, 1)
    tensors = {"mean": mean, "std": torch.full_like(mean, 0.1), "ids": ids}
    folder.mkdir()
    save_tensors(folder / "latents-00000.safetensors", {**tensors, "members": torch.arange(count)})


def _write_texts(folder: Path, base: Path, count: int) -> None:
    """Write the empty text and one caption for each picture, with made-up embeddings."""
    first, second = texts_of(str(base))
    generator = torch.Generator().manual_seed(1)
    shape = (count + 1, WINDOW, first.width + second.width)
    tensors = {
        "sequences": torch.randn(shape, generator=generator).half(),
        "pooled": torch.randn((count + 1, second.projection), generator=generator).half(),
    }
    save_tensors(folder / "embeddings-00000.safetensors", tensors)
    texts = ["", *(f"{CAPTION}, number {number}" for number in range(count))]
    (folder / TEXTS).write_text(json.dumps(texts), encoding="utf-8")
    readings = [[number + 1] for number in range(count)]
    (folder / READINGS).write_text(json.dumps(readings), encoding="utf-8")


def timed(context: Context, run: TrainingRun) -> list[float]:
    """Return the seconds of some steps, after those in which libraries choose their kernels."""
    for _ in range(1 if context.is_dry else 3):
        advance(run)
    context.synchronize()
    run.clock.spent.clear()
    times: list[float] = []
    room = min(SECONDS, context.deadline.left / 2)
    most = 1 if context.is_dry else 40
    while not times or (sum(times) < room and len(times) < most):
        times.append(context.seconds(lambda: advance(run)))
    return times


def speed(
    context: Context, part: str, name: str, train: Train, note: str = "", *, forecasts: bool = False
) -> Iterator[Figure]:
    """Yield the speed of training as `train` says, with its memory beside the forecast."""
    run = begun(context, train)
    times = timed(context, run)
    yield speed_figure(context, part, name, run, times, note, forecasts)


def speed_figure(
    context: Context,
    part: str,
    name: str,
    run: TrainingRun,
    times: list[float],
    note: str,
    forecasts: bool,
) -> Figure:
    """Return the figure of a run whose steps took these times."""
    train, base = run.spec.train, str(context.base)
    seconds, samples = sorted(times)[len(times) // 2], samples_per_step(run.spec.train)
    rate = samples * training_flops(train, base) / seconds
    facts: dict[str, Any] = {
        "rank": train.adapter.rank if train.adapter else None,
        "precision": train.precision,
        "resolution": train.resolution,
        "batch": train.batch,
        "accumulation": train.accumulation,
        "gradient_checkpointing": train.gradient_checkpointing,
        "compile": train.compile,
        "optimizer": train.optimizer.use,
        "samples_per_step": samples,
        "samples_per_pass": run.objective.most,
        "ran_out_of_memory": "samples_per_pass" in run.context.notes,  # then passes were halved
        "step_seconds": seconds,
        "all_seconds": [round(each, 4) for each in times],
        "time_split": {what: spent / len(times) for what, spent in run.clock.spent.items()},
        "tflops": rate / 1e12,
        **share_of_ceiling(context, train.precision, rate),
        **memory_facts(context, run),
    }
    facts["missed"] = missed(context, train, facts)
    if note:
        facts["note"] = note
    if forecasts:
        speed = samples * forecast_flops(train, base) / seconds
        facts["forecast"] = {"training_flops": speed}
    return Figure(part, name, samples / seconds, "images/s", facts)


def missed(context: Context, train: Train, facts: Mapping[str, Any]) -> list[str]:
    """Return what the figure of a run should reach and does not; of a rehearsal nothing is asked.

    The share of the ceiling is asked of a LoRA at SDXL's size with a full pass and nothing that is
    computed twice.
    """
    if context.is_dry:
        return []
    short = []
    is_full = train.resolution >= FULL_SIDE and samples_per_step(train) >= FULL_PASS
    is_asked = is_full and train.adapter is not None and not train.gradient_checkpointing
    if is_asked and facts.get("share_of_ceiling", SHARE) < SHARE:
        short.append(f"{SHARE:.0%} of the ceiling")
    if abs(facts.get("peak_over_forecast", 1.0) - 1) > MEMORY:
        short.append(f"memory within {MEMORY:.0%} of its forecast")
    return short


def share_of_ceiling(context: Context, precision: str, rate: float) -> Mapping[str, float]:
    """Return which share of the measured matrix product a rate is; nothing if it is unknown."""
    ceiling = context.value("ceiling", f"product-{precision}")
    return {"share_of_ceiling": rate / 1e12 / ceiling} if ceiling else {}


def memory_facts(context: Context, run: TrainingRun) -> Mapping[str, Any]:
    """Return the peak of memory and what was forecast; on a CPU the forecast alone."""
    forecast = memory_of(run.spec.train, str(context.base)).peak(
        min(run.objective.most, samples_per_step(run.spec.train))
    )
    peak = context.peak_memory
    if peak is None:
        return {"forecast_bytes": forecast}
    return {
        "forecast_bytes": forecast,
        "peak_bytes": peak,
        "reserved_bytes": torch.cuda.max_memory_reserved(),
        "peak_over_forecast": peak / forecast,
    }
