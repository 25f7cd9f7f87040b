"""Whether images differ from each other."""

from __future__ import annotations

from typing import ClassVar, Literal

from harness import plugins
from harness.extractors.specs import Lpips
from harness.interfaces import Family, MetricSpec


class _Diversity(MetricSpec):
    higher_is_better: ClassVar[bool] = True
    family: ClassVar[Family] = "diversity"


class Vendi(_Diversity):
    """Vendi score (arXiv:2210.02410): how many different images there are in effect.

    It grows with the number of images, which its name therefore carries.
    """

    implementation: ClassVar[str] = "harness.metrics.vendi:vendi"
    summary: ClassVar[str] = "images that differ, in effect (depends on N; higher is better)"
    must_detect: ClassVar[tuple[str, ...]] = ("collapsed",)
    biased_by_n: ClassVar[bool] = True
    use: Literal["vendi"]
    features: plugins.Extractor
    """The extractor whose features it reads."""


class VendiWithin(_Diversity):
    """The mean over prompts of the Vendi score of one prompt's images: from 1 to the seeds."""

    implementation: ClassVar[str] = "harness.metrics.vendi:vendi_within"
    summary: ClassVar[str] = "images of one prompt that differ, in effect (higher is better)"
    must_detect: ClassVar[tuple[str, ...]] = ("collapsed",)
    use: Literal["vendi-within"]
    features: plugins.Extractor
    """The extractor whose features it reads."""


class WithinPrompt(_Diversity):
    """Mean distance of the images of one prompt: what is left to the seed."""

    implementation: ClassVar[str] = "harness.metrics.within_prompt:within_prompt"
    summary: ClassVar[str] = "1 − cosine among images of one prompt (higher is better)"
    must_detect: ClassVar[tuple[str, ...]] = ("collapsed",)
    use: Literal["within-prompt"]
    features: plugins.Extractor
    """The extractor whose features it reads."""


class LpipsWithin(_Diversity):
    """Mean LPIPS of the images of one prompt, within some 6 % of what whole activations give."""

    implementation: ClassVar[str] = "harness.metrics.within_prompt:lpips_within"
    summary: ClassVar[str] = "LPIPS among images of one prompt (higher is better)"
    must_detect: ClassVar[tuple[str, ...]] = ("collapsed",)
    use: Literal["lpips-within"]
    features: Lpips = Lpips(use="lpips")
    """The extractor whose features it reads."""
