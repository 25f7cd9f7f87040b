"""Shift: how far images lie from the base's at the same prompt and seed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.interfaces import Array, Evidence, FeatureSet, Measurement
from harness.metrics.intervals import mean_of, refused
from harness.metrics.likeness import unit
from harness.metrics.specs.probes import BaseShift, Leakage


def base_shift(spec: BaseShift, evidence: Evidence) -> Measurement:
    """Return the mean of 1 − cosine between each image and the base's."""
    own = evidence.own
    rows, others = partners(own, evidence["base"])
    found = shift(own, evidence["base"], rows, others)
    each = np.full(len(own), np.nan)
    if found.samples is not None:
        each[rows] = found.samples
    return replace(found, samples=each)


def leakage(spec: Leakage, evidence: Evidence) -> Measurement:
    """Return the same for bare prompts; the images that are judged otherwise play no part."""
    bare, base = evidence["bare"], evidence["bare-base"]
    return replace(shift(bare, base, *partners(bare, base)), samples=None)


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


def shift(
    one: FeatureSet, other: FeatureSet, rows: NDArray[np.int64], others: NDArray[np.int64]
) -> Measurement:
    """Return the mean distance of rows and their partners, with the interval of their prompts."""
    if len(rows) == 0:
        return refused(0, "no image has a partner at the same prompt and seed")
    kept = one.take(rows)
    distance: Array = 1 - (unit(kept.images) * unit(other.images[others])).sum(1)
    lone = len(one) - len(rows)
    notes = (f"{lone} of {len(one)} images have no partner and are left out",) if lone else ()
    return replace(mean_of(distance, kept), prompt_ids=tuple(dict.fromkeys(kept.prompt_ids)),
                   notes=notes)  # fmt: skip
