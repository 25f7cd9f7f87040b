"""Preference: how well an image answers its prompt, by a network that people's choices taught."""

from __future__ import annotations

from dataclasses import replace

from harness.interfaces import Evidence, Measurement, MetricSpec
from harness.metrics.clip_score import cosines, cut_prompts
from harness.metrics.intervals import mean_of


def preference(spec: MetricSpec, evidence: Evidence) -> Measurement:
    """Return the mean cosine times the network's own scale, or 100 where it has none."""
    own = evidence.own
    scale = own.more["scale"][:, 0] if "scale" in own.more else 100.0
    return replace(mean_of(scale * cosines(own), own), notes=cut_prompts(own))
