"""RunPlan + Store → the steps that are still to be made."""

from __future__ import annotations

from harness.pipeline.plan import RunPlan
from harness.pipeline.store.local import Store
from harness.pipeline.store.soundness import keep_if_sound
from harness.records import Step


def missing(plan: RunPlan, store: Store, goal: Step | None = None) -> list[Step]:
    """Return the steps to be made, inputs first: only what the goal still needs, or else what the
    score, the sanity card and the loss probe do."""
    by_key = {step.key: step for step in plan.steps}
    needed: set[str] = set()
    goals = [goal] if goal else [step for step in (plan.score, plan.sanity, plan.probe) if step]

    def need(key: str) -> None:
        if key not in needed and not store.has(by_key[key]):
            needed.add(key)
            for source in by_key[key].reads.values():
                need(source)

    for each in goals:
        need(each.key)
    return [step for step in plan.steps if step.key in needed]


def to_make(plan: RunPlan, store: Store, goal: Step | None = None) -> list[Step]:
    """Return what is missing, where a goal that is there and damaged counts as missing.

    What it is made of is looked at when a step reads it.
    """
    keep_if_sound(store, goal or plan.score)
    return missing(plan, store, goal)
