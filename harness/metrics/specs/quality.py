"""Whether images are good to look at."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from harness.extractors import specs
from harness.interfaces import ExtractorSpec, Family, MetricSpec

DAMAGE = ("blur", "jpeg", "noise", "smears")
Share = Annotated[float, Field(ge=0, le=1)]


class _Quality(MetricSpec):
    higher_is_better: ClassVar[bool] = True
    family: ClassVar[Family] = "quality"


class Aesthetic(_Quality):
    """Probability that a classifier calls the image good."""

    implementation: ClassVar[str] = "harness.metrics.aesthetic:aesthetic"
    summary: ClassVar[str] = "a classifier's probability of high quality (higher is better)"
    must_detect: ClassVar[tuple[str, ...]] = DAMAGE
    use: Literal["aesthetic"]
    features: specs.AestheticModel
    """The extractor whose features it reads."""


class AestheticHead(_Quality):
    """Mean score of an aesthetic head: LAION's, Aesthetic Predictor v2.5, a waifu scorer."""

    implementation: ClassVar[str] = "harness.metrics.aesthetic:aesthetic"
    summary: ClassVar[str] = "score of an aesthetic head on open_clip embeddings (higher is better)"
    must_detect: ClassVar[tuple[str, ...]] = DAMAGE
    use: Literal["aesthetic-head"]
    features: specs.Head
    """The extractor whose features it reads."""


class Hpsv2(_Quality):
    """HPSv2 (arXiv:2306.09341): 100 × cosine in ViT-H-14 with the weights of xswu/HPSv2.

    Figures that its authors published in 2023 lie beside these, not among them: their code shrank
    tensors, which torchvision before 0.17 did without antialiasing. Here pictures are antialiased.
    """

    implementation: ClassVar[str] = "harness.metrics.preference:preference"
    summary: ClassVar[str] = "people's preference by HPSv2, 100 × cosine (higher is better)"
    must_detect: ClassVar[tuple[str, ...]] = ("shuffled",)
    use: Literal["hpsv2"]
    features: specs.OpenClip
    """The extractor whose features it reads."""

    def extractor(self) -> ExtractorSpec:
        """Return the encoder as HPSv2 looks: at whole images, padded."""
        return self.features.model_copy(update={"resize": "longest"})


class PickScore(_Quality):
    """PickScore (arXiv:2305.01569): cosine times the model's scale, about 100."""

    implementation: ClassVar[str] = "harness.metrics.preference:preference"
    summary: ClassVar[str] = "people's preference by PickScore, ~100 × cosine (higher is better)"
    must_detect: ClassVar[tuple[str, ...]] = ("shuffled",)
    use: Literal["pickscore"]
    features: specs.PickScore = specs.PickScore()
    """The extractor whose features it reads."""


class Artefacts(_Quality):
    """Share of images that are black, blank, banded or clipped."""

    implementation: ClassVar[str] = "harness.metrics.artefacts:artefacts"
    summary: ClassVar[str] = "share of black, blank, banded or clipped images (lower is better)"
    higher_is_better: ClassVar[bool] = False
    must_detect: ClassVar[tuple[str, ...]] = ("black",)
    use: Literal["artefacts"]
    features: specs.Pixels = specs.Pixels()
    """The extractor whose features it reads."""
    black: Share = 0.06
    """An image is black whose brightest hundredth stays below this."""
    blank: Share = 0.985
    """An image is blank with more than this share of one colour."""
    banded: Share = 0.1
    """An image is banded with more than this share on stairs instead of gradients."""
    clipped: Share = 0.3
    """An image is clipped with more than this share of colours at two ends of their range."""
