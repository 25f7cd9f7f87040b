"""Whether images show what was asked for."""

from __future__ import annotations

from typing import ClassVar, Literal

from harness.extractors.specs import OpenClip
from harness.interfaces import Family, MetricSpec


class ClipScore(MetricSpec):
    """Cosine between image and prompt, times 100; or as the paper has it, 2.5 · max(cos, 0)."""

    implementation: ClassVar[str] = "harness.metrics.clip_score:clip_score"
    summary: ClassVar[str] = "image and prompt agree, 100 × cosine (higher is better)"
    higher_is_better: ClassVar[bool] = True
    family: ClassVar[Family] = "prompt"
    use: Literal["clip-score"]
    features: OpenClip
    form: Literal["cosine", "paper"] = "cosine"
