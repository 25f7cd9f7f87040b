"""Style: how far images lie from the centre of the reference, by the reference's own measure."""

from __future__ import annotations

import numpy as np

from harness.interfaces import Array, Evidence, Measurement
from harness.metrics.intervals import mean_of, refused
from harness.metrics.likeness import unit
from harness.metrics.specs.style import Style


def style(spec: Style, evidence: Evidence) -> Measurement:
    """Return the mean squared distance from the centre, as a multiple of a real picture's."""
    own, reference = evidence.own, evidence["reference"]
    if len(reference) < 2:
        return refused(len(own), f"needs 2 reference pictures, has {len(reference)}")
    real = unit(reference.images)
    centre = real.mean(0)
    usual = expected(real)
    if usual < 1e-12:
        return refused(len(own), "the reference pictures are all one")
    return mean_of(np.square(unit(own.images) - centre).sum(1) / usual, own)


def expected(real: Array) -> float:
    """Return how far a real picture that is not among these lies from their mean, squared.

    The mean itself is off by 1/m of their variance; so honest pictures come to 1 at any m.
    """
    m = len(real)
    variance = np.square(real - real.mean(0)).sum() / (m - 1)
    return float(variance * (1 + 1 / m))
