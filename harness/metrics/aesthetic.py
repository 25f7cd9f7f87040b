"""Aesthetic: a classifier's probability that the image is good, or the score of a head."""

from __future__ import annotations

from harness.interfaces import Evidence, Measurement
from harness.metrics.intervals import mean_of
from harness.metrics.specs.quality import Aesthetic, AestheticHead


def aesthetic(spec: Aesthetic | AestheticHead, evidence: Evidence) -> Measurement:
    """Return the mean over images."""
    return mean_of(evidence.own.images[:, 0], evidence.own)
