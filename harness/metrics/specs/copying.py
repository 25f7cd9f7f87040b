"""Whether images repeat the pictures that were trained on."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from harness import plugins
from harness.interfaces import Drawn, Family, MetricSpec, Side


class Memorization(MetricSpec):
    """Share of images that are nearer to an original than held-out pictures ever come.

    An image counts where its cosine to the nearest original is above the `percentile` of held-out
    pictures' own: of images that copy nothing, one in a hundred does. The flag rises only where
    the whole interval lies above `tolerated`.
    """

    implementation: ClassVar[str] = "harness.metrics.copying:memorization"
    summary: ClassVar[str] = "share of images that copy an original (lower is better)"
    higher_is_better: ClassVar[bool] = False
    family: ClassVar[Family] = "copying"
    reads: ClassVar[tuple[Side, ...]] = ("originals", "reference")
    must_detect: ClassVar[tuple[str, ...]] = ("copies",)
    use: Literal["memorization"]
    features: plugins.Extractor
    """The extractor whose features it reads."""
    percentile: Annotated[float, Field(ge=50, lt=100)] = 99.0
    """Held-out pictures that lie below the threshold, in percent."""
    tolerated: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """The copy rate that is not reported; chance alone gives 1 − percentile / 100."""


class Extraction(Memorization):
    """The same share of images drawn for captions that recipes learn from.

    An adapter that copies nothing at a benchmark's own prompts may still give its pictures back
    to a prompt in their words, which is how they are extracted (arXiv:2301.13188).
    """

    summary: ClassVar[str] = "share of images of training captions that copy (lower is better)"
    judges: ClassVar[Drawn] = "captions"
    use: Literal["extraction"]  # type: ignore[assignment]


class Authenticity(MetricSpec):
    """AuthPct (arXiv:2102.08921): images farther from their nearest original than that original
    is from the next.

    Real pictures that no recipe trains on reach a half to two thirds, not 100, and the value falls
    where originals are far from each other; read it beside another recipe's.
    """

    implementation: ClassVar[str] = "harness.metrics.copying:authenticity"
    summary: ClassVar[str] = (
        "AuthPct: percent of images that no original is next to (higher is better)"
    )
    higher_is_better: ClassVar[bool] = True
    family: ClassVar[Family] = "copying"
    reads: ClassVar[tuple[Side, ...]] = ("originals",)
    must_detect: ClassVar[tuple[str, ...]] = ("copies",)
    use: Literal["authenticity"]
    features: plugins.Extractor
    """The extractor whose features it reads."""
