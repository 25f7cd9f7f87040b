"""Whether images look like the reference's: its style, its people, its things."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from harness import plugins
from harness.extractors.specs import Csd, Dino, Lite0Style, OpenClip, Tagger, WdTagger
from harness.interfaces import Family, MetricSpec, Side


class _Likeness(MetricSpec):
    """A comparison of every image with every reference picture."""

    higher_is_better: ClassVar[bool] = True
    family: ClassVar[Family] = "style"
    reads: ClassVar[tuple[Side, ...]] = ("reference",)


class ClipI(_Likeness):
    """CLIP-I: mean cosine of all pairs; sees what is shown, and style only a little."""

    implementation: ClassVar[str] = "harness.metrics.likeness:likeness"
    summary: ClassVar[str] = "mean CLIP cosine to the reference pictures (higher is better)"
    must_detect: ClassVar[tuple[str, ...]] = ("smears", "other-style")
    use: Literal["clip-i"]
    features: OpenClip
    """The extractor whose features it reads."""


class DinoI(_Likeness):
    """DINO-I: the same in DINO's features, which tell one subject from another of its kind."""

    implementation: ClassVar[str] = "harness.metrics.likeness:likeness"
    summary: ClassVar[str] = "mean DINO cosine to the reference pictures (higher is better)"
    must_detect: ClassVar[tuple[str, ...]] = ("smears", "other-style")
    use: Literal["dino-i"]
    features: plugins.Extractor = Dino(use="dino")
    """The extractor whose features it reads."""


class Style(_Likeness):
    """Distance from the centre of the reference's style, in units of the reference's own."""

    implementation: ClassVar[str] = "harness.metrics.style:style"
    summary: ClassVar[str] = "how far the style is off; 1 as real pictures (lower is better)"
    higher_is_better: ClassVar[bool] = False
    must_detect: ClassVar[tuple[str, ...]] = ("smears", "other-style")
    use: Literal["style"]
    features: plugins.Extractor = Csd(use="csd")
    """The extractor whose features it reads."""


class StyleProbe(_Likeness):
    """How surely images are taken for this artist's, by a probe fitted to the artist.

    It learns to tell the reference from decoys: the bare base's pictures, sets that the benchmark
    names, and real pictures that were spoiled. It is *unavailable for this artist* where it cannot
    tell held-out real pictures from each kind of them.
    """

    implementation: ClassVar[str] = "harness.metrics.style_probe:style_probe"
    summary: ClassVar[str] = "probability of being this artist's and no decoy (higher is better)"
    reads: ClassVar[tuple[Side, ...]] = ("reference", "decoys")
    must_detect: ClassVar[tuple[str, ...]] = ("smears", "other-style")
    use: Literal["style-probe"]
    features: plugins.Extractor = Lite0Style(use="lite0-style", side=160)
    """The extractor whose features it reads."""


class TagLikeness(_Likeness):
    """What a tagger sees in the images on the whole, beside what it sees in the reference.

    The cosine of both sets' expected tag vectors: 1 where the same things are shown equally often,
    whatever each picture shows, and by chance a little more. A set of prompts asks for other things
    than a reference shows, so read it beside another recipe's. Tags name things, and hardly a
    style; the ratings of a WD tagger count among them.
    """

    implementation: ClassVar[str] = "harness.metrics.tag_likeness:tag_likeness"
    summary: ClassVar[str] = "what a tagger sees, as in the reference (cosine; higher is better)"
    must_detect: ClassVar[tuple[str, ...]] = ("collapsed", "smears", "other-style")
    use: Literal["tag-likeness"]
    features: Annotated[Tagger | WdTagger, Field(discriminator="use")]
    """The extractor whose features it reads."""
