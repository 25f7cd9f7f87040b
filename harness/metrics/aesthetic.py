"""Aesthetic: a classifier's probability that the image is good."""

from __future__ import annotations

from harness.interfaces import FeatureSet, Measurement
from harness.metrics.intervals import bootstrap_mean
from harness.metrics.specs import Aesthetic


def aesthetic(spec: Aesthetic, own: FeatureSet, reference: FeatureSet | None) -> Measurement:
    """Return the mean probability over images."""
    each = own.images[:, 0]
    low, high = bootstrap_mean(each, own.prompt_ids)
    return Measurement(float(each.mean()), low, high, len(each), samples=each)
