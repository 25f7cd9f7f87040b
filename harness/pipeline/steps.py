"""One step of a plan, and the digests of the models that it loads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.errors import StoreError
from harness.interfaces import Page
from harness.keys import described, make_step
from harness.pages.recipe import Base, Load
from harness.pages.stages import SampleSpec
from harness.pipeline.stages import STAGES
from harness.pocket import is_model, pinned, require_whole
from harness.records import StageName, Step, StepName


def step_of(
    name: StepName | str, stage: StageName, spec: Page, inputs: dict[str, str], subject: str
) -> Step:
    """Return the step at the version that its stage has now."""
    return make_step(name, stage, STAGES[stage].version, spec, inputs, subject)


def require_as_planned(step: Step) -> None:
    """Refuse to go on where the files outside the store that a step reads are others by now.

    They are data sets, folders with models and adapters: their digests went into the step's key.
    """
    spec = step.spec
    for name in sorted(_pocket_models(described(spec))):
        require_whole(name)
    is_same = make_step(step.title, step.stage, step.version, spec, step.inputs).key == step.key
    names: Mapping[str, dict[str, str]] = getattr(spec, "pins", {})
    if isinstance(spec, SampleSpec) and spec.load is not None and spec.load.attached():
        is_same = is_same and spec.load.digest() == spec.adapter_digest
    if not is_same or any(pinned(name) != digests for name, digests in names.items()):
        raise StoreError(
            f"what {step.name} of {step.subject} reads has changed since it was planned",
            hint="run again",
        )


def _pocket_models(value: Any) -> set[str]:
    """Return the models of the pocket that a spec, as plain values, names anywhere."""
    if isinstance(value, dict):
        return _pocket_models([*value, *value.values()])
    if isinstance(value, list):
        return {name for each in value for name in _pocket_models(each)}
    return {value} if isinstance(value, str) and is_model(value) else set()


def pins(*parts: Base | Load | None) -> dict[str, dict[str, str]]:
    """Return the digests of every model that is a folder here; a hub's is pinned by revision."""
    names = [
        name
        for part in parts
        if part is not None
        for name in (part.model, getattr(part, "vae", None))
        if name
    ]
    return {name: digests for name in names if (digests := pinned(name))}


def pins_of(model: str, *parts: str) -> dict[str, dict[str, str]]:
    """Return the digests of some parts of a model that is a folder here."""
    names = [f"{model}/{part}" for part in parts]
    return {name: digests for name in names if (digests := pinned(name))}
