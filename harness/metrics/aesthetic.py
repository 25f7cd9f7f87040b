"""Aesthetic: a classifier's probability that the image is good."""

from __future__ import annotations

from harness.interfaces import Evidence, Measurement
from harness.metrics.intervals import mean_of
from harness.metrics.specs.quality import Aesthetic


def aesthetic(spec: Aesthetic, evidence: Evidence) -> Measurement:
    """Return the mean probability over images."""
    return mean_of(evidence.own.images[:, 0], evidence.own)
