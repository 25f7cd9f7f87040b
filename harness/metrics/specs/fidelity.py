"""Distances to real pictures, and what share of either set lies within the other."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from harness import plugins
from harness.extractors.specs import Dinov2, Inception
from harness.interfaces import Family, MetricSpec, Side

Pairs = Literal["unlike-prompts", "all"]
SEEN = ("blur", "jpeg", "grey", "collapsed", "smears", "other-style")


class _Distance(MetricSpec):
    """A distance between the images and the reference, in the features of one extractor."""

    higher_is_better: ClassVar[bool] = False
    family: ClassVar[Family] = "fidelity"
    reads: ClassVar[tuple[Side, ...]] = ("reference",)
    must_detect: ClassVar[tuple[str, ...]] = SEEN
    features: plugins.Extractor = Inception(use="inception")
    """The extractor whose features it reads."""


class Kid(_Distance):
    """Kernel distance; unbiased at any N, so the headline where images are few."""

    implementation: ClassVar[str] = "harness.metrics.kid:kid"
    summary: ClassVar[str] = "kernel distance to the reference (unbiased; lower is better)"
    use: Literal["kid"]
    pairs: Pairs = "unlike-prompts"
    """Which pairs of images count. Libraries take all, which is too high where a prompt has
    several images; with one image a prompt both are the same."""


class Cmmd(_Distance):
    """Kernel distance of unit vectors; meant for an open_clip model, which must be named."""

    implementation: ClassVar[str] = "harness.metrics.cmmd:cmmd"
    summary: ClassVar[str] = "CMMD: distance of CLIP centroids (unbiased; lower is better)"
    use: Literal["cmmd"]
    pairs: Pairs = "unlike-prompts"
    """Which pairs of images count, as for KID."""
    features: plugins.Extractor
    """The extractor whose features it reads."""


class Fid(_Distance):
    """Fréchet distance; its value depends on N, which its name therefore carries."""

    implementation: ClassVar[str] = "harness.metrics.fid:fid"
    summary: ClassVar[str] = "Fréchet distance to the reference (depends on N; lower is better)"
    biased_by_n: ClassVar[bool] = True
    by_exchange: ClassVar[bool] = True
    exchange: ClassVar[str | None] = "harness.metrics.exchange_frechet:frechet_values"
    use: Literal["fid"]


class FdDinov2(_Distance):
    """Fréchet distance in the features of DINOv2 (arXiv:2306.04675)."""

    implementation: ClassVar[str] = "harness.metrics.fid:fid"
    summary: ClassVar[str] = "Fréchet distance in DINOv2 features (depends on N; lower is better)"
    biased_by_n: ClassVar[bool] = True
    by_exchange: ClassVar[bool] = True
    exchange: ClassVar[str | None] = "harness.metrics.exchange_frechet:frechet_values"
    use: Literal["fd-dinov2"]
    features: Dinov2 = Dinov2(use="dinov2")
    """The extractor whose features it reads."""


class FidInfinity(_Distance):
    """Fréchet distance, extrapolated to infinite N (arXiv:1911.07023).

    Where images are fewer than features the line in 1/N is no good fit, and the value still
    depends on N, if less; its name carries N for that.
    """

    implementation: ClassVar[str] = "harness.metrics.fid:fid_infinity"
    summary: ClassVar[str] = "Fréchet distance extrapolated in 1/N (lower is better)"
    biased_by_n: ClassVar[bool] = True
    by_exchange: ClassVar[bool] = True
    use: Literal["fid-infinity"]
    points: Annotated[int, Field(ge=2, le=50)] = 5
    """Sizes of subsets the line is drawn through, from a quarter of the images to all."""


class _Protocol(_Distance):
    """A Fréchet distance as papers report it: one network, one resize, and enough images."""

    implementation: ClassVar[str] = "harness.metrics.fid:protocol"
    by_exchange: ClassVar[bool] = True
    exchange: ClassVar[str | None] = "harness.metrics.exchange_frechet:frechet_values"
    biased_by_n: ClassVar[bool] = True
    resize: ClassVar[str]
    least: Annotated[int, Field(ge=3)] = 500
    """Images that it needs: with fewer it may call a model better that repeats itself. Published
    values take 10,000 and more, so a lower figure is for rows of one board, which share N and
    the reference."""

    @model_validator(mode="after")
    def _resizes_as_it_says(self) -> Self:
        features: Any = self.features
        if features.resize != self.resize:
            raise ValueError(
                f"{self.column} resizes by {self.resize}, not {features.resize}; "
                f"`use: fid` takes any features"
            )
        return self


class FidTtur(_Protocol):
    """FID as the TTUR papers and torch-fidelity have it: TF1's bilinear, not antialiased."""

    summary: ClassVar[str] = "FID of TTUR and torch-fidelity: TF1 resize (lower is better)"
    resize: ClassVar[str] = "tf1"
    use: Literal["fid-ttur"]
    features: Inception = Inception(use="inception")
    """The extractor whose features it reads."""


class FidClean(_Protocol):
    """FID as clean-fid has it: antialiased bicubic in floats (arXiv:2104.11222)."""

    summary: ClassVar[str] = "FID of clean-fid: antialiased bicubic resize (lower is better)"
    resize: ClassVar[str] = "bicubic"
    use: Literal["fid-clean"]
    features: Inception = Inception(use="inception", resize="bicubic")
    """The extractor whose features it reads."""


class _Share(MetricSpec):
    """Of neighbourhoods of each set's rows: how the two sets share space, at equal N."""

    higher_is_better: ClassVar[bool] = True
    family: ClassVar[Family] = "fidelity"
    reads: ClassVar[tuple[Side, ...]] = ("reference",)
    by_exchange: ClassVar[bool] = True
    exchange: ClassVar[str | None] = "harness.metrics.exchange_shares:share_values"
    biased_by_n: ClassVar[bool] = True
    features: plugins.Extractor = Inception(use="inception")
    """The extractor whose features it reads."""
    k: Annotated[int, Field(ge=1, le=100)] = 5
    """Which neighbour a row's neighbourhood reaches to."""


class Precision(_Share):
    """Share of images within the reference (arXiv:1904.06991)."""

    implementation: ClassVar[str] = "harness.metrics.prdc:precision"
    summary: ClassVar[str] = "share of images that look like the reference (higher is better)"
    must_detect: ClassVar[tuple[str, ...]] = ("smears", "other-style")
    use: Literal["precision"]


class Recall(_Share):
    """Share of the reference within the images (arXiv:1904.06991)."""

    implementation: ClassVar[str] = "harness.metrics.prdc:recall"
    summary: ClassVar[str] = "share of the reference that images come near (higher is better)"
    must_detect: ClassVar[tuple[str, ...]] = SEEN
    use: Literal["recall"]


class Density(_Share):
    """How many neighbourhoods of the reference an image is in, over k (arXiv:2002.09797).

    Blur and compression bring images nearer to the middle of the reference, and raise it.
    """

    implementation: ClassVar[str] = "harness.metrics.prdc:density"
    summary: ClassVar[str] = "how deep within the reference images lie (higher is better)"
    must_detect: ClassVar[tuple[str, ...]] = ("smears", "other-style")
    use: Literal["density"]


class Coverage(_Share):
    """Share of the reference's neighbourhoods that hold an image (arXiv:2002.09797)."""

    implementation: ClassVar[str] = "harness.metrics.prdc:coverage"
    summary: ClassVar[str] = "share of the reference with an image beside it (higher is better)"
    must_detect: ClassVar[tuple[str, ...]] = ("blur", "grey", "collapsed", "smears", "other-style")
    use: Literal["coverage"]
