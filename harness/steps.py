"""What each stage is told: plain frozen values, all of which go into the step's key."""

from __future__ import annotations

from typing import ClassVar

from harness import plugins
from harness.benchmark import Prompt, Sampler
from harness.interfaces import Page
from harness.recipe import Base, Caption, Curate, Load, Prompting, Train

Pins = dict[str, dict[str, str]]
"""Digests of the models a spec names, for those that have one."""


class DataSpec(Page):
    """Collect pictures and captions."""

    source: plugins.union("sources")  # type: ignore[valid-type]
    booster: plugins.union("sources") | None = None  # type: ignore[valid-type]
    curate: Curate = Curate()
    caption: Caption = Caption()
    square: int | None = None
    """Crop to the middle square and resize to this, for pictures that are only looked at."""


class EncodeSpec(Page):
    """Turn pictures into latents and captions into embeddings."""

    base: Base
    pins: Pins
    resolution: int
    crop: str
    flip: bool
    texts: bool
    """Whether captions are embedded now, because the text encoders stay as they are."""


class TrainSpec(Page):
    """Train an adapter or a whole model."""

    base: Base
    pins: Pins
    train: Train
    caption_dropout: float = 0.0
    phase_sets: tuple[int, ...]
    """For each phase, the number of the set it trains on."""


class SampleSpec(Page):
    """Draw one image a prompt and seed; each from its own noise."""

    base: Base
    pins: Pins
    load: Load | None = None
    adapter_digest: str | None = None
    prompting: Prompting = Prompting()
    prompts: tuple[Prompt, ...]
    seeds: tuple[int, ...]
    sampler: Sampler


class SuppliedSpec(Page):
    """Take images that were made elsewhere, as they are."""

    outside_key: ClassVar[frozenset[str]] = frozenset({"folder", "as_asked"})
    folder: str
    as_asked: bool = False
    """Whether they answer the benchmark's own prompts and seeds."""
    entries: tuple[tuple[str, str, int, str], ...]
    """File, prompt id, seed and prompt of each image that is expected."""
    content: str
    """Digest of the files' bytes; the folder's place is not part of the key."""


class FeaturesSpec(Page):
    """Run one extractor over the images of one folder."""

    extractor: plugins.union("extractors")  # type: ignore[valid-type]


class ScoreSpec(Page):
    """Compute every metric of a benchmark from features that are already there."""

    metrics: tuple[plugins.union("metrics"), ...]  # type: ignore[valid-type]
