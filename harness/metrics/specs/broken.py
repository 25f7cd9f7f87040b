"""Whether images are broken: neither in the style nor as the base draws."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from harness import plugins
from harness.extractors.specs import Lite0
from harness.interfaces import Family, MetricSpec, Side


class Broken(MetricSpec):
    """Share of images that are neither here nor there: nearer to damaged pictures than any
    picture of the reference or of the base is.

    A linear probe learns to tell sound pictures (the reference and the base) from the reference
    damaged. An image counts where the probe finds it surely damaged, and more so than it finds the
    `percentile` of the reference's and of the base's own pictures, which it did not learn from.
    The flag rises only where the whole interval lies above `tolerated`. Without pictures of the
    base, sound pictures in another style may count too, so that no flag rises.
    """

    implementation: ClassVar[str] = "harness.metrics.broken:broken"
    summary: ClassVar[str] = "share of broken images: not the style, not the base (lower is better)"
    higher_is_better: ClassVar[bool] = False
    family: ClassVar[Family] = "broken"
    reads: ClassVar[tuple[Side, ...]] = ("reference", "damaged")
    may_read: ClassVar[tuple[Side, ...]] = ("base",)
    must_detect: ClassVar[tuple[str, ...]] = ("smears", "patches", "noise", "black")
    use: Literal["broken"]
    features: plugins.Extractor = Lite0(side=96)
    """The extractor whose features it reads."""
    percentile: Annotated[float, Field(ge=50, lt=100)] = 99.0
    """Sound pictures that lie below the threshold, in percent."""
    tolerated: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """The share of broken images that is not reported."""
