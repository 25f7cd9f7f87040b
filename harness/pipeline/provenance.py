"""What a result says of its making: durations, versions of the data, costs, the page, the loss."""

from __future__ import annotations

import json
import logging
from typing import Any

from harness.errors import StoreError
from harness.files import lines_of
from harness.pages.stages import SampleSpec
from harness.pipeline.plan import RunPlan
from harness.pipeline.store.local import Store, read_artifact
from harness.pipeline.store.soundness import read_sound
from harness.pipeline.weights import ENGINE, WEIGHTS

log = logging.getLogger(__name__)
CURVE = 200
"""Points that a loss curve has at most."""


def provenance_of(plan: RunPlan, store: Store) -> dict[str, Any]:
    """Return how long each step took, what the work cost, and on what the score was made."""
    seconds, last, data = {}, {}, plan.data()
    weights: dict[str, Any] = {}
    engines: dict[str, str] = {}
    for step in plan.steps:
        if store.has(step):
            last = dict(read_artifact(store.folder(step)).manifest["provenance"])
            seconds[step.name] = last.pop("seconds")
            if sources := last.pop("sources", None):
                data[step.name] = sources
            if commits := last.pop(WEIGHTS, None):
                weights[step.name] = commits
            if engine := last.pop(ENGINE, None):
                engines[step.name] = engine
    return {
        **last,
        "data": data,
        **({WEIGHTS: weights} if weights else {}),
        **({"engines": engines} if engines else {}),
        "seconds": seconds,
        "efficiency": efficiency(plan, store),
        "page": resolved(plan),
        "loss": loss_curve(plan, store),
    }


def resolved(plan: RunPlan) -> dict[str, Any]:
    """Return what the recipe said in full, defaults and all, by step."""
    return {
        step.name: _flat(step.spec.model_dump(mode="json", exclude={"prompts", "pins", "entries"}))
        for step in plan.steps
        if step.title.role in ("data", "texts", "train", "sample")
    }


def _flat(spec: dict[str, Any]) -> dict[str, Any]:
    """Return a step's spec with what it calls `train` not a level below its own name."""
    return {**spec.pop("train", {}), **spec}


def loss_curve(plan: RunPlan, store: Store) -> list[tuple[int, float]]:
    """Return step and mean loss of every stretch of training; nothing where none was trained."""
    train = next((step for step in plan.steps if step.name == "train"), None)
    if train is None or not store.has(train):
        return []
    try:
        lines = lines_of(read_sound(store.get(train), "log.jsonl").decode())
    except StoreError as error:
        log.warning("the result goes without its loss curve: %s", error)
        return []
    losses = [float(json.loads(line)["loss"]) for line in lines]
    width = -(-len(losses) // CURVE) or 1
    stretches = [losses[at : at + width] for at in range(0, len(losses), width)]
    return [
        (min((number + 1) * width, len(losses)), round(sum(each) / len(each), 6))
        for number, each in enumerate(stretches)
    ]


def efficiency(plan: RunPlan, store: Store) -> dict[str, Any]:
    """Return what training and drawing took, and on what; of another machine it says nothing."""
    made = {
        step.name: store.get(step)
        for step in plan.steps
        if step.name in ("train", "sample") and store.has(step)
    }
    costs: dict[str, Any] = {}
    if "train" in made:
        facts = made["train"].manifest["provenance"]
        weights = [
            made["train"].path / name
            for name in made["train"].manifest["files"]
            if "/" not in name and name.endswith(".safetensors")
        ]
        costs = {
            "train_device": facts.get("device"),
            "train_seconds": facts["seconds"],
            "train_peak_memory_mb": facts.get("peak_memory_mb"),
            "adapter_mb": round(sum(file.stat().st_size for file in weights) / 1e6, 3),
        }
    if "sample" in made and isinstance(plan.step("sample").spec, SampleSpec):
        facts = made["sample"].manifest["provenance"]
        each = facts["seconds"] / max(1, plan.judgement.images)
        costs |= {"sample_device": facts.get("device"), "seconds_an_image": round(each, 4)}
    return costs
