"""Whether images show what was asked for."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from harness.extractors.specs import OpenClip, Tagger, WdTagger
from harness.interfaces import Family, MetricSpec


class ClipScore(MetricSpec):
    """Cosine between image and prompt, times 100; or as the paper has it, 2.5 · max(cos, 0).

    Any model of open_clip's will do, by its names: `{model: ViT-SO400M-14-SigLIP-384, pretrained:
    webli}` is the same score with SigLIP, whose cosines are lower than CLIP's.
    """

    implementation: ClassVar[str] = "harness.metrics.clip_score:clip_score"
    summary: ClassVar[str] = "image and prompt agree, 100 × cosine (higher is better)"
    higher_is_better: ClassVar[bool] = True
    family: ClassVar[Family] = "prompt"
    must_detect: ClassVar[tuple[str, ...]] = ("shuffled",)
    use: Literal["clip-score"]
    features: OpenClip
    """The extractor whose features it reads."""
    form: Literal["cosine", "paper"] = "cosine"
    """cosine: 100 × the cosine. paper: 2.5 × the cosine, 0 at least, as in arXiv:2104.08718."""


class TagRecall(MetricSpec):
    """Share of a prompt's tags that a tagger sees in the image."""

    implementation: ClassVar[str] = "harness.metrics.tag_recall:tag_recall"
    summary: ClassVar[str] = "share of the asked tags that a tagger sees (higher is better)"
    higher_is_better: ClassVar[bool] = True
    family: ClassVar[Family] = "prompt"
    must_detect: ClassVar[tuple[str, ...]] = ("shuffled",)
    use: Literal["tag-recall"]
    features: Annotated[Tagger | WdTagger, Field(discriminator="use")]
    """The extractor whose features it reads."""
    threshold: Annotated[float, Field(gt=0, lt=1)] | None = None
    """The probability above which a tag is seen; the tagger's own if None (WD 0.35, others 0.5)."""
