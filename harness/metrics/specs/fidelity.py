"""Distances to real pictures."""

from __future__ import annotations

from typing import ClassVar, Literal

from harness import plugins
from harness.extractors.specs import Inception
from harness.interfaces import Family, MetricSpec, Side


class _Distance(MetricSpec):
    """A distance between the images and the reference, in the features of one extractor."""

    higher_is_better: ClassVar[bool] = False
    family: ClassVar[Family] = "fidelity"
    reads: ClassVar[tuple[Side, ...]] = ("reference",)
    features: plugins.union("extractors") = Inception(use="inception")  # type: ignore[valid-type]


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
