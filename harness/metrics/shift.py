"""Shift: how far images lie from the base's at the same prompt and seed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.interfaces import Evidence, FeatureSet, Measurement
from harness.metrics.intervals import mean_of, refused
from harness.metrics.likeness import unit
from harness.metrics.specs.probes import BaseShift, Leakage


def base_shift(spec: BaseShift, evidence: Evidence) -> Measurement:
    """Return the mean of 1 − cosine between each image and the base's."""
    return shift(evidence.own, evidence["base"])


def leakage(spec: Leakage, evidence: Evidence) -> Measurement:
    """Return the same for bare prompts."""
    return shift(evidence.own, evidence["bare-base"])


def shift(own: FeatureSet, base: FeatureSet) -> Measurement:
    """Return the mean distance of images and their partners, with the interval of their prompts."""
    rows, others = partners(own, base)
    if len(rows) == 0:
        return refused(0, "no image has a partner at the same prompt and seed")
    kept = own.take(rows)
    distance = np.square(unit(kept.images) - unit(base.images[others])).sum(1) / 2
    each = np.full(len(own), np.nan)
    each[rows] = distance
    lone = len(own) - len(rows)
    notes = (f"{lone} of {len(own)} images have no partner and are left out",) if lone else ()
    return replace(
        mean_of(distance, kept),
        samples=each,
        prompt_ids=tuple(dict.fromkeys(kept.prompt_ids)),
        notes=notes,
    )


def partners(one: FeatureSet, other: FeatureSet) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of both sets that share a prompt and a seed, in the order of the first."""
    at = {key: row for row, key in enumerate(zip(other.prompt_ids, other.seeds, strict=True))}
    pairs = [
        (row, at[key])
        for row, key in enumerate(zip(one.prompt_ids, one.seeds, strict=True))
        if key in at
    ]
    both = np.array(pairs, np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]
