"""What an adapter does to its base, asked for or not."""

from __future__ import annotations

from typing import ClassVar, Literal

from harness import plugins
from harness.interfaces import Drawn, Family, MetricSpec, Side


class BaseShift(MetricSpec):
    """Mean distance of an image from the base's at the same prompt and seed.

    It says how strongly an adapter acts, not how well: a style adapter that moves nothing has
    failed, so more counts as better, but only beside the scores that say what the move cost.
    """

    implementation: ClassVar[str] = "harness.metrics.shift:base_shift"
    summary: ClassVar[str] = "how far the adapter moves the base's images (more is stronger)"
    higher_is_better: ClassVar[bool] = True
    family: ClassVar[Family] = "probe"
    reads: ClassVar[tuple[Side, ...]] = ("base",)
    use: Literal["base-shift"]
    features: plugins.Extractor
    """The extractor whose features it reads."""


class Leakage(MetricSpec):
    """The same distance for prompts without the recipe's own words, where none is wanted."""

    implementation: ClassVar[str] = "harness.metrics.shift:leakage"
    summary: ClassVar[str] = "how far images change without being asked to (lower is better)"
    higher_is_better: ClassVar[bool] = False
    family: ClassVar[Family] = "probe"
    must_detect: ClassVar[tuple[str, ...]] = ("blur", "jpeg", "noise", "grey", "black")
    judges: ClassVar[Drawn] = "bare"
    reads: ClassVar[tuple[Side, ...]] = ("bare-base",)
    use: Literal["leakage"]
    features: plugins.Extractor
    """The extractor whose features it reads."""
