"""At which commits the models of a run were read: in provenance, and in the signature of a result.
What computed its features is in provenance alone.

A key cannot hold them, for it is known before anything runs and without a network.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.extractors.commits import commits_of, kept
from harness.interfaces import Page
from harness.pages.recipe import Base, Load
from harness.pages.stages import (
    FeaturesSpec,
    GradientsSpec,
    LatentsSpec,
    SampleSpec,
    TextsSpec,
    TrainSpec,
)
from harness.pipeline.plan import RunPlan
from harness.pipeline.store.local import Store, read_artifact
from harness.records import Step

WEIGHTS = "weights"
"""What the commits are called in the provenance of an artifact and of a result."""
ENGINE = "engine"
"""What computed features, in the provenance of their artifact."""
Repository = tuple[str, str | None]


def commits_in(spec: Page) -> dict[str, str]:
    """Return the commit of each repository of the hub that a step reads models of."""
    if isinstance(spec, FeaturesSpec):
        return commits_of(spec.extractor)
    return kept(_models(spec))


def engine_in(spec: Page, device: str) -> str | None:
    """Return what computes the features of a step here, where that is not torch's own layers."""
    engine = spec.extractor.engine() if isinstance(spec, FeaturesSpec) else None
    if engine is None:
        return None
    from harness.extractors import onednn  # imports torch

    return engine if onednn.serves(device) else None


def _models(spec: Page) -> Iterator[Repository]:
    """Yield the repositories of a step's base and VAE, with the revisions that pages name."""
    match spec:
        case SampleSpec(base=base, load=load):
            yield from _of(load if load is not None and load.model else base)
            yield from _decoder(spec)
        case LatentsSpec(vae=base):
            yield from _vae(base) or _of(base)
        case TextsSpec(base=Base() as base) | TrainSpec(base=base) | GradientsSpec(base=base):
            yield from _of(base)


def _of(source: Base | Load) -> list[Repository]:
    return [(source.model, source.revision)] if source.model else []


def _vae(base: Base) -> list[Repository]:
    return [(base.vae, base.vae_revision)] if base.vae else []


def _decoder(spec: SampleSpec) -> list[Repository]:
    """Return the VAE that a page names; the rows of a leaderboard share it."""
    sampler = spec.sampler
    return [(sampler.vae, sampler.vae_revision)] if sampler.vae else _vae(spec.base)


def judged_with(plan: RunPlan, store: Store) -> dict[str, list[str]]:
    """Return the commits at which a result's judges and its VAE were read, by repository.

    There are two of one where it changed between the steps of the result.
    """
    found: dict[str, set[str]] = {}
    for step in plan.steps:
        for name, commit in _written(step, store):
            found.setdefault(name, set()).add(commit)
    return {name: sorted(commits) for name, commits in sorted(found.items())}


def _written(step: Step, store: Store) -> Iterator[tuple[str, str]]:
    """Yield what a step's artifact says of the judge or the VAE that it read."""
    is_sample = isinstance(step.spec, SampleSpec)
    if not (is_sample or isinstance(step.spec, FeaturesSpec)) or not store.has(step):
        return
    manifest = read_artifact(store.folder(step)).manifest
    vae = {name for name, _ in _decoder(step.spec)} if isinstance(step.spec, SampleSpec) else set()
    for name, commit in manifest["provenance"].get(WEIGHTS, {}).items():
        if not is_sample or name in vae:
            yield name, commit
