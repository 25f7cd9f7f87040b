"""Vendi score: the effective number of different images (arXiv:2210.02410, Definition 3.1)."""

from __future__ import annotations

import numpy as np

from harness.interfaces import Array, Evidence, Measurement
from harness.metrics.intervals import NO_PROMPTS, jackknife, refused
from harness.metrics.likeness import unit
from harness.metrics.specs.diversity import Vendi, VendiWithin
from harness.metrics.statistics.jackknife import clusters
from harness.metrics.within_prompt import over_prompts


def vendi(spec: Vendi, evidence: Evidence) -> Measurement:
    """Return the score of all images, with a jackknife over prompts."""
    own = evidence.own
    if clusters(own.prompt_ids).max() == 0:
        return refused(len(own), NO_PROMPTS)
    rows = unit(own.images)
    return jackknife(vendi_score(rows), lambda kept: vendi_score(rows[kept]), own)


def vendi_within(spec: VendiWithin, evidence: Evidence) -> Measurement:
    """Return the mean over prompts of the score of one prompt's images."""
    return over_prompts(evidence.own, lambda rows: vendi_score(unit(rows)))


def vendi_score(rows: Array) -> float:
    """Return exp of the entropy of the eigenvalues of K / N, K being the cosines of N unit rows.

    X Xᵀ and Xᵀ X share their eigenvalues, so the smaller of the two is taken.
    """
    n, d = rows.shape
    kernel = (rows @ rows.T if n <= d else rows.T @ rows) / n
    values = np.linalg.eigvalsh(kernel)
    values = values[values > 1e-12]
    return float(np.exp(-(values * np.log(values)).sum()))
