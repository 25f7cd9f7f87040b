"""Artefacts: the share of images that are plainly broken, by their pixels alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.interfaces import Evidence, FeatureSet, Measurement
from harness.metrics.intervals import share_of
from harness.metrics.specs.quality import Artefacts


def artefacts(spec: Artefacts, evidence: Evidence) -> Measurement:
    """Return the share of flagged images; the notes say how many bear each flag."""
    flagged_as = flags(spec, evidence.own)
    flagged = np.any(list(flagged_as.values()), axis=0)
    counts = tuple(f"{int(rows.sum())} {name}" for name, rows in flagged_as.items() if rows.any())
    return replace(share_of(flagged, evidence.own), notes=counts)


def flags(spec: Artefacts, own: FeatureSet) -> Mapping[str, NDArray[np.bool_]]:
    """Return which images bear each flag."""
    column = dict(zip(spec.features.statistics, own.images.T, strict=True))
    return {
        "black": column["brightest"] < spec.black,
        "blank": column["even"] > spec.blank,
        "banded": column["banding"] > spec.banded,
        "clipped": column["clipped"] > spec.clipped,
    }
