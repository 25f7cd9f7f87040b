"""Whether images are good to look at."""

from __future__ import annotations

from typing import ClassVar, Literal

from harness.extractors.specs import AestheticModel
from harness.interfaces import Family, MetricSpec


class Aesthetic(MetricSpec):
    """Probability that a classifier calls the image good."""

    implementation: ClassVar[str] = "harness.metrics.aesthetic:aesthetic"
    summary: ClassVar[str] = "a classifier's probability of high quality (higher is better)"
    higher_is_better: ClassVar[bool] = True
    family: ClassVar[Family] = "quality"
    use: Literal["aesthetic"]
    features: AestheticModel
