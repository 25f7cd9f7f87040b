"""The words that name our metrics on a benchmark page. Imports no network library."""

from __future__ import annotations

from typing import ClassVar, Literal

from harness import plugins
from harness.extractors.specs import AestheticModel, Inception, OpenClip
from harness.interfaces import ExtractorSpec, MetricSpec


class _Distance(MetricSpec):
    """A distance between the images and the reference, in the features of one extractor."""

    higher_is_better: ClassVar[bool] = False
    needs_reference: ClassVar[bool] = True
    features: plugins.union("extractors") = Inception(use="inception")  # type: ignore[valid-type]

    def extractors(self) -> tuple[ExtractorSpec, ...]:
        return (self.features,)


class Kid(_Distance):
    """Kernel distance; unbiased at any N, so the headline where images are few."""

    implementation: ClassVar[str] = "harness.metrics.kid:kid"
    summary: ClassVar[str] = "kernel distance to the reference (unbiased; lower is better)"
    use: Literal["kid"]


class Fid(_Distance):
    """Fréchet distance; its value depends on N, which its name therefore carries."""

    implementation: ClassVar[str] = "harness.metrics.fid:fid"
    summary: ClassVar[str] = "Fréchet distance to the reference (depends on N; lower is better)"
    biased_by_n: ClassVar[bool] = True
    use: Literal["fid"]


class ClipScore(MetricSpec):
    """Cosine between image and prompt, times 100."""

    implementation: ClassVar[str] = "harness.metrics.clip_score:clip_score"
    summary: ClassVar[str] = "image and prompt agree, 100 × cosine (higher is better)"
    higher_is_better: ClassVar[bool] = True
    use: Literal["clip-score"]
    features: OpenClip

    def extractors(self) -> tuple[ExtractorSpec, ...]:
        return (self.features,)


class Aesthetic(MetricSpec):
    """Probability that a classifier calls the image good."""

    implementation: ClassVar[str] = "harness.metrics.aesthetic:aesthetic"
    summary: ClassVar[str] = "a classifier's probability of high quality (higher is better)"
    higher_is_better: ClassVar[bool] = True
    use: Literal["aesthetic"]
    features: AestheticModel

    def extractors(self) -> tuple[ExtractorSpec, ...]:
        return (self.features,)
