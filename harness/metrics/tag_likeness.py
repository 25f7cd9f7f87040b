"""Tag likeness: do images show, on the whole, what the reference pictures show?

A mean of few tag vectors is longer than that of many, which would make small sets unlike. So
lengths are taken from pairs of pictures, as KID's terms are: pairs of one prompt do not count.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.interfaces import Array, Evidence, Measurement
from harness.metrics.intervals import distance_refusal, of_pseudo, refused
from harness.metrics.specs.style import TagLikeness
from harness.metrics.statistics.jackknife import clusters, pseudo_values


def tag_likeness(spec: TagLikeness, evidence: Evidence) -> Measurement:
    """Return the cosine of both sets' expected tag vectors, with its jackknife interval.

    It is 1 for real pictures at any number of them; chance may put it a little above.
    """
    own, reference = evidence.own, evidence["reference"]
    refusal = distance_refusal(own, reference)
    if refusal is not None:
        return refused(len(own), refusal)
    sums, sizes = by_prompt(own.images, clusters(own.prompt_ids))
    usual = squared_lengths(reference.images, np.ones(len(reference)))[0]
    whole, kept = sums.sum(0), np.vstack([np.zeros(sums.shape[1]), sums])
    squared = squared_lengths(sums, sizes)
    if min(squared.min(), usual) <= 0:
        return refused(len(own), "no tag is seen in two pictures")
    counts = len(own) - np.concatenate([[0], sizes])
    agree = (whole - kept) @ reference.images.mean(0) / counts
    cosines = agree / np.sqrt(squared * usual)
    value = float(cosines[0])
    return of_pseudo(value, pseudo_values(value, cosines[1:]), len(own))


def by_prompt(rows: Array, prompts: NDArray[np.int64]) -> tuple[Array, Array]:
    """Return the sum of each prompt's rows, and how many they are."""
    sums = np.zeros((int(prompts.max()) + 1, rows.shape[1]))
    np.add.at(sums, prompts, rows)
    return sums, np.bincount(prompts).astype(np.float64)


def squared_lengths(sums: Array, sizes: Array) -> Array:
    """Return the squared length of the expected row, from all pairs of rows of unlike prompts;
    then the same without one prompt at a time, or 0 where no pair is left."""
    whole, count = sums.sum(0), sizes.sum()
    own = np.square(sums).sum(1)
    left = np.square(whole - sums).sum(1) - (own.sum() - own)
    pairs = np.square(count - sizes) - (np.square(sizes).sum() - np.square(sizes))
    total = (np.square(whole).sum() - own.sum()) / (count**2 - np.square(sizes).sum())
    each = np.divide(left, pairs, out=np.zeros_like(left), where=pairs > 0)
    return np.concatenate([[total], each])
